"""Changes to the members of a group, read from clients' documents and PATCHes.

Members are rows of their own, not part of the group's document. A PATCH can hold any number of
steps on members, and a group can have hundreds of thousands, so the steps are folded into one of
two forms before the write begins:

- `MemberEdit`, if every step names its members by id. The edit is the net effect of all steps: the
  ids to add, the ids to remove, and whether all others are removed first. The storage applies it
  by ids.
- `MemberChoice`, if a step selects members by another filter, such as `members[type eq "Group"]`.
  Which members it selects depends on the steps before it and on the members at the time of the
  write. The choice is a function that the storage calls inside the transaction with all members.

A strict workspace rejects the removal of someone who is not a member. An edit can report that
afterwards (`MemberDelta.absent`), unless a step of the same PATCH removes everyone, or adds an id
that a step before it removed: then the edit no longer knows who was a member, and a choice is used.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from muster.directory.groups.memberships import member_element
from muster.scim.document import Document
from muster.scim.errors import invalid_value, mutability, no_target
from muster.scim.filter.evaluate import matches
from muster.scim.filter.predicate import Predicate, Some, Test
from muster.scim.patch import NamedValue, PatchStep, Whole
from muster.storage.port.members import Member, MemberChoice, MemberEdit

MEMBERS = "members"


def take(document: Document) -> MemberEdit:
    """Move `members` out of a document, into an edit that replaces all members.

    Raises:
        ScimError: invalidValue, if an element names nobody.
    """
    return MemberEdit(tuple(_ids(document.pop(MEMBERS, None), MEMBERS)), (), clear=True)


def split(steps: list[PatchStep]) -> tuple[list[PatchStep], list[PatchStep]]:
    """Split the steps of a PATCH: those on other attributes, and those on `members`."""
    others = [step for step in steps if not _on_members(step)]
    return others, [step for step in steps if _on_members(step)]


def _on_members(step: PatchStep) -> bool:
    attribute = step.target.place.attribute
    return attribute is not None and step.target.place.schema is None and attribute.name == MEMBERS


def fold(steps: list[PatchStep], strict: bool) -> tuple[MemberEdit | MemberChoice, frozenset[str]]:
    """Fold steps on members into one change.

    Args:
        steps: The steps, in order.
        strict: Whether removing someone who is not a member is an error. A choice raises it; for an
            edit the caller has to check.

    Returns:
        The change, and the ids that an edit removes after having added them: they are in the group
        neither before nor after, but their removal is no error.

    Raises:
        ScimError: mutability, invalidValue or noTarget.
    """
    member_steps = [_read(step, strict) for step in steps]
    by_id = all(isinstance(step.selection, list | Whole) for step in member_steps)
    if not by_id or (strict and _may_hide_an_absence(member_steps)):
        return _choice(member_steps, strict), frozenset()
    folding = _Folding(strict)
    for step in member_steps:
        folding.apply(step)
    edit = MemberEdit(tuple(folding.add), tuple(folding.remove), folding.clear)
    return edit, frozenset(folding.passing)


@dataclass(frozen=True, slots=True)
class _MemberStep:
    """A step on members.

    Attributes:
        operation: add, replace or remove.
        selection: The ids of the members, a predicate that selects them, or everyone.
        where: The step's name in errors.
    """

    operation: str
    selection: list[str] | Predicate | Whole
    where: str


def _read(step: PatchStep, strict: bool) -> _MemberStep:
    """Read a step of a PATCH as a step on members.

    Raises:
        ScimError: mutability or invalidValue.
    """
    place, predicate, value = step.target.place, step.target.predicate, step.value
    if place.sub is not None or (predicate is not None and step.operation != "remove"):
        raise mutability(
            f"{step.where}: the attributes of a member cannot be changed; add or remove the member"
        )
    if isinstance(value, NamedValue):
        raise invalid_value(f"{step.where}: use either a filter or a value to choose the members")
    if predicate is not None:
        ids = _ids_of(predicate)
        # `value eq "a" or value eq "b"` succeeds if one of them matches. Removing both ids would
        # fail in a strict workspace if the other one is not a member, so it stays a predicate
        # there.
        if ids is None or (strict and len(ids) > 1):
            return _MemberStep("remove", predicate, step.where)
        return _MemberStep("remove", ids, step.where)
    if isinstance(value, Whole):
        return _MemberStep("remove", Whole.EVERYTHING, step.where)
    return _MemberStep(step.operation, _ids(value, step.where), step.where)


def _may_hide_an_absence(steps: list[_MemberStep]) -> bool:
    """Return whether an edit could not report that a removed id was no member (see the module)."""
    removed: set[str] = set()
    for step in steps:
        if step.operation == "remove" and isinstance(step.selection, list):
            removed.update(step.selection)
        elif isinstance(step.selection, list) and not removed.isdisjoint(step.selection):
            return True
    return bool(removed) and any(
        step.operation == "replace" or isinstance(step.selection, Whole) for step in steps
    )


class _Folding:
    """The net effect of the steps so far.

    No id is both in `add` and in `remove`: the last step that names an id decides. After a step
    that removes everyone, `remove` stays empty, since `clear` covers it.

    Attributes:
        add: The ids to add, in the order in which they were named.
        remove: The ids to remove, likewise.
        passing: The ids that were removed after they had been added.
        clear: Whether all members are removed first.
    """

    def __init__(self, strict: bool) -> None:
        self._strict = strict
        self.add: dict[str, None] = {}
        self.remove: dict[str, None] = {}
        self.passing: set[str] = set()
        self.clear = False

    def apply(self, step: _MemberStep) -> None:
        ids = step.selection if isinstance(step.selection, list) else []
        # A replace is a removal of everyone, followed by an add.
        if step.operation == "replace" or step.selection is Whole.EVERYTHING:
            self._clear()
        if step.operation == "remove":
            self._remove(ids, step.where)
        else:
            self._add(ids)

    def _add(self, ids: list[str]) -> None:
        for resource_id in ids:
            self.remove.pop(resource_id, None)
            self.add[resource_id] = None

    def _remove(self, ids: list[str], where: str) -> None:
        for resource_id in ids:
            # An id in `remove` is no member afterwards, regardless of the members before.
            if self._strict and resource_id in self.remove:
                raise no_target(f"{where}: {resource_id[:100]!r} is not a member")
            # The id may have been a member before it was added, so it is removed as well.
            if resource_id in self.add:
                self.passing.add(resource_id)
                del self.add[resource_id]
            if not self.clear:
                self.remove[resource_id] = None

    def _clear(self) -> None:
        self.add.clear()
        self.remove.clear()
        self.clear = True


def _choice(steps: list[_MemberStep], strict: bool) -> MemberChoice:
    """Return the change that applies the steps inside the transaction of the write.

    The storage loads the resources that the steps add, so that filters of later steps can test
    them.
    """
    lists = [
        step.selection
        for step in steps
        if step.operation != "remove" and isinstance(step.selection, list)
    ]
    added = tuple(dict.fromkeys(resource_id for ids in lists for resource_id in ids))
    return MemberChoice(added, lambda current, known: _simulate(steps, current, known, strict))


def _simulate(
    steps: list[_MemberStep], current: Sequence[Member], known: Mapping[str, Member], strict: bool
) -> MemberEdit:
    """Apply the steps in order to the current members and return the difference.

    Args:
        steps: The steps; each applies to the result of the one before.
        current: The members of the group.
        known: The resources that the steps may add, by id.
        strict: Whether removing someone who is not a member is an error.

    Raises:
        ScimError: noTarget.
    """
    before = {member.id: member_element(member) for member in current}
    members = dict(before)
    for step in steps:
        if isinstance(step.selection, list):
            chosen = step.selection
        elif isinstance(step.selection, Whole):
            chosen = list(members)
        else:
            chosen = [
                resource_id
                for resource_id, element in members.items()
                if matches(step.selection, element)
            ]
            if not chosen:
                raise no_target(f"{step.where}: no member matches the path")
        if step.operation == "remove":
            # pop: an id that is named twice is absent the second time.
            absent = [
                resource_id for resource_id in chosen if members.pop(resource_id, None) is None
            ]
            if absent and strict:
                raise no_target(f"{step.where}: {absent[0][:100]!r} is not a member")
            continue
        if step.operation == "replace":
            members.clear()
        for resource_id in chosen:
            member = known.get(resource_id)
            members.setdefault(
                resource_id, {"value": resource_id} if member is None else member_element(member)
            )
    added = tuple(resource_id for resource_id in members if resource_id not in before)
    return MemberEdit(
        added, tuple(resource_id for resource_id in before if resource_id not in members)
    )


def _ids(elements: Any, where: str) -> list[str]:
    """Return the ids in elements of `members`: `value`, or else the end of `$ref`.

    Raises:
        ScimError: invalidValue, if an element has neither.
    """
    ids = []
    for index, element in enumerate(elements or ()):
        value = element.get("value") or element.get("$ref", "").rstrip("/").rpartition("/")[2]
        if not value:
            raise invalid_value(f"{where}[{index}].value is required")
        ids.append(value)
    return ids


def _ids_of(predicate: Predicate) -> list[str] | None:
    """Return the ids that a predicate lists; None if it tests anything else.

    It lists ids if it is `value eq "…"`, or several of these joined by `or`.
    """
    match predicate:
        case Test(field, "eq", operand) if field.keys == ("value",):
            return [operand]
        case Some(terms):
            lists = [_ids_of(term) for term in terms]
            return (
                [resource_id for ids in lists if ids for resource_id in ids] if all(lists) else None
            )
    return None

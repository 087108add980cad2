"""The members of groups in clients' documents and PATCHes, as one edit for the storage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from muster.directory.groups.memberships import element_of
from muster.scim.document import Document
from muster.scim.errors import invalid_value, mutability, no_target
from muster.scim.filter.evaluate import matches
from muster.scim.filter.predicate import Predicate, Some, Test
from muster.scim.patch import Named, PatchStep, Whole
from muster.storage.port.members import Member, MemberChoice, MemberEdit

MEMBERS = "members"


def take(document: Document) -> MemberEdit:
    """Take the members out of a canonical document: they are to be these and no others. Raises ScimError invalidValue."""
    return MemberEdit(tuple(_ids(document.pop(MEMBERS, None), MEMBERS)), (), True)


def split(steps: list[PatchStep]) -> tuple[list[PatchStep], list[PatchStep]]:
    """The steps of a PATCH that are not on members, and those that are."""
    others = [step for step in steps if not _on_members(step)]
    return others, [step for step in steps if _on_members(step)]


def _on_members(step: PatchStep) -> bool:
    attribute = step.target.place.attribute
    return attribute is not None and step.target.place.schema is None and attribute.name == MEMBERS


def fold(steps: list[PatchStep], strict: bool) -> tuple[MemberEdit | MemberChoice, frozenset[str]]:
    """Fold steps on members into one change, and name the ids that are removed after they were added.

    Steps that name members by their ids fold into one edit. If a filter asks for more than ids, the members that it
    chooses depend on the steps before it and on the members in the write's transaction: that is a choice.

    Args:
        steps: The steps, in order.
        strict: Whether removing someone who is not a member is an error. An edit leaves that to its caller.

    Raises:
        ScimError: mutability or invalidValue.
    """
    moves = [_move(step, strict) for step in steps]
    if not all(isinstance(move.ids, list | Whole) for move in moves) or (
        strict and _hides_an_absence(moves)
    ):
        lists = [
            move.ids for move in moves if move.operation != "remove" and isinstance(move.ids, list)
        ]
        named = tuple(dict.fromkeys(resource_id for ids in lists for resource_id in ids))
        return MemberChoice(
            named, lambda current, known: _simulate(moves, current, known, strict)
        ), frozenset()
    folding = _Folding()
    for move in moves:
        folding.take(move)
    return MemberEdit(tuple(folding.add), tuple(folding.remove), folding.clear), frozenset(
        folding.passing
    )


@dataclass(frozen=True, slots=True)
class _Move:
    """A step on members: add, replace or remove the members with these ids, those that a predicate chooses, or everyone."""

    operation: str
    ids: list[str] | Predicate | Whole
    where: str


def _move(step: PatchStep, strict: bool) -> _Move:
    place, predicate, value = step.target.place, step.target.predicate, step.value
    if place.sub is not None or (predicate is not None and step.operation != "remove"):
        raise mutability(f"{step.where}: members are added or removed, and never changed")
    if isinstance(value, Named):
        raise invalid_value(
            f"{step.where}: remove takes no value beside a filter that chooses the members"
        )
    if predicate is not None:
        named = _named(predicate)
        if named is None or (
            strict and len(named) > 1
        ):  # a filter may match some of the ids that it names
            return _Move("remove", predicate, step.where)
        return _Move("remove", named, step.where)
    if isinstance(value, Whole):
        return _Move("remove", Whole.EVERYTHING, step.where)
    return _Move(step.operation, _ids(value, step.where), step.where)


def _hides_an_absence(moves: list[_Move]) -> bool:
    """Whether members are removed by id beside all of them, so that an edit cannot tell that one was no member."""
    by_id = any(move.operation == "remove" and isinstance(move.ids, list) for move in moves)
    return by_id and any(
        move.operation == "replace" or isinstance(move.ids, Whole) for move in moves
    )


class _Folding:
    """One edit, from move to move: the ids to add and to remove, each in the order in which it was named."""

    def __init__(self) -> None:
        self.add: dict[str, None] = {}
        self.remove: dict[str, None] = {}
        self.passing: set[str] = set()
        self.clear = False

    def take(self, move: _Move) -> None:
        ids = move.ids if isinstance(move.ids, list) else []
        if move.operation == "replace" or move.ids is Whole.EVERYTHING:
            self._clear()
        if move.operation == "remove":
            self._remove(ids)
        else:
            self._add(ids)

    def _add(self, ids: list[str]) -> None:
        for resource_id in ids:
            self.remove.pop(resource_id, None)
            self.add[resource_id] = None

    def _remove(self, ids: list[str]) -> None:
        for resource_id in ids:
            if resource_id in self.add:
                self.passing.add(resource_id)
                del self.add[resource_id]
            if not self.clear:
                self.remove[resource_id] = None

    def _clear(self) -> None:
        self.add.clear()
        self.remove.clear()
        self.clear = True


def _simulate(
    moves: list[_Move], current: Sequence[Member], known: Mapping[str, Member], strict: bool
) -> MemberEdit:
    """Carry moves out on the members, each on the result of the one before; answer the difference. Raises ScimError noTarget."""
    before = {member.id: element_of(member) for member in current}
    members = dict(before)
    for move in moves:
        if isinstance(move.ids, list):
            chosen = move.ids
        elif isinstance(move.ids, Whole):
            chosen = list(members)
        else:
            chosen = [
                resource_id for resource_id, shown in members.items() if matches(move.ids, shown)
            ]
            if not chosen:
                raise no_target(f"{move.where}: no member matches the path")
        if move.operation == "remove":
            absent = [
                resource_id for resource_id in chosen if members.pop(resource_id, None) is None
            ]
            if absent and strict:
                raise no_target(f"{move.where}: {absent[0][:100]!r} is not a member")
            continue
        if move.operation == "replace":
            members.clear()
        for resource_id in chosen:
            member = known.get(resource_id)
            members.setdefault(
                resource_id, {"value": resource_id} if member is None else element_of(member)
            )
    added = tuple(resource_id for resource_id in members if resource_id not in before)
    return MemberEdit(
        added, tuple(resource_id for resource_id in before if resource_id not in members)
    )


def _ids(elements: Any, where: str) -> list[str]:
    """The ids that canonical elements name: by `value`, or else by the end of `$ref`. Raises ScimError invalidValue."""
    ids = []
    for index, element in enumerate(elements or ()):
        value = element.get("value") or element.get("$ref", "").rstrip("/").rpartition("/")[2]
        if not value:
            raise invalid_value(f"{where}[{index}].value is required")
        ids.append(value)
    return ids


def _named(predicate: Predicate) -> list[str] | None:
    """The ids of a predicate that is nothing but `value eq "…"`, one or several joined by or; None for any other."""
    match predicate:
        case Test(field, "eq", operand) if field.keys == ("value",):
            return [operand]
        case Some(terms):
            named = [_named(term) for term in terms]
            return (
                [resource_id for ids in named if ids for resource_id in ids] if all(named) else None
            )
    return None

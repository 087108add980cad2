"""What a client's document or PATCH does to the members of a group, as one edit for the storage."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from muster.directory.memberships import element_of
from muster.scim.errors import invalid_filter, invalid_value, mutability, no_target
from muster.scim.evaluate import matches
from muster.scim.patch import Step
from muster.scim.predicate import Predicate, Some, Test
from muster.scim.resource import Document
from muster.storage.port import Member, MemberEdit

MEMBERS = "members"
Load = Callable[[], AsyncIterator[Sequence[Member]]]


def take(document: Document) -> MemberEdit:
    """Take the members out of a canonical document: they are to be these and no others. Raises ScimError invalidValue."""
    return MemberEdit(tuple(_ids(document.pop(MEMBERS, None), MEMBERS)), (), True)


def split(steps: list[Step]) -> tuple[list[Step], list[Step]]:
    """The steps of a PATCH that are not on members, and those that are."""
    others = [step for step in steps if not _on_members(step)]
    return others, [step for step in steps if _on_members(step)]


def _on_members(step: Step) -> bool:
    attribute = step.target.place.attribute
    return attribute is not None and step.target.place.schema is None and attribute.name == MEMBERS


async def fold(steps: list[Step], load: Load) -> tuple[MemberEdit, frozenset[str]]:
    """Steps on members folded into one edit, and the ids that are removed after they were added.

    load: the members as they stand, read only where a filter asks for more of them than their ids. Raises ScimError.
    """
    folding = _Folding()
    for step in steps:
        await folding.take(step, load)
    return MemberEdit(tuple(folding.add), tuple(folding.remove), folding.clear), frozenset(folding.passing)


class _Folding:
    """One edit, from step to step: what is to be added and removed, each in the order in which it was named."""

    def __init__(self) -> None:
        self.add: dict[str, None] = {}
        self.remove: dict[str, None] = {}
        self.passing: set[str] = set()
        self.clear = False

    async def take(self, step: Step, load: Load) -> None:
        place, predicate = step.target.place, step.target.predicate
        if place.sub is not None or (predicate is not None and step.operation != "remove"):
            raise mutability(f"{step.where}: a member is added or removed, and never changed")
        if predicate is not None:
            self._remove(await self._chosen(predicate, step.where, load))
        elif step.operation == "remove" and step.value:
            self._remove(_ids(step.value, step.where))
        else:
            if step.operation != "add":
                self._clear()
            self._add(_ids(step.value if step.operation != "remove" else None, step.where))

    async def _chosen(self, predicate: Predicate, where: str, load: Load) -> list[str]:
        """The ids of the members that a value path chooses."""
        named = _named(predicate)
        if named is not None:
            return named
        if self.add or self.remove or self.clear:
            raise invalid_filter(f"{where}: after other changes of members in one request, choose by 'value eq' alone")
        chosen: list[str] = []
        async for page in load():
            chosen.extend(found.id for found in page if matches(predicate, element_of(found)))
        if not chosen:
            raise no_target(f"{where}: no member matches the path")
        return chosen

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


def _ids(elements: Any, where: str) -> list[str]:
    """The ids that canonical elements name: by `value`, or else by the end of `$ref`."""
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
            return [resource_id for ids in named if ids for resource_id in ids] if all(named) else None
    return None

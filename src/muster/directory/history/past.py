"""What a resource was: its changes from one on, and who was in a group, or which groups something was in, at that change."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from muster.directory.documents import parse
from muster.scim.errors import invalid_value
from muster.storage.port.changes import Change, ChangeFilter
from muster.storage.port.members import GROUP, MemberEdit
from muster.storage.port.resources import Resources

_FIRST, _CHUNK = 4, 1000
"""How many rows are read at first, and at most, at once: mostly what is looked for is near."""
MAX_CHANGES = 100_000
"""How many changes of a workspace are read back at most."""


@dataclass(frozen=True, slots=True)
class PastState:
    """A resource after one of its changes. members: ids, of a group. groups: ids of those that it was in directly, of others."""

    change: Change
    members: list[str] | None
    groups: list[str] | None


class Past:
    """Reads backwards, from what is there now: a history may have an end."""

    def __init__(self, storage: Resources) -> None:
        self._storage = storage

    async def since(self, workspace: int, resource_id: str, sequence: int) -> list[Change]:
        """The changes of a resource from one on, the newest first, and what was noted of it."""
        found = []
        async for change in self._history(workspace, resource_id):
            if change.sequence < sequence:
                break
            found.append(change)
        return found

    async def before(self, workspace: int, resource_id: str, sequence: int | None) -> Change | None:
        """The last change of a resource before one of its changes, or of all, where it is known."""
        return await anext(
            (c async for c in self._history(workspace, resource_id, sequence) if c.version), None
        )

    async def change_at(self, workspace: int, resource_id: str, time: str) -> Change | None:
        """The last change of a resource by a moment, a timestamp as `meta` has them, where it is known."""
        by_then = (
            c
            async for c in self._history(workspace, resource_id)
            if c.version and c.origin.time <= time
        )
        return await anext(by_then, None)

    async def at(self, workspace: int, resource_id: str, time: str) -> PastState | None:
        """A resource as it was at a moment, a timestamp as `meta` has them; None where it was not there yet, or it is not known.

        Where it was deleted by then its change is that deletion, and it is in no group. Raises ScimError 400 as `groups` does.
        """
        change = await self.change_at(workspace, resource_id, time)
        if change is None:
            return None
        gone = change.action == "delete"
        if change.type == GROUP:
            return PastState(
                change,
                [] if gone else await self.members(workspace, resource_id, change.sequence),
                None,
            )
        return PastState(
            change, None, [] if gone else await self.groups_at(workspace, resource_id, time)
        )

    async def members(self, workspace: int, group_id: str, sequence: int) -> list[str]:
        """The ids of who was in a group after a change."""
        there = dict.fromkeys([found async for found in self._members(workspace, group_id)])
        later = [
            c for c in await self.since(workspace, group_id, sequence) if c.sequence > sequence
        ]
        edit = inverse(reversed(later)) or MemberEdit()
        there |= dict.fromkeys(edit.add)
        for found in edit.remove:
            there.pop(found, None)
        return list(there)

    async def groups(
        self, workspace: int, resource_id: str, by_then: Callable[[Change], bool]
    ) -> list[str]:
        """The ids of the groups that a resource was in directly. by_then: whether a change had been made.

        Raises ScimError 400 where too much has changed since.
        """
        there = dict.fromkeys(await self.groups_now(workspace, resource_id))
        read = 0
        async for change in self.recent(workspace):
            if by_then(change):
                break
            if read == MAX_CHANGES:
                raise invalid_value(
                    f"more than {MAX_CHANGES} changes were made since: its groups then cannot be told"
                )
            read += 1
            if change.members is not None and resource_id in change.members.added:
                there.pop(change.id, None)
            if change.members is not None and resource_id in change.members.removed:
                there[change.id] = None
        return list(there)

    async def groups_at(self, workspace: int, resource_id: str, time: str) -> list[str]:
        """The ids of the groups that a resource was in directly at a moment. Raises as `groups` does."""
        return await self.groups(workspace, resource_id, lambda change: change.origin.time <= time)

    async def groups_now(self, workspace: int, resource_id: str) -> list[str]:
        """The ids of the groups that a resource is in directly."""
        found = (await self._storage.memberships(workspace, [resource_id])).get(resource_id)
        elements = parse(b'{"groups":[%b]}' % found.elements)["groups"] if found is not None else []
        return [element["value"] for element in elements if element["type"] == "direct"]

    async def missing(self, workspace: int, group_id: str, wanted: Iterable[str]) -> list[str]:
        """Who of these is not in a group."""
        there = {found async for found in self._members(workspace, group_id)}
        return [found for found in wanted if found not in there]

    async def recent(self, workspace: int) -> AsyncIterator[Change]:
        """The changes of a workspace, the newest first. Others have their turn between."""
        before, limit = None, _FIRST
        while True:
            changes, before = await self._storage.search_changes(
                workspace, before, limit, ChangeFilter()
            )
            for change in changes:
                yield change
            if before is None:
                return
            limit = min(limit * 10, _CHUNK)
            await asyncio.sleep(0)

    async def _history(
        self, workspace: int, resource_id: str, before: int | None = None
    ) -> AsyncIterator[Change]:
        limit = _FIRST
        while changes := await self._storage.history(workspace, resource_id, before, limit):
            for change in changes:
                yield change
            before, limit = changes[-1].sequence, min(limit * 10, _CHUNK)
            await asyncio.sleep(0)

    async def _members(self, workspace: int, group_id: str) -> AsyncIterator[str]:
        after = -1
        while members := await self._storage.members(workspace, group_id, after, _CHUNK):
            for member in members:
                yield member.id
            after = members[-1].key


def moment(text: object, name: str) -> datetime:
    """A moment as ISO 8601 text; UTC where it does not say. Raises ScimError invalidValue."""
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        found = None
    if found is None or not 1970 < found.year < 9000:
        raise invalid_value(f"{name}: a moment such as 2026-01-31T09:00:00Z")
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def inverse(changes: Iterable[Change]) -> MemberEdit | None:
    """What puts back whom these changes of a group, the oldest first, took out, and takes out whom they put in, if anyone."""
    put_in: dict[str, None] = {}
    taken_out: dict[str, None] = {}
    for change in changes:
        if change.members is None:
            continue
        for member in change.members.removed:
            if member in put_in:
                del put_in[member]
            else:
                taken_out[member] = None
        for member in change.members.added:
            if member in taken_out:
                del taken_out[member]
            else:
                put_in[member] = None
    return (
        MemberEdit(tuple(taken_out), tuple(put_in), lenient=True) if put_in or taken_out else None
    )

"""Reads past states of resources from `changes`.

A row of `changes` has the document as it was stored then, so the state of an attribute is read
directly. Memberships are stored as differences. They are reconstructed backwards: start from the
current members and reverse each later change. Reading forwards from the beginning would fail once
old changes are trimmed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from muster.directory.documents import parse
from muster.directory.groups.members import all_members
from muster.scim.errors import invalid_value
from muster.storage.port.changes import Change, ChangeFilter
from muster.storage.port.members import GROUP, Member, MemberEdit
from muster.storage.port.resources import Resources

_FIRST, _CHUNK = 4, 1000
"""The rows of the first read, and the most of later ones. Mostly a recent row is wanted."""
MAX_CHANGES = 100_000
"""The most changes of a workspace that are read back for one answer."""


@dataclass(frozen=True, slots=True)
class PastState:
    """A resource after one of its changes.

    Attributes:
        change: The change, with the document as it was stored.
        members: For a group, the ids of its members; else None.
        groups: For other types, the ids of the groups it was directly in; else None.
    """

    change: Change
    members: list[str] | None
    groups: list[str] | None


class Past:
    """Reads histories, newest first.

    Times are timestamps as in `meta`. Reads yield to the event loop between chunks.
    """

    def __init__(self, storage: Resources) -> None:
        self._storage = storage

    async def changes_since(self, workspace: int, resource_id: str, sequence: int) -> list[Change]:
        """Return the changes and notes of a resource from this one on, newest first."""
        found = []
        async for change in self._history(workspace, resource_id):
            if change.sequence < sequence:
                break
            found.append(change)
        return found

    async def last_write(
        self, workspace: int, resource_id: str, before: int | None = None
    ) -> Change | None:
        """Return the last write to a resource, or the last before a sequence number.

        None if no such write exists or it has been trimmed.
        """
        return await anext(
            (c async for c in self._history(workspace, resource_id, before) if c.version), None
        )

    async def write_at(self, workspace: int, resource_id: str, time: str) -> Change | None:
        """Return the last write to a resource up to a time; None if it is not known."""
        writes = (
            c
            async for c in self._history(workspace, resource_id)
            if c.version and c.origin.time <= time
        )
        return await anext(writes, None)

    async def state_at(self, workspace: int, resource_id: str, time: str) -> PastState | None:
        """Return the state of a resource at a time.

        Returns:
            The state; that of a deleted resource has its deletion as the change, and no
            memberships. None if the resource did not exist yet or its history does not reach back
            that far.

        Raises:
            ScimError: 400, if too many changes have been made since.
        """
        change = await self.write_at(workspace, resource_id, time)
        if change is None:
            return None
        deleted = change.action == "delete"
        if change.type == GROUP:
            return PastState(
                change,
                [] if deleted else await self.members(workspace, resource_id, change.sequence),
                None,
            )
        return PastState(
            change, None, [] if deleted else await self.groups_at(workspace, resource_id, time)
        )

    async def members(self, workspace: int, group_id: str, sequence: int) -> list[str]:
        """Return the ids of the members of a group after a change."""
        members = dict.fromkeys([found.id async for found in self._members(workspace, group_id)])
        later = [
            change
            for change in await self.changes_since(workspace, group_id, sequence)
            if change.sequence > sequence
        ]
        edit = inverse_edit(reversed(later)) or MemberEdit()
        members |= dict.fromkeys(edit.add)
        for found in edit.remove:
            members.pop(found, None)
        return list(members)

    async def groups(
        self, workspace: int, resource_id: str, is_past: Callable[[Change], bool]
    ) -> list[str]:
        """Return the ids of the groups that a resource was directly in.

        Args:
            workspace: The workspace's id.
            resource_id: The id of the member.
            is_past: Whether a change had been made by then; later changes are reversed.

        Raises:
            ScimError: 400, if too many changes have been made since.
        """
        groups = dict.fromkeys(await self.groups_now(workspace, resource_id))
        read = 0
        async for change in self.recent(workspace):
            if is_past(change):
                break
            if read == MAX_CHANGES:
                raise invalid_value(
                    f"More than {MAX_CHANGES:,} changes have been made since then, too many to find"
                    " the groups of that time. Choose a later time."
                )
            read += 1
            if change.members is not None and resource_id in change.members.added:
                groups.pop(change.id, None)
            if change.members is not None and resource_id in change.members.removed:
                groups[change.id] = None
        return list(groups)

    async def groups_at(self, workspace: int, resource_id: str, time: str) -> list[str]:
        """Return the ids of the groups that a resource was directly in at a time.

        Raises:
            ScimError: 400, if too many changes have been made since.
        """
        return await self.groups(workspace, resource_id, lambda change: change.origin.time <= time)

    async def groups_now(self, workspace: int, resource_id: str) -> list[str]:
        """Return the ids of the groups that a resource is directly in."""
        found = (await self._storage.memberships(workspace, [resource_id])).get(resource_id)
        elements = parse(b'{"groups":[%b]}' % found.elements)["groups"] if found is not None else []
        return [element["value"] for element in elements if element["type"] == "direct"]

    async def nonmembers(self, workspace: int, group_id: str, ids: Iterable[str]) -> list[str]:
        """Return those of the ids that are not in a group."""
        members = {found.id async for found in self._members(workspace, group_id)}
        return [found for found in ids if found not in members]

    async def recent(self, workspace: int) -> AsyncIterator[Change]:
        """Yield the changes of a workspace, newest first."""
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

    def _members(self, workspace: int, group_id: str) -> AsyncIterator[Member]:
        return all_members(self._storage, workspace, group_id)


def parse_time(text: object, name: str) -> datetime:
    """Parse a time in ISO 8601; UTC if it has no offset.

    Args:
        text: The value of the parameter.
        name: The parameter's name in errors.

    Raises:
        ScimError: invalidValue.
    """
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        found = None
    if found is None or not 1970 < found.year < 9000:
        raise invalid_value(f"{name}: expected a time such as 2026-01-31T09:00:00Z")
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def inverse_edit(changes: Iterable[Change]) -> MemberEdit | None:
    """Return the edit that reverses the net effect of changes on a group's members.

    A member that the changes removed and added again (or the other way round) is not part of it.
    The edit is lenient: members that no longer exist are skipped.

    Args:
        changes: Changes of one group, oldest first.

    Returns:
        The edit; None if the changes have no net effect.
    """
    added: dict[str, None] = {}
    removed: dict[str, None] = {}
    for change in changes:
        if change.members is None:
            continue
        for member in change.members.removed:
            if member in added:
                del added[member]
            else:
                removed[member] = None
        for member in change.members.added:
            if member in removed:
                del removed[member]
            else:
                added[member] = None
    return MemberEdit(tuple(removed), tuple(added), lenient=True) if added or removed else None

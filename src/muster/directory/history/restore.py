"""Restores one resource to a past state, with its memberships and its id.

A restore is a set of writes in one transaction: one to the resource, and one to each group that it
joins or leaves. For a group, its own members are moved by the edit that reverses all later changes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from muster.base.clock import timestamp
from muster.directory.caller import Caller
from muster.directory.guard.enforcement import enforced, guard, protected_from, switches
from muster.directory.history.outcomes import bump, bump_if_members_change, restore_to
from muster.directory.history.past import Past, inverse_edit
from muster.scim.errors import ScimError, not_found, uniqueness
from muster.scim.schema.model import ResourceType
from muster.storage.port.changes import Change
from muster.storage.port.errors import Conflict, KeyTaken
from muster.storage.port.members import GROUP, MemberEdit
from muster.storage.port.resources import Resources, Stored, Write

_ROWS = 1000
TAKEN = "has taken this value since"
"""The end of the error for a resource whose unique value another one has."""


@dataclass(frozen=True, slots=True)
class RestoredResource:
    """A restored resource.

    Attributes:
        stored: The resource.
        left_out: For a group, the ids of former members that no longer exist.
    """

    stored: Stored
    left_out: list[str]


class Restorer:
    """Restores resources from their history."""

    def __init__(self, storage: Resources) -> None:
        self._storage = storage
        self._past = Past(storage)

    async def restore(
        self, caller: Caller, resource_type: ResourceType, resource_id: str, sequence: int
    ) -> RestoredResource:
        """Restore a resource to its state after a change, atomically.

        A deleted resource is created again and rejoins the groups that its deletion removed it
        from.

        Args:
            caller: The administrator, or the client of the management API.
            resource_type: The type of the resource.
            resource_id: Its id.
            sequence: The sequence number of the change.

        Raises:
            ScimError: 404 if the resource has no such change; 409 if another resource has taken one
                of its unique values.
            Withheld: The guard or a switch forbids it.
        """
        changes = await self._writes_since(caller, resource_id, sequence)
        chosen = next(
            (c for c in changes if c.sequence == sequence and c.type == resource_type.name), None
        )
        if chosen is None:
            raise not_found(f"{resource_type.name} {resource_id[:100]!r} has no change {sequence}.")
        again = (
            await self._groups_left_by(caller, changes[0]) if changes[0].action == "delete" else []
        )
        return await self._restore(caller, resource_type, chosen, changes, again, [])

    async def restore_to(
        self, caller: Caller, resource_type: ResourceType, resource_id: str, time: str
    ) -> RestoredResource:
        """Restore a resource to its state at a time, with the groups that it was in then.

        Args:
            caller: The administrator, or the client of the management API.
            resource_type: The type of the resource.
            resource_id: Its id.
            time: A timestamp as in `meta`.

        Raises:
            ScimError: 404 if the resource did not exist then or its history does not reach back
                that far; 400 if too many changes have been made since; 409 if another resource has
                taken one of its unique values.
            Withheld: The guard or a switch forbids it.
        """
        workspace = caller.workspace.id
        chosen = await self._past.write_at(workspace, resource_id, time)
        if chosen is None or chosen.type != resource_type.name or chosen.action == "delete":
            raise not_found(
                f"{resource_type.name} {resource_id[:100]!r} did not exist then, or its history"
                " no longer reaches back that far."
            )
        now: list[str] = []
        then: list[str] = []
        if chosen.type != GROUP:
            now = await self._past.groups_now(workspace, resource_id)
            then = await self._past.groups_at(workspace, resource_id, time)
        joined = [group_id for group_id in then if group_id not in now]
        left = [group_id for group_id in now if group_id not in then]
        changes = await self._writes_since(caller, resource_id, chosen.sequence)
        return await self._restore(caller, resource_type, chosen, changes, joined, left)

    async def _writes_since(self, caller: Caller, resource_id: str, sequence: int) -> list[Change]:
        """Return the writes to a resource from one on, newest first, without its notes."""
        return [
            c
            for c in await self._past.changes_since(caller.workspace.id, resource_id, sequence)
            if c.version
        ]

    async def _restore(
        self,
        caller: Caller,
        resource_type: ResourceType,
        chosen: Change,
        changes: list[Change],
        joined: list[str],
        left: list[str],
    ) -> RestoredResource:
        """Restore a resource to its state after a change.

        Args:
            caller: The administrator, or the client of the management API.
            resource_type: The type of the resource.
            chosen: The change.
            changes: The writes to the resource from the chosen one on, newest first.
            joined: The ids of the groups that the resource joins.
            left: The ids of the groups that it leaves.
        """
        undone = [
            c
            for c in reversed(changes)
            if c.sequence > chosen.sequence or (c is chosen and c.action == "delete")
        ]
        members = inverse_edit(undone) if resource_type.name == GROUP else None
        now = timestamp()
        restorer = caller
        if changes[0].action == "delete":  # it belongs to its former owner again
            owner = await self._storage.former_owner(caller.workspace.id, changes[0].sequence)
            restorer = replace(caller, connection=owner)
        writes = [
            _restoring(restorer, resource_type, chosen, changes, members, now),
            *_moving(caller, joined, MemberEdit((chosen.id,)), now),
            *_moving(caller, left, MemberEdit((), (chosen.id,)), now),
        ]
        try:
            outcome = (await enforced(self._storage, caller, writes, "restore", [chosen.id]))[0]
        except Conflict as conflict:
            raise uniqueness(
                f"{conflict.attribute}: another {resource_type.name} {TAKEN}"
            ) from None
        except KeyTaken:
            raise ScimError(
                409, f"{resource_type.name} {chosen.id} already exists again."
            ) from None
        wanted = members.add if members is not None else ()
        return RestoredResource(
            outcome.stored,
            await self._past.nonmembers(caller.workspace.id, chosen.id, wanted) if wanted else [],
        )

    async def _groups_left_by(self, caller: Caller, deleted: Change) -> list[str]:
        """Return the groups that a deletion removed a resource from.

        The storage writes a change of each group right after the deletion, with the same request
        id.
        """
        after: list[Change] = []
        sequence = deleted.sequence
        while len(after) < _ROWS and (
            some := await self._storage.changes(caller.workspace.id, sequence, _ROWS - len(after))
        ):
            after.extend(some)
            sequence = some[-1].sequence
        moves = [
            c for c in after if c.type == GROUP and c.origin.request_id == deleted.origin.request_id
        ]
        return [
            change.id
            for change in moves
            if change.members is not None and deleted.id in change.members.removed
        ]


def _restoring(
    caller: Caller,
    resource_type: ResourceType,
    chosen: Change,
    changes: list[Change],
    members: MemberEdit | None,
    now: str,
) -> Write:
    """Return the write that restores a resource, or creates it again if it is deleted."""
    version = max(change.version for change in changes) + 1
    who, rules = (chosen.id, version, now), (switches(caller), protected_from(caller))
    return Write(
        caller.workspace.id,
        resource_type.name,
        None if changes[0].action == "delete" else chosen.id,
        restore_to(chosen, resource_type, *who, *rules),
        caller.origin(now),
        members,
        bump(caller.registry.types["/Groups"], now),
        guard(caller, resource_type.name),
        caller.may_not_change(),
    )


def _moving(caller: Caller, groups: list[str], edit: MemberEdit, now: str) -> Iterator[Write]:
    """Yield the writes that apply a member edit to groups."""
    decide = bump_if_members_change(caller.registry.types["/Groups"], now)
    for group_id in groups:
        who = (caller.workspace.id, GROUP, group_id)
        yield Write(*who, decide, caller.origin(now), edit, barred=caller.may_not_change())

"""Going back: a resource as it was after one of its changes, or at a moment, with its memberships, under the id that it had."""

from dataclasses import dataclass

from muster.base.clock import timestamp
from muster.directory.guard.enforcement import enforced, guard, switches
from muster.directory.history.outcomes import bump, bump_if_members_change, restore_to
from muster.directory.history.past import Past, inverse_edit
from muster.directory.service import Caller
from muster.scim.errors import ScimError, not_found, uniqueness
from muster.scim.schema.model import ResourceType
from muster.storage.port.changes import Change, ChangeOrigin
from muster.storage.port.errors import Conflict, KeyTaken
from muster.storage.port.members import GROUP, MemberEdit
from muster.storage.port.resources import Resources, Stored, Write

_ROWS = 1000


@dataclass(frozen=True, slots=True)
class RestoredResource:
    """A resource that was brought back. left_out: the ids of those who were members of it then, and are not there any more."""

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
        """Bring a resource to what it was after a change; of a group that is with its members.

        Where it is deleted it is made again, and put into the groups again that its deletion took it out of. All or nothing.
        Raises ScimError 403 if the guard or a provisioning switch forbids it, 404 where it has no such change, and 409 if
        another resource has taken one of its unique values.
        """
        changes = await self._writes_since(caller, resource_id, sequence)
        chosen = next(
            (c for c in changes if c.sequence == sequence and c.type == resource_type.name), None
        )
        if chosen is None:
            raise not_found(f"{resource_type.name} {resource_id[:100]!r} has no such change")
        again = (
            await self._taken_out_of(caller, changes[0]) if changes[0].action == "delete" else []
        )
        return await self._restore(caller, resource_type, chosen, changes, again, [])

    async def restore_to(
        self, caller: Caller, resource_type: ResourceType, resource_id: str, time: str
    ) -> RestoredResource:
        """Bring a resource to what it was at a moment, a timestamp as `meta` has them, and into the groups that it was in then.

        Raises ScimError 404 where it was not there then, 400 where its groups cannot be told, and 403 and 409 as `restore` does.
        """
        workspace = caller.workspace.id
        chosen = await self._past.write_at(workspace, resource_id, time)
        if chosen is None or chosen.type != resource_type.name or chosen.action == "delete":
            raise not_found(
                f"{resource_type.name} {resource_id[:100]!r} was not there then, or it is kept no more"
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
        """The writes to a resource from one on, the newest first; without what the audit log notes of it."""
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
        """changes: from the chosen one on, the newest first. joined, left: ids of the groups that it joins, and leaves."""
        now = timestamp()
        origin = ChangeOrigin(caller.actor, caller.request_id, now, caller.address)
        group_type = caller.registry.types["/Groups"]
        undone = [
            c
            for c in reversed(changes)
            if c.sequence > chosen.sequence or (c is chosen and c.action == "delete")
        ]
        members = inverse_edit(undone) if resource_type.name == GROUP else None
        decide = restore_to(
            chosen,
            resource_type,
            chosen.id,
            max(change.version for change in changes) + 1,
            now,
            switches(caller),
        )
        target = None if changes[0].action == "delete" else chosen.id
        touch = bump(group_type, now)
        held = guard(caller, resource_type.name)
        writes = [
            Write(
                caller.workspace.id,
                resource_type.name,
                target,
                decide,
                origin,
                members,
                touch,
                held,
            )
        ]
        for groups, edit in (
            (joined, MemberEdit((chosen.id,))),
            (left, MemberEdit((), (chosen.id,))),
        ):
            writes += [
                Write(
                    caller.workspace.id,
                    GROUP,
                    found,
                    bump_if_members_change(group_type, now),
                    origin,
                    edit,
                )
                for found in groups
            ]
        try:
            outcome = (await enforced(self._storage, caller, writes, "restore", [chosen.id]))[0]
        except Conflict as conflict:
            raise uniqueness(
                f"{conflict.attribute}: another {resource_type.name} has this value by now"
            ) from None
        except KeyTaken:
            raise ScimError(409, "it is there again already") from None
        wanted = members.add if members is not None else ()
        return RestoredResource(
            outcome.stored,
            await self._past.nonmembers(caller.workspace.id, chosen.id, wanted) if wanted else [],
        )

    async def _taken_out_of(self, caller: Caller, deleted: Change) -> list[str]:
        """The groups that a deletion took a resource out of: their changes follow it."""
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

"""Going back: a resource as it was after one of its changes, with the groups that it was in, under the id that it had."""

from collections.abc import Iterable

from muster.directory.documents import timestamp
from muster.directory.outcomes import moved, restored, touched
from muster.directory.service import Caller, Directory, utc_now
from muster.scim.errors import ScimError, not_found, uniqueness
from muster.scim.schema import ResourceType
from muster.storage.port import (
    GROUP,
    Change,
    Conflict,
    KeyTaken,
    MemberEdit,
    NoSuchMember,
    Origin,
    Resources,
    Stored,
    Write,
)

_ROWS = 1000


class Undo:
    """Restores resources from their history."""

    def __init__(self, storage: Resources, directory: Directory) -> None:
        self._storage = storage
        self._directory = directory

    async def restore(self, caller: Caller, resource_type: ResourceType, resource_id: str, sequence: int) -> Stored:
        """Bring a resource to what it was after a change. Where it is deleted it is made again, and put into its groups again.

        Raises ScimError 404 where it has no such change, and 409 where another resource has a value of its by now.
        """
        changes = await self._storage.history(caller.workspace.id, resource_id, None, _ROWS)
        chosen = next((c for c in changes if c.sequence == sequence and c.version and c.type == resource_type.name), None)
        if chosen is None:
            raise not_found(f"{resource_type.name} {resource_id[:100]!r} has no such change")
        deleted = changes[0] if changes and changes[0].action == "delete" else None
        latest = max(change.version for change in changes)
        now = timestamp(utc_now())
        origin = Origin(caller.actor, caller.request_id, now, caller.address)
        undone = [c for c in reversed(changes) if c.sequence > chosen.sequence or (c is chosen and c.action == "delete")]
        members = inverse(undone) if resource_type.name == GROUP else None
        target = None if deleted is not None else resource_id
        decide = restored(chosen, resource_type, resource_id, latest + 1, now)
        write = Write(
            caller.workspace.id,
            resource_type.name,
            target,
            decide,
            origin,
            members,
            touched(caller.registry.types["/Groups"], now),
        )
        try:
            outcome = await self._storage.write(write)
            if deleted is not None:
                await self._rejoin(caller, resource_id, deleted, origin)
        except Conflict as conflict:
            raise uniqueness(f"{conflict.attribute}: another {resource_type.name} has this value by now") from None
        except NoSuchMember as error:
            raise ScimError(409, f"the member {error.id[:100]!r} is not there any more") from None
        except KeyTaken:
            raise ScimError(409, "it is there again already") from None
        return outcome.stored

    async def _rejoin(self, caller: Caller, resource_id: str, deleted: Change, origin: Origin) -> None:
        """Put a resource into the groups that its deletion took it out of, where they are still there."""
        after = await self._storage.changes(caller.workspace.id, deleted.sequence, _ROWS)
        group_type = caller.registry.types["/Groups"]
        for change in after:
            if change.origin.request_id != deleted.origin.request_id or change.type != GROUP:
                continue
            if change.members is not None and resource_id in change.members.removed:
                edit = MemberEdit((resource_id,))
                await self._storage.write(
                    Write(caller.workspace.id, GROUP, change.id, moved(group_type, origin.time), origin, edit)
                )


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
    return MemberEdit(tuple(taken_out), tuple(put_in)) if put_in or taken_out else None

"""Emptying a workspace: every user, group and other resource is deleted as ever, so that whoever reads the feed knows.

It goes a thousand at a time, a transaction each: where it is interrupted, what is gone is gone whole, and it can be begun again.
"""

from muster.base.clock import timestamp
from muster.directory.documents import parse_all
from muster.directory.history.outcomes import bump, delete_if_present
from muster.directory.service import Caller
from muster.scim.schema.model import ResourceType
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.members import GROUP, MemberEdit
from muster.storage.port.resources import Query, Resources, Write

_CHUNK = 1000


async def wipe(storage: Resources, caller: Caller) -> int:
    """Delete all that there is as it begins; answers how much that was. What clients create meanwhile stays.

    It is noted first, without a guard: an administrator decides it.
    """
    workspace = caller.workspace
    await storage.record(
        [Note(workspace.id, _origin(caller), "Workspace", workspace.name, "wipe", b"{}")]
    )
    kinds = sorted(caller.registry.types.values(), key=lambda kind: kind.name != GROUP)
    return sum([await _wipe_kind(storage, caller, kind) for kind in kinds])


async def _wipe_kind(storage: Resources, caller: Caller, kind: ResourceType) -> int:
    """Delete as many as there are, in the order of their ids: what is made meanwhile comes after them."""
    count, there = 0, (await storage.find(Query(caller.workspace.id, kind, limit=0))).total or 0
    while count < there and (ids := await _some(storage, caller, kind, min(_CHUNK, there - count))):
        await storage.write_all(
            caller.workspace.id, [_removal(caller, kind, found) for found in ids]
        )
        count += len(ids)
    return count


async def _some(storage: Resources, caller: Caller, kind: ResourceType, limit: int) -> list[str]:
    page = await storage.find(Query(caller.workspace.id, kind, limit=limit))
    return [document["id"] for document in parse_all(page.documents)]


def _removal(caller: Caller, kind: ResourceType, resource_id: str) -> Write:
    now = timestamp()
    group_type = caller.registry.types["/Groups"]
    edit = MemberEdit(clear=True) if kind.name == GROUP else None
    return Write(
        caller.workspace.id,
        kind.name,
        resource_id,
        delete_if_present(kind, None),
        _origin(caller),
        edit,
        bump(group_type, now),
    )


def _origin(caller: Caller) -> ChangeOrigin:
    return ChangeOrigin(caller.actor, caller.request_id, timestamp(), caller.address)

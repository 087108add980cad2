"""Deletes all resources of a workspace.

Each resource is deleted like any other, so that the feed and the audit log have every deletion. A
transaction deletes at most 1,000 of them. If the wipe is interrupted, the transactions so far
remain, and it can be run again.
"""

from muster.base.clock import timestamp
from muster.directory.caller import Caller
from muster.directory.documents import parse_all
from muster.directory.guard.enforcement import owned_by
from muster.directory.history.outcomes import bump, delete_if_present
from muster.directory.search.chunks import find_chunk
from muster.scim.schema.model import ResourceType
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.errors import Owned
from muster.storage.port.members import GROUP, MemberEdit
from muster.storage.port.resources import Query, Resources, Write

_CHUNK = 1000


async def wipe(storage: Resources, caller: Caller) -> int:
    """Delete every resource of the caller's workspace.

    The audit log records the wipe first. The guard and the switches do not apply, as an
    administrator has decided it.

    Returns:
        The number of deleted resources. Resources that clients create meanwhile stay.

    Raises:
        ScimError: 403 if the profile of the workspace forbids it, or if another connection owns one
            of them exclusively, and the caller is no administrator. Check it before: the resources
            of earlier transactions are deleted.
    """
    caller.check_may_write()
    workspace = caller.workspace
    await storage.record(
        [Note(workspace.id, _origin(caller), "Workspace", workspace.name, "wipe", b"{}")]
    )
    # Groups go first: deleting their members first would write a new version of every group.
    types = sorted(caller.registry.types.values(), key=lambda found: found.name != GROUP)
    return sum([await _wipe_type(storage, caller, resource_type) for resource_type in types])


async def _wipe_type(storage: Resources, caller: Caller, resource_type: ResourceType) -> int:
    """Delete as many resources of a type as exist now, in the order of their ids.

    Ids grow, so resources that are created meanwhile come last and are not reached.
    """
    counted = await storage.find(Query(caller.workspace.id, resource_type, limit=0))
    count, total = 0, counted.total or 0
    while count < total and (
        ids := await _ids(storage, caller, resource_type, min(_CHUNK, total - count))
    ):
        try:
            await storage.write_all(
                caller.workspace.id, [_deletion(caller, resource_type, found) for found in ids]
            )
        except Owned as owned:
            raise owned_by(caller, owned) from None
        count += len(ids)
    return count


async def _ids(
    storage: Resources, caller: Caller, resource_type: ResourceType, limit: int
) -> list[str]:
    page, _ = await find_chunk(storage, Query(caller.workspace.id, resource_type, limit=limit))
    return [document["id"] for document in parse_all(page.documents)]


def _deletion(caller: Caller, resource_type: ResourceType, resource_id: str) -> Write:
    now = timestamp()
    group_type = caller.registry.types["/Groups"]
    edit = MemberEdit(clear=True) if resource_type.name == GROUP else None
    return Write(
        caller.workspace.id,
        resource_type.name,
        resource_id,
        delete_if_present(resource_type, None),
        _origin(caller),
        edit,
        bump(group_type, now),
        barred=caller.may_not_change(),
    )


def _origin(caller: Caller) -> ChangeOrigin:
    return caller.origin(timestamp())

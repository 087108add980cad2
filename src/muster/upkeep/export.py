"""`muster export`: streams a workspace as JSON Lines of SCIM resources."""

from collections.abc import AsyncIterator

from muster.access.registries import Registries
from muster.directory.groups.member_edits import MEMBERS
from muster.directory.groups.members import all_members
from muster.directory.groups.memberships import member, split
from muster.directory.search.chunks import find_chunk
from muster.scim.schema.model import ResourceType
from muster.storage.port.accounts import Workspace
from muster.storage.port.engine import Storage
from muster.storage.port.resources import Position, Query, Resources

_CHUNK = 500


async def export(storage: Storage, workspace: Workspace) -> AsyncIterator[bytes]:
    """Yield each resource as a line, without base URLs and without password hashes."""
    for kind in (await Registries(storage).of(workspace)).types.values():
        after: Position | None = None
        limit = _CHUNK
        while True:
            query = Query(workspace.id, kind, limit=limit, after=after, walk=True)
            page, limit = await find_chunk(storage, query)
            for resource_id, document in split(page.documents):
                yield await _line(storage, workspace, kind, resource_id, document)
            if page.last is None:
                break
            after = page.last


async def _line(
    storage: Resources, workspace: Workspace, kind: ResourceType, resource_id: str, document: bytes
) -> bytes:
    if kind.computed == MEMBERS:
        found = [element async for element in all_members(storage, workspace.id, resource_id)]
        if found:
            document = b'%b,"members":[%b]}' % (
                document[:-1],
                b",".join(member(item) for item in found),
            )
    return document.replace(b"\x01", b"") + b"\n"

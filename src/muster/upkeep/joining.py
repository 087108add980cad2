"""The members of the groups of an import: put in once all lines are read, for a group may come before who is in it."""

import tempfile
from types import TracebackType

import orjson

from muster.base.clock import timestamp
from muster.directory.documents import parse
from muster.directory.groups.members import all_members
from muster.directory.versions import index_of_document, make_put
from muster.scim.schema.model import ResourceType
from muster.scim.values import Json
from muster.storage.port.accounts import Workspace
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.errors import NoSuchMember
from muster.storage.port.members import GROUP, MEMBER_TYPES, MemberEdit
from muster.storage.port.resources import Keep, Outcome, Resources, Stored, Write
from muster.upkeep.new_ids import NewIds


class Joining:
    """Notes memberships in a temporary file, and then makes them. refused: where to report what cannot be, by line."""

    def __init__(
        self,
        storage: Resources,
        workspace: Workspace,
        group_type: ResourceType,
        rehearse: bool,
        refused: list[tuple[int, str]],
        renewed: NewIds | None = None,
    ) -> None:
        self._storage = storage
        self._workspace = workspace
        self._group_type = group_type
        self._rehearse = rehearse
        self._refused = refused
        self._given: dict[str, str] = {}
        """The ids of lines that are not muster's, and what they are made into."""
        self._renewed = renewed
        self._made: set[str] = set()
        """In a rehearsal the ids that there would be."""

    def __enter__(self) -> "Joining":
        self._noted = tempfile.TemporaryFile()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._noted.close()

    def note(
        self, number: int, kind: str, given_id: Json, resource_id: str, members: tuple[str, ...]
    ) -> None:
        """Note what a line is made into, and who is in it. kind: the name of its resource type."""
        if isinstance(given_id, str) and self._made_into(given_id) != resource_id:
            self._given[given_id] = resource_id
        if self._rehearse and kind in MEMBER_TYPES:
            self._made.add(resource_id)
        if members:
            self._noted.write(orjson.dumps([number, resource_id, members]) + b"\n")

    async def join(self) -> None:
        """Put everyone that was noted into their groups; who is not there is reported, and left out."""
        self._noted.seek(0)
        for line in self._noted:
            number, group_id, ids = orjson.loads(line)
            members = tuple(map(self._made_into, ids))
            try:
                await self._fill(number, group_id, members)
            except NoSuchMember:
                await self._fill(number, group_id, await self._present(number, members))

    def _made_into(self, resource_id: str) -> str:
        """The id of the resource that an id on a line stands for."""
        if resource_id in self._given:
            return self._given[resource_id]
        return resource_id if self._renewed is None else self._renewed.of(resource_id)

    async def _present(self, number: int, members: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the members that are there."""
        present = {resource_id for resource_id in members if await self._is_there(resource_id)}
        missing = [resource_id for resource_id in members if resource_id not in present]
        if missing:
            named = ", ".join(resource_id[:40] for resource_id in missing[:3])
            self._refused.append(
                (
                    number,
                    f"members: {len(missing)} are no users or groups, and are left out: {named}",
                )
            )
        return tuple(resource_id for resource_id in members if resource_id in present)

    async def _is_there(self, resource_id: str) -> bool:
        if resource_id in self._made:
            return True
        for kind in MEMBER_TYPES:
            if await self._storage.get(self._workspace.id, kind, resource_id) is not None:
                return True
        return False

    async def _fill(self, number: int, group_id: str, members: tuple[str, ...]) -> None:
        """Add members to a group, whose version stays as it was exported. Raises NoSuchMember."""
        wanted = set(members)
        async for found in all_members(self._storage, self._workspace.id, group_id):
            if found.id not in wanted:
                self._refused.append(
                    (number, f"id: {group_id} is there already, and has other members")
                )
                return
        if self._rehearse:
            await self._rehearse_fill(members)
            return
        origin = ChangeOrigin("import", "import", timestamp())
        await self._storage.write(
            Write(self._workspace.id, GROUP, group_id, self._same, origin, MemberEdit(members))
        )

    async def _rehearse_fill(self, members: tuple[str, ...]) -> None:
        """Check what the write checks: groups and members of a rehearsal are not there to be written to. Raises NoSuchMember."""
        for resource_id in members:
            if not await self._is_there(resource_id):
                raise NoSuchMember(resource_id)

    def _same(self, standing: Stored | None) -> Outcome:
        """The group as it stands, written again only where someone was added."""
        if standing is None:
            raise LookupError("the group was removed during the import")
        if not standing.delta:
            return Keep(standing)
        document, kind = parse(standing.document), self._group_type
        meta, before = document["meta"], index_of_document(document, kind)
        return make_put(
            document,
            kind,
            standing.id,
            standing.version,
            meta["created"],
            meta["lastModified"],
            before,
        )

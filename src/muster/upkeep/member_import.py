"""Stores the members of imported groups after all resources.

A group may come before its members, and members may be groups, so memberships are collected in a
temporary file while the lines are read, and stored at the end.
"""

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


class MemberImport:
    """Collects memberships, and then stores them.

    Args:
        rehearse: Check everything, but store nothing.
        refused: Receives the members that cannot be stored, by line number.
        new_ids: Maps ids to new ids; None to keep them.
    """

    def __init__(
        self,
        storage: Resources,
        workspace: Workspace,
        group_type: ResourceType,
        rehearse: bool,
        refused: list[tuple[int, str]],
        new_ids: NewIds | None = None,
    ) -> None:
        self._storage = storage
        self._workspace = workspace
        self._group_type = group_type
        self._rehearse = rehearse
        self._refused = refused
        self._new_ids_by_given: dict[str, str] = {}
        """New ids by the ids on the lines, if these are not muster's."""
        self._new_ids = new_ids
        self._rehearsed: set[str] = set()
        """In a rehearsal: the ids that the import would create."""

    def __enter__(self) -> "MemberImport":
        self._file = tempfile.TemporaryFile()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def add_line(
        self, number: int, kind: str, given_id: Json, resource_id: str, members: tuple[str, ...]
    ) -> None:
        """Record the resource of a line, and its members.

        Args:
            number: The number of the line.
            kind: The name of the resource type.
            given_id: The id on the line.
        """
        if isinstance(given_id, str) and self._resolve(given_id) != resource_id:
            self._new_ids_by_given[given_id] = resource_id
        if self._rehearse and kind in MEMBER_TYPES:
            self._rehearsed.add(resource_id)
        if members:
            self._file.write(orjson.dumps([number, resource_id, members]) + b"\n")

    async def join(self) -> None:
        """Store all memberships; members that do not exist are reported and left out."""
        self._file.seek(0)
        for line in self._file:
            number, group_id, ids = orjson.loads(line)
            members = tuple(map(self._resolve, ids))
            try:
                await self._add_members(number, group_id, members)
            except NoSuchMember:
                await self._add_members(number, group_id, await self._existing(number, members))

    def _resolve(self, resource_id: str) -> str:
        """Return the id of the resource that an id on a line stands for."""
        if resource_id in self._new_ids_by_given:
            return self._new_ids_by_given[resource_id]
        return resource_id if self._new_ids is None else self._new_ids.of(resource_id)

    async def _existing(self, number: int, members: tuple[str, ...]) -> tuple[str, ...]:
        """Return the members that exist, and report the others."""
        present = {resource_id for resource_id in members if await self._exists(resource_id)}
        missing = [resource_id for resource_id in members if resource_id not in present]
        if missing:
            named = ", ".join(resource_id[:40] for resource_id in missing[:3])
            self._refused.append(
                (
                    number,
                    f"members: {len(missing)} do not exist as users or groups and were"
                    f" left out: {named}",
                )
            )
        return tuple(resource_id for resource_id in members if resource_id in present)

    async def _exists(self, resource_id: str) -> bool:
        if resource_id in self._rehearsed:
            return True
        for kind in MEMBER_TYPES:
            if await self._storage.get(self._workspace.id, kind, resource_id) is not None:
                return True
        return False

    async def _add_members(self, number: int, group_id: str, members: tuple[str, ...]) -> None:
        """Add members to a group, whose version stays as it was exported.

        Raises:
            NoSuchMember: A member does not exist.
        """
        wanted = set(members)
        async for found in all_members(self._storage, self._workspace.id, group_id):
            if found.id not in wanted:
                self._refused.append((number, f"id: {group_id} exists already, with other members"))
                return
        if self._rehearse:
            await self._rehearse_members(members)
            return
        origin = ChangeOrigin("import", "import", timestamp())
        await self._storage.write(
            Write(
                self._workspace.id,
                GROUP,
                group_id,
                self._unchanged_group,
                origin,
                MemberEdit(members),
            )
        )

    async def _rehearse_members(self, members: tuple[str, ...]) -> None:
        """Check as the write does; the rehearsed groups and members do not exist.

        Raises:
            NoSuchMember: A member does not exist.
        """
        for resource_id in members:
            if not await self._exists(resource_id):
                raise NoSuchMember(resource_id)

    def _unchanged_group(self, current: Stored | None) -> Outcome:
        """Return the same group, written again only if a member was added."""
        if current is None:
            raise LookupError("the group was removed during the import")
        if not current.delta:
            return Keep(current)
        document, kind = parse(current.document), self._group_type
        meta, before = document["meta"], index_of_document(document, kind)
        return make_put(
            document,
            kind,
            current.id,
            current.version,
            meta["created"],
            meta["lastModified"],
            before,
        )

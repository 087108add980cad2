"""`muster import`: reads a workspace from JSON Lines of SCIM resources.

Lines are read in batches, and the resources of one type in a batch are stored in one transaction.
If a batch fails because of one resource, its resources are stored one by one, so that only that one
is reported. Duplicates within the file are detected before the database is asked, and split
batches, so that the later line is the one reported.

An import that was interrupted is simply repeated. A resource with an id of muster's keeps it, so a
line that was imported is recognised by its id and skipped if the content is the same.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from muster.base import clock
from muster.base.clock import timestamp
from muster.base.progress import Progress
from muster.directory.documents import parse
from muster.directory.groups import member_edits
from muster.directory.groups.member_edits import MEMBERS
from muster.directory.guard import policy
from muster.directory.versions import make_put
from muster.scim.dialects import Dialect
from muster.scim.document import Document, json_type, read
from muster.scim.errors import ScimError
from muster.scim.schema.model import Registry, ResourceType
from muster.scim.secrets import first_secret
from muster.scim.values import Json, sortable_date_time
from muster.storage.ids import IdSource, key_of
from muster.storage.port.accounts import Workspace
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.engine import Storage
from muster.storage.port.errors import Conflict, KeyTaken
from muster.storage.port.resources import Put
from muster.storage.query.binder import Binder
from muster.upkeep.member_import import MemberImport
from muster.upkeep.new_ids import NewIds

_PAGE = 500
"""Lines read at a time."""
_MAX_LINE = 64_000_000
"""The longest line, in bytes."""
_DIGEST = 12
"""The bytes of a digest of a unique value."""
Line = tuple[int, bytes]
"""The number of a line, from 1, and its text."""


@dataclass(slots=True)
class ImportReport:
    """The result of an import.

    Attributes:
        made: Resources created.
        there: Resources that existed already with the same content.
        refused: Line numbers with the reason why the line was not imported.
    """

    made: int = 0
    there: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)


@dataclass(slots=True)
class _Entry:
    """A line that was read.

    Attributes:
        given_id: The id on the line.
        kept: The resource's id comes from the line.
    """

    number: int
    kind: ResourceType
    put: Put
    given_id: Json
    kept: bool
    members: tuple[str, ...]

    @property
    def key(self) -> int:
        """The key of the resource."""
        return key_of(self.put.stored.id) or 0

    def values(self) -> Iterator[tuple[str, bytes]]:
        """Yield the attributes with unique values, each with a digest of its value."""
        for entry in sorted(self.put.index.unique):
            yield (
                entry.attribute,
                _digest(f"{self.kind.name} {entry.attribute} {entry.value}".encode()),
            )

    def fingerprint(self) -> tuple[bytes, bytes]:
        """Return digests of the resource's identity and of its content."""
        content = orjson.dumps(_content(self.put.stored.document), option=orjson.OPT_SORT_KEYS)
        return _digest(f"{self.kind.name} {self.put.stored.id}".encode()), _digest(content)


class Importer:
    """Imports lines into a workspace.

    A line with an id of muster's keeps its id and meta; any other becomes a new resource. Members
    are stored last, when all resources exist.

    Args:
        rehearse: Do everything but commit. The same batches are stored in transactions that are
            rolled back, and the results are remembered, so that the report is the one the import
            will give.
        override: Create users even if automatic provisioning is off; the audit log records it.
        new_ids: Give each resource a new id instead of the one on its line, and map references.
    """

    def __init__(
        self,
        storage: Storage,
        workspace: Workspace,
        registry: Registry,
        rehearse: bool,
        override: bool = False,
        new_ids: bool = False,
    ) -> None:
        self._storage = storage
        self._workspace = workspace
        self._rehearse = rehearse
        self._override = override
        self._dialect = Dialect(workspace.strict)
        self._types = {kind.core.id: kind for kind in registry.types.values()}
        self._new_id = IdSource()
        self._new_ids = NewIds(workspace.name) if new_ids else None
        self._values: set[bytes] = set()
        self._made: dict[int, tuple[bytes, bytes]] = {}
        """In a rehearsal: the fingerprint of each key that the import would create."""
        self.report = ImportReport()
        self._member_import = MemberImport(
            storage,
            workspace,
            registry.types["/Groups"],
            rehearse,
            self.report.refused,
            self._new_ids,
        )

    async def take(self, lines: Iterable[Line], progress: Progress) -> ImportReport:
        """Import all lines; each line that cannot be imported is in the report."""
        if self._override and not self._rehearse:
            await self._record_override()
        with self._member_import as member_import:
            await self._import_lines(lines, progress)
            await member_import.join()
        self.report.refused.sort()
        return self.report

    async def _record_override(self) -> None:
        origin, name = (
            ChangeOrigin("import", "import", timestamp()),
            self._workspace.name,
        )
        note = Note(
            self._workspace.id,
            origin,
            "Workspace",
            name,
            "override",
            orjson.dumps({"attempted": "import"}),
        )
        await self._storage.record([note])

    async def _import_lines(self, lines: Iterable[Line], progress: Progress) -> None:
        for batch in _batches(lines):
            entries: dict[ResourceType, list[_Entry]] = {}
            for number, text in batch:
                try:
                    entry = self._read(number, text)
                except ScimError as error:
                    self.report.refused.append((number, error.detail))
                else:
                    entries.setdefault(entry.kind, []).append(entry)
            for some in entries.values():
                for apart in _without_duplicates(some):
                    await self._store(apart)
            progress(len(batch))

    def _read(self, number: int, text: bytes) -> _Entry:
        """Return the entry of a line.

        Raises:
            ScimError: The line is not a valid resource.
        """
        if len(text) > _MAX_LINE:
            raise ScimError(400, f"the line exceeds {_MAX_LINE:,} bytes")
        try:
            document = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise ScimError(400, f"the line is not valid JSON: {error}") from None
        kind = self._kind(document)
        given_id, meta = document.get("id"), document.get("meta")
        body = read(document, kind, self._dialect)
        for name in document:
            if kind.extension(name) is None and kind.place(name) is None:
                raise ScimError(
                    400, f"{name[:100]}: no schema of {kind.name} defines this attribute"
                )
        secret = first_secret(body, kind)
        if secret is not None:
            raise ScimError(
                400,
                f"{secret}: an import cannot set a value that is never returned; set it with PATCH",
            )
        members = member_edits.take(body).add if kind.computed == MEMBERS else ()
        if self._new_ids is not None:
            self._new_ids.relink(body, kind)
        kept = isinstance(given_id, str) and key_of(given_id) is not None and isinstance(meta, dict)
        return _Entry(
            number,
            kind,
            self._put(kind, body, given_id if kept else None, meta),
            given_id,
            kept,
            members,
        )

    def _put(self, kind: ResourceType, body: Document, given_id: str | None, meta: Json) -> Put:
        """Return the Put for a document.

        Args:
            given_id: An id of muster's to keep, with the line's meta; None to generate one.

        Raises:
            ScimError: The document is not valid.
        """
        now = timestamp()
        if given_id is None or not isinstance(meta, dict):
            return make_put(body, kind, self._new_id(clock.milliseconds()), 1, now, now)
        resource_id = given_id if self._new_ids is None else self._new_ids.of(given_id)
        created, modified, version = (
            _moment(meta, "created", now),
            _moment(meta, "lastModified", now),
            _version(meta),
        )
        return make_put(body, kind, resource_id, version, created, modified)

    def _kind(self, document: Json) -> ResourceType:
        if not isinstance(document, dict):
            raise ScimError(400, f"expected a JSON object, got {json_type(document)}")
        schemas = document.get("schemas")
        for schema in schemas if isinstance(schemas, list) else ():
            if isinstance(schema, str) and schema in self._types:
                return self._types[schema]
        raise ScimError(400, f"schemas: expected one of {', '.join(self._types)}")

    async def _store(self, entries: list[_Entry]) -> None:
        """Store resources of one type together, or one by one if that fails."""
        fresh = []
        taken = await self._taken_keys(entries)
        for entry in entries:
            try:
                if await self._exists(entry, taken):
                    self.report.there += 1
                    self._accept(entry)
                else:
                    self._check(entry)
                    fresh.append(entry)
            except ScimError as error:
                self.report.refused.append((entry.number, error.detail))
        try:
            await self._load(fresh)
        except (Conflict, KeyTaken):
            for entry in fresh:
                await self._store_one(entry)

    async def _taken_keys(self, entries: list[_Entry]) -> set[int]:
        """Return the keys of those resources that exist in the workspace, in one statement."""
        kept = [entry.key for entry in entries if entry.kept]
        if not kept:
            return set()
        bind = Binder()
        within = (
            f'workspace = {bind(self._workspace.id)} AND "key" IN ({", ".join(map(bind, kept))})'
        )
        statement = bind.statement(f'SELECT "key" FROM resources WHERE {within}')  # noqa: S608 (parameters)
        return {row[0] for row in await self._storage.query(statement)}

    async def _exists(self, entry: _Entry, taken: set[int]) -> bool:
        """Tell whether a resource exists already.

        Args:
            taken: The keys that resources of the workspace have.

        Raises:
            ScimError: It exists with other content.
        """
        if not entry.kept:
            return False
        made = self._made.get(entry.key)
        if made is not None and made[0] == (fingerprint := entry.fingerprint())[0]:
            same = made[1] == fingerprint[1]
        elif entry.key not in taken:
            return False
        else:
            current = await self._storage.get(
                self._workspace.id, entry.kind.name, entry.put.stored.id
            )
            if current is None:
                return False
            same = _content(current.document) == _content(entry.put.stored.document)
        if not same:
            raise ScimError(409, f"id: {entry.put.stored.id} exists already with other content")
        return True

    def _check(self, entry: _Entry) -> None:
        """Check the switches, and that no earlier line has one of the unique values.

        Raises:
            ScimError: A check failed.
        """
        if not self._override:
            policy.check_create(self._workspace, entry.kind)
        for attribute, value in entry.values():
            if value in self._values:
                raise ScimError(409, f"{attribute}: an earlier line has the same value")

    async def _load(self, entries: list[_Entry]) -> None:
        """Store resources in one transaction, which a rehearsal rolls back.

        Raises:
            Conflict: Another resource has a unique value.
            KeyTaken: Another resource has one of the ids.
        """
        if not entries:
            return
        if any(entry.key in self._made for entry in entries):
            raise KeyTaken
        origin, puts = (
            ChangeOrigin("import", "import", timestamp()),
            [entry.put for entry in entries],
        )
        await self._storage.load(
            self._workspace.id, entries[0].kind.name, puts, origin, self._rehearse
        )
        for entry in entries:
            if self._rehearse:
                self._made[entry.key] = entry.fingerprint()
            self._values.update(value for _, value in entry.values())
            self.report.made += 1
            self._accept(entry)

    async def _store_one(self, entry: _Entry) -> None:
        try:
            await self._load([entry])
        except Conflict as conflict:
            self.report.refused.append(
                (entry.number, f"{conflict.attribute}: another {entry.kind.name} has this value")
            )
        except KeyTaken:
            advice = (
                "" if self._new_ids is not None else "; --new-ids gives every resource a new id"
            )
            self.report.refused.append(
                (entry.number, f"id: {entry.put.stored.id} is in use{advice}")
            )

    def _accept(self, entry: _Entry) -> None:
        self._member_import.add_line(
            entry.number, entry.kind.name, entry.given_id, entry.put.stored.id, entry.members
        )


def _without_duplicates(entries: list[_Entry]) -> Iterator[list[_Entry]]:
    """Split entries wherever one has the key or a unique value of an earlier one."""
    some: list[_Entry] = []
    taken: set[int | bytes] = set()
    for entry in entries:
        marks: set[int | bytes] = {entry.key, *(value for _, value in entry.values())}
        if marks & taken:
            yield some
            some, taken = [], set()
        some.append(entry)
        taken |= marks
    if some:
        yield some


def _digest(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=_DIGEST).digest()


def _batches(lines: Iterable[Line]) -> Iterator[list[Line]]:
    batch: list[Line] = []
    for number, text in lines:
        if text.strip():
            batch.append((number, text))
        if len(batch) == _PAGE:
            yield batch
            batch = []
    if batch:
        yield batch


def _content(document: bytes) -> dict[str, Any]:
    content = parse(document)
    del content["meta"]
    return content


def _moment(meta: dict[str, Any], name: str, default: str) -> str:
    value = meta.get(name, default)
    if not isinstance(value, str):
        raise ScimError(400, f"meta.{name}: expected a dateTime such as 2011-05-13T04:42:34Z")
    moment = sortable_date_time(value)
    if moment is None:
        raise ScimError(400, f"meta.{name}: expected a dateTime such as 2011-05-13T04:42:34Z")
    return timestamp(datetime.fromisoformat(moment.removesuffix("Z")).replace(tzinfo=UTC))


def _version(meta: dict[str, Any]) -> int:
    text = str(meta.get("version", 'W/"1"')).removeprefix("W/").strip('"')
    if not text.isascii() or not text.isdigit() or not 0 < len(text) < 10:
        raise ScimError(400, 'meta.version: expected a version such as W/"1"')
    return int(text)

"""`muster import`: a workspace from JSON Lines of SCIM resources, streaming, and taken up where it was left."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson

from muster.base import clock
from muster.base.clock import timestamp
from muster.directory.documents import parse
from muster.directory.groups import member_edits
from muster.directory.groups.member_edits import MEMBERS
from muster.directory.guard import policy
from muster.directory.versions import make_put
from muster.scim.dialects import Dialect
from muster.scim.document import Document, read
from muster.scim.errors import ScimError
from muster.scim.schema.model import Registry, ResourceType
from muster.scim.secrets import first_secret
from muster.scim.values import Json, sortable_date_time
from muster.storage.ids import IdSource, key_of
from muster.storage.port.accounts import Workspace
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.errors import Conflict, KeyTaken
from muster.storage.port.resources import Put, Resources
from muster.upkeep.joining import Joining
from muster.upkeep.new_ids import NewIds

_PAGE = 500
_MAX_LINE = 64_000_000
_DIGEST = 12
Line = tuple[int, bytes]
"""Its number, from 1, and what is on it."""


class Progress(Protocol):
    def __call__(self, lines: int) -> None:
        """So many more lines are done."""


@dataclass(slots=True)
class ImportReport:
    """What came of an import. refused: the line's number, and why."""

    made: int = 0
    there: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)


@dataclass(slots=True)
class _Entry:
    """A line that was read. given_id: the id on the line; kept: whether the resource has an id that comes from it."""

    number: int
    kind: ResourceType
    put: Put
    given_id: Json
    kept: bool
    members: tuple[str, ...]

    @property
    def key(self) -> int:
        return key_of(self.put.stored.id) or 0

    def values(self) -> Iterator[tuple[str, bytes]]:
        """The attributes with unique values, each with a digest of the value."""
        for entry in sorted(self.put.index.unique):
            yield (
                entry.attribute,
                _digest(f"{self.kind.name} {entry.attribute} {entry.value}".encode()),
            )

    def fingerprint(self) -> tuple[bytes, bytes]:
        """Digests of what identifies the resource, and of its content."""
        content = orjson.dumps(_content(self.put.stored.document), option=orjson.OPT_SORT_KEYS)
        return _digest(f"{self.kind.name} {self.put.stored.id}".encode()), _digest(content)


class Importer:
    """Takes lines in. A line with an id of muster's keeps it, and its meta; any other is a new resource.

    So the import of an export makes the same resources again, and one that is begun anew passes over what is there. Members
    come last, once all resources are there that they may be.

    rehearse: do everything but commit. A rehearsal loads the same batches in transactions that it rolls back, and remembers what
    they would have made, so that it reports what the import will report. new_ids: give each resource an id of its own instead of
    the one on its line, and let references follow. override: create users even if automatic provisioning is off; the audit log
    records that.
    """

    def __init__(
        self,
        storage: Resources,
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
        self._renewed = NewIds(workspace.name) if new_ids else None
        self._values: set[bytes] = set()
        self._made: dict[int, tuple[bytes, bytes]] = {}
        """What this run has made, or would have: the unique values, and the fingerprint of each key."""
        self.report = ImportReport()
        self._joining = Joining(
            storage,
            workspace,
            registry.types["/Groups"],
            rehearse,
            self.report.refused,
            self._renewed,
        )

    async def take(self, lines: Iterable[Line], progress: Progress) -> ImportReport:
        """Import all lines; each that cannot be is in the report, and none is passed over in silence."""
        if self._override and not self._rehearse:
            await self._record_override()
        with self._joining as joining:
            await self._take(lines, progress)
            await joining.join()
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

    async def _take(self, lines: Iterable[Line], progress: Progress) -> None:
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
                for apart in _apart(some):
                    await self._keep(apart)
            progress(len(batch))

    def _read(self, number: int, text: bytes) -> _Entry:
        """A line as a resource to make. Raises ScimError."""
        if len(text) > _MAX_LINE:
            raise ScimError(400, f"the line is longer than {_MAX_LINE} bytes")
        try:
            document = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise ScimError(400, f"it is not JSON: {error}") from None
        kind = self._kind(document)
        given_id, meta = document.get("id"), document.get("meta")
        body = read(document, kind, self._dialect)
        for name in document:
            if kind.extension(name) is None and kind.place(name) is None:
                raise ScimError(400, f"{name[:100]}: no schema of a {kind.name} defines it")
        secret = first_secret(body, kind)
        if secret is not None:
            raise ScimError(
                400,
                f"{secret}: an import cannot set values that are never returned; set them by PATCH",
            )
        members = member_edits.take(body).add if kind.computed == MEMBERS else ()
        if self._renewed is not None:
            self._renewed.relink(body, kind)
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
        """What a document is to make. given_id: an id of muster's, with meta. Raises ScimError."""
        now = timestamp()
        if given_id is None or not isinstance(meta, dict):
            return make_put(body, kind, self._new_id(clock.milliseconds()), 1, now, now)
        resource_id = given_id if self._renewed is None else self._renewed.of(given_id)
        created, modified, version = (
            _moment(meta, "created", now),
            _moment(meta, "lastModified", now),
            _version(meta),
        )
        return make_put(body, kind, resource_id, version, created, modified)

    def _kind(self, document: Json) -> ResourceType:
        if not isinstance(document, dict):
            raise ScimError(400, "it is not a JSON object")
        schemas = document.get("schemas")
        for schema in schemas if isinstance(schemas, list) else ():
            if isinstance(schema, str) and schema in self._types:
                return self._types[schema]
        raise ScimError(400, f"schemas: one of {', '.join(self._types)} is needed")

    async def _keep(self, entries: list[_Entry]) -> None:
        """Make resources of one type together, or apart if they cannot all be made."""
        fresh = []
        for entry in entries:
            try:
                if await self._is_there(entry):
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
                await self._keep_one(entry)

    async def _is_there(self, entry: _Entry) -> bool:
        """Whether a resource is there already. Raises ScimError if it is there with another content."""
        if not entry.kept:
            return False
        identity, content = entry.fingerprint()
        made = self._made.get(entry.key)
        if made is not None and made[0] == identity:
            same = made[1] == content
        else:
            standing = await self._storage.get(
                self._workspace.id, entry.kind.name, entry.put.stored.id
            )
            if standing is None:
                return False
            same = _content(standing.document) == _content(entry.put.stored.document)
        if not same:
            raise ScimError(409, f"id: {entry.put.stored.id} exists already with other content")
        return True

    def _check(self, entry: _Entry) -> None:
        """Raises ScimError if provisioning is off, or a unique value is one of an earlier line."""
        if not self._override:
            policy.check_create(self._workspace, entry.kind)
        for attribute, value in entry.values():
            if value in self._values:
                raise ScimError(409, f"{attribute}: an earlier line has this value")

    async def _load(self, entries: list[_Entry]) -> None:
        """Make resources in one transaction, which a rehearsal rolls back. Raises Conflict and KeyTaken."""
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
            self._made[entry.key] = entry.fingerprint()
            self._values.update(value for _, value in entry.values())
            self.report.made += 1
            self._accept(entry)

    async def _keep_one(self, entry: _Entry) -> None:
        try:
            await self._load([entry])
        except Conflict as conflict:
            self.report.refused.append(
                (entry.number, f"{conflict.attribute}: another {entry.kind.name} has this value")
            )
        except KeyTaken:
            advice = (
                "" if self._renewed is not None else "; --new-ids gives every resource a new id"
            )
            self.report.refused.append(
                (entry.number, f"id: {entry.put.stored.id} is in use{advice}")
            )

    def _accept(self, entry: _Entry) -> None:
        self._joining.note(
            entry.number, entry.kind.name, entry.given_id, entry.put.stored.id, entry.members
        )


def _apart(entries: list[_Entry]) -> Iterator[list[_Entry]]:
    """Entries in order, cut wherever one has the key or a unique value of one before it."""
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
        raise ScimError(400, f"meta.{name} must be a dateTime")
    moment = sortable_date_time(value)
    if moment is None:
        raise ScimError(400, f"meta.{name} must be a dateTime")
    return timestamp(datetime.fromisoformat(moment.removesuffix("Z")).replace(tzinfo=UTC))


def _version(meta: dict[str, Any]) -> int:
    text = str(meta.get("version", 'W/"1"')).removeprefix("W/").strip('"')
    if not text.isascii() or not text.isdigit() or not 0 < len(text) < 10:
        raise ScimError(400, 'meta.version must be like W/"1"')
    return int(text)

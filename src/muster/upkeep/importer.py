"""`muster import`: a workspace from JSON Lines of SCIM resources, streaming, and taken up where it was left."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson

from muster.directory import member_edits, provisioning
from muster.directory.documents import make_put, parse, timestamp
from muster.directory.member_edits import MEMBERS
from muster.scim.errors import ScimError
from muster.scim.indexing import index_of
from muster.scim.predicate import Test
from muster.scim.quirks import Dialect
from muster.scim.resource import Document, read
from muster.scim.schema import Registry, ResourceType
from muster.scim.values import Json, sortable_date_time
from muster.storage.ids import IdSource, key_of
from muster.storage.port import (
    Conflict,
    KeyTaken,
    Note,
    Origin,
    Put,
    Query,
    Resources,
    Stored,
    Workspace,
    Write,
)
from muster.upkeep.joining import Joining

_PAGE = 500
_MAX_LINE = 64_000_000
Line = tuple[int, bytes]
"""Its number, from 1, and what is on it."""


class Progress(Protocol):
    def __call__(self, lines: int) -> None:
        """So many more lines are done."""


@dataclass(slots=True)
class Report:
    """What came of an import. refused: the line's number, and why."""

    made: int = 0
    there: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)


class Importer:
    """Takes lines in. A line with an id of muster's keeps it, and its meta; any other is a new resource.

    So the import of an export makes the same resources again, and one that is begun anew passes over what is there. Members
    come last, once all resources are there that they may be.

    override: create users even if automatic provisioning is off; the audit log records that.
    """

    def __init__(
        self,
        storage: Resources,
        workspace: Workspace,
        registry: Registry,
        rehearse: bool,
        clock: Callable[[], datetime],
        override: bool = False,
    ) -> None:
        self._storage = storage
        self._workspace = workspace
        self._rehearse = rehearse
        self._override = override
        self._dialect = Dialect(workspace.strict)
        self._types = {kind.core.id: kind for kind in registry.types.values()}
        self._new_id = IdSource()
        self._clock = clock
        self._seen: set[tuple[str, str, str]] = set()
        self.report = Report()
        self._joining = Joining(storage, workspace, registry.types["/Groups"], rehearse, self.report.refused, clock)

    async def take(self, lines: Iterable[Line], progress: Progress) -> Report:
        """Import all lines; each that cannot be is in the report, and none is passed over in silence."""
        if self._override and not self._rehearse:
            await self._record_override()
        with self._joining as joining:
            await self._take(lines, progress)
            await joining.join()
        self.report.refused.sort()
        return self.report

    async def _record_override(self) -> None:
        origin, name = Origin("import", "import", timestamp(self._clock())), self._workspace.name
        note = Note(self._workspace.id, origin, "Workspace", name, "override", orjson.dumps({"attempted": "import"}))
        await self._storage.note([note])

    async def _take(self, lines: Iterable[Line], progress: Progress) -> None:
        for batch in _batches(lines):
            ready: dict[ResourceType, list[tuple[int, Put]]] = {}
            for number, text in batch:
                try:
                    made = await self._read(number, text)
                except ScimError as error:
                    self.report.refused.append((number, error.detail))
                else:
                    if made is not None:
                        ready.setdefault(made[0], []).append((number, made[1]))
            for kind, puts in ready.items():
                await self._keep(kind, puts)
            progress(len(batch))

    async def _read(self, number: int, text: bytes) -> tuple[ResourceType, Put] | None:
        """What a line is to make, or None where it is there already. Raises ScimError."""
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
        if body.pop("password", None) is not None:
            raise ScimError(400, "password: an import takes none; set it by PATCH")
        members = member_edits.take(body).add if kind.computed == MEMBERS else ()
        put, standing = await self._put(kind, body, given_id, meta)
        if standing is None and not self._override:
            provisioning.check_create(self._workspace, kind)
        self._joining.note(number, given_id, put.stored.id, members)
        if standing is None:
            return kind, put
        self._compare(standing, put)
        return None

    async def _put(self, kind: ResourceType, body: Document, given_id: Json, meta: Json) -> tuple[Put, Stored | None]:
        """What a document is to make, and what stands in its place. Raises ScimError."""
        now = timestamp(self._clock())
        if isinstance(given_id, str) and key_of(given_id) is not None and isinstance(meta, dict):
            created, modified, version = _moment(meta, "created", now), _moment(meta, "lastModified", now), _version(meta)
            put = make_put(body, kind, given_id, version, created, modified)
            return put, await self._storage.get(self._workspace.id, kind.name, given_id)
        return make_put(body, kind, self._new_id(int(self._clock().timestamp() * 1000)), 1, now, now), None

    def _kind(self, document: Json) -> ResourceType:
        if not isinstance(document, dict):
            raise ScimError(400, "it is not a JSON object")
        schemas = document.get("schemas")
        for schema in schemas if isinstance(schemas, list) else ():
            if isinstance(schema, str) and schema in self._types:
                return self._types[schema]
        raise ScimError(400, f"schemas: one of {', '.join(self._types)} is needed")

    def _compare(self, standing: Stored, put: Put) -> None:
        if _content(standing.document) != _content(put.stored.document):
            raise ScimError(409, f"id: {standing.id} is there already, and is not the same")
        self.report.there += 1

    async def _keep(self, resource_type: ResourceType, puts: list[tuple[int, Put]]) -> None:
        """Make resources together, or apart where not all of them can be."""
        kind = resource_type.name
        fresh = []
        for number, put in puts:
            taken = next((e for e in sorted(put.index.unique) if (kind, e.attribute, e.value) in self._seen), None)
            if taken is not None:
                self.report.refused.append((number, f"{taken.attribute}: an earlier line has this value"))
                continue
            self._seen.update((kind, entry.attribute, entry.value) for entry in put.index.unique)
            fresh.append((number, put))
        if self._rehearse:
            for number, put in fresh:
                await self._rehearsed(resource_type, number, put)
            return
        now = timestamp(self._clock())
        try:
            await self._storage.load(self._workspace.id, kind, [put for _, put in fresh], Origin("import", "import", now))
            self.report.made += len(fresh)
        except (Conflict, KeyTaken):
            for number, put in fresh:
                await self._keep_one(kind, number, put, now)

    async def _keep_one(self, kind: str, number: int, put: Put, now: str) -> None:
        try:
            await self._storage.write(Write(self._workspace.id, kind, None, lambda _: put, Origin("import", "import", now)))
            self.report.made += 1
        except Conflict as conflict:
            self.report.refused.append((number, f"{conflict.attribute}: another {kind} has this value"))
        except KeyTaken:
            self.report.refused.append((number, f"id: {put.stored.id} is in use"))

    async def _rehearsed(self, kind: ResourceType, number: int, put: Put) -> None:
        for entry in put.index.unique:
            test = Test(index_of(kind).fields[entry.attribute], "eq", entry.value)
            if (await self._storage.find(Query(self._workspace.id, kind, test, limit=1))).count:
                self.report.refused.append((number, f"{entry.attribute}: another {kind.name} has this value"))
                return
        self.report.made += 1


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
        raise ScimError(400, "meta.version is not one of ours")
    return int(text)

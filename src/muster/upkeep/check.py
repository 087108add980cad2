"""`muster check`: compares a database with itself, and repairs derived data.

Look-ups, search forms, unique values, counts and flags are derived from the documents, so they can
be checked and rebuilt. Documents themselves cannot; damage to them is reported only.

The check runs beside ongoing writes. A resource is read with several statements, and a write
between two of them makes a sound resource look wrong, so a suspect is read again, up to three
times, before it is reported.

To derive the data again takes most of the time. In a large database other processes do that, while
this one reads the next resources; a few batches are in memory at a time.
"""

import asyncio
import multiprocessing
import os
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

import orjson

from muster.access.registries import Registries
from muster.base.progress import Progress, silent
from muster.directory.documents import parse
from muster.directory.versions import display_of, index_of_document
from muster.scim.etag import etag
from muster.scim.indexing import search_form
from muster.scim.schema.model import ResourceType
from muster.storage.ids import key_of
from muster.storage.port.accounts import Workspace
from muster.storage.port.engine import Statement, Storage, Upkeep
from muster.storage.port.errors import StorageCorrupt, StorageError
from muster.storage.port.resources import Put, Stored
from muster.storage.records.outlines import forget
from muster.storage.repair import derived
from muster.storage.repair.derived import Extract, StoredRow
from muster.upkeep import tables

_BATCH = 500
"""Resources read at a time."""
_RECHECKS = 3
"""Times that a suspect resource is read again."""
MANY = 20_000
"""From so many resources on, other processes examine them: it takes them a second to start."""
_AHEAD = 3
"""Batches that are read before the first of them has been examined, for each process."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem.

    Attributes:
        where: The affected resource, type or table.
        what: The description of the problem.
        repair: The statements that repair it; empty if nothing can.
    """

    workspace: Workspace
    where: str
    what: str
    repair: Sequence[Statement] = ()


@dataclass(slots=True)
class CheckReport:
    """The figures of a check.

    Attributes:
        workspaces: Workspaces that were checked.
        resources: Resources that were checked.
        found: Problems found.
        repaired: Problems repaired.
    """

    workspaces: int = 0
    resources: int = 0
    found: int = 0
    repaired: int = 0


async def check(
    storage: Storage, repair: bool, say: Callable[[str], object], progress: Progress = silent
) -> CheckReport:
    """Check the whole database, report each problem as a line, and repair if asked to.

    Args:
        storage: The database, started.
        repair: Whether to rebuild the derived rows that do not match their resources.
        say: Called with each problem.
        progress: Called with the number of resources that have been checked.
    """
    report = CheckReport()
    try:
        damage = await storage.integrity()
    except StorageCorrupt as error:
        damage = [str(error)]
    for what in damage:
        report.found += 1
        say(f"database: {what}")
    if not damage and not await _check_tables(storage, repair, say, report):
        say("database: nothing else is checked, because tables or columns are missing")
        return report
    workspaces = await storage.workspaces()
    report.workspaces = len(workspaces)
    expected = await _expected(storage, workspaces)
    progress(0, expected)
    async for finding in findings(storage, workspaces, report, progress, expected):
        report.found += 1
        line = f"{finding.workspace.name}: {finding.where}: {finding.what}"
        if repair and finding.repair:
            try:
                await storage.transact(finding.workspace.id, [*finding.repair, derived.NEW_EPOCH])
            except StorageError as error:
                line += f" (not repaired: {error})"
            else:
                report.repaired += 1
                line += " (repaired)"
        say(line)
    return report


async def _check_tables(
    storage: Storage, repair: bool, say: Callable[[str], object], report: CheckReport
) -> bool:
    """Report missing parts of the tables, and create them if asked to.

    Returns:
        Whether all tables and columns can be read.
    """
    whole = True
    recreated = []
    for gap in await storage.missing():
        report.found += 1
        line, repaired = f"database: {gap}", False
        if gap.kind == "column" or (gap.kind == "table" and gap.table not in tables.REPLACEABLE):
            line += ". It holds data that cannot be rebuilt: restore the database from a backup"
        elif repair:
            try:
                await storage.recreate(gap)
            except StorageError as error:
                line += f" (not repaired: {error})"
            else:
                repaired = True
                recreated.append(gap.table)
                lost = tables.REPLACEABLE.get(gap.table) if gap.kind == "table" else None
                line += f" (repaired: {lost})" if lost else " (repaired)"
        whole = whole and (repaired or gap.kind not in ("table", "column"))
        report.repaired += repaired
        say(line)
    if whole:
        await tables.fill(storage, recreated)
    return whole


async def _expected(storage: Upkeep, workspaces: Sequence[Workspace]) -> int:
    """Return the number of resources by the running counts, which may be wrong."""
    sql = "SELECT coalesce(sum(total), 0) FROM counts WHERE workspace = $1"
    rows = [(await storage.query(derived.bound(sql, workspace.id)))[0] for workspace in workspaces]
    return sum(int(row[0]) for row in rows)


async def findings(
    storage: Storage,
    workspaces: Sequence[Workspace],
    report: CheckReport,
    progress: Progress = silent,
    expected: int = 0,
) -> AsyncIterator[Finding]:
    """Yield all problems in these workspaces.

    Args:
        expected: About how many resources they have.
    """
    registries = Registries(storage)
    with ResourceExamination(expected) as examination:
        for workspace in workspaces:
            types = {item.name: item for item in (await registries.of(workspace)).types.values()}
            for kind in await derived.kinds(storage, workspace.id):
                if kind not in types:
                    yield Finding(
                        workspace,
                        kind,
                        "resources of a type that this version of muster does not know",
                    )
                    continue
                scope = (storage, workspace, types[kind], report, progress)
                async for finding in _resources(*scope, examination):
                    yield finding
                async for finding in _counts(storage, workspace, kind):
                    yield finding
            async for finding in _orphans(storage, workspace):
                yield finding


Suspects: TypeAlias = "Awaitable[list[int]]"
"""The keys of resources that seem to have a problem."""


class ResourceExamination:
    """Compares resources with their derived data: here, or in other processes if there are many.

    Args:
        expected: About how many resources there are.
    """

    def __init__(self, expected: int) -> None:
        self._processes = max(1, (os.cpu_count() or 2) - 1) if expected >= MANY else 0
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> "ResourceExamination":
        if self._processes:
            self._pool = ProcessPoolExecutor(self._processes, multiprocessing.get_context("spawn"))
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    @property
    def ahead(self) -> int:
        """The most batches that wait for their result."""
        return _AHEAD * self._processes

    def begin(self, extract: Extract, kind: ResourceType) -> Suspects:
        """Begin to examine some resources of a type."""
        if self._pool is None:
            future: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
            future.set_result(suspects(extract, kind))
            return future
        return asyncio.wrap_future(self._pool.submit(suspects, extract, kind))


def suspects(extract: Extract, kind: ResourceType) -> list[int]:
    """Return the keys of the resources that have a problem."""
    return [row.key for row in derived.assemble(extract) if _problems(row, kind)]


async def _resources(
    storage: Upkeep,
    workspace: Workspace,
    kind: ResourceType,
    report: CheckReport,
    progress: Progress,
    examination: ResourceExamination,
) -> AsyncIterator[Finding]:
    """Yield the problems of the resources of one type, read ahead of their examination."""
    waiting: deque[tuple[int, Suspects]] = deque()
    after: int | None = -1
    while after is not None or waiting:
        if after is not None:
            extract = await derived.fetch(storage, workspace.id, kind.name, after, _BATCH)
            after = None if extract is None else extract.last
            if extract is not None:
                waiting.append((len(extract.resources), examination.begin(extract, kind)))
        if after is not None and len(waiting) <= examination.ahead:
            continue
        if waiting:
            count, found = waiting.popleft()
            for key in await found:
                finding = await _recheck(storage, workspace, kind, key)
                if finding is not None:
                    yield finding
            report.resources += count
            progress(count)


async def _recheck(
    storage: Upkeep, workspace: Workspace, kind: ResourceType, key: int
) -> Finding | None:
    """Read a suspect again; return its problems if they remain."""
    for attempt in range(_RECHECKS):
        again = await derived.read(storage, workspace.id, kind.name, key - 1, 1)
        if not again or again[0].key != key or not (what := _problems(again[0], kind)):
            return None
        if attempt == _RECHECKS - 1:
            statements = _rebuild_statements(workspace, kind, again[0])
            return Finding(workspace, f"{kind.name} {again[0].id}", "; ".join(what), statements)
    return None


def _problems(row: StoredRow, kind: ResourceType) -> list[str]:
    """Return the problems of one resource."""
    if key_of(row.id) != row.key:
        return ["the id does not match the row's key"]
    try:
        document = parse(row.document.encode())
        meta = document["meta"]
        index, body = index_of_document(document, kind), search_form(document, kind)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return [f"the document cannot be read ({error})"]
    wrong = []
    if document.get("id") != row.id or meta.get("resourceType") != kind.name:
        wrong.append("the document belongs to another resource")
    if meta.get("version") != etag(row.version):
        wrong.append("the version does not match the document")
    if row.body is None:
        wrong.append("the search form is missing")
    elif row.body != orjson.loads(orjson.dumps(body)):
        wrong.append("the search form does not match the document")
    if row.display != display_of(document):
        wrong.append("the display name does not match the document")
    if row.index.lookups != index.lookups:
        wrong.append("the look-ups do not match the document")
    if {(entry.attribute, entry.value) for entry in row.index.unique} != {
        (e.attribute, e.value) for e in index.unique
    }:
        wrong.append("the unique values do not match the document")
    return wrong


def _rebuild_statements(
    workspace: Workspace, kind: ResourceType, row: StoredRow
) -> Sequence[Statement]:
    """Return the statements that rebuild derived data; none for damaged documents."""
    try:
        document = parse(row.document.encode())
        if (
            document["id"] != row.id
            or key_of(row.id) != row.key
            or document["meta"]["version"] != etag(row.version)
        ):
            return ()
        stored = Stored(row.id, row.version, row.document.encode())
        put = Put(
            stored,
            orjson.dumps(search_form(document, kind)),
            index_of_document(document, kind),
            display_of(document),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return ()
    # The outlines may have been built from the wrong search form.
    return [*derived.rebuild(workspace.id, kind.name, row.key, put), forget(workspace.id)]


async def _counts(storage: Upkeep, workspace: Workspace, kind: str) -> AsyncIterator[Finding]:
    stored, actual = await derived.counts(storage, workspace.id, kind)
    if stored != actual:
        yield Finding(
            workspace,
            kind,
            f"the running count is {stored}, but {actual} exist",
            derived.recount(workspace.id, kind),
        )


async def _orphans(storage: Upkeep, workspace: Workspace) -> AsyncIterator[Finding]:
    for table, rows in (await derived.orphans(storage, workspace.id)).items():
        if table in await derived.orphans(storage, workspace.id):
            yield Finding(
                workspace,
                table,
                f"{rows} rows belong to no resource",
                derived.remove_orphans(workspace.id),
            )
    unmarked = await derived.unmarked(storage, workspace.id)
    if unmarked:
        yield Finding(
            workspace,
            "members",
            f"{unmarked} members do not show their groups",
            derived.mark(workspace.id),
        )

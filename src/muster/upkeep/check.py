"""`muster check`: whether a database agrees with itself, resource by resource; and the repair of what can be made anew."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

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
from muster.storage.repair import derived
from muster.storage.repair.derived import StoredRow
from muster.upkeep import tables

_BATCH = 500
_LOOKS = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong. mend: the statements that mend it, empty where nothing can."""

    workspace: Workspace
    where: str
    what: str
    mend: Sequence[Statement] = ()


@dataclass(slots=True)
class CheckReport:
    """What a check looked at, what it found, and what of it was mended."""

    workspaces: int = 0
    resources: int = 0
    found: int = 0
    mended: int = 0


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
    progress(0, await _expected(storage, workspaces))
    async for finding in findings(storage, workspaces, report, progress):
        report.found += 1
        said = f"{finding.workspace.name}: {finding.where}: {finding.what}"
        if repair and finding.mend:
            try:
                await storage.transact(finding.workspace.id, finding.mend)
            except StorageError as error:
                said += f" (not repaired: {error})"
            else:
                report.mended += 1
                said += " (repaired)"
        say(said)
    return report


async def _check_tables(
    storage: Storage, repair: bool, say: Callable[[str], object], report: CheckReport
) -> bool:
    """Say which parts of the tables are missing, and create them if that is asked for. Returns whether all can be read."""
    whole = True
    recreated = []
    for gap in await storage.missing():
        report.found += 1
        said, mended = f"database: {gap}", False
        if gap.kind == "column" or (gap.kind == "table" and gap.table not in tables.REPLACEABLE):
            said += ". It holds data that cannot be rebuilt: restore the database from a backup"
        elif repair:
            try:
                await storage.recreate(gap)
            except StorageError as error:
                said += f" (not repaired: {error})"
            else:
                mended = True
                recreated.append(gap.table)
                lost = tables.REPLACEABLE.get(gap.table) if gap.kind == "table" else None
                said += f" (repaired: {lost})" if lost else " (repaired)"
        whole = whole and (mended or gap.kind not in ("table", "column"))
        report.mended += mended
        say(said)
    if whole:
        await tables.fill(storage, recreated)
    return whole


async def _expected(storage: Upkeep, workspaces: Sequence[Workspace]) -> int:
    """The number of resources by the running counts, which a finding may correct."""
    sql = "SELECT coalesce(sum(total), 0) FROM counts WHERE workspace = $1"
    rows = [(await storage.query(derived.bound(sql, workspace.id)))[0] for workspace in workspaces]
    return sum(int(row[0]) for row in rows)


async def findings(
    storage: Storage,
    workspaces: Sequence[Workspace],
    report: CheckReport,
    progress: Progress = silent,
) -> AsyncIterator[Finding]:
    """All that is wrong in these workspaces. Writes that go on meanwhile are no errors: what looks wrong is looked at again."""
    registries = Registries(storage)
    for workspace in workspaces:
        types = {item.name: item for item in (await registries.of(workspace)).types.values()}
        for kind in await derived.kinds(storage, workspace.id):
            if kind not in types:
                yield Finding(
                    workspace, kind, "resources of a type that this version of muster does not know"
                )
                continue
            async for finding in _resources(storage, workspace, types[kind], report, progress):
                yield finding
            async for finding in _counts(storage, workspace, kind):
                yield finding
        async for finding in _orphans(storage, workspace):
            yield finding


async def _resources(
    storage: Upkeep,
    workspace: Workspace,
    kind: ResourceType,
    report: CheckReport,
    progress: Progress,
) -> AsyncIterator[Finding]:
    after = -1
    while rows := await derived.read(storage, workspace.id, kind.name, after, _BATCH):
        after = rows[-1].key
        report.resources += len(rows)
        progress(len(rows))
        for row in rows:
            if _wrong(row, kind):
                looked: StoredRow | None = row
                for _ in range(_LOOKS):
                    again = await derived.read(storage, workspace.id, kind.name, row.key - 1, 1)
                    looked = again[0] if again and again[0].key == row.key else None
                    if looked is None or not _wrong(looked, kind):
                        break
                if looked is not None and (what := _wrong(looked, kind)):
                    yield Finding(
                        workspace,
                        f"{kind.name} {row.id}",
                        "; ".join(what),
                        _mend(workspace, kind, looked),
                    )


def _wrong(row: StoredRow, kind: ResourceType) -> list[str]:
    """What is wrong with one resource."""
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


def _mend(workspace: Workspace, kind: ResourceType, row: StoredRow) -> Sequence[Statement]:
    """What makes the derived anew; a document is nothing that could be."""
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
    return derived.rebuild(workspace.id, kind.name, row.key, put)


async def _counts(storage: Upkeep, workspace: Workspace, kind: str) -> AsyncIterator[Finding]:
    kept, there = await derived.counts(storage, workspace.id, kind)
    if kept != there:
        yield Finding(
            workspace,
            kind,
            f"the running count is {kept}, but {there} exist",
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

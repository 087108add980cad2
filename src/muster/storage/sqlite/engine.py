"""The SQLite engine.

- Keyed reads run in the event loop on a shared snapshot (`snapshot.py`).
- A search runs in the event loop if it reads few rows and bytes, and otherwise on a thread of low
  priority with a connection of its own, a turn and a time budget.
- Writes go through the writer (`writer.py`).
- `query` runs on a thread with a pooled connection.
"""

import asyncio
import contextlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from muster.base.threads import lower_priority
from muster.base.vault import Vault
from muster.scim.filter.predicate import Test
from muster.scim.indexing import index_of
from muster.storage.audit.chain import HASHED_COLUMNS
from muster.storage.audit.search import (
    examined_range,
    has_index,
    matching_changes,
    next_position,
)
from muster.storage.groups.hierarchy import HierarchyCache, parse_keys
from muster.storage.groups.member_delta import delta_from_column
from muster.storage.ids import key_of
from muster.storage.port.changes import Change, ChangeFilter, ChangeOrigin
from muster.storage.port.engine import Missing, Pressure, Statement
from muster.storage.port.errors import TooExpensive
from muster.storage.port.members import GROUP, Groups, Member, MemberChoice
from muster.storage.port.resources import Follower, Outcome, Page, Put, Query, Stored, Write
from muster.storage.query.binder import Binder
from muster.storage.query.compiler import QUICK_ROWS, Compiler, QueryPlan, Seek
from muster.storage.query.memberships import required_member
from muster.storage.query.outlines import (
    Hints,
    OutlineAnswer,
    OutlineQuestion,
    outline_steps,
    suffices,
)
from muster.storage.query.paging import (
    CHANGES_SHARE,
    PAGE_BYTES,
    QUICK_BYTES,
    StaleMark,
    is_quick,
    page_steps,
)
from muster.storage.query.turns import Turns
from muster.storage.records.sealing import seal_new
from muster.storage.sqlite import members, rows
from muster.storage.sqlite.accounts import SqliteAccounts
from muster.storage.sqlite.changed import ChangedResources
from muster.storage.sqlite.connection import (
    BUSY_SECONDS,
    PATIENT_SECONDS,
    ConnectionPool,
    connect,
    migrate,
    missing,
    recreate,
    translate,
    translated,
)
from muster.storage.sqlite.epoch import SqliteEpoch, Stamps
from muster.storage.sqlite.functions import SqliteFunctions, positional
from muster.storage.sqlite.snapshot import Snapshot
from muster.storage.sqlite.writer import SqliteWriter

T = TypeVar("T")
_READER_CACHE_KIB = 48 * 1024
_WRITER_CACHE_KIB = 24 * 1024
_SMALL_CACHE_KIB = 4 * 1024
_QUERY_CONNECTIONS = 4
"""Connections for `query`."""
_SEARCH_CONNECTIONS = 2
"""Searches that run on threads at a time, each with its own connection."""
_SEARCH_NICENESS = 5
"""The niceness of the threads of searches."""
_SEARCH_STEPS = 1000
"""After so many steps of SQLite's bytecode a search offers its core to other threads.

Without both, a keyed read waits for a time slice of a search at each of its turns: beside two
searches, 500 reads a second took a second each.
"""
_INTERRUPT_SECONDS = 0.02
"""The interval at which a search beyond its budget is interrupted again."""
_INLINE_MEMBERS = 100
"""The most members that a write may name and still run in the event loop."""
_INLINE_APPENDED = 20
"""Rows that `append` inserts between two writes."""

_GET = (
    'SELECT version, document, grouped FROM resources WHERE "key" = ? AND workspace = ?'
    " AND type = ? AND id = ?"
)
_MEMBERSHIPS = f"SELECT ({members.DIRECT}), ({members.VERSION})"
"""Read only for resources in groups: within _GET it cost every read a sixth more."""
_IN_ORDER = (
    "SELECT (SELECT total FROM counts WHERE workspace = ?"
    " AND type = ?), count(*), group_concat(document, ','), max(grouped) FROM"
    " (SELECT document, grouped FROM resources WHERE workspace = ? AND type = ?"
    ' ORDER BY "key" LIMIT ? OFFSET ?)'
)
"""SQLite joins the documents: one step, so that the interpreter lock is released once per page
instead of once per row.
"""
_BY_UNIQUE = (
    'SELECT r.document, r.grouped FROM unique_values u JOIN resources r ON r."key" = u."key"'
    " WHERE u.workspace = ? AND u.type = ? AND u.attribute = ? AND u.value = ?"
)
_FEW = 20
"""The most matches of a value that are read without counting them first."""
_BY_LOOKUP = (
    "SELECT count(*), group_concat(document, ','), max(grouped) FROM"
    ' (SELECT r.document, r.grouped FROM lookups l CROSS JOIN resources r ON r."key" = l."key"'
    " WHERE l.workspace = ? AND l.type = ? AND l.attribute = ? AND l.value = ?"
    ' ORDER BY l."key" LIMIT ?)'
)
_PREVIOUS_DOCUMENT = (
    "(SELECT b.document FROM changes b WHERE b.workspace = c.workspace AND b.id = c.id"
    " AND b.sequence < c.sequence"
    " AND b.version > 0 ORDER BY b.sequence DESC LIMIT 1)"
)
_CHANGES = (
    "SELECT sequence, {columns}, chain, {before} FROM changes c"
    " WHERE workspace = ? AND sequence > ? ORDER BY sequence LIMIT ?"
)
_CHANGES_OF_ALL = (
    "SELECT workspace, sequence, {columns}, chain, {before} FROM changes c"
    " WHERE sequence > ? AND sequence <= ? AND workspace > 0 ORDER BY sequence LIMIT ?"
)
_OWNER = (
    'SELECT r.id FROM unique_values u JOIN resources r ON r."key" = u."key"'
    " WHERE u.workspace = ? AND u.type = ? AND u.attribute = ? AND u.value = ?"
)
_HISTORY = (
    f"SELECT sequence, {HASHED_COLUMNS}, chain, {_PREVIOUS_DOCUMENT} FROM changes c"
    " WHERE workspace = ? AND id = ? AND sequence < ? ORDER BY sequence DESC LIMIT ?"
)
_EXAMINED_RANGE = {indexed: examined_range(indexed) for indexed in (False, True)}
_MATCHING_CHANGES = {
    indexed: matching_changes(indexed).format(
        columns=HASHED_COLUMNS,
        actor="$4",
        type="$5",
        action="$6",
        among="($7 IS NULL OR actor IN (SELECT value FROM json_each($7)))",
    )
    for indexed in (False, True)
}
"""The statements of a search, by whether its action has an index."""
_END = 2**62
_CHANGES_ONLY = _CHANGES.format(columns=HASHED_COLUMNS, before="NULL")
_CHANGES_WITH_PREVIOUS = _CHANGES.format(columns=HASHED_COLUMNS, before=_PREVIOUS_DOCUMENT)
_CHANGES_OF_ALL = _CHANGES_OF_ALL.format(columns=HASHED_COLUMNS, before=_PREVIOUS_DOCUMENT)
_FUNCTIONS = SqliteFunctions()


class SqliteStorage(SqliteAccounts):
    """A database file.

    Args:
        scan_seconds: The time budget of one search.
        page_bytes: The most bytes of the documents of a page.
        patient: Whether writes wait longer for other processes, as commands do beside a service.
    """

    def __init__(
        self,
        path: str,
        scan_seconds: float = 10.0,
        page_bytes: int = PAGE_BYTES,
        patient: bool = False,
        vault: Vault | None = None,
    ) -> None:
        self.vault = vault or Vault()
        self.page_bytes = page_bytes
        # The stamps must lie beside SQLite's log, which is named after the file and not after a
        # symbolic link to it.
        self.path = os.path.realpath(path)
        self.on_commit: Callable[[int], None] = lambda _: None
        self.stale_outlines: set[tuple[int, str]] = set()
        self._hierarchies = HierarchyCache()
        self._changed: ChangedResources | None = None
        self.scan_seconds = scan_seconds
        self._patience = PATIENT_SECONDS if patient else BUSY_SECONDS

    async def migrate(self) -> tuple[str | None, str]:
        return await asyncio.to_thread(migrate, self.path)

    async def start(self) -> None:
        with translated():
            self._stamps = Stamps(self.path)
            reader = connect(self.path, _READER_CACHE_KIB, read_only=True)
            reader.text_factory = bytes
            # SQLite stops joining the documents of a page at this length (SQLITE_TOOBIG).
            reader.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, self.page_bytes + 1)
            changed = self._changed
            self._snapshot = Snapshot(
                reader, self._stamps, None if changed is None else changed.tell
            )
            self._accounts = connect(self.path, _SMALL_CACHE_KIB, read_only=True)
            self._epoch = SqliteEpoch(self._stamps, self._accounts)
            self._writer = SqliteWriter(
                connect(self.path, _WRITER_CACHE_KIB),
                self._snapshot.release,
                self._committed,
                self._patience,
            )
            self._query_pool = ConnectionPool(
                connect(self.path, _SMALL_CACHE_KIB, read_only=True)
                for _ in range(_QUERY_CONNECTIONS)
            )
            self._search_pool = ConnectionPool(
                self._search_connection() for _ in range(_SEARCH_CONNECTIONS)
            )
        self._turns = Turns(_SEARCH_CONNECTIONS)
        self._search_threads = ThreadPoolExecutor(
            _SEARCH_CONNECTIONS, "muster-scan", lower_priority, (_SEARCH_NICENESS,)
        )
        await seal_new(self, self.vault)

    def _search_connection(self) -> sqlite3.Connection:
        connection = connect(self.path, _SMALL_CACHE_KIB, read_only=True)
        connection.text_factory = bytes
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, self.page_bytes + 1)
        connection.set_progress_handler(os.sched_yield, _SEARCH_STEPS)
        return connection

    async def close(self) -> None:
        await self._writer.close()
        await self._search_pool.close()
        await self._query_pool.close()
        self._search_threads.shutdown()
        self._snapshot.close()
        self._accounts.close()
        self._stamps.close()

    def _committed(self, writes: int) -> None:
        self._stamps.announce_commit()
        self.on_commit(writes)

    def follow(self, follower: Follower) -> Callable[[], int] | None:
        self._changed = ChangedResources(follower)
        return self._state

    def _state(self) -> int:
        try:
            return self._snapshot.number()
        except sqlite3.DatabaseError as error:
            raise translate(error) from error

    async def ready(self) -> None:
        await self.signing_secret()

    def pressure(self) -> Pressure:
        return Pressure(self._writer.waiting, self._turns.waiting, 0)

    async def size(self) -> int:
        files = (Path(self.path + tail) for tail in ("", "-wal", "-shm"))
        return sum(file.stat().st_size for file in files if file.exists())

    async def get(self, workspace: int, type_name: str, resource_id: str) -> Stored | None:
        key = key_of(resource_id)
        if key is None:
            return None
        try:
            reader = self._snapshot.reader()
            row = reader.execute(_GET, (key, workspace, type_name, resource_id)).fetchone()
            if row is None:
                return None
            version, document, grouped = row
            groups = None
            if grouped and type_name != GROUP:
                direct, hierarchy = reader.execute(
                    _MEMBERSHIPS, (workspace, key, workspace)
                ).fetchone()
                groups = (
                    self._groups_of(reader, workspace, hierarchy or 0, direct)
                    if direct is not None
                    else None
                )
        except sqlite3.DatabaseError as error:
            raise translate(error) from error
        return Stored(resource_id, version, document, groups)

    def _groups_of(
        self, reader: sqlite3.Connection, workspace: int, version: int, direct: bytes
    ) -> Groups | None:
        """Return the groups for direct keys at a version of the hierarchy."""
        known = self._hierarchies.cached_groups(workspace, version, direct)
        if known is not None:
            return known
        hierarchy, keys = self._hierarchies.at(workspace, version), parse_keys(direct)
        members.load(reader, workspace, hierarchy, keys)
        return self._hierarchies.cache_groups(workspace, version, direct, hierarchy.groups_of(keys))

    async def find(self, query: Query) -> Page:
        if (
            query.sort is None
            and query.domain is None
            and 0 < query.limit <= QUICK_ROWS
            and query.after is None
        ):
            if query.predicate is None and query.offset <= QUICK_ROWS and not query.walk:
                return self._first_pages(query)
            if (
                query.offset == 0
                and isinstance(query.predicate, Test)
                and query.predicate.operator == "eq"
            ):
                page = self._by_value(query, query.predicate)
                if page is not None:
                    return page
            member = required_member(query)
            if member is not None and (page := self._by_member(query, member)) is not None:
                return page
        compiler = Compiler(query, _FUNCTIONS)
        plan = await compiler.plan(self._measure)
        try:
            if wanted := compiler.wanted(plan):
                compiler.hints = await self._hints(query, wanted)
                if compiler.hints is not None:
                    hinted = await compiler.plan(self._measure)
                    page = await self._planned(query, hinted)
                    if suffices(query, page, compiler.hints):
                        return page
            return await self._planned(query, plan)
        except StaleMark:
            return await self.find(replace(query, after=None, mark=None))

    async def _planned(self, query: Query, plan: QueryPlan) -> Page:
        if await is_quick(query, plan, self._measure) and self._is_light(plan):
            with translated():
                return _page(self._snapshot.reader(), query, plan)
        return await self._search_on_thread(
            query.workspace, lambda connection: _run(connection, query, plan)
        )

    async def _hints(self, query: Query, wanted: OutlineQuestion) -> Hints | None:
        """Ask the outlines, and note if they should be brought on."""

        def ask(connection: sqlite3.Connection) -> OutlineAnswer:
            steps = outline_steps(query, wanted, narrow=False)
            try:
                statement = next(steps)
                while True:
                    statement = steps.send(connection.execute(*positional(statement)).fetchall())
            except StopIteration as stopped:
                answer: OutlineAnswer = stopped.value
                return answer

        answer = await self._search_on_thread(query.workspace, ask)
        if answer.stale:
            self.stale_outlines.add((query.workspace, query.resource_type.name))
        return answer.hints

    def _first_pages(self, query: Query) -> Page:
        """Return a page in the order of ids, with the running count."""
        scope = (query.workspace, query.resource_type.name)
        try:
            row = (
                self._snapshot.reader()
                .execute(_IN_ORDER, (*scope, *scope, query.limit, query.offset))
                .fetchone()
            )
        except sqlite3.DatabaseError as error:
            raise translate(error) from error
        return Page(row[0] or 0, row[1], row[2] or b"", bool(row[3]))

    def _unique(self, query: Query, name: str, value: str) -> Page:
        """Return the page of the resource with a unique value."""
        try:
            scope = (query.workspace, query.resource_type.name)
            row = self._snapshot.reader().execute(_BY_UNIQUE, (*scope, name, value)).fetchone()
        except sqlite3.DatabaseError as error:
            raise translate(error) from error
        return Page(0) if row is None else Page(1, 1, row[0], bool(row[1]))

    def _by_value(self, query: Query, test: Test) -> Page | None:
        """Return the page of the resources with a value; None if an index does not give it."""
        name, index, value = test.field.name, index_of(query.resource_type), test.operand
        if name in index.unique:
            return self._unique(query, name, value)
        is_indexed = name in index.fields and isinstance(value, str)
        return self._by_lookup(query, name, value) if is_indexed else None

    def _by_lookup(self, query: Query, name: str, value: str) -> Page | None:
        """Return the page of the resources with an indexed value; None if they may be many.

        Clients search so for the externalId of a user, which one resource has, or none.
        """
        scope, limit = (query.workspace, query.resource_type.name), min(query.limit, _FEW)
        try:
            found = self._snapshot.reader().execute(_BY_LOOKUP, (*scope, name, value, limit + 1))
            count, documents, grouped = found.fetchone()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_TOOBIG:
                return None  # perhaps only because of the resource beyond the limit
            raise translate(error) from error
        if count > limit:
            return None
        return Page(count, count, documents or b"", bool(grouped))

    def _by_member(self, query: Query, member: str) -> Page | None:
        """Return the groups that contain a member, or None if they exceed the page."""
        values = (key_of(member), query.workspace, member, query.limit + 1)
        try:
            count, documents = self._snapshot.reader().execute(members.BY_MEMBER, values).fetchone()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_TOOBIG:
                return None  # perhaps only because of the extra group beyond the limit
            raise translate(error) from error
        return Page(count, count, documents or b"") if count <= query.limit else None

    async def _measure(self, seek: Seek) -> int:
        """Count the keys of a seek, up to one more than may be read in the event loop."""
        bind = Binder()
        statement = bind.statement(
            f"SELECT count(*) FROM (SELECT 1 FROM ({seek.keys(bind)}) k LIMIT {QUICK_ROWS + 1}) n"
        )
        with translated():
            counted: int = self._snapshot.reader().execute(*positional(statement)).fetchone()[0]
        return counted

    def _is_light(self, plan: QueryPlan) -> bool:
        """Tell whether a quick search reads few enough bytes for the event loop.

        Few rows are not enough: forty users of 0.9 MB with 60 value paths took 109 s.
        """
        if plan.seek is None or not plan.checks:
            return True
        bind = Binder()
        statement = bind.statement(
            "SELECT length(CAST(s.body AS BLOB))"
            f" FROM ({plan.seek.keys(bind)} LIMIT {QUICK_ROWS}) k JOIN searchable s"
            ' ON s."key" = k."key"'
        )
        with translated():
            remaining = QUICK_BYTES // plan.checks
            for (size,) in self._snapshot.reader().execute(*positional(statement)):
                remaining -= size
                if remaining < 0:
                    return False
        return True

    async def _search_on_thread(self, workspace: int, job: Callable[[sqlite3.Connection], T]) -> T:
        """Run a job on a thread with a connection of its own, within the time budget."""
        async with self._turns.turn(workspace):
            return await self._run_search(await self._search_pool.take(), job)

    async def _run_search(
        self, connection: sqlite3.Connection, job: Callable[[sqlite3.Connection], T]
    ) -> T:
        loop = asyncio.get_running_loop()
        budget = _Budget(connection, loop, self.scan_seconds)
        running = loop.run_in_executor(self._search_threads, job, connection)
        try:
            return await asyncio.shield(running)
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                raise TooExpensive from None
            raise translate(error) from error
        except asyncio.CancelledError:
            budget.end()
            await asyncio.wait([running])
            raise
        finally:
            budget.close()
            self._search_pool.give_back(connection)

    async def members(
        self, workspace: int, group_id: str, after: int, limit: int
    ) -> Sequence[Member]:
        with translated():
            return members.members(
                self._snapshot.reader(), workspace, key_of(group_id) or 0, after, limit
            )

    async def memberships(self, workspace: int, ids: Sequence[str]) -> dict[str, Groups]:
        with translated():
            reader = self._snapshot.reader()
            row = reader.execute(members.VERSION, (workspace,)).fetchone()
            keys = json.dumps([key_of(resource_id) for resource_id in ids])
            direct = reader.execute(members.DIRECT_OF_EACH, (workspace, keys)).fetchall()
            version = 0 if row is None else row[0]
            found = {
                id_: self._groups_of(reader, workspace, version, keys)
                for id_, (keys,) in zip(ids, direct, strict=True)
                if keys
            }
        return {resource_id: groups for resource_id, groups in found.items() if groups is not None}

    async def write(self, write: Write) -> Outcome:
        edit = write.members
        large = write.is_long(0) or (
            edit is not None
            and (
                isinstance(edit, MemberChoice)
                or edit.clear
                or len(edit.add) + len(edit.remove) > _INLINE_MEMBERS
            )
        )
        return await self._writer.write(
            lambda connection: rows.carry_out(connection, write, inline=not large),
            large,
            write if edit is None and not large else None,
        )

    async def rehearse(self, write: Write) -> Outcome:
        outcomes: list[Outcome] = []

        def job(connection: sqlite3.Connection) -> None:
            outcomes.append(rows.carry_out(connection, write))
            raise _Rehearsed

        with contextlib.suppress(_Rehearsed):  # the writer undoes a large job
            await self._writer.write(job, large=True)
        return outcomes[-1]

    async def write_all(self, workspace: int, writes: Sequence[Write]) -> Sequence[Outcome]:
        del workspace  # each write names it

        def job(connection: sqlite3.Connection) -> list[Outcome]:
            return [rows.carry_out(connection, write) for write in writes]

        return await self._writer.write(job, large=True)

    async def load(
        self,
        workspace: int,
        type_name: str,
        puts: Sequence[Put],
        origin: ChangeOrigin,
        rehearse: bool = False,
    ) -> None:
        def job(connection: sqlite3.Connection) -> None:
            rows.load(connection, workspace, type_name, puts, origin)
            if rehearse:
                raise _Rehearsed

        with contextlib.suppress(_Rehearsed):  # the writer undoes a large job
            await self._writer.write(job, large=True)

    async def query(self, statement: Statement) -> Sequence[Sequence[Any]]:
        """Run on a thread, with a connection that no other thread uses meanwhile.

        Two threads on one connection can run a shared prepared statement with each other's
        parameters.
        """
        connection = await self._query_pool.take()

        def give_back(done: asyncio.Task[Any]) -> None:
            self._query_pool.give_back(connection)
            if not done.cancelled():
                done.exception()  # retrieved, so that an abandoned read logs no warning

        running = asyncio.create_task(
            asyncio.to_thread(lambda: connection.execute(*positional(statement)).fetchall())
        )
        running.add_done_callback(give_back)
        with translated():
            return await asyncio.shield(running)

    async def transact(self, workspace: int, statements: Sequence[Statement]) -> None:
        del workspace  # one writer serves the whole file

        def job(connection: sqlite3.Connection) -> None:
            for statement in statements:
                connection.execute(*positional(statement))

        await self._writer.write(job, large=True)

    async def append(self, workspace: int, insert: str, rows: Sequence[tuple[Any, ...]]) -> None:
        del workspace  # each row names it
        sql, _ = positional(Statement(insert, rows[0]))

        def job(some: Sequence[tuple[Any, ...]]) -> Callable[[sqlite3.Connection], object]:
            return lambda connection: connection.executemany(sql, some)

        # On the thread each row would wait for the interpreter lock, and every write for the rows.
        parts = (
            rows[start : start + _INLINE_APPENDED]
            for start in range(0, len(rows), _INLINE_APPENDED)
        )
        await asyncio.gather(*(self._writer.write(job(part)) for part in parts))

    async def integrity(self) -> Sequence[str]:
        found = [row[0] for row in await self.query(Statement("PRAGMA integrity_check", ()))]
        return [] if found == ["ok"] else found

    async def missing(self) -> Sequence[Missing]:
        return await asyncio.to_thread(missing, self.path)

    async def recreate(self, missing: Missing) -> None:
        await asyncio.to_thread(recreate, self.path, missing)

    async def changes(
        self, workspace: int, after: int, limit: int, with_before: bool = False
    ) -> Sequence[Change]:
        with translated():
            statement = _CHANGES_WITH_PREVIOUS if with_before else _CHANGES_ONLY
            return self._bounded(self._accounts.execute(statement, (workspace, after, limit)))

    async def settled_change(self) -> int:
        with translated():  # there is one writer, so numbers are in the order of commits
            latest: int = self._accounts.execute(
                "SELECT coalesce(max(sequence), 0) FROM changes"
            ).fetchone()[0]
        return latest

    async def changes_of_all(self, after: int, until: int, limit: int) -> Sequence[Change]:
        with translated():
            return self._bounded(
                self._accounts.execute(_CHANGES_OF_ALL, (after, until, limit)), of_all=True
            )

    def _bounded(self, rows: Iterable[tuple[Any, ...]], of_all: bool = False) -> list[Change]:
        """Convert rows to changes until they exceed their share of the bytes of a page."""
        found, size = [], 0
        for row in rows:
            change = replace(_change(row[1:]), workspace=row[0]) if of_all else _change(row)
            found.append(change)
            size += len(change.document) + len(change.before or b"")
            if size > self.page_bytes // CHANGES_SHARE:
                break
        return found

    async def history(
        self, workspace: int, resource_id: str, before: int | None, limit: int
    ) -> Sequence[Change]:
        with translated():
            values = (workspace, resource_id, _END if before is None else before, limit)
            return self._bounded(self._accounts.execute(_HISTORY, values))

    async def search_changes(
        self, workspace: int, before: int | None, limit: int, criteria: ChangeFilter
    ) -> tuple[Sequence[Change], int | None]:
        end = _END if before is None else before
        actors = None if criteria.actors is None else json.dumps(sorted(criteria.actors))
        asked = (criteria.actor, criteria.type, criteria.action, actors, limit)
        indexed = has_index(criteria.action)
        place = (workspace, end, criteria.action) if indexed else (workspace, end)

        def search(connection: sqlite3.Connection) -> tuple[Sequence[Change], int | None]:
            first, count = connection.execute(
                *positional(Statement(_EXAMINED_RANGE[indexed], place))
            ).fetchone()
            values = (workspace, end, first or 0, *asked)
            rows = connection.execute(*positional(Statement(_MATCHING_CHANGES[indexed], values)))
            found = self._bounded((*map(members.text, row[:-2]), *row[-2:]) for row in rows)
            if len(found) < limit and rows.fetchone() is not None:
                return found, found[-1].sequence
            return found, next_position([change.sequence for change in found], limit, first, count)

        return await self._search_on_thread(workspace, search)

    async def deprovisioned(self, workspace: int, since: str) -> tuple[int, int]:
        with translated():
            done, gone = (
                self._accounts.execute(counted, (workspace, since)).fetchone()[0]
                for counted in (rows.DEPROVISIONED, rows.DELETED)
            )
        return done, gone

    async def latest_change(self, workspace: int) -> int:
        with translated():
            latest: int = self._accounts.execute(
                "SELECT coalesce(max(sequence), 0) FROM changes WHERE workspace = ?", (workspace,)
            ).fetchone()[0]
        return latest

    async def owner(self, workspace: int, type_name: str, attribute: str, value: str) -> str | None:
        with translated():
            row = self._accounts.execute(
                _OWNER, (workspace, type_name, attribute, value)
            ).fetchone()
        return None if row is None else row[0]

    async def former_owner(self, workspace: int, sequence: int) -> str | None:
        statement = "SELECT owner FROM changes WHERE workspace = ? AND sequence = ?"
        with translated():
            row = self._accounts.execute(statement, (workspace, sequence)).fetchone()
        return None if row is None else row[0]

    async def secret(self, workspace: int, resource_id: str, name: str) -> str | None:
        statement = 'SELECT hash FROM secrets WHERE workspace = ? AND "key" = ? AND name = ?'
        with translated():
            row = self._accounts.execute(
                statement, (workspace, key_of(resource_id), name)
            ).fetchone()
        return None if row is None else row[0]


class _Rehearsed(Exception):
    """Raised at the end of a rehearsal, so that the writer undoes its changes."""


class _Budget:
    """Interrupts a connection when its time is up, repeatedly until the job has ended.

    An interrupt between two statements of the job has no effect, so one is not enough.
    """

    def __init__(
        self, connection: sqlite3.Connection, loop: asyncio.AbstractEventLoop, seconds: float
    ) -> None:
        self._connection = connection
        self._loop = loop
        self._timer = loop.call_later(seconds, self.end)

    def end(self) -> None:
        self._timer.cancel()
        self._connection.interrupt()
        self._timer = self._loop.call_later(_INTERRUPT_SECONDS, self.end)

    def close(self) -> None:
        self._timer.cancel()


def _change(row: tuple[Any, ...]) -> Change:
    """Convert a row to a change."""
    (
        sequence,
        time,
        actor,
        request_id,
        type_name,
        resource_id,
        action,
        version,
        document,
        members,
        address,
        chain,
        before,
    ) = row
    origin = ChangeOrigin(actor, request_id, time, address or "")
    content = (type_name, resource_id, action, version, document.encode())
    previous = None if before is None else before.encode()
    return Change(sequence, origin, *content, delta_from_column(members), previous, chain)


def _run(connection: sqlite3.Connection, query: Query, plan: QueryPlan) -> Page:
    """Read a page and its exact total in one snapshot."""
    connection.execute("BEGIN")
    try:
        return _page(connection, query, plan)
    finally:
        connection.execute("COMMIT")


def _page(connection: sqlite3.Connection, query: Query, plan: QueryPlan) -> Page:
    """Read a page and its exact total in the connection's snapshot."""
    steps = page_steps(query, plan)
    try:
        statement = next(steps)
        while True:
            statement = steps.send(connection.execute(*positional(statement)).fetchone())
    except StopIteration as stopped:
        page: Page = stopped.value
        return page

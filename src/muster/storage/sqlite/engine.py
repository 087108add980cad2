"""The SQLite engine behind the port: keyed reads inline, scans on threads with a budget, writes through the writer."""

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

from muster.base.threads import stand_back
from muster.scim.filter.predicate import Test
from muster.scim.indexing import index_of
from muster.storage.audit.chain import LINKED
from muster.storage.audit.search import REACH, SOUGHT, left_off
from muster.storage.groups.hierarchy import Hierarchies, keys_of
from muster.storage.groups.member_delta import moved
from muster.storage.ids import key_of
from muster.storage.port.changes import Change, ChangeFilter, ChangeOrigin
from muster.storage.port.engine import Missing, Pressure, Statement
from muster.storage.port.errors import TooExpensive
from muster.storage.port.members import GROUP, Groups, Member, MemberChoice
from muster.storage.port.resources import Outcome, Page, Put, Query, Stored, Write
from muster.storage.query.binder import Binder
from muster.storage.query.compiler import Compiler, QueryPlan, Seek
from muster.storage.query.memberships import pinned_member
from muster.storage.query.paging import (
    CHANGES_SHARE,
    PAGE_BYTES,
    QUICK_BYTES,
    QUICK_ROWS,
    Stale,
    answer,
    is_quick,
)
from muster.storage.query.turns import Turns
from muster.storage.sqlite import members, rows
from muster.storage.sqlite.accounts import SqliteAccounts
from muster.storage.sqlite.connection import (
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
_ASKERS = 4
"""Connections for reads by statement."""
_SCANNERS = 2
_SCAN_NICE, _SCAN_STEPS = 5, 1000
"""Of the threads of scans: their niceness, and after how many of SQLite's steps they offer the core to whoever waits for it.

Else a keyed read waits for a time slice of theirs at each of its turns: beside two scans 500 reads a second took a second each.
"""
_INTERRUPT_SECONDS = 0.02
_INLINE_MEMBERS = 100
"""How many members a write may name and still run inline."""
_INLINE_APPENDED = 20
"""How many rows are appended between two writes."""

_GET = 'SELECT version, document, grouped FROM resources WHERE "key" = ? AND workspace = ? AND type = ? AND id = ?'
_MEMBERSHIPS = f"SELECT ({members.DIRECT}), ({members.VERSION})"
"""Asked for by itself, and only of who is in a group: within _GET it cost everybody a sixth of the read."""
_IN_ORDER = (
    "SELECT (SELECT total FROM counts WHERE workspace = ? AND type = ?), count(*), group_concat(document, ','), max(grouped) FROM"
    ' (SELECT document, grouped FROM resources WHERE workspace = ? AND type = ? ORDER BY "key" LIMIT ? OFFSET ?)'
)
"""Joined by SQLite: one step, and the lock of the interpreter let go of once, not once a row."""
_BY_UNIQUE = (
    'SELECT r.document, r.grouped FROM unique_values u JOIN resources r ON r."key" = u."key"'
    " WHERE u.workspace = ? AND u.type = ? AND u.attribute = ? AND u.value = ?"
)
_BEFORE = (
    "(SELECT b.document FROM changes b WHERE b.workspace = c.workspace AND b.id = c.id AND b.sequence < c.sequence"
    " AND b.version > 0 ORDER BY b.sequence DESC LIMIT 1)"
)
_CHANGES = (
    "SELECT sequence, {columns}, chain, {before} FROM changes c"
    " WHERE workspace = ? AND sequence > ? ORDER BY sequence LIMIT ?"
)
_OWNER = (
    'SELECT r.id FROM unique_values u JOIN resources r ON r."key" = u."key"'
    " WHERE u.workspace = ? AND u.type = ? AND u.attribute = ? AND u.value = ?"
)
_HISTORY = (
    f"SELECT sequence, {LINKED}, chain, {_BEFORE} FROM changes c"
    " WHERE workspace = ? AND id = ? AND sequence < ? ORDER BY sequence DESC LIMIT ?"
)
_SOUGHT = SOUGHT.format(columns=LINKED, actor="$4", type="$5", action="$6")
_END = 2**62
_CHANGES_ALONE = _CHANGES.format(columns=LINKED, before="NULL")
_CHANGES_AFTER = _CHANGES.format(columns=LINKED, before=_BEFORE)
_FUNCTIONS = SqliteFunctions()


class SqliteStorage(SqliteAccounts):
    """A database file. scan_seconds: how long one scan may take. page_bytes: the most bytes of the documents of a page."""

    def __init__(self, path: str, scan_seconds: float = 10.0, page_bytes: int = PAGE_BYTES) -> None:
        self.page_bytes = page_bytes
        self.path = os.path.realpath(
            path
        )  # as SQLite does, which names its log after the file and not after a link to it
        self.on_commit: Callable[[int], None] = lambda _: None
        self._hierarchies = Hierarchies()
        self.scan_seconds = scan_seconds

    async def migrate(self) -> tuple[str | None, str]:
        return await asyncio.to_thread(migrate, self.path)

    async def start(self) -> None:
        with translated():
            self._stamps = Stamps(self.path)
            reader = connect(self.path, _READER_CACHE_KIB, read_only=True)
            reader.text_factory = bytes
            reader.setlimit(
                sqlite3.SQLITE_LIMIT_LENGTH, self.page_bytes + 1
            )  # SQLite itself stops joining a page there
            self._snapshot = Snapshot(reader, self._stamps)
            self._accounts = connect(self.path, _SMALL_CACHE_KIB, read_only=True)
            self._epoch = SqliteEpoch(self._stamps, self._accounts)
            self._writer = SqliteWriter(
                connect(self.path, _WRITER_CACHE_KIB), self._snapshot.let_go, self._committed
            )
            self._askers = ConnectionPool(
                connect(self.path, _SMALL_CACHE_KIB, read_only=True) for _ in range(_ASKERS)
            )
            self._scanners = ConnectionPool(self._scanner() for _ in range(_SCANNERS))
        self._turns = Turns(_SCANNERS)
        self._scanning = ThreadPoolExecutor(_SCANNERS, "muster-scan", stand_back, (_SCAN_NICE,))

    def _scanner(self) -> sqlite3.Connection:
        scanner = connect(self.path, _SMALL_CACHE_KIB, read_only=True)
        scanner.text_factory = bytes
        scanner.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, self.page_bytes + 1)
        scanner.set_progress_handler(os.sched_yield, _SCAN_STEPS)
        return scanner

    async def close(self) -> None:
        await self._writer.close()
        await self._scanners.close()
        await self._askers.close()
        self._scanning.shutdown()
        self._snapshot.close()
        self._accounts.close()
        self._stamps.close()

    def _committed(self, writes: int) -> None:
        self._stamps.tell_commit()
        self.on_commit(writes)

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
                    self._groups(reader, workspace, hierarchy or 0, direct)
                    if direct is not None
                    else None
                )
        except sqlite3.DatabaseError as error:
            raise translate(error) from error
        return Stored(resource_id, version, document, groups)

    def _groups(
        self, reader: sqlite3.Connection, workspace: int, version: int, direct: bytes
    ) -> Groups | None:
        """The groups of a resource that is a direct member of these. version: of the hierarchy."""
        known = self._hierarchies.known(workspace, version, direct)
        if known is not None:
            return known
        hierarchy, keys = self._hierarchies.at(workspace, version), keys_of(direct)
        members.load(reader, workspace, hierarchy, keys)
        return self._hierarchies.keep(workspace, version, direct, hierarchy.shown(keys))

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
                name = query.predicate.field.name
                if name in index_of(query.resource_type).unique:
                    return self._unique(query, name, query.predicate.operand)
            member = pinned_member(query)
            if member is not None and (page := self._by_member(query, member)) is not None:
                return page
        plan = await Compiler(query, _FUNCTIONS).plan(self._measure)
        try:
            if await is_quick(query, plan, self._measure) and self._is_light(plan):
                with translated():
                    return _page(self._snapshot.reader(), query, plan)
            return await self._scan(
                query.workspace, lambda connection: _run(connection, query, plan)
            )
        except Stale:
            return await self.find(replace(query, after=None, mark=None))

    def _first_pages(self, query: Query) -> Page:
        """The resources in the order of their ids, and their running count."""
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
        """The one resource that has a unique value."""
        try:
            scope = (query.workspace, query.resource_type.name)
            row = self._snapshot.reader().execute(_BY_UNIQUE, (*scope, name, value)).fetchone()
        except sqlite3.DatabaseError as error:
            raise translate(error) from error
        return Page(0) if row is None else Page(1, 1, row[0], bool(row[1]))

    def _by_member(self, query: Query, member: str) -> Page | None:
        """The groups that have a member, if all of them fit on the page; None if not."""
        values = (key_of(member), query.workspace, member, query.limit + 1)
        try:
            count, documents = self._snapshot.reader().execute(members.BY_MEMBER, values).fetchone()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_TOOBIG:
                return None  # one more than asked for may be what does not fit
            raise translate(error) from error
        return Page(count, count, documents or b"") if count <= query.limit else None

    async def _measure(self, seek: Seek) -> int:
        """How many keys a seek holds, counted no further than what runs inline."""
        bind = Binder()
        statement = bind.statement(
            f"SELECT count(*) FROM (SELECT 1 FROM ({seek.keys(bind)}) k LIMIT {QUICK_ROWS + 1}) n"
        )
        with translated():
            counted: int = self._snapshot.reader().execute(*positional(statement)).fetchone()[0]
        return counted

    def _is_light(self, plan: QueryPlan) -> bool:
        """Whether the documents that a quick search looks into are so few bytes that it may run in the event loop."""
        if plan.seek is None or not plan.checks:
            return True
        bind = Binder()
        statement = bind.statement(
            "SELECT length(CAST(s.body AS BLOB))"
            f' FROM ({plan.seek.keys(bind)} LIMIT {QUICK_ROWS}) k JOIN searchable s ON s."key" = k."key"'
        )
        with translated():
            left = QUICK_BYTES // plan.checks
            for (size,) in self._snapshot.reader().execute(
                *positional(statement)
            ):  # read no further than need be
                left -= size
                if left < 0:
                    return False
        return True

    async def _scan(self, workspace: int, job: Callable[[sqlite3.Connection], T]) -> T:
        """Run a job on a worker thread with a connection of its own; past the budget it is interrupted."""
        async with self._turns.turn(workspace):
            return await self._run_scan(await self._scanners.take(), job)

    async def _run_scan(
        self, connection: sqlite3.Connection, job: Callable[[sqlite3.Connection], T]
    ) -> T:
        loop = asyncio.get_running_loop()
        budget = _Budget(connection, loop, self.scan_seconds)
        running = loop.run_in_executor(self._scanning, job, connection)
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
            self._scanners.give_back(connection)

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
                id_: self._groups(reader, workspace, version, keys)
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
            lambda connection: rows.carry_out(connection, write, inline=not large), large
        )

    async def rehearse(self, write: Write) -> Outcome:
        outcomes: list[Outcome] = []

        def job(connection: sqlite3.Connection) -> None:
            outcomes.append(rows.carry_out(connection, write))
            raise _Rehearsed

        with contextlib.suppress(_Rehearsed):  # a large job that raises takes its own changes back
            await self._writer.write(job, large=True)
        return outcomes[-1]

    async def write_all(self, workspace: int, writes: Sequence[Write]) -> Sequence[Outcome]:
        del workspace  # each write says so itself

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

        with contextlib.suppress(_Rehearsed):  # a large job that raises takes its own changes back
            await self._writer.write(job, large=True)

    async def query(self, statement: Statement) -> Sequence[Sequence[Any]]:
        """On a thread, with a connection that nobody else has meanwhile: on a shared one another's parameters may be run."""
        connection = await self._askers.take()

        def give_back(done: asyncio.Task[Any]) -> None:
            self._askers.give_back(connection)
            if not done.cancelled():
                done.exception()  # of one that was given up nobody else asks

        asking = asyncio.create_task(
            asyncio.to_thread(lambda: connection.execute(*positional(statement)).fetchall())
        )
        asking.add_done_callback(give_back)
        with translated():
            return await asyncio.shield(asking)

    async def transact(self, workspace: int, statements: Sequence[Statement]) -> None:
        del workspace  # the one writer of the file holds all of them

        def job(connection: sqlite3.Connection) -> None:
            for statement in statements:
                connection.execute(*positional(statement))

        await self._writer.write(job, large=True)

    async def append(self, workspace: int, insert: str, rows: Sequence[tuple[Any, ...]]) -> None:
        del workspace  # each row says so itself
        sql, _ = positional(Statement(insert, rows[0]))

        def job(some: Sequence[tuple[Any, ...]]) -> Callable[[sqlite3.Connection], object]:
            return lambda connection: connection.executemany(sql, some)

        # On the thread each row would wait for the interpreter's lock, and every write for the rows.
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
            statement = _CHANGES_AFTER if with_before else _CHANGES_ALONE
            return self._bounded(self._accounts.execute(statement, (workspace, after, limit)))

    def _bounded(self, rows: Iterable[tuple[Any, ...]]) -> list[Change]:
        """Rows as changes, until they are many bytes."""
        found, size = [], 0
        for row in rows:
            change = _change(row)
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
        self, workspace: int, before: int | None, limit: int, sought: ChangeFilter
    ) -> tuple[Sequence[Change], int | None]:
        end = _END if before is None else before
        asked = (sought.actor, sought.type, sought.action, limit)

        def search(connection: sqlite3.Connection) -> tuple[Sequence[Change], int | None]:
            first, count = connection.execute(
                *positional(Statement(REACH, (workspace, end)))
            ).fetchone()
            values = (workspace, end, first or 0, *asked)
            rows = connection.execute(*positional(Statement(_SOUGHT, values)))
            found = self._bounded((*map(members.text, row[:-2]), *row[-2:]) for row in rows)
            if len(found) < limit and rows.fetchone() is not None:
                return found, found[-1].sequence
            return found, left_off([change.sequence for change in found], limit, first, count)

        return await self._scan(workspace, search)

    async def deprovisioned(self, workspace: int, since: str) -> int:
        with translated():
            count: int = self._accounts.execute(rows.DEPROVISIONED, (workspace, since)).fetchone()[
                0
            ]
        return count

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

    async def secret(self, workspace: int, resource_id: str, name: str) -> str | None:
        statement = 'SELECT hash FROM secrets WHERE workspace = ? AND "key" = ? AND name = ?'
        with translated():
            row = self._accounts.execute(
                statement, (workspace, key_of(resource_id), name)
            ).fetchone()
        return None if row is None else row[0]


class _Rehearsed(Exception):
    """Ends a rehearsal, so that nothing of it is kept."""


class _Budget:
    """Interrupts a connection once its time is up, and again until the job has ended: between statements it would be lost."""

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
    told = (type_name, resource_id, action, version, document.encode())
    return Change(
        sequence, origin, *told, moved(members), None if before is None else before.encode(), chain
    )


def _run(connection: sqlite3.Connection, query: Query, plan: QueryPlan) -> Page:
    """The page, and the exact total, in one snapshot."""
    connection.execute("BEGIN")
    try:
        return _page(connection, query, plan)
    finally:
        connection.execute("COMMIT")


def _page(connection: sqlite3.Connection, query: Query, plan: QueryPlan) -> Page:
    """The page, and the exact total, in the snapshot that the connection is at."""
    steps = answer(query, plan)
    try:
        statement = next(steps)
        while True:
            statement = steps.send(connection.execute(*positional(statement)).fetchone())
    except StopIteration as stopped:
        page: Page = stopped.value
        return page

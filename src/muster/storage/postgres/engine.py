"""The PostgreSQL engine.

- Keyed reads that wait together share a statement (`loader.py`).
- A search runs in a read-only transaction with a time limit, and waits for a turn if it is not
  quick. Searches use at most half of the connections.
- Writes go through the writer (`writer.py`).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import asyncpg

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
from muster.storage.port.errors import PageTooLarge, StorageError, TooExpensive
from muster.storage.port.members import GROUP, Groups, Member
from muster.storage.port.resources import Follower, Outcome, Page, Put, Query, Stored, Write
from muster.storage.postgres import citus, members
from muster.storage.postgres.accounts import PostgresAccounts
from muster.storage.postgres.connection import Connection, Pool, translate
from muster.storage.postgres.epoch import PostgresEpoch
from muster.storage.postgres.functions import PostgresFunctions
from muster.storage.postgres.horizon import Horizon
from muster.storage.postgres.loader import Loader
from muster.storage.postgres.lock import lock
from muster.storage.postgres.migrate import migrate, missing, recreate
from muster.storage.postgres.rows import DELETED, DEPROVISIONED
from muster.storage.postgres.writer import PostgresWriter
from muster.storage.query.binder import Binder
from muster.storage.query.compiler import ONE, QUICK_ROWS, Compiler, QueryPlan, Seek
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
from muster.storage.writing.batch import creation

_READY_SECONDS = 2.0
_SIZE = "SELECT pg_database_size(current_database())"
_CHECKSUMS = (
    "SELECT coalesce(sum(checksum_failures), 0) FROM pg_stat_database"
    " WHERE datname = current_database()"
)
_STORED = """
SELECT r."key", version, convert_to(document, 'UTF8'), grouped, type, id{groups}
FROM resources r WHERE workspace = $1 AND r."key" = ANY($2::bigint[])
"""
_GET = _STORED.format(groups="")
_GET_WITH_GROUPS = _STORED.format(
    groups=(
        f""", CASE WHEN grouped THEN ({members.direct('r."key"')}) END"""
        f", CASE WHEN grouped THEN ({members.VERSION}) END"
    )
)
"""The part about groups makes it a fifth slower, whether or not the resource is in one."""
_TOTAL = "SELECT total FROM counts WHERE workspace = $1 AND type = $2"
_SIZED = (
    'SELECT document, grouped, sum(octet_length(document) + 1) OVER (ORDER BY "key") - 1 AS bytes'
)
_WITHIN = "CASE WHEN bytes <= {most} THEN convert_to(document, 'UTF8') END"
_IN_ORDER = f"""
SELECT {_WITHIN}, grouped, ({_TOTAL}) FROM (
    {_SIZED} FROM (
        SELECT document, grouped, "key" FROM resources WHERE workspace = $1 AND type = $2
            ORDER BY "key" LIMIT $3 OFFSET $4
    ) r
) p
"""
_FIRST = f"""
SELECT {_WITHIN}, grouped, ({_TOTAL})
FROM ({_SIZED} FROM resources WHERE workspace = $1 AND type = $2 ORDER BY "key"
    LIMIT {QUICK_ROWS}) p LIMIT $3
"""
"""With a constant bound PostgreSQL plans the statement once instead of for each page, which saves a
fifth.
"""
_BY_UNIQUE = """
SELECT u.value, convert_to(r.document, 'UTF8'), r.grouped
FROM unique_values u JOIN resources r ON r.workspace = u.workspace AND r."key" = u."key"
WHERE u.workspace = $1 AND u.type = $2 AND u.attribute = $3 AND u.value = ANY($4::text[])
"""
_COLUMNS = HASHED_COLUMNS.replace("document", "convert_to(document, 'UTF8')")
_PREVIOUS_DOCUMENT = (
    "(SELECT convert_to(b.document, 'UTF8') FROM changes b WHERE b.workspace = c.workspace"
    " AND b.id = c.id AND b.sequence < c.sequence"
    " AND b.version > 0 ORDER BY b.sequence DESC LIMIT 1)"
)
_CHANGES = (
    "SELECT sequence, {columns}, chain, {before} FROM changes c"
    " WHERE workspace = $1 AND sequence > $2 ORDER BY sequence LIMIT $3"
)
_OWNER = (
    "SELECT r.id FROM unique_values u JOIN resources r ON r.workspace = u.workspace"
    ' AND r."key" = u."key"'
    " WHERE u.workspace = $1 AND u.type = $2 AND u.attribute = $3 AND u.value = $4"
)
_HISTORY = (
    f"SELECT sequence, {_COLUMNS}, chain, {_PREVIOUS_DOCUMENT} FROM changes c"
    " WHERE workspace = $1 AND id = $2 AND sequence < $3 ORDER BY sequence DESC LIMIT $4"
)
_ASKED = {
    "actor": "$4::text",
    "type": "$5::text",
    "action": "$6::text",
    "among": "($7::text[] IS NULL OR actor = ANY($7::text[]))",
}
_EXAMINED_RANGE = {indexed: examined_range(indexed) for indexed in (False, True)}
_MATCHING_CHANGES = {
    indexed: matching_changes(indexed).format(columns=_COLUMNS, **_ASKED)
    for indexed in (False, True)
}
_SIZES_OF_MATCHING = {
    indexed: f"SELECT octet_length(document) FROM ({matching_changes(indexed)}) c".format(
        columns="document", **_ASKED
    )
    for indexed in (False, True)
}
"""The statements of a search, by whether its action has an index."""
_SIZES_AFTER = (
    "SELECT octet_length(document) FROM changes WHERE workspace = $1 AND sequence > $2"
    " ORDER BY sequence LIMIT $3"
)
_SIZES_BEFORE = (
    "SELECT octet_length(document) FROM changes WHERE workspace = $1 AND id = $2 AND sequence < $3"
    " ORDER BY sequence DESC LIMIT $4"
)
_FEW_CHANGES = 4
"""So many changes are read without asking for their sizes first."""
_FEW_CHECKS = 2
"""So many conditions on one document are checked without weighing it.

The document has no more bytes than a request body may have.
"""
_END = 2**62
_CHANGES_ONLY = _CHANGES.format(columns=_COLUMNS, before="NULL")
_CHANGES_WITH_PREVIOUS = _CHANGES.format(columns=_COLUMNS, before=_PREVIOUS_DOCUMENT)
# The end of the range is checked outside: PostgreSQL expects few rows between two parameters, and
# would read and sort all of the range instead of the beginning of its index.
_OF_ALL = """
FROM (SELECT * FROM changes WHERE sequence > $1 AND workspace > 0 ORDER BY sequence LIMIT $3) c
WHERE sequence <= $2 ORDER BY sequence
"""
_CHANGES_OF_ALL = f"SELECT workspace, sequence, {_COLUMNS}, chain, {_PREVIOUS_DOCUMENT} {_OF_ALL}"
_SIZES_OF_ALL = f"SELECT octet_length(document) {_OF_ALL}"
_SECRET = 'SELECT hash FROM secrets WHERE workspace = $1 AND "key" = $2 AND name = $3'
_TOO_LARGE = asyncpg.exceptions.ProgramLimitExceededError


class PostgresStorage(PostgresAccounts):
    """A PostgreSQL database.

    Args:
        pool_size: The connections of this process.
        scan_seconds: The time limit of one statement.
        page_bytes: The most bytes of the documents of a page.
    """

    def __init__(
        self,
        url: str,
        pool_size: int = 10,
        scan_seconds: float = 10.0,
        page_bytes: int = PAGE_BYTES,
        vault: Vault | None = None,
    ) -> None:
        self.vault = vault or Vault()
        self.page_bytes = page_bytes
        self._functions = PostgresFunctions(page_bytes)
        self._in_order, self._first, self._by_member = (
            text.replace("{most}", str(page_bytes))
            for text in (_IN_ORDER, _FIRST, members.BY_MEMBER)
        )
        self.on_commit: Callable[[int], None] = lambda _: None
        self.stale_outlines: set[tuple[int, str]] = set()
        self._hierarchies = HierarchyCache()
        self._by_key = Loader(self._fetch_by_key)
        self._by_value = Loader(self._fetch_by_value)
        self._with_groups: set[int] = set()
        """Workspaces in which this process has read a resource that is in a group."""
        self._url = url
        self._pool_size = pool_size
        self._scan_seconds = scan_seconds

    async def migrate(self) -> tuple[str | None, str]:
        return await migrate(self._url)

    async def start(self) -> None:
        self._pool = Pool(self._url, self._pool_size, self._scan_seconds)
        self._epoch = PostgresEpoch(self._url)
        self._horizon = Horizon(self._pool)
        self._writer = PostgresWriter(self._pool, self._url, self.on_commit)
        self._searches = asyncio.Semaphore(max(1, self._pool_size // 2))
        self._turns = Turns(max(1, self._pool_size // 5))
        await seal_new(self, self.vault)
        self._epoch.start()

    async def close(self) -> None:
        await self._writer.close()
        await self._epoch.close()
        await self._pool.close()

    async def ready(self) -> None:
        try:
            async with asyncio.timeout(_READY_SECONDS):
                await self.signing_secret()
        except TimeoutError as error:
            raise translate(error) from error

    def pressure(self) -> Pressure:
        return Pressure(self._writer.waiting, self._turns.waiting, self._pool.in_use)

    async def size(self) -> int:
        size: int = (await self._pool.rows(_SIZE))[0][0]
        return size + sum(int(node.answer or 0) for node in await self._on_workers(_SIZE))

    async def _on_workers(self, question: str) -> list[citus.Node]:
        """Ask each worker node of Citus, which has the shards; none without Citus."""
        if not await citus.is_installed(self._pool.rows):
            return []
        return await citus.ask_workers(self._pool.rows, question)

    def follow(self, follower: Follower) -> Callable[[], int] | None:
        del follower
        return None  # a commit of another process is noticed by asking the database alone

    async def get(self, workspace: int, type_name: str, resource_id: str) -> Stored | None:
        key = key_of(resource_id)
        if key is None:
            return None
        both = workspace in self._with_groups
        row = await self._by_key.load((workspace, both), key)
        if row is None or row["id"] != resource_id or row["type"] != type_name:
            return None
        if row["grouped"] and not both:
            self._with_groups.add(workspace)  # one round trip for both from now on
            return await self.get(workspace, type_name, resource_id)
        direct = row[6] if row["grouped"] else None
        shown = (
            await self._groups_of(workspace, row[7] or 0, direct)
            if direct and type_name != GROUP
            else None
        )
        return Stored(resource_id, row[1], row[2], shown)

    async def _fetch_by_key(
        self, scope: tuple[int, bool], keys: Sequence[int]
    ) -> Mapping[int, asyncpg.Record]:
        workspace, with_groups = scope
        return {
            row[0]: row
            for row in await self._pool.rows(
                _GET_WITH_GROUPS if with_groups else _GET, workspace, keys
            )
        }

    async def _fetch_by_value(
        self, scope: tuple[int, str, str], values: Sequence[str]
    ) -> Mapping[str, asyncpg.Record]:
        return {row[0]: row for row in await self._pool.rows(_BY_UNIQUE, *scope, values)}

    async def _groups_of(self, workspace: int, version: int, direct: str) -> Groups | None:
        """Return the groups for direct keys at a version of the hierarchy."""
        known = self._hierarchies.cached_groups(workspace, version, direct)
        if known is not None:
            return known
        hierarchy, keys = self._hierarchies.at(workspace, version), parse_keys(direct)
        await members.load(self._pool.rows, workspace, hierarchy, keys)
        return self._hierarchies.cache_groups(workspace, version, direct, hierarchy.groups_of(keys))

    async def find(self, query: Query) -> Page:
        scope = (query.workspace, query.resource_type.name)
        if (
            query.sort is None
            and query.domain is None
            and 0 < query.limit <= QUICK_ROWS
            and query.after is None
        ):
            if query.predicate is None and query.offset <= QUICK_ROWS and not query.walk:
                return await self._first_pages(scope, query)
            if (
                query.offset == 0
                and isinstance(query.predicate, Test)
                and query.predicate.operator == "eq"
            ):
                name = query.predicate.field.name
                if name in index_of(query.resource_type).unique:
                    row = await self._by_value.load((*scope, name), query.predicate.operand)
                    return Page(0) if row is None else Page(1, 1, row[1], bool(row[2]))
            member = required_member(query)
            if member is not None:
                row = await self._pool.row(
                    self._by_member, query.workspace, key_of(member), member, query.limit + 1
                )
                if row is not None and row[0] <= query.limit and (row[1] is not None or not row[0]):
                    return Page(row[0], row[0], row[1] or b"")
        try:
            return await self._search(query)
        except StaleMark:
            return await self._search(replace(query, after=None, mark=None))

    async def _first_pages(self, scope: tuple[int, str], query: Query) -> Page:
        """Return a page in the order of ids, with the running count.

        The documents are joined here: PostgreSQL would take three times as long.
        """
        if query.offset:
            rows = await self._pool.rows(self._in_order, *scope, query.limit, query.offset)
        else:
            rows = await self._pool.rows(self._first, *scope, query.limit)
        if not rows:
            row = await self._pool.row(_TOTAL, *scope)
            return Page(row[0] if row is not None else 0)
        if rows[-1][0] is None:
            raise PageTooLarge
        return Page(
            rows[0][2] or 0,
            len(rows),
            b",".join([row[0] for row in rows]),
            any(row[1] for row in rows),
        )

    async def _search(self, query: Query) -> Page:
        """Run any search, on at most half of the connections.

        The others remain for keyed reads and writes.
        """
        async with self._searches:
            compiler = Compiler(query, self._functions)
            plan = await compiler.plan(self._measure)
            wanted = compiler.wanted(plan)
        if wanted:
            compiler.hints = await self._hints(query, wanted)
            if compiler.hints is not None:
                async with self._searches:
                    hinted = await compiler.plan(self._measure)
                page = await self._planned(query, hinted)
                if suffices(query, page, compiler.hints):
                    return page
        return await self._planned(query, plan)

    async def _hints(self, query: Query, wanted: OutlineQuestion) -> Hints | None:
        """Ask the outlines, and note if they should be brought on."""
        async with (
            self._turns.turn(query.workspace),
            self._searches,
            self._limited() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            steps = outline_steps(query, wanted, narrow=True)
            try:
                statement = next(steps)
                while True:
                    rows = await connection.fetch(statement.sql, *statement.parameters)
                    statement = steps.send([tuple(row) for row in rows])
            except StopIteration as stopped:
                answer: OutlineAnswer = stopped.value
        if answer.stale:
            self.stale_outlines.add((query.workspace, query.resource_type.name))
        return answer.hints

    async def _planned(self, query: Query, plan: QueryPlan) -> Page:
        async with self._searches:
            if await self._is_quick(query, plan):
                return await self._answer(query, plan)
        async with self._turns.turn(query.workspace), self._searches:
            return await self._answer(query, plan)

    async def _is_quick(self, query: Query, plan: QueryPlan) -> bool:
        """Tell whether a search reads so few rows and bytes that it needs no turn."""
        seek, sizes = plan.seek, list[int]()
        if seek is None or not plan.checks or (seek.rank == ONE and plan.checks <= _FEW_CHECKS):
            return await is_quick(query, plan, self._measure)

        async def weigh(found: Seek) -> int:
            rows, size = await self._weigh(query.workspace, found)
            sizes.append(size)
            return rows

        if not await is_quick(query, plan, weigh):
            return False
        size = sizes[0] if sizes else (await self._weigh(query.workspace, seek))[1]
        return size * plan.checks <= QUICK_BYTES

    async def _weigh(self, workspace: int, seek: Seek) -> tuple[int, int]:
        """Return the number of keys of a seek, as `_measure` counts them, and their bytes."""
        bind = Binder()
        keys = f'SELECT k."key" FROM ({seek.keys(bind)}) k LIMIT {QUICK_ROWS + 1}'
        at = f'r.workspace = {bind(workspace)} AND r."key" = n."key"'
        async with self._limited() as connection:
            rows = await connection.fetch(
                "SELECT count(*), coalesce(sum(octet_length(r.document)), 0)"
                f" FROM ({keys}) n LEFT JOIN resources r ON {at}",
                *bind.values,
            )
        return rows[0][0], rows[0][1]

    async def _measure(self, seek: Seek) -> int:
        """Count the keys of a seek, up to one more than a quick search may read."""
        bind = Binder()
        keys = f"SELECT 1 FROM ({seek.keys(bind)}) k LIMIT {QUICK_ROWS + 1}"
        async with self._limited() as connection:
            counted: int = await connection.fetchval(
                f"SELECT count(*) FROM ({keys}) n", *bind.values
            )
        return counted

    async def _answer(self, query: Query, plan: QueryPlan) -> Page:
        async with (
            self._limited() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            return await _run(connection, query, plan)

    @contextlib.asynccontextmanager
    async def _limited(self) -> AsyncIterator[Connection]:
        """Lend a connection for a statement that may turn out to be too expensive."""
        async with self._pool.connection() as connection:
            try:
                yield connection
            except (asyncpg.QueryCanceledError, _TOO_LARGE) as error:
                raise TooExpensive from error

    async def members(
        self, workspace: int, group_id: str, after: int, limit: int
    ) -> Sequence[Member]:
        rows = await self._pool.rows(
            members.MEMBERS, workspace, key_of(group_id) or 0, after, limit
        )
        return [Member(*row) for row in rows]

    async def memberships(self, workspace: int, ids: Sequence[str]) -> dict[str, Groups]:
        keys = {key: resource_id for resource_id in ids if (key := key_of(resource_id)) is not None}
        row = await self._pool.row(members.VERSION, workspace)
        found = {}
        for key, groups in await self._pool.rows(members.DIRECT_OF_EACH, workspace, list(keys)):
            shown = await self._groups_of(workspace, row[0] if row is not None else 0, groups)
            if shown is not None:
                found[keys[key]] = shown
        return found

    async def write(self, write: Write) -> Outcome:
        return await self._writer.write(write)

    async def rehearse(self, write: Write) -> Outcome:
        (answer,) = await self._writer.transact(write.workspace, [write], whole=True, rehearse=True)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def write_all(self, workspace: int, writes: Sequence[Write]) -> Sequence[Outcome]:
        answers = await self._writer.transact(workspace, writes, whole=True)
        return [answer for answer in answers if not isinstance(answer, Exception)]

    async def load(
        self,
        workspace: int,
        type_name: str,
        puts: Sequence[Put],
        origin: ChangeOrigin,
        rehearse: bool = False,
    ) -> None:
        writes = [creation(workspace, type_name, put, origin) for put in puts]
        await self._writer.transact(workspace, writes, whole=True, rehearse=rehearse)

    async def query(self, statement: Statement) -> Sequence[Sequence[Any]]:
        return [tuple(row) for row in await self._pool.rows(statement.sql, *statement.parameters)]

    async def transact(self, workspace: int, statements: Sequence[Statement]) -> None:
        async with self._pool.connection() as connection, connection.transaction():
            await lock(connection, workspace)
            for statement in statements:
                await connection.execute(statement.sql, *statement.parameters)

    async def append(self, workspace: int, insert: str, rows: Sequence[tuple[Any, ...]]) -> None:
        del workspace  # each row names it
        async with self._pool.connection() as connection:
            await connection.executemany(insert, rows)

    async def integrity(self) -> Sequence[str]:
        """Return checksum failures, if the cluster has page checksums.

        For everything else there is PostgreSQL's pg_amcheck.
        """
        failures = (await self._pool.rows(_CHECKSUMS))[0][0]
        found = [f"{failures} pages failed their checksum"] if failures else []
        for node in await self._on_workers(_CHECKSUMS):
            if node.answer is None:
                found.append(f"the worker node {node.place} cannot be asked: {node.error}")
            elif node.answer != "0":
                found.append(f"{node.answer} pages of {node.place} failed their checksum")
        return found

    async def missing(self) -> Sequence[Missing]:
        return [*await missing(self._url), *await citus.gaps(self._pool.rows)]

    async def recreate(self, missing: Missing) -> None:
        if missing.kind == citus.GAP:
            raise StorageError("the table would be locked while the service uses it")
        await recreate(self._url, missing)

    async def changes(
        self, workspace: int, after: int, limit: int, with_before: bool = False
    ) -> Sequence[Change]:
        share = CHANGES_SHARE * 2 if with_before else CHANGES_SHARE
        limit = await self._fit_limit(limit, share, _SIZES_AFTER, workspace, after)
        rows = await self._pool.rows(
            _CHANGES_WITH_PREVIOUS if with_before else _CHANGES_ONLY, workspace, after, limit
        )
        return [_change(*row) for row in rows]

    async def settled_change(self) -> int:
        return await self._horizon.settled()

    async def changes_of_all(self, after: int, until: int, limit: int) -> Sequence[Change]:
        limit = await self._fit_limit(limit, CHANGES_SHARE * 2, _SIZES_OF_ALL, after, until)
        rows = await self._pool.rows(_CHANGES_OF_ALL, after, until, limit)
        return [replace(_change(*row), workspace=workspace) for workspace, *row in rows]

    async def history(
        self, workspace: int, resource_id: str, before: int | None, limit: int
    ) -> Sequence[Change]:
        place = (workspace, resource_id, _END if before is None else before)
        limit = await self._fit_limit(limit, CHANGES_SHARE * 2, _SIZES_BEFORE, *place)
        rows = await self._pool.rows(_HISTORY, *place, limit)
        return [_change(*row) for row in rows]

    async def _fit_limit(self, limit: int, share: int, sizes: str, *place: Any) -> int:
        """Return the number of changes to read: at least one, within a share of a page.

        Args:
            limit: The changes that the caller wants.
            share: They may take one `share`-th of the bytes of a page. It is half of that if each
                comes with its previous document, which is about as long.
            sizes: The statement that selects their sizes.
            place: Its parameters before the limit.
        """
        if limit <= _FEW_CHANGES:
            return limit
        left = self.page_bytes // share
        for number, (size,) in enumerate(await self._pool.rows(sizes, *place, limit), 1):
            left -= size
            if left < 0:
                return number
        return limit

    async def search_changes(
        self, workspace: int, before: int | None, limit: int, criteria: ChangeFilter
    ) -> tuple[Sequence[Change], int | None]:
        end = _END if before is None else before
        indexed = has_index(criteria.action)
        place = (workspace, end, criteria.action) if indexed else (workspace, end)
        first, count = (await self._pool.rows(_EXAMINED_RANGE[indexed], *place))[0]
        actors = None if criteria.actors is None else sorted(criteria.actors)
        wanted = (criteria.actor, criteria.type, criteria.action, actors)
        asked = (workspace, end, first or 0, *wanted)
        fitting = await self._fit_limit(limit, CHANGES_SHARE, _SIZES_OF_MATCHING[indexed], *asked)
        rows = await self._pool.rows(_MATCHING_CHANGES[indexed], *asked, fitting)
        if 0 < len(rows) == fitting < limit:
            return [_change(*row) for row in rows], rows[-1][0]
        return [_change(*row) for row in rows], next_position(
            [row[0] for row in rows], limit, first, count
        )

    async def deprovisioned(self, workspace: int, since: str) -> tuple[int, int]:
        done, gone = [
            await self._pool.row(counted, workspace, since) for counted in (DEPROVISIONED, DELETED)
        ]
        return (done[0] if done is not None else 0, gone[0] if gone is not None else 0)

    async def latest_change(self, workspace: int) -> int:
        row = await self._pool.row(
            "SELECT max(sequence) FROM changes WHERE workspace = $1", workspace
        )
        return row[0] or 0 if row is not None else 0

    async def owner(self, workspace: int, type_name: str, attribute: str, value: str) -> str | None:
        row = await self._pool.row(_OWNER, workspace, type_name, attribute, value)
        return None if row is None else row[0]

    async def former_owner(self, workspace: int, sequence: int) -> str | None:
        statement = "SELECT owner FROM changes WHERE workspace = $1 AND sequence = $2"
        row = await self._pool.row(statement, workspace, sequence)
        return None if row is None else row[0]

    async def secret(self, workspace: int, resource_id: str, name: str) -> str | None:
        row = await self._pool.row(_SECRET, workspace, key_of(resource_id), name)
        return None if row is None else row[0]


def _change(sequence: int, time: str, actor: str, request_id: str, *row: Any) -> Change:
    """Convert a row to a change."""
    kind, resource_id, action, version, document, members, address, chain, before = row
    origin = ChangeOrigin(actor, request_id, time, address or "")
    return Change(
        sequence,
        origin,
        kind,
        resource_id,
        action,
        version,
        document,
        delta_from_column(members),
        before,
        chain,
    )


async def _run(connection: Connection, query: Query, plan: QueryPlan) -> Page:
    steps = page_steps(query, plan)
    try:
        statement = next(steps)
        while True:
            row: Any = await connection.fetchrow(statement.sql, *statement.parameters)
            statement = steps.send(row)
    except StopIteration as stopped:
        page: Page = stopped.value
        return page

"""Distributes the tables of workspaces over a Citus cluster, each by its column `workspace`.

Citus keeps a distributed table as shards on its nodes and routes every statement by the value of
one column. Each table that holds data of workspaces has the column `workspace` in its primary key
and in every unique index, and every statement names one workspace, so a workspace lies on one node.

- **Distributed**: every table with a column `workspace`, all in the colocation group of
  `resources`, so that a transaction of one workspace needs one node.
- **Local**, on the coordinator: `installation`, `workspaces` and the revision of the migrations.
  They are small, are never joined with the others, and have no workspace to be distributed by. As
  reference tables each change of the epoch would be a transaction on every node, and Citus accepts
  no identity column of `workspaces`' type.

A step that has been carried out is not in the next plan, so the work can be repeated: after an
interruption, and after a migration that created a table.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import asyncpg

from muster.storage.port.engine import Missing
from muster.storage.port.errors import StorageError
from muster.storage.postgres.connection import Connection, connect, translated
from muster.storage.postgres.members import Fetch
from muster.storage.postgres.migrate import MIGRATION_LOCK
from muster.storage.tables import metadata

COLUMN = "workspace"
"""The distribution column of every distributed table."""
ANCHOR = "resources"
"""The table that is distributed first; the others are colocated with it."""
GAP = "distribution"
"""The kind of a part that is missing if a table is not distributed as it should be."""
_IS_INSTALLED = "SELECT to_regproc('citus_version') IS NOT NULL"
_VERSION = "SELECT split_part(citus_version(), ' on ', 1)"
_SETTING = "citus.override_table_visibility"
"""With the default, on, the type look-up of asyncpg takes 0.9 s for each new connection: Citus then
hides the shards by a condition on every read of `pg_class`.
"""
_TABLES = """
SELECT c.relname, column_to_column_name(p.logicalrelid, p.partkey), p.colocationid
FROM pg_dist_partition p JOIN pg_class c ON c.oid = p.logicalrelid
WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = ANY($1::text[])
"""
_LOCAL_BYTES = """
SELECT relname, pg_relation_size(oid) FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
    AND relname = ANY($1::text[])
"""
"""The pages of the table itself; Citus keeps the shards in tables of their own."""
_IS_COORDINATOR = "SELECT groupid = 0 FROM pg_dist_local_group"
_IS_SET = """
SELECT EXISTS (SELECT FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
    WHERE d.datname = current_database() AND s.setrole = 0
    AND setconfig && ARRAY[$1 || '=off', $1 || '=false'])
"""
_DATABASE = "SELECT quote_ident(current_database())"
_ON_WORKERS = "SELECT nodename, nodeport, success, result FROM run_command_on_workers($1)"
LOCK_SECONDS = 60.0
"""How long a step waits for the sessions that use its table."""


@dataclass(frozen=True, slots=True)
class DistributionStep:
    """A statement of a plan.

    Attributes:
        sql: The statement.
        effect: The sentence that reports it.
    """

    sql: str
    effect: str


@dataclass(frozen=True, slots=True)
class DistributedTable:
    """A table of workspaces as the database has it.

    Attributes:
        column: Its distribution column; None for a local or reference table.
        distributed: Whether Citus knows it.
        colocation: Its colocation group; None for a local table.
        local_bytes: The size of its pages on the coordinator. Those of a distributed table are the
            rows that it had before, which no statement reads.
    """

    name: str
    distributed: bool
    column: str | None
    colocation: int | None
    local_bytes: int


@dataclass(frozen=True, slots=True)
class Node:
    """The answer of a worker node.

    Attributes:
        place: Its host and port.
        answer: The first value of the answer; None if the node failed.
        error: The failure; empty if there was none.
    """

    place: str
    answer: str | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Distribution:
    """The result of a distribution, or its plan.

    Attributes:
        version: The version of Citus.
        steps: What was done, or would be.
        tables: The tables of workspaces, which are distributed now.
    """

    version: str
    steps: Sequence[DistributionStep]
    tables: Sequence[str]


def table_names() -> list[str]:
    """Return the tables to distribute, `resources` first."""
    found = [name for name, table in metadata.tables.items() if COLUMN in table.columns]
    return sorted(found, key=lambda name: (name != ANCHOR, name))


async def distribute(url: str, say: Callable[[str], object], dry_run: bool = False) -> Distribution:
    """Distribute the tables that are not distributed yet, and remove their local copies.

    Each step is a transaction of its own. Tables are locked while their rows are copied.

    Args:
        say: Called with the effect of each step, once it is done.
        dry_run: Return the steps without carrying them out.

    Raises:
        StorageError: The database has no Citus, is not the coordinator, or refuses a step.
    """
    with translated():
        connection = await connect(url)
        try:
            version = await _version(connection)
            if not dry_run:
                # A replica that starts meanwhile waits here before it migrates.
                await connection.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
            steps = await _plan(connection)
            for step in () if dry_run else steps:
                await _carry_out(connection, step)
                say(step.effect)
            return Distribution(version, steps, table_names())
        finally:
            await connection.close()


async def undistributed(url: str) -> list[str]:
    """Return the tables that Citus should distribute and does not; none without Citus."""
    with translated():
        connection = await connect(url)
        try:
            return [gap.table for gap in await gaps(connection.fetch)]
        finally:
            await connection.close()


async def gaps(read: Fetch) -> list[Missing]:
    """Return the tables that are not distributed, or not by workspace; none without Citus."""
    if not await is_installed(read):
        return []
    found = await _tables(read)
    anchor = next(table for table in found if table.name == ANCHOR)
    return [
        Missing(table.name, GAP, reason)
        for table in found
        if (reason := _wrong(table, anchor)) is not None
    ]


async def is_installed(read: Fetch) -> bool:
    """Tell whether the database has the extension."""
    return bool((await read(_IS_INSTALLED))[0][0])


async def ask_workers(read: Fetch, question: str) -> list[Node]:
    """Run a statement with one value on each worker node."""
    return [
        Node(f"{host}:{port}", answer if success else None, "" if success else str(answer))
        for host, port, success, answer in await read(_ON_WORKERS, question)
    ]


async def _version(connection: Connection) -> str:
    """Return the version of Citus.

    Raises:
        StorageError: The database has no Citus, or is not the coordinator.
    """
    if not await is_installed(connection.fetch):
        raise StorageError(
            "Citus is not installed in this database. Install it on every node, and run"
            " CREATE EXTENSION citus (see docs/how-to/citus.md)"
        )
    if not await connection.fetchval(_IS_COORDINATOR):
        raise StorageError("this is a worker node of Citus. Connect to the coordinator instead")
    return str(await connection.fetchval(_VERSION))


async def _tables(read: Fetch) -> list[DistributedTable]:
    names = table_names()
    known = {row[0]: row for row in await read(_TABLES, names)}
    sizes = {row[0]: int(row[1]) for row in await read(_LOCAL_BYTES, names)}
    found = []
    for name in names:
        _, column, colocation = known.get(name, (name, None, None))
        found.append(DistributedTable(name, name in known, column, colocation, sizes.get(name, 0)))
    return found


def _wrong(table: DistributedTable, anchor: DistributedTable) -> str | None:
    """Return how a table is distributed otherwise than it should be; None if it is right."""
    if not table.distributed:
        return ""
    if table.column is None:
        return "it is a reference table or has a single shard"
    if table.column != COLUMN:
        return f"it is distributed by {table.column}"
    if table.colocation != anchor.colocation:
        return f"it is not colocated with {ANCHOR}"
    return None


async def _plan(connection: Connection) -> list[DistributionStep]:
    """Return the steps that are left to do.

    Raises:
        StorageError: A table is distributed in another way, or has a key without the workspace.
    """
    found = await _tables(connection.fetch)
    for table in found:
        if table.distributed and (reason := _wrong(table, found[0])):
            raise StorageError(
                f"{table.name}: {reason}. Run SELECT undistribute_table('{table.name}') on the"
                " coordinator, and this command again"
            )
    steps = []
    for table in found:
        if not table.distributed:
            colocated = "" if table.name == ANCHOR else f", colocate_with => '{ANCHOR}'"
            sql = f"SELECT create_distributed_table('{table.name}', '{COLUMN}'{colocated})"
            steps.append(DistributionStep(sql, f"{table.name}: distributed by {COLUMN}"))
        if table.local_bytes:
            sql = f"SELECT truncate_local_data_after_distributing_table('{table.name}')"
            effect = f"{table.name}: local copy removed ({table.local_bytes:,} bytes)"
            steps.append(DistributionStep(sql, effect))
    if not await connection.fetchval(_IS_SET, _SETTING):
        database = await connection.fetchval(_DATABASE)
        sql = f"ALTER DATABASE {database} SET {_SETTING} = off"
        steps.append(DistributionStep(sql, f"database {database}: {_SETTING} = off"))
    return steps


async def _carry_out(connection: Connection, step: DistributionStep) -> None:
    """Run a statement.

    Raises:
        StorageError: The database refuses it; with its own words.
    """
    try:
        # Only the wait for the lock is limited: to copy the rows takes as long as it takes.
        await connection.execute(f"SET lock_timeout = {int(LOCK_SECONDS * 1000)}")
        await connection.execute(step.sql)
    except asyncpg.LockNotAvailableError as error:
        raise StorageError(
            f"{step.sql}: another session has locked the table for {LOCK_SECONDS:g} s. Stop the"
            " service, and run this command again; it continues where it stopped"
        ) from error
    except asyncpg.PostgresError as error:
        if isinstance(error, asyncpg.PostgresConnectionError) and connection.is_closed():
            raise
        told = ". ".join(filter(None, (error.message, error.detail, error.hint)))
        raise StorageError(f"{step.sql}: {told}") from error

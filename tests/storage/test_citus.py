"""The distribution of the tables by Citus, on the stand-in of tests/support/citus.py."""

import asyncio

import asyncpg
import pytest

from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.errors import StorageError
from muster.storage.postgres import PostgresStorage, citus
from muster.upkeep.check import check
from tests.storage.test_writes import NOW, made, user
from tests.support import citus as stand_in
from tests.support.postgres import create_database, new_database, shared

pytestmark = pytest.mark.postgres

_UNIQUE = """
SELECT c.relname, i.relname, array_agg(a.attname::text)
FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (x.indkey::smallint[])
WHERE x.indisunique AND c.relnamespace = 'public'::regnamespace GROUP BY 1, 2
"""
_DISTRIBUTED = "SELECT logicalrelid::text, partkey, colocationid FROM pg_dist_partition"


async def _fill(url):
    """Migrate the database and store some users; then install the stand-in."""
    storage = PostgresStorage(url)
    await storage.migrate()
    await storage.start()
    workspace = await storage.add_workspace("w", "rfc7644", False, NOW)
    puts = [made(user(f"u{number}", title="t")) for number in range(5)]
    await storage.load(workspace.id, "User", puts, ChangeOrigin("a", "r", NOW))
    await storage.close()
    await stand_in.install(url)


@pytest.fixture(scope="module")
def template():
    """The name of a database with five users and the stand-in, to be copied."""
    url = new_database()
    asyncio.run(_fill(url))
    return url.rpartition("/")[2]


@pytest.fixture
def url(template):
    return create_database(shared(), template)


async def _findings(url):
    storage = PostgresStorage(url)
    await storage.start()
    found = []
    try:
        report = await check(storage, True, found.append)
    finally:
        await storage.close()
    return report, found


def test_every_unique_index_of_a_table_to_distribute_contains_the_workspace(url):
    """Citus refuses any other; the tables that stay local are those without the column."""
    found = asyncio.run(stand_in.fetch(url, _UNIQUE))
    by_table = {}
    for table, index, columns in found:
        by_table.setdefault(table, []).append((index, columns))
    assert set(citus.table_names()) == by_table.keys() - {
        "installation",
        "workspaces",
        "alembic_version",
        "pg_dist_partition",
    }
    for table in citus.table_names():
        assert all(citus.COLUMN in columns for _, columns in by_table[table]), table


def test_distribution_moves_the_rows_and_can_be_repeated(url):
    async def run():
        told = []
        done = await citus.distribute(url, told.append)
        assert [step.effect for step in done.steps] == told
        assert done.version == "Citus 13.2.0"
        again = await citus.distribute(url, told.append)
        assert (again.steps, again.tables) == ([], done.tables)
        report, found = await _findings(url)
        assert (report.resources, found) == (5, [])
        return await stand_in.fetch(url, _DISTRIBUTED), await stand_in.fetch(
            url, "SELECT (SELECT count(*) FROM ONLY changes), (SELECT count(*) FROM changes)"
        )

    distributed, [(hidden, stored)] = asyncio.run(run())
    assert {row[0] for row in distributed} == set(citus.table_names())
    assert {row[1:] for row in distributed} == {("workspace", 1)}
    assert (hidden, stored) == (0, 5)


def test_new_connections_get_the_option_of_the_database(url):
    async def run():
        await citus.distribute(url, lambda _: None)
        return await stand_in.fetch(url, "SHOW citus.override_table_visibility")

    assert asyncio.run(run())[0][0] == "off"


def test_dry_run_lists_the_statements_and_changes_nothing(url):
    async def run():
        told = []
        planned = await citus.distribute(url, told.append, dry_run=True)
        assert (told, await stand_in.fetch(url, _DISTRIBUTED)) == ([], [])
        done = await citus.distribute(url, told.append)
        return [[step.sql for step in one.steps] for one in (planned, done)]

    planned, done = asyncio.run(run())
    assert planned == done
    assert planned[0] == "SELECT create_distributed_table('resources', 'workspace')"


def test_distribution_continues_after_a_refused_table(url):
    async def run():
        await stand_in.execute(
            url,
            "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            "CREATE TRIGGER other BEFORE INSERT ON lookups FOR EACH ROW EXECUTE FUNCTION nothing()",
        )
        with pytest.raises(StorageError, match=r'"lookups" because it has triggers.*Consider'):
            await citus.distribute(url, lambda _: None)
        await stand_in.execute(url, "DROP TRIGGER other ON lookups")
        return await citus.distribute(url, lambda _: None), await stand_in.fetch(url, _DISTRIBUTED)

    second, distributed = asyncio.run(run())
    assert second.steps[0].effect == "lookups: distributed by workspace"
    assert {row[0] for row in distributed} == set(citus.table_names())


def test_a_table_that_a_later_migration_left_local_is_found_and_distributed(url):
    async def run():
        await citus.distribute(url, lambda _: None)
        await stand_in.execute(
            url,
            "DROP TABLE usage_days_102008",
            "DELETE FROM pg_dist_partition WHERE logicalrelid = 'usage_days'::regclass",
        )
        assert await citus.undistributed(url) == ["usage_days"]
        report, found = await _findings(url)
        assert (report.found, report.repaired, report.resources) == (1, 0, 5)
        [line] = found
        assert line.startswith("database: usage_days is not distributed")
        assert "muster migrate --distribute" in line
        again = await citus.distribute(url, lambda _: None)
        assert [step.effect for step in again.steps] == ["usage_days: distributed by workspace"]
        assert await citus.undistributed(url) == []

    asyncio.run(run())


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE pg_dist_partition SET partkey = 'type' WHERE {}", "distributed by type"),
        ("UPDATE pg_dist_partition SET partkey = NULL WHERE {}", "a reference table"),
        ("UPDATE pg_dist_partition SET colocationid = 9 WHERE {}", "not colocated with resources"),
    ],
)
def test_a_table_that_is_distributed_otherwise_is_reported_and_refused(url, statement, told):
    async def run():
        await citus.distribute(url, lambda _: None)
        await stand_in.execute(url, statement.format("logicalrelid = 'lookups'::regclass"))
        _, [line] = await _findings(url)
        assert told in line
        with pytest.raises(StorageError, match=rf"{told}.*undistribute_table\('lookups'\)"):
            await citus.distribute(url, lambda _: None)

    asyncio.run(run())


def test_a_database_without_citus_is_refused_and_lacks_nothing(url):
    async def run():
        await stand_in.execute(url, "DROP FUNCTION citus_version()")
        assert await citus.undistributed(url) == []
        with pytest.raises(StorageError, match="CREATE EXTENSION citus"):
            await citus.distribute(url, lambda _: None)

    asyncio.run(run())


def test_a_worker_node_is_refused(url):
    async def run():
        await stand_in.execute(url, "UPDATE pg_dist_local_group SET groupid = 1")
        with pytest.raises(StorageError, match="Connect to the coordinator"):
            await citus.distribute(url, lambda _: None)

    asyncio.run(run())


def test_a_locked_table_ends_the_distribution_instead_of_hanging(url, monkeypatch):
    monkeypatch.setattr(citus, "LOCK_SECONDS", 0.05)

    async def run():
        holder = await asyncpg.connect(url)
        async with holder.transaction():
            await holder.execute("LOCK TABLE resources IN ROW EXCLUSIVE MODE")
            with pytest.raises(StorageError, match="Stop the service"):
                await citus.distribute(url, lambda _: None)
        await holder.close()

    asyncio.run(run())


def test_size_and_integrity_ask_the_workers(url):
    async def run():
        storage = PostgresStorage(url)
        await storage.start()
        alone = await storage.size()
        await stand_in.execute(
            url,
            "INSERT INTO stand_in_workers VALUES ('one', 5432, true), ('two', 5433, false)",
        )
        both, damage = await storage.size(), await storage.integrity()
        await storage.close()
        return alone, both, damage

    alone, both, [line] = asyncio.run(run())
    assert both >= 2 * alone
    assert "two:5433 cannot be asked" in line

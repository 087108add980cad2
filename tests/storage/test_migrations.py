"""Migrations: the tables that tables.py describes, once, and never backwards."""

import asyncio
import sqlite3

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import NullPool, create_engine, text

from muster.directory.service import Caller, Directory, Search
from muster.scim.schema import registry
from muster.storage import migrations
from muster.storage.port import BASE, NewerDatabase, Statement, StorageError
from muster.storage.sqlite import SqliteStorage
from muster.storage.tables import metadata
from muster.upkeep.check import Report, findings
from tests.people import person
from tests.storage.conftest import ENGINES, Bench


def test_the_migrations_make_what_the_tables_describe(tmp_path):
    storage = SqliteStorage(str(tmp_path / "m.db"))
    assert asyncio.run(storage.migrate())[0] is None
    assert len(set(asyncio.run(storage.migrate()))) == 1
    engine = create_engine(f"sqlite:///{tmp_path}/m.db", poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, metadata) == []


def test_a_newer_database_is_refused(tmp_path):
    storage = SqliteStorage(str(tmp_path / "m.db"))
    asyncio.run(storage.migrate())
    with sqlite3.connect(tmp_path / "m.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(NewerDatabase, match="9999"):
        asyncio.run(storage.migrate())


def test_what_is_no_database_is_refused(tmp_path):
    (tmp_path / "m.db").write_bytes(b"not a database, but long enough to be taken for one" * 100)
    with pytest.raises(StorageError):
        asyncio.run(SqliteStorage(str(tmp_path / "m.db")).migrate())


def test_a_new_database_is_its_owners_alone(tmp_path):
    storage = SqliteStorage(str(tmp_path / "m.db"))
    asyncio.run(storage.migrate())

    async def use():
        await storage.start()
        await storage.add_workspace("w", "rfc7644", False, "x")
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
        await storage.close()
        return modes

    modes = asyncio.run(use())
    assert set(modes) == {"m.db", "m.db-wal", "m.db-shm", "m.db-epoch"}
    assert set(modes.values()) == {0o600}


def test_documents_that_were_kept_open_are_closed(tmp_path):
    """0002: before it a document ended where the base URL begins."""
    engine = create_engine(f"sqlite:///{tmp_path}/m.db", poolclass=NullPool)
    with engine.begin() as connection:
        migrations.upgrade(connection, "0001")
        connection.execute(
            text("INSERT INTO resources VALUES (1, 1, 'User', 'abc', 1, :open)"),
            {"open": '{"id":"abc","meta":{"version":"1","location":"'},
        )
    assert asyncio.run(SqliteStorage(str(tmp_path / "m.db")).migrate())[0] == "0001"
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT document FROM resources")).scalar_one()
    assert kept == '{"id":"abc","meta":{"version":"1","location":"' + BASE + '/Users/abc"}}'


@pytest.fixture(params=list(ENGINES))
def here(request, tmp_path):
    made = Bench(ENGINES[request.param](tmp_path))
    yield made
    made.close()


def test_those_who_are_not_active_are_found_as_such_after_it(here):
    """0008: before it nothing was kept of them to be found by."""
    caller, directory = Caller(here.workspace, "actor", "request"), Directory(here.storage)
    kind = registry().types["/Users"]
    for active in (True, False, False, None):
        here.run(directory.create(caller, kind, person(active=active)))
    search = Search(filter="active eq false", count=0)
    assert here.run(directory.find(caller, kind, search)).total == 2
    before = ("DELETE FROM lookups WHERE attribute = 'active'", "UPDATE alembic_version SET version_num = '0007'")
    here.run(here.storage.transact(here.workspace.id, [Statement(sql, ()) for sql in before]))
    assert here.run(directory.find(caller, kind, search)).total == 0
    assert here.run(here.storage.migrate()) == ("0007", "0008")
    assert here.run(directory.find(caller, kind, search)).total == 2

    async def look():
        return [found.what async for found in findings(here.storage, [here.workspace], Report())]

    assert here.run(look()) == []

"""Migrations create the tables that tables.py describes, once, and never go back."""

import asyncio
import hashlib
import json
import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import NullPool, create_engine, text

from muster.access.connections import Connections
from muster.directory.caller import Caller
from muster.directory.service import Directory, Search
from muster.events.webhooks.endpoints import WEBHOOK_KIND
from muster.scim.schema.model import registry
from muster.storage import migrations
from muster.storage.port.engine import Statement
from muster.storage.port.errors import NewerDatabase, StorageError
from muster.storage.port.items import Item
from muster.storage.port.resources import BASE
from muster.storage.records.webhooks import WebhookStates
from muster.storage.sqlite import SqliteStorage
from muster.storage.tables import metadata
from muster.upkeep.audit_verification import verify
from muster.upkeep.check import CheckReport, check, findings
from tests.storage.conftest import ENGINES, Bench
from tests.support import former
from tests.support.people import person


def test_migrations_create_the_tables_that_tables_py_describes(tmp_path):
    storage = SqliteStorage(str(tmp_path / "m.db"))
    assert asyncio.run(storage.migrate())[0] is None
    assert len(set(asyncio.run(storage.migrate()))) == 1
    engine = create_engine(f"sqlite:///{tmp_path}/m.db", poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, metadata) == []


def test_database_of_a_newer_version_is_refused(tmp_path):
    storage = SqliteStorage(str(tmp_path / "m.db"))
    asyncio.run(storage.migrate())
    with sqlite3.connect(tmp_path / "m.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(NewerDatabase, match="9999"):
        asyncio.run(storage.migrate())


def test_file_that_is_not_a_database_is_refused(tmp_path):
    (tmp_path / "m.db").write_bytes(b"not a database, but long enough to be taken for one" * 100)
    with pytest.raises(StorageError):
        asyncio.run(SqliteStorage(str(tmp_path / "m.db")).migrate())


def test_new_database_file_is_private_to_its_owner(tmp_path):
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


def test_migration_closes_documents_that_were_stored_open(tmp_path):
    """0002: before, a stored document ended at the place of the base URL."""
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


WITHOUT_CONNECTIONS = (
    "DROP TABLE usage_days",
    "DROP INDEX IF EXISTS changes_of_all",
    "DROP INDEX resources_of_connections",
    "ALTER TABLE changes DROP COLUMN owner",
    "DROP INDEX workspaces_by_state",
    "ALTER TABLE workspaces DROP COLUMN state",
    "ALTER TABLE workspaces DROP COLUMN details",
    "ALTER TABLE api_keys DROP COLUMN connection",
    "ALTER TABLE resources DROP COLUMN connection",
)
"""Statements that take back the migrations from 0011 on."""


@pytest.fixture(params=list(ENGINES))
def here(request, tmp_path):
    made = Bench(ENGINES[request.param](tmp_path))
    yield made
    made.close()


def test_migration_indexes_inactive_users(here):
    """0008: before, no look-up found them."""
    caller, directory = Caller(here.workspace, "actor", "request"), Directory(here.storage)
    kind = registry().types["/Users"]
    for active in (True, False, False, None):
        here.run(directory.create(caller, kind, person(active=active)))
    search = Search(filter="active eq false", count=0)
    assert here.run(directory.find(caller, kind, search)).total == 2
    before = (
        "DELETE FROM lookups WHERE attribute = 'active'",
        *WITHOUT_CONNECTIONS,
        "UPDATE alembic_version SET version_num = '0007'",
    )
    here.run(here.storage.transact(here.workspace.id, [Statement(sql, ()) for sql in before]))
    assert here.run(directory.find(caller, kind, search)).total == 0
    assert here.run(here.storage.migrate())[0] == "0007"
    assert here.run(directory.find(caller, kind, search)).total == 2

    async def look():
        return [
            found.what async for found in findings(here.storage, [here.workspace], CheckReport())
        ]

    assert here.run(look()) == []


def test_statements_of_the_former_version_are_valid_after_the_migration(tmp_path):
    """A replica of it, which has no other statements, goes on while the others are replaced."""
    path = former.database(tmp_path / "m.db")
    storage = SqliteStorage(str(path))
    assert asyncio.run(storage.migrate())[0] == "0008"
    executed = former.execute(path)
    for table in ("resources", "members", "changes", "api_keys", "configuration", "requests"):
        assert any(f" INTO {table} " in statement for statement in executed), table

    async def look():
        await storage.start()
        found = await check(storage, False, print)
        [workspace] = await storage.workspaces()
        kind = registry().types["/Users"]
        listed = await Directory(storage).find(Caller(workspace, "a", "r"), kind, Search())
        verified = await verify(storage, print)
        assert (verified.broken, verified.rows > 5) == (0, True)
        keys = await storage.keys(workspace.id)
        owned = await Connections(storage).owned(workspace.id)
        await storage.close()
        return (
            found.found,
            listed.total,
            {key.connection for key in keys},
            owned["default"],
            workspace,
        )

    found, total, owners, owned, workspace = asyncio.run(look())
    assert (found, total, owners) == (0, 3, {None})
    assert owned == {"User": 3, "Group": 1}
    assert (workspace.guard_mode, workspace.rate_limit, workspace.state) == ("hold", 500, "active")


FROZEN = {
    "0001_users.py": "9add8d64270d3d98f0e9000460a4cd93d7d76839f593787de8080350d25d8027",
    "0002_whole_documents.py": "e6efb83db6d9ac847e46e3be6ba32bd87c3f73126ef876ebbdeb1e5e1fe4f1ba",
    "0003_groups.py": "070d087cb1541e26f4237e326a2936c9364a4783bf150e90fc25d58c8ae08235",
    "0004_settings.py": "095a964e2c991819e4f4add5a6dad37eb8e467df6e94221e8feff33555e994cc",
    "0005_webhooks_and_leases.py": "8406fffb05d8df308a68f573c3502cef360d9b7f24962de3f26f3d3b15bce072",
    "0006_requests.py": "1f79f0e1d95deb8a0ce0ad479ecae98e2a62753a307c8f030470c7b6c6bcbd30",
    "0007_guard.py": "527916ae1b2f23dc7ce8d96aa17dc61e40ccffbcc09d9aea7a39a1d08fc9a4fe",
    "0008_inactive.py": "3a386adde651c8d61a2b0a3eb17e2b0673950ee21b82c906b8e4f252cbcbd6e2",
    "0009_early_databases.py": "20c3e8c36f9ab19666da1d67915f1b8a1bd9220f0e77bdd5fa109ee77f8866a2",
    "0010_unusual_actions.py": "f81318284a4d8a9276cb605e426578950ba8d6f52183c729697df345943923c2",
    "0011_connections.py": "09c5d30db362a95328433e6584d3e6a817d415ca3e8e45fd47d528b213b27123",
    "0012_workspace_states.py": "f448a30c0224bdbda3b9b4a6badb5da668908b4abf386b7f035aa99618039461",
    "0013_owners.py": "2cf7c5f19ec8259277c52a6eb210385f9f1b0df4acbc01c471bab9230b25e666",
    "0014_outlines.py": "0dd363d24ebbe01932cd25825b2d56abeb8283cd9e63855b8aca8642a4be33ac",
    "0015_usage_and_feed.py": "06bc5992989d28f0424715a32bb2d3d39ae1d834fbde7b0af0204a7beb404460",
}
"""The SHA-256 of every migration that has landed."""


def test_no_migration_is_edited_once_it_has_landed():
    """Databases that ran a migration stay as it left them.

    Write a further migration instead, and add its hash here.
    """
    folder = Path(migrations.__file__).parent / "versions"
    assert {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.py")
    } == FROZEN


EARLY = {
    "0003": ("DROP TABLE hierarchies",),
    "0005": (
        "DROP TABLE leases",
        "ALTER TABLE webhook_states ADD COLUMN owner TEXT",
        "ALTER TABLE webhook_states ADD COLUMN owned_until BIGINT NOT NULL DEFAULT 0",
    ),
}
"""Statements that bring a database to the state that a migration left before it was edited."""


@pytest.mark.parametrize("revision", EARLY)
def test_migrations_repair_databases_of_early_versions(here, revision):
    caller, directory = Caller(here.workspace, "actor", "request"), Directory(here.storage)
    kind = registry().types["/Users"]
    here.run(directory.create(caller, kind, person()))
    harm = (
        *EARLY[revision],
        *WITHOUT_CONNECTIONS,
        "UPDATE alembic_version SET version_num = '0008'",
    )
    here.run(here.storage.transact(here.workspace.id, [Statement(sql, ()) for sql in harm]))
    said = []
    here.run(check(here.storage, False, said.append))
    assert "is missing" in said[0]
    assert here.run(here.storage.migrate())[0] == "0008"
    assert here.run(here.storage.missing()) == []
    columns = "SELECT * FROM webhook_states"
    assert here.run(WebhookStates(here.storage).begin(here.workspace.id, "hook", 0)) is None
    assert len(here.run(here.storage.query(Statement(columns, ())))[0]) == len(
        metadata.tables["webhook_states"].columns
    )
    assert here.run(directory.find(caller, kind, Search())).total == 1
    assert here.run(check(here.storage, False, said.append)).found == 0


def everything():
    """Statements that each remove one part of a database, and the check's name for it."""
    for table in sorted(metadata.tables.values(), key=lambda table: table.name):
        if table.name not in ("installation", "workspaces"):
            yield f"DROP TABLE {table.name}", f"the table {table.name} is missing"
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            yield f"DROP INDEX {index.name}", f"{table.name}: the index {index.name} is missing"
    yield "ALTER TABLE requests DROP COLUMN agent", "requests: the column agent is missing"
    yield "ALTER TABLE changes DROP COLUMN chain", "changes: the column chain is missing"


@pytest.mark.slow
@pytest.mark.parametrize("engine", list(ENGINES))
def test_check_finds_every_missing_table_and_index(tmp_path, engine):
    async def look(storage):
        said = []
        report = await check(storage, False, said.append)
        return report.found, said

    for number, (harm, told) in enumerate(everything()):
        folder = tmp_path / str(number)
        folder.mkdir()
        here = Bench(ENGINES[engine](folder))
        here.run(here.storage.transact(here.workspace.id, [Statement(harm, ())]))
        found, said = here.run(look(here.storage))
        assert found == 1, harm
        assert said[0].split(". ")[0] == f"database: {told}"
        here.close()


LOST = {"api_keys", "configuration", "resources", "members", "secrets", "changes"}
"""Tables whose data exists nowhere else."""


@pytest.mark.parametrize("harm", [harm for harm, _ in everything()])
def test_repair_creates_missing_tables_and_indexes_as_the_migrations_do(here, harm):
    """A lost table with data of its own is never created empty: a backup is needed."""
    caller, directory = Caller(here.workspace, "actor", "request"), Directory(here.storage)
    kind = registry().types["/Users"]
    user = here.run(directory.create(caller, kind, person()))
    here.run(here.storage.administer([Item(here.workspace.id, WEBHOOK_KIND, "hook", {})]))
    before = shape(here)
    here.run(here.storage.transact(here.workspace.id, [Statement(harm, ())]))
    said, again = [], []
    here.run(check(here.storage, True, said.append))
    if harm.removeprefix("DROP TABLE ") in LOST or "COLUMN" in harm:
        assert "restore the database from a backup" in said[0]
        assert here.run(here.storage.missing()) != []
        return
    assert "(repaired" in said[0], said
    assert shape(here) == before
    assert here.run(check(here.storage, False, again.append)).found == 0, again
    name = json.loads(user.document.replace(BASE.encode(), b""))["userName"]
    assert here.run(directory.find(caller, kind, Search(f'userName eq "{name}"'))).total == 1
    assert here.run(directory.find(caller, kind, Search())).total == 1
    here.run(directory.create(caller, kind, person()))
    if "webhook_states" in harm:
        assert here.run(WebhookStates(here.storage).state(here.workspace.id, "hook")).position > 0


def shape(here):
    """The definitions of all tables and indexes."""
    if isinstance(here.storage, SqliteStorage):
        queries = ["SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"]
    else:
        queries = [
            "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname",
            "SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2",
            "SELECT table_name, column_name, data_type, collation_name, is_nullable,"
            " is_identity, column_default"
            " FROM information_schema.columns WHERE table_schema = 'public'"
            " ORDER BY table_name, ordinal_position",
            "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'muster%'",
        ]
    return [here.run(here.storage.query(Statement(sql, ()))) for sql in queries]


@pytest.mark.postgres
def test_repair_adds_missing_keys_on_postgresql(tmp_path):
    here = Bench(ENGINES["postgres"](tmp_path))
    before = shape(here)
    drops = (
        "lookups DROP CONSTRAINT lookups_pkey",
        "members DROP CONSTRAINT members_workspace_member_key_group_key_key",
    )
    here.run(
        here.storage.transact(
            here.workspace.id, [Statement(f"ALTER TABLE {drop}", ()) for drop in drops]
        )
    )
    said = []
    here.run(check(here.storage, True, said.append))
    assert all(line.endswith("(repaired)") for line in said), said
    assert len(said) == 2
    assert shape(here) == before
    here.close()

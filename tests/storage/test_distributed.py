"""Peculiarities of distributed PostgreSQL (Citus), provoked on one server.

A proxy takes the advisory locks away, as if they lived on another machine, and turns a COMMIT into PREPARE TRANSACTION: muster
takes the transaction for committed while its rows are not visible yet.
"""

import asyncio
import contextlib

import asyncpg
import pytest

from muster.storage.audit.chain import chain_hash
from muster.storage.ids import IdSource
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.engine import Statement
from muster.storage.port.errors import Conflict, KeyTaken, StorageError
from muster.storage.port.items import Item
from muster.storage.port.resources import Write
from muster.storage.postgres import PostgresStorage
from muster.storage.postgres.lock import LOCK, LOCK_SPACE
from tests.storage.test_postgres import Cutter
from tests.storage.test_writes import NOW, index, made, user
from tests.support.postgres import create_database, new_database, own

pytestmark = pytest.mark.postgres

ORIGIN = ChangeOrigin("a", "r", NOW)
_WAITS = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"
_PREPARE = b"PREPARE TRANSACTION 'left';\0"
_NO_LOCK = (
    "CREATE FUNCTION no_advisory_xact_lock(integer, integer) RETURNS void LANGUAGE sql AS 'SELECT'"
)


class Proxy(Cutter):
    """A proxy in front of PostgreSQL that can rewrite its answers."""

    def __init__(self, url):
        super().__init__(url)
        self.prepare, self.drop, self.answered = False, False, lambda data: data

    async def forward(self, data, writer, back):
        data = data.replace(b"pg_advisory_xact_lock", b"no_advisory_xact_lock")
        if self.prepare and b"COMMIT;" in data:
            self.prepare = False
            if self.drop:
                back.cancel()
            writer.write(b"Q" + (4 + len(_PREPARE)).to_bytes(4, "big") + _PREPARE)
            await writer.drain()
            await asyncio.sleep(0.1)
            return not self.drop
        return await super().forward(data, writer, back)

    async def _pump(self, reader, writer):
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(self.answered(data))
        writer.close()


@contextlib.asynccontextmanager
async def spread(url):
    """A storage behind such a proxy, a workspace, and a connection past the proxy."""
    await PostgresStorage(url).migrate()
    direct = await asyncpg.connect(url)
    await direct.execute(_NO_LOCK)
    proxy = Proxy(url)
    storage = PostgresStorage(await proxy.start())
    await storage.start()
    try:
        yield storage, proxy, await storage.add_workspace("w", "rfc7644", False, NOW), direct
    finally:
        await storage.close()
        await direct.close()
        proxy.server.close()


@pytest.fixture(scope="module")
def server():
    with own(max_prepared_transactions="10") as started:
        yield started


def write(storage, workspace, name, resource_id=None, decide=None):
    return storage.write(
        Write(workspace.id, "User", resource_id, decide or (lambda _: made(user(name))), ORIGIN)
    )


async def _waiting(direct):
    async with asyncio.timeout(10):
        while not await direct.fetchval(_WAITS):
            await asyncio.sleep(0.01)


async def _chain_holds(storage, workspace):
    previous = None
    for change in await storage.changes(workspace.id, 0, 100):
        members = None
        row = (
            change.origin.time,
            change.origin.actor,
            change.origin.request_id,
            change.type,
            change.id,
            change.action,
        )
        previous = chain_hash(
            previous,
            (*row, change.version, change.document.decode(), members, change.origin.address),
        )
        assert change.chain == previous
    assert previous is not None


@pytest.mark.parametrize(
    "earlier", [True, False], ids=["with changes", "the first transaction of a workspace"]
)
def test_write_waits_for_a_prepared_transaction(server, earlier):
    """The prepared write was acknowledged: the next one sees its values and its chain."""

    async def run(url):
        async with spread(url) as (storage, proxy, workspace, direct):
            if earlier:
                await write(storage, workspace, "earlier")
            proxy.prepare = True
            await write(storage, workspace, "ann")
            other = asyncio.create_task(write(storage, workspace, "bob"))
            await _waiting(direct)
            again = asyncio.create_task(write(storage, workspace, "ann"))
            await direct.execute("COMMIT PREPARED 'left'")
            await other
            with pytest.raises(Conflict):
                await again
            await _chain_holds(storage, workspace)

    asyncio.run(run(create_database(server.url)))


def test_decision_sees_the_result_of_a_prepared_transaction(server):
    async def run(url):
        async with spread(url) as (storage, proxy, workspace, direct):
            stored = (await write(storage, workspace, "ann")).stored

            def titled(title):
                def decide(standing):
                    kept = user(
                        "ann",
                        **({"nickName": "n"} if b"nickName" in standing.document else {}),
                        title=title,
                    )
                    return made(kept, standing.version + 1, standing.id, index(standing))

                return decide

            def named(standing):
                return made(
                    user("ann", nickName="n"), standing.version + 1, standing.id, index(standing)
                )

            proxy.prepare = True
            await write(storage, workspace, "", stored.id, named)
            second = asyncio.create_task(write(storage, workspace, "", stored.id, titled("t")))
            await _waiting(direct)
            await direct.execute("COMMIT PREPARED 'left'")
            assert (await second).stored.version == 3
            found = await storage.get(workspace.id, "User", stored.id)
            assert b'"nickName":"n"' in found.document
            assert b'"title":"t"' in found.document

    asyncio.run(run(create_database(server.url)))


def _note(workspace):
    return Note(workspace.id, ORIGIN, "Settings", "w", "update", b"{}")


WAYS = {
    "administer": lambda storage, workspace: storage.administer(
        [Item(workspace.id, "k", "i", {})], [_note(workspace)]
    ),
    "note": lambda storage, workspace: storage.record([_note(workspace)]),
    "items": lambda storage, workspace: storage.record([], [Item(workspace.id, "k", "i", {})]),
    "transact": lambda storage, workspace: storage.transact(
        workspace.id, [Statement("DELETE FROM lookups WHERE workspace = $1", (workspace.id,))]
    ),
    "load": lambda storage, workspace: storage.load(
        workspace.id, "User", [made(user("bob"))], ORIGIN
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_write_waits_for_a_prepared_transaction(server, way):
    async def run(url):
        async with spread(url) as (storage, proxy, workspace, direct):
            proxy.prepare = True
            await write(storage, workspace, "ann")
            running = asyncio.create_task(WAYS[way](storage, workspace))
            await _waiting(direct)
            assert not running.done()
            await direct.execute("COMMIT PREPARED 'left'")
            await running
            await _chain_holds(storage, workspace)

    asyncio.run(run(create_database(server.url)))


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_interrupted_commit_is_looked_up_after_the_prepared_transaction_ends(server, end):
    async def run(url):
        async with spread(url) as (storage, proxy, workspace, direct):
            await write(storage, workspace, "earlier")
            proxy.prepare = proxy.drop = True
            running = asyncio.create_task(write(storage, workspace, "ann"))
            await _waiting(direct)
            assert not running.done()
            await direct.execute(f"{end} PREPARED 'left'")
            await running
            names = [change.id for change in await storage.changes(workspace.id, 0, 100)]
            assert len(names) == len(set(names)) == 2
            await _chain_holds(storage, workspace)

    asyncio.run(run(create_database(server.url)))


@pytest.mark.parametrize(
    ("true", "told"), [(b"INSERT 0 1\0", b"INSERT 0 0\0"), (b"INSERT 0 0\0", b"INSERT 0 1\0")]
)
def test_inserted_rows_are_counted_by_returning(true, told):
    """Citus miscounts the rows of INSERT … SELECT … ON CONFLICT DO NOTHING."""

    async def run():
        async with spread(url) as (storage, proxy, workspace, _):
            proxy.answered = lambda data: data.replace(true, told)
            put = made(user("ann"), resource_id=IdSource()(1_600_000_000_000))
            await storage.load(workspace.id, "User", [put], ORIGIN)
            with pytest.raises(KeyTaken):
                await storage.load(
                    workspace.id, "User", [made(user("bob"), resource_id=put.stored.id)], ORIGIN
                )
            assert len(await storage.changes(workspace.id, 0, 100)) == 1

    url = new_database()
    asyncio.run(run())


_LOST = """
CREATE SEQUENCE tries;
CREATE FUNCTION lost() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM nextval('tries');
    RAISE EXCEPTION 'connection to the remote node failed' USING ERRCODE = '08006';
END $$;
CREATE FUNCTION ask() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'connection to the remote node failed' USING ERRCODE = '08006';
END $$;
"""
TRIGGERS = {
    "statement": "CREATE TRIGGER lost BEFORE INSERT"
    " ON resources FOR EACH ROW WHEN (NEW.workspace = {}) EXECUTE FUNCTION lost()",
    "commit": "CREATE CONSTRAINT TRIGGER lost AFTER INSERT"
    " ON resources DEFERRABLE INITIALLY DEFERRED"
    " FOR EACH ROW WHEN (NEW.workspace = {}) EXECUTE FUNCTION lost()",
}


async def _idle(storage):
    """Several idle connections."""
    held = [await storage._pool.acquire() for _ in range(4)]
    for connection in held:
        storage._pool.release(connection)
    return set(held)


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_another_nodes_loss_fails_one_workspace_and_drops_no_connection(trigger):
    """The server reports 08006 for another node; the connection to it is intact."""

    async def run():
        async with spread(url) as (storage, _, workspace, direct):
            await direct.execute(_LOST)
            await direct.execute(TRIGGERS[trigger].format(workspace.id))
            other = await storage.add_workspace("other", "rfc7644", False, NOW)
            idle = await _idle(storage)
            with pytest.raises(StorageError) as caught:
                await write(storage, workspace, "ann")
            assert caught.value.status == 503
            await write(storage, other, "ann")
            assert set(storage._pool._idle) == idle
            assert await direct.fetchval("SELECT last_value FROM tries") == 1
            assert await storage.changes(workspace.id, 0, 10) == []
            await direct.execute("DROP TRIGGER lost ON resources")
            await write(storage, workspace, "ann")

    url = new_database()
    asyncio.run(run())


def test_read_lost_on_another_node_keeps_idle_connections():
    async def run():
        async with spread(url) as (storage, _, _, direct):
            await direct.execute(_LOST)
            idle = await _idle(storage)
            with pytest.raises(StorageError) as caught:
                await storage.query(Statement("SELECT ask()", ()))
            assert caught.value.status == 503
            assert set(storage._pool._idle) == idle

    url = new_database()
    asyncio.run(run())


def test_value_that_cannot_be_encoded_keeps_idle_connections():
    async def run():
        async with spread(url) as (storage, _, _, _):
            idle = await _idle(storage)
            with pytest.raises(StorageError) as caught:
                await storage.query(
                    Statement("SELECT name FROM workspaces WHERE id = $1", (2**70,))
                )
            assert caught.value.status == 500
            assert set(storage._pool._idle) == idle

    url = new_database()
    asyncio.run(run())


def test_note_locks_the_workspace_before_it_writes():
    """Otherwise it holds a row that the owner of the lock may want, a deadlock."""

    async def run():
        storage = PostgresStorage(url)
        await storage.migrate()
        await storage.start()
        workspace = await storage.add_workspace("w", "rfc7644", False, NOW)
        item = Item(workspace.id, "held", "user", {"times": 1})
        await storage.record([_note(workspace)], [item])
        direct = await asyncpg.connect(url)
        async with direct.transaction():
            await direct.execute(LOCK, LOCK_SPACE, workspace.id)
            noting = asyncio.create_task(storage.record([_note(workspace)], [item]))
            await _waiting_on(direct)
            await direct.execute(
                "UPDATE configuration SET body = '{}' WHERE workspace = $1", workspace.id
            )
        await noting
        await direct.close()
        await storage.close()

    async def _waiting_on(direct):
        async with asyncio.timeout(10):
            while not await direct.fetchval(
                "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
                " WHERE d.datname = current_database() AND NOT l.granted)"
            ):
                await asyncio.sleep(0.01)

    url = new_database()
    asyncio.run(run())

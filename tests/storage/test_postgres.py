"""PostgreSQL alone: interrupted commits, and statements that name a workspace."""

import asyncio
import contextlib
import re
from urllib.parse import urlsplit

import asyncpg
import pytest

from muster.directory.documents import parse
from muster.directory.versions import index_of_document, make_put, next_version
from muster.scim.dialects import Dialect
from muster.scim.filter import grammar as filters
from muster.scim.filter.predicate import bind, field_at
from muster.scim.schema.model import GROUP, registry
from muster.storage.ids import IdSource
from muster.storage.port.accounts import KeyRecord
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.members import MemberEdit
from muster.storage.port.resources import Query, Remove, Write
from muster.storage.postgres import PostgresStorage, connection
from muster.storage.postgres.lock import LOCK, LOCK_SPACE
from muster.storage.tables import metadata
from tests.storage.test_writes import NOW, USER_TYPE, index, made, user
from tests.support.postgres import create_database, new_database, own

pytestmark = pytest.mark.postgres

DISTRIBUTED = "|".join(
    name for name, table in metadata.tables.items() if "workspace" in table.columns
)


_WAITS = """
SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
WHERE d.datname = current_database() AND l.locktype = 'advisory' AND NOT l.granted)
"""


class Cutter:
    """A proxy that cuts the connection at a COMMIT, before or after forwarding it."""

    def __init__(self, url):
        self.target = urlsplit(url)
        self.cut = None
        self.commits = 0

    async def start(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self.server.sockets[0].getsockname()[1]
        return f"postgresql://{self.target.username}@127.0.0.1:{port}{self.target.path}"

    async def _serve(self, reader, writer):
        upstream_reader, upstream_writer = await asyncio.open_connection(
            self.target.hostname, self.target.port
        )
        back = asyncio.create_task(self._pump(upstream_reader, writer))
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                if not await self.forward(data, upstream_writer, back):
                    break
        back.cancel()
        upstream_writer.close()
        writer.transport.abort()

    async def forward(self, data, writer, back):
        """Forward the received bytes; return False if the connection is cut."""
        cut = None
        if b"COMMIT;" in data:
            self.commits += 1
            cut, self.cut = self.cut, None
        if cut:
            back.cancel()
        if cut is not False:
            writer.write(data)
            await writer.drain()
        if cut:
            await asyncio.sleep(0.1)
        return cut is None

    async def _pump(self, reader, writer):
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()


@pytest.mark.parametrize("forwarded", [True, False], ids=["committed", "not committed"])
def test_interrupted_commit_takes_effect_once(forwarded):
    async def run():
        cutter = Cutter(url)
        storage = PostgresStorage(await cutter.start())
        await storage.migrate()
        await storage.start()
        workspace = await storage.add_workspace("w", "rfc7644", False, NOW)

        def write(name):
            return storage.write(
                Write(
                    workspace.id,
                    "User",
                    None,
                    lambda _: made(user(name)),
                    ChangeOrigin("a", "r", NOW),
                )
            )

        await write("first")
        cutter.cut = forwarded
        commits = cutter.commits
        outcomes = await asyncio.gather(write("a"), write("b"), write("a"), return_exceptions=True)
        page = await storage.find(Query(workspace.id, USER_TYPE))
        changes = await storage.changes(workspace.id, 0, 100)
        await storage.close()
        cutter.server.close()
        return outcomes, page, changes, cutter.commits - commits

    url = new_database()
    outcomes, page, changes, commits = asyncio.run(run())
    assert [type(outcome).__name__ for outcome in outcomes] == ["Put", "Put", "Conflict"]
    assert page.total == 3
    assert len(changes) == 3
    assert commits == (1 if forwarded else 2)


def test_writes_join_a_transaction_that_waits_for_the_lock():
    async def run(url):
        storage, commits = PostgresStorage(url), []
        storage.on_commit = commits.append
        await storage.migrate()
        await storage.start()
        workspace = await storage.add_workspace("w", "rfc7644", False, NOW)
        other = await asyncpg.connect(url)
        async with other.transaction():
            await other.execute(LOCK, LOCK_SPACE, workspace.id)
            written = []
            for name in ("a", "b", "a", "c"):
                origin = ChangeOrigin("a", "r", NOW)
                write = Write(
                    workspace.id, "User", None, lambda _, name=name: made(user(name)), origin
                )
                written.append(asyncio.create_task(storage.write(write)))
                while not await other.fetchval(_WAITS):
                    await asyncio.sleep(0.01)
        outcomes = await asyncio.gather(*written, return_exceptions=True)
        await other.close()
        await storage.close()
        return [type(outcome).__name__ for outcome in outcomes], commits

    outcomes, commits = asyncio.run(run(new_database()))
    assert outcomes == ["Put", "Put", "Conflict", "Put"]
    assert commits == [4]


class Crasher(Cutter):
    """A proxy that kills the server at a COMMIT and restarts it.

    Others then get the number that the lost transaction had.
    """

    def __init__(self, server):
        super().__init__(create_database(server.url))
        self.server_of, self.url, self.crash = server, self.target.geturl(), False

    async def forward(self, data, writer, back):
        if not self.crash or b"COMMIT;" not in data:
            return await super().forward(data, writer, back)
        self.crash = False
        await asyncio.to_thread(self.server_of.kill)
        await asyncio.to_thread(self.server_of.start)
        other = await asyncpg.connect(self.url)
        for _ in range(100):
            await other.execute("SELECT pg_current_xact_id()")
        await other.close()
        return False


def test_lost_commit_is_not_confused_with_another_transaction():
    """A killed server reuses the numbers of transactions that it had not written.

    The other transaction with the number was committed; this one was not.
    """

    async def run(crasher):
        storage = PostgresStorage(await crasher.start())
        await storage.migrate()
        await storage.start()
        workspace = await storage.add_workspace("w", "rfc7644", False, NOW)
        crasher.crash = True
        written = Write(
            workspace.id, "User", None, lambda _: made(user("ann")), ChangeOrigin("a", "r", NOW)
        )
        outcome = await storage.write(written)
        assert not crasher.crash
        assert await storage.get(workspace.id, "User", outcome.stored.id) is not None
        assert (await storage.find(Query(workspace.id, USER_TYPE))).total == 1
        await storage.close()
        crasher.server.close()

    with own(wal_writer_delay="10s") as server:
        asyncio.run(run(Crasher(server)))


def test_every_statement_names_the_workspace(monkeypatch):
    """Each mention of a table has a condition or a value for the workspace.

    So the tables can be distributed by it.
    """
    seen = set()
    connect = connection.connect

    async def logged(*arguments, **options):
        made_one = await connect(*arguments, **options)
        made_one.add_query_logger(lambda record: seen.add(record.query))
        return made_one

    monkeypatch.setattr(connection, "connect", logged)
    url = new_database()
    asyncio.run(_use_everything(url))
    mentions = re.compile(rf'\b(?:FROM|JOIN|INTO|UPDATE|USING)\s+"?({DISTRIBUTED})\b')
    conditions = re.compile(r"\bworkspace = (?:\$\d+|u\.workspace)|\(workspace,")
    checked = 0
    for statement in seen:
        found = mentions.findall(statement)
        checked += len(found)
        assert len(conditions.findall(statement)) >= len(found), statement
    assert checked > 60


async def _use_everything(url):
    storage = PostgresStorage(url)
    await storage.migrate()
    await storage.start()
    workspace = await storage.add_workspace("w", "rfc7644", False, NOW)
    key = KeyRecord(workspace.id, "k1", "name", b"digest", ("Admin",), None, NOW, None, None, None)
    await storage.administer([key])
    await storage.key(workspace.id, "k1")
    await storage.keys(workspace.id)
    await storage.touch_keys({(workspace.id, "k1"): NOW})
    await storage.lease(workspace.id, "k1", 1, 100, 8)
    await storage.load(
        workspace.id,
        "User",
        [made(user(f"u{n}", title="t", displayName="d")) for n in range(20)],
        ChangeOrigin("a", "r", NOW),
    )
    put = await _write(
        storage, workspace, None, lambda _: made(user("a", title="t"), password="hash")
    )
    stored = put.stored
    changed = user("b", emails=[{"value": "b@x.example"}])
    await _write(
        storage,
        workspace,
        stored.id,
        lambda now: made(changed, 2, stored.id, index(now), password=None),
    )
    await storage.get(workspace.id, "User", stored.id)
    await storage.secret(workspace.id, stored.id, "password")
    await storage.changes(workspace.id, 0, 10)
    for text in (
        None,
        'userName eq "a"',
        'title co "t" and displayName eq "d"',
        "active eq true",
        'emails[value ew "e"]',
        "name pr",
    ):
        predicate = (
            None if text is None else bind(filters.parse(text, Dialect()), USER_TYPE, Dialect())
        )
        for sort in (None, "userName", "title", "active"):
            field = None if sort is None else field_at(USER_TYPE, sort)
            for descending, domain in ((False, None), (True, "x.example")):
                await storage.find(
                    Query(workspace.id, USER_TYPE, predicate, domain, field, descending, 3, 5)
                )
    await storage.find(Query(workspace.id, USER_TYPE))
    await _use_groups(storage, workspace, stored.id)
    await _write(storage, workspace, stored.id, lambda now: Remove(now, index(now)))
    await storage.close()


async def _use_groups(storage, workspace, user_id):
    kind = registry().types["/Groups"]
    new_id = IdSource()

    def touch(now):
        return next_version(now, parse(now.document), kind, NOW)

    def write(group_id, decide, edit):
        return storage.write(
            Write(workspace.id, "Group", group_id, decide, ChangeOrigin("a", "r", NOW), edit, touch)
        )

    def make(_):
        return make_put(
            {"schemas": [GROUP], "displayName": "g"}, kind, new_id(1_600_000_000_000), 1, NOW, NOW
        )

    inner = (await write(None, make, MemberEdit((user_id,)))).stored.id
    outer = (await write(None, make, MemberEdit((inner,)))).stored.id
    await write(outer, touch, MemberEdit((user_id,), (inner,)))
    await write(outer, touch, MemberEdit((inner,), (), True))
    await storage.members(workspace.id, outer, -1, 10)
    await storage.memberships(workspace.id, [user_id])
    await storage.get(workspace.id, "User", user_id)
    for resource_type, texts in (
        (
            USER_TYPE,
            (
                f'groups.value eq "{inner}"',
                'groups[display eq "g" and type eq "direct"]',
                "groups pr",
                'groups.display co "g"',
            ),
        ),
        (
            kind,
            (
                f'members[value eq "{user_id}"]',
                'members[display co "a" or type eq "User"]',
                "members pr",
            ),
        ),
    ):
        for text in texts:
            predicate = bind(filters.parse(text, Dialect()), resource_type, Dialect())
            await storage.find(Query(workspace.id, resource_type, predicate))
    remove = await storage.get(workspace.id, "Group", inner)
    await write(
        inner,
        lambda now: Remove(now, index_of_document(parse(remove.document), kind)),
        MemberEdit(clear=True),
    )


def _write(storage, workspace, resource_id, decide):
    return storage.write(
        Write(workspace.id, "User", resource_id, decide, ChangeOrigin("a", "r", NOW))
    )

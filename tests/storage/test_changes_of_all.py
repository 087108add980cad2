"""The changes of all workspaces in one order: none is skipped, and none comes twice."""

import asyncio
import contextlib
import json

import pytest

from muster.directory.caller import Caller
from muster.directory.service import Directory
from muster.scim.schema.model import registry
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.engine import Statement
from muster.storage.port.items import INSTALLATION
from muster.storage.postgres import engine
from tests.storage.conftest import ENGINES, Bench
from tests.support.people import person

WRITERS, WORKSPACES, WRITES = 8, 4, 12
USERS = registry().types["/Users"]


def test_no_change_of_concurrent_writers_is_skipped_or_doubled(bench):
    storage, directory = bench.storage, Directory(bench.storage)
    workspaces = [bench.new_workspace() for _ in range(WORKSPACES)]
    start = bench.run(storage.settled_change())
    origin = ChangeOrigin("test", "", "2026-01-01T00:00:00.000Z")

    async def write(number):
        workspace = workspaces[number % WORKSPACES]
        for turn in range(WRITES):
            await directory.create(Caller(workspace, "actor", "request"), USERS, person())
            if turn % 4 == 0:  # it takes a number, and is in no workspace's feed
                note = Note(INSTALLATION, origin, "Workspace", "x", "update", b"{}")
                await storage.record([note])

    async def read(limit, writers):
        found, after = [], start
        while True:
            done = writers.done()
            until = await storage.settled_change()
            changes = await storage.changes_of_all(after, until, limit)
            found += [(change.workspace, change.sequence) for change in changes]
            after = changes[-1].sequence if changes else max(after, until)
            if done and not changes:
                return found
            await asyncio.sleep(0)

    async def all_at_once():
        writers = asyncio.gather(*(write(number) for number in range(WRITERS)))
        readers = [read(limit, writers) for limit in (1, 7, 100)]
        return await asyncio.gather(*readers)

    readings = bench.run(all_at_once())
    expected = []
    for workspace in workspaces:
        expected += [
            (workspace.id, c.sequence) for c in bench.run(storage.changes(workspace.id, 0, 1000))
        ]
    expected.sort(key=lambda place: place[1])
    assert len(expected) == WRITERS * WRITES
    for reading in readings:
        assert reading == expected


def test_a_change_comes_with_the_document_before(bench):
    storage, directory = bench.storage, Directory(bench.storage)
    workspace = bench.new_workspace()
    caller = Caller(workspace, "actor", "request")
    start = bench.run(storage.settled_change())
    user = bench.run(directory.create(caller, USERS, person(title="before")))
    bench.run(directory.replace(caller, USERS, user.id, person(title="after"), lambda _: None))
    end = bench.run(storage.settled_change())
    first, second = bench.run(storage.changes_of_all(start, end, 10))
    assert (first.before, b"before" in second.before) == (None, True)
    assert bench.run(storage.changes_of_all(start, first.sequence, 10)) == [first]
    assert bench.run(storage.changes_of_all(end, end, 10)) == []


def test_a_reader_waits_behind_an_open_transaction(bench):
    """PostgreSQL: a transaction has taken a number, and others with higher ones have committed."""
    storage = bench.storage
    if not hasattr(storage, "_pool"):
        pytest.skip("SQLite has one writer at a time")
    workspace, other = bench.new_workspace(), bench.new_workspace()
    directory = Directory(storage)
    insert = (
        "INSERT INTO changes (workspace, time, actor, request_id, type, id, action, version, document)"
        " VALUES ($1, 'x', 'x', 'x', 'User', 'x', 'create', 1, '{}') RETURNING sequence"
    )

    async def go():
        start = await storage.settled_change()
        async with contextlib.AsyncExitStack() as stack:
            connection = await stack.enter_async_context(storage._pool.connection())
            await stack.enter_async_context(connection.transaction())
            held = await connection.fetchval(insert, workspace.id)
            await directory.create(Caller(other, "actor", "request"), USERS, person())
            behind = await storage.settled_change()
            assert start <= behind < held
            assert await storage.changes_of_all(start, behind, 10) == []
        after = await storage.settled_change()
        return held, await storage.changes_of_all(start, after, 10)

    held, found = bench.run(go())
    assert [change.workspace for change in found] == [workspace.id, other.id]
    assert found[0].sequence == held


def scanned(plan):
    """The most rows that a node of a plan has read or dropped."""
    dropped = plan.get("Rows Removed by Filter", 0)
    rows = (plan["Actual Rows"] + dropped) * plan["Actual Loops"]
    return max([rows, *(scanned(inner) for inner in plan.get("Plans", ()))])


@pytest.mark.postgres
@pytest.mark.parametrize("statement", [engine._CHANGES_OF_ALL, engine._SIZES_OF_ALL])
def test_a_page_reads_no_more_rows_than_it_has_on_postgresql(tmp_path, statement):
    """In a table without statistics too, and however many changes follow the page."""
    here = Bench(ENGINES["postgres"](tmp_path))
    fill = (
        "INSERT INTO changes (workspace, time, actor, request_id, type, id, action, version,"
        " document, address) SELECT n % 50 + 1, '', '', '', 'User', n, 'create', 1, '{}', ''"
        " FROM generate_series(1, 20000) n"
    )
    here.run(here.storage.transact(here.workspace.id, [Statement(fill, ())]))
    last = here.run(here.storage.query(Statement("SELECT max(sequence) FROM changes", ())))[0][0]
    explained = Statement(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", (0, last, 100))
    plan = json.loads(here.run(here.storage.query(explained))[0][0])[0]["Plan"]
    here.close()
    assert scanned(plan) <= 101

"""SQLite's shared snapshot: never behind an answered write, never held for long."""

import asyncio
import itertools
import os
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.items import Item
from muster.storage.sqlite import SqliteStorage
from muster.storage.sqlite.connection import connect
from muster.storage.sqlite.epoch import Stamps
from muster.storage.sqlite.snapshot import Snapshot


@pytest.fixture
def path(tmp_path):
    made = str(tmp_path / "m.db")
    connection = connect(made, 1000)
    connection.execute("CREATE TABLE t (n INTEGER)")
    connection.execute("INSERT INTO t VALUES (1)")
    connection.close()
    return made


def read(connection):
    return connection.execute("SELECT sum(n) FROM t").fetchone()[0]


def with_snapshot(path, work):
    async def run():
        stamps, writer = Stamps(path), connect(path, 1000)
        snapshot = Snapshot(connect(path, 1000, read_only=True), stamps)
        try:
            return await work(snapshot, stamps, writer)
        finally:
            snapshot.close()
            stamps.close()
            writer.close()

    return asyncio.run(run())


def test_announced_commits_of_other_processes_are_seen_at_once(path):
    async def work(snapshot, stamps, writer):
        others = Stamps(path)  # as another process maps it
        assert read(snapshot.reader()) == 1
        for expected in range(2, 50):
            writer.execute("INSERT INTO t VALUES (1)")
            others.announce_commit()
            assert read(snapshot.reader()) == expected
        others.close()

    with_snapshot(path, work)


def test_reads_share_a_snapshot_and_see_unannounced_commits_within_milliseconds(path):
    async def work(snapshot, stamps, writer):
        assert read(snapshot.reader()) == 1
        writer.execute("INSERT INTO t VALUES (1)")
        assert read(snapshot.reader()) == 1
        ends = time.monotonic() + 60
        while read(snapshot.reader()) == 1 and time.monotonic() < ends:
            await asyncio.sleep(0.001)
        assert read(snapshot.reader()) == 2

    with_snapshot(path, work)


def test_idle_snapshot_is_released(path):
    async def work(snapshot, stamps, writer):
        connection = snapshot.reader()
        assert connection.in_transaction
        ends = time.monotonic() + 60
        while connection.in_transaction and time.monotonic() < ends:
            await asyncio.sleep(0.001)
        assert not connection.in_transaction

    with_snapshot(path, work)


def test_failed_read_does_not_block_the_snapshot(path):
    async def work(snapshot, stamps, writer):
        with pytest.raises(sqlite3.OperationalError):
            snapshot.reader().execute("SELECT * FROM nothing")
        snapshot.release()
        assert read(snapshot.reader()) == 1

    with_snapshot(path, work)


class AlwaysReading(threading.Thread):
    """Two connections that take turns, so that one of them always has a snapshot.

    Workers under load do the same together.
    """

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path = path
        self.ended = threading.Event()

    def run(self):
        connections = [connect(self.path, 1000, read_only=True) for _ in range(2)]
        for turn in itertools.cycle((0, 1)):
            connections[turn].execute("BEGIN")
            connections[turn].execute("SELECT count(*) FROM workspaces").fetchone()
            if connections[1 - turn].in_transaction:
                connections[1 - turn].execute("COMMIT")
            if self.ended.wait(0.01):
                break
        for connection in connections:
            connection.close()


def test_reads_are_served_while_another_process_writes(tmp_path):
    path = str(tmp_path / "m.db")

    async def run():
        storage = SqliteStorage(path)
        await storage.migrate()
        await storage.start()
        workspace = await storage.add_workspace("w", "rfc7644", False, "2026-01-01T00:00:00Z")
        note = Note(
            workspace.id, ChangeOrigin("a", "r", "2026-01-01T00:00:00Z"), "T", "x", "update", b"{}"
        )
        with closing(connect(path, 1000)) as other:
            other.execute("BEGIN IMMEDIATE")
            writing = asyncio.create_task(storage.record([note]))
            await asyncio.sleep(0)
            assert await storage.get(workspace.id, "User", "none") is None
            assert not writing.done()
            other.execute("COMMIT")
        await writing
        assert await storage.latest_change(workspace.id) == 1
        await storage.close()

    asyncio.run(run())


@pytest.mark.slow
def test_write_ahead_log_stays_short_under_constant_reads(tmp_path):
    path = str(tmp_path / "m.db")
    sizes = []
    log = Path(path + "-wal")

    async def run():
        storage = SqliteStorage(path)
        await storage.migrate()
        await storage.start()
        workspace = await storage.add_workspace("w", "rfc7644", False, "2026-01-01T00:00:00Z")
        reading = AlwaysReading(path)
        reading.start()
        note = Note(
            workspace.id, ChangeOrigin("a", "r", "2026-01-01T00:00:00Z"), "T", "x", "update", b"{}"
        )
        for n in range(1200):
            await storage.record(
                [note], [Item(workspace.id, "t", str(n % 5), {"text": os.urandom(15_000).hex()})]
            )
            sizes.append(log.stat().st_size)  # noqa: ASYNC240 (a local file)
        reading.ended.set()
        reading.join()
        await storage.close()

    asyncio.run(run())
    assert max(sizes) < 32_000_000

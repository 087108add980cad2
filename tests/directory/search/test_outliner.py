"""Outlines are built by one process at a time, and brought on when searches ask for it."""

import asyncio

import pytest

from muster.access.registries import Registries
from muster.directory.search import outliner
from muster.directory.search.outliner import Outliner
from muster.storage.port.resources import Remove
from muster.storage.query import outlines
from muster.storage.records.leases import Leases
from muster.storage.records.outlines import OutlineStore
from tests.storage.test_writes import create, index, user, write


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Outlines of three lines."""
    for module in (outliner, outlines):
        monkeypatch.setattr(module, "LINES", 3)
    monkeypatch.setattr(outliner, "MOST_LINES", 5)
    monkeypatch.setattr(outliner, "_CHANGES", 2)
    monkeypatch.setattr(outliner, "_EXTEND_SECONDS", 0.0)


@pytest.fixture
def workspace(bench):
    made = bench.new_workspace()
    for number in range(7):
        create(bench, made, user(f"u{number}"))
    return made


def outliner_of(bench):
    return Outliner(bench.storage, Registries(bench.storage).of, Leases(bench.storage))


def bring_on(bench, workspace, kind="User"):
    bench.run(outliner_of(bench).bring_on(workspace, kind))


def lines(bench, workspace):
    """Return the lines of all outlines, by outline."""
    store = OutlineStore(bench.storage, workspace.id, "User")
    firsts = bench.run(store.first_keys())
    return [bench.run(store.outline(first)).lines for first in firsts]


def test_the_build_goes_on_where_it_was_interrupted(bench, workspace, monkeypatch):
    store = OutlineStore(bench.storage, workspace.id, "User")
    kept, calls = OutlineStore.store, []

    async def fail(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise ConnectionError
        await kept(*arguments)

    monkeypatch.setattr(OutlineStore, "store", fail)
    with pytest.raises(ConnectionError):
        bring_on(bench, workspace)
    assert lines(bench, workspace) == [["u0", "u1", "u2"]]
    create(bench, workspace, user("meanwhile"))
    bring_on(bench, workspace)
    assert bench.run(store.position()).reached is None
    assert lines(bench, workspace) == [["u0", "u1", "u2"], ["u3", "u4", "u5"], ["u6", "meanwhile"]]


def test_changes_since_are_added_to_the_outline_that_covers_them(bench, workspace):
    bring_on(bench, workspace)
    for number in range(7, 12):
        create(bench, workspace, user(f"u{number}"))
    bring_on(bench, workspace)
    found = lines(bench, workspace)
    assert found[:2] == [["u0", "u1", "u2"], ["u3", "u4", "u5"]]
    assert sorted(line for part in found for line in part) == sorted(f"u{n}" for n in range(12))
    assert max(map(len, found)) <= 5


def test_outlines_of_resources_that_are_gone_are_built_anew(bench, workspace):
    bring_on(bench, workspace)
    stored = [create(bench, workspace, user(f"x{number}")) for number in range(9)]
    bring_on(bench, workspace)
    for one in stored:
        write(bench, workspace, one.id, lambda found: Remove(found, index(found)))
    bring_on(bench, workspace)
    assert sum(map(len, lines(bench, workspace))) == 16 <= 2 * 7 + 5
    for number in range(4):
        one = create(bench, workspace, user(f"y{number}"))
        bring_on(bench, workspace)
        write(bench, workspace, one.id, lambda found: Remove(found, index(found)))
    bring_on(bench, workspace)
    bring_on(bench, workspace)
    assert sorted(line for part in lines(bench, workspace) for line in part) == [
        f"u{number}" for number in range(7)
    ]


def test_one_process_at_a_time_builds_outlines(bench, workspace):
    other = Leases(bench.storage)
    assert bench.run(other.take(workspace.id, "outlines User", 60.0))
    bring_on(bench, workspace)
    assert lines(bench, workspace) == []
    bench.run(other.release(workspace.id, "outlines User"))
    bring_on(bench, workspace, "Unknown")
    assert lines(bench, workspace) == []
    bring_on(bench, workspace)
    assert len(lines(bench, workspace)) == 3


def test_the_job_builds_the_outlines_that_searches_ask_for(bench, workspace, monkeypatch):
    monkeypatch.setattr(outliner, "_ASK_SECONDS", 0.01)
    store = OutlineStore(bench.storage, workspace.id, "User")
    bench.storage.stale_outlines.update({(workspace.id, "User"), (10**6, "User")})

    async def wait():
        job = asyncio.create_task(outliner_of(bench).run())
        async with asyncio.timeout(30):
            while (
                bench.storage.stale_outlines
                or (place := await store.position()) is None
                or place.reached is not None
            ):
                await asyncio.sleep(0.01)
        job.cancel()

    bench.run(wait())
    assert len(lines(bench, workspace)) == 3

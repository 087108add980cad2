"""A retention that is extended during trimming holds at once."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.resources import Write
from muster.storage.records.leases import Leases
from muster.storage.records.requests import RecordedRequest, RequestFilter, RequestStore, number_of
from muster.upkeep import trimmer
from muster.upkeep.trimmer import Trimmer
from tests.storage.test_writes import index, made, user

OLD = "2020-01-01T00:00:00.000Z"
NOW = datetime(2020, 6, 1, tzinfo=UTC)


@pytest.fixture
def workspace(bench):
    """A workspace with ten changes of one user, each 152 days old."""
    workspace = bench.new_workspace()

    async def fill():
        first = Write(
            workspace.id, "User", None, lambda _: made(user("a")), ChangeOrigin("a", "r", OLD)
        )
        stored = (await bench.storage.write(first)).stored
        for number in range(2, 11):

            def decide(now, number=number):
                return made(user("a", title=str(number)), number, now.id, index(now))

            await bench.storage.write(
                Write(workspace.id, "User", stored.id, decide, ChangeOrigin("a", "r", OLD))
            )
        other = Write(
            workspace.id, "User", None, lambda _: made(user("b")), ChangeOrigin("a", "r", OLD)
        )
        await bench.storage.write(other)  # the newest change always stays

    bench.run(fill())
    return workspace


def count(bench, workspace):
    return len(
        [
            change
            for change in bench.run(bench.storage.changes(workspace.id, 0, 100))
            if change.type == "User"
        ]
    )


def keep(bench, workspace, days):
    bench.run(bench.storage.administer([replace(workspace, changes_days=days)]))


@pytest.mark.parametrize("extended", [365, 0])
def test_extended_retention_holds_from_the_moment_it_is_set(
    bench, workspace, monkeypatch, clock, extended
):
    clock.moment = NOW
    monkeypatch.setattr(trimmer, "_CHUNK", 3)
    keep(bench, workspace, 30)
    made = Trimmer(bench.storage, Leases(bench.storage), 0)
    transact = bench.storage.transact
    drops = 0

    async def extending(place, statements):
        nonlocal drops
        await transact(place, statements)
        if any("DELETE FROM changes" in statement.sql for statement in statements):
            drops += 1
            await bench.storage.administer([replace(workspace, changes_days=extended)])

    monkeypatch.setattr(bench.storage, "transact", extending)
    bench.run(made.trim(workspace.id, 0))
    left = count(bench, workspace)
    assert drops == 1
    assert 2 < left < 11
    monkeypatch.undo()
    bench.run(made.trim(workspace.id, 0))
    assert count(bench, workspace) == left
    keep(bench, workspace, 30)
    bench.run(made.trim(workspace.id, 0))
    assert count(bench, workspace) == 2


def test_trimming_reads_the_retention_of_each_workspace_when_it_reaches_it(
    bench, workspace, monkeypatch, clock
):
    clock.moment = NOW
    keep(bench, workspace, 30)
    workspaces = bench.storage.workspaces

    async def listed():
        found = await workspaces()
        await bench.storage.administer([replace(workspace, changes_days=0)])
        return found

    monkeypatch.setattr(bench.storage, "workspaces", listed)
    bench.run(Trimmer(bench.storage, Leases(bench.storage), 0).trim_all())
    assert count(bench, workspace) == 11


@pytest.mark.parametrize(("days", "left"), [(None, 0), (1, 1), (7, 2)])
def test_trimming_requests_honours_the_current_setting(bench, days, left):
    workspace = bench.new_workspace()
    bench.run(bench.storage.administer([replace(workspace, requests_days=days)]))
    requests = RequestStore(bench.storage)
    ages = (timedelta(hours=1), timedelta(days=3), timedelta(days=30))
    numbers = [number_of(time.time() - age.total_seconds()) for age in ages]
    rows = [
        RecordedRequest(number, "t", "r", "k", "o", "POST", "/", "", 201, 1, "", "", "", "", "", "")
        for number in numbers
    ]

    async def trim():
        await requests.keep(workspace.id, rows)
        await requests.trim(workspace.id, 100, number_of(time.time()))
        return await requests.find(workspace.id, RequestFilter())

    assert len(bench.run(trim())) == left

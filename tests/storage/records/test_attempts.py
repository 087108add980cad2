"""Attempts are counted across workers, which share one database."""

import asyncio

import pytest

from muster.storage.port.engine import Statement
from muster.storage.port.items import INSTALLATION
from muster.storage.records.attempts import Attempts


@pytest.fixture
def workers(bench, clock):
    return [Attempts(bench.storage, 5, 60) for _ in range(3)]


def test_attempts_are_counted_across_workers(bench, workers):
    answers = [bench.run(workers[n % 3].take(INSTALLATION, "ada")) for n in range(7)]
    assert answers == [0] * 5 + [60] * 2
    assert bench.run(workers[0].take(INSTALLATION, "bob")) == 0
    assert bench.run(workers[0].take(bench.new_workspace().id, "ada")) == 0


def test_no_more_than_the_allowed_searches_run_at_a_time(bench, workers):
    async def together():
        return await asyncio.gather(*(workers[n % 3].take(INSTALLATION, "eve") for n in range(30)))

    assert bench.run(together()).count(0) <= 5
    assert bench.run(workers[0].take(INSTALLATION, "eve"))


def test_window_begins_with_the_first_attempt(bench, workers, clock):
    for _ in range(5):
        bench.run(workers[0].take(INSTALLATION, "carol"))
        clock.advance(seconds=10)
    assert bench.run(workers[1].take(INSTALLATION, "carol")) == 10
    clock.advance(seconds=10)
    assert [bench.run(workers[1].take(INSTALLATION, "carol")) for _ in range(6)] == [0] * 5 + [60]
    clock.advance(seconds=300)
    assert bench.run(workers[1].take(INSTALLATION, "carol")) == 0


def test_successful_attempt_is_uncounted_and_forget_resets_the_name(bench, workers):
    for _ in range(20):
        assert bench.run(workers[0].take(INSTALLATION, "dan")) == 0
        bench.run(workers[1].give_back(INSTALLATION, "dan"))
    for _ in range(5):
        assert bench.run(workers[0].take(INSTALLATION, "dan")) == 0
    assert bench.run(workers[0].take(INSTALLATION, "dan"))
    bench.run(workers[1].forget(INSTALLATION, "dan"))
    assert bench.run(workers[2].take(INSTALLATION, "dan")) == 0


def test_old_counters_are_deleted(bench, workers, clock, monkeypatch):
    bench.run(workers[0].take(INSTALLATION, "old"))
    clock.advance(seconds=90_000)
    monkeypatch.setattr("muster.storage.records.attempts.secrets.randbelow", lambda _: 0)
    bench.run(workers[0].take(INSTALLATION, "new"))
    statement = "SELECT key_id FROM rate_windows WHERE key_id IN ('try old', 'try new')"
    rows = bench.run(bench.storage.query(Statement(statement, ())))
    assert [row[0] for row in rows] == ["try new"]

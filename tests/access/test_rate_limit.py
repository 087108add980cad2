"""The rate limit: exact across workers, with few leases."""

import asyncio
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.access.rate_limit import WINDOW, RateLimiter
from muster.storage.port.errors import StorageError, StorageFull


class Accounts:
    """The leases alone, in memory, as the port has them."""

    def __init__(self):
        self.used = {}
        self.leases = 0

    async def lease(self, workspace, key_id, window, limit, share):
        self.leases += 1
        await asyncio.sleep(0)
        used = self.used.get((workspace, key_id, window), 0)
        left = limit - used
        taken = max(1, left // share) if left > 0 else 0
        self.used[workspace, key_id, window] = used + taken
        return taken


@pytest.fixture(autouse=True)
def minute(clock):
    """The clock stands at the beginning of a minute."""
    clock.moment = datetime(2026, 1, 1, 12, 10, tzinfo=UTC)
    return clock


async def spend(limiter, limit=None, epoch=0, workspace=1):
    if limiter.spend((workspace, "k"), limit):
        return None
    return await limiter.take((workspace, "k"), limit, epoch)


@given(st.integers(1, 3000), st.integers(1, 5))
def test_workers_together_pass_exactly_the_limit(limit, workers):
    async def run():
        accounts = Accounts()
        limiters = [RateLimiter(accounts, limit) for _ in range(workers)]
        passed = 0
        for turn in range(limit * 2 + 50):
            passed += await spend(limiters[turn % workers]) is None
        return passed, accounts.leases

    passed, leases = asyncio.run(run())
    assert passed == limit
    assert leases < 200


def test_concurrent_requests_share_a_lease():
    async def run():
        accounts = Accounts()
        limiter = RateLimiter(accounts, 1000)
        answers = await asyncio.gather(*(spend(limiter) for _ in range(60)))
        return answers, accounts.leases

    answers, leases = asyncio.run(run())
    assert answers == [None] * 60
    assert leases == 1


def test_the_limit_resets_each_minute_and_reports_the_wait(clock):
    async def run():
        limiter = RateLimiter(Accounts(), 2)
        assert [await spend(limiter) for _ in range(3)] == [None, None, WINDOW]
        clock.advance(seconds=45)
        assert await spend(limiter) == 15
        clock.advance(seconds=15)
        assert await spend(limiter) is None

    asyncio.run(run())


def test_a_key_can_have_its_own_limit_or_none():
    async def run():
        limiter = RateLimiter(Accounts(), 1)
        assert [await spend(limiter, 3) for _ in range(4)] == [None, None, None, WINDOW]
        assert [await spend(limiter, 0) for _ in range(50)] == [None] * 50
        assert [await spend(RateLimiter(Accounts(), 0)) for _ in range(50)] == [None] * 50

    asyncio.run(run())


def test_a_raised_limit_takes_effect_at_once():
    async def run():
        limiter = RateLimiter(Accounts(), 0)
        assert [await spend(limiter, 1) for _ in range(2)] == [None, WINDOW]
        assert await spend(limiter, 5, epoch=1) is None

    asyncio.run(run())


@pytest.mark.parametrize("keys", [3])
def test_keys_have_separate_limits(keys):
    async def run():
        limiter = RateLimiter(Accounts(), 1)
        for workspace in range(keys):
            assert [await spend(limiter, workspace=workspace) for _ in range(2)] == [None, WINDOW]

    asyncio.run(run())


class Broken(Accounts):
    """Leases fail, or never come, while told so."""

    failing = None
    stuck = False

    async def lease(self, *asked):
        if self.stuck:
            await asyncio.Event().wait()
        if self.failing is not None:
            raise self.failing
        return await super().lease(*asked)


@pytest.mark.parametrize(
    "error", [StorageFull("the disk is full"), StorageError("the database is busy")]
)
def test_without_leases_a_worker_counts_alone_up_to_the_limit(clock, error):
    async def run():
        accounts = Broken()
        limiter = RateLimiter(accounts, 100)
        assert [await spend(limiter) for _ in range(10)] == [None] * 10
        accounts.failing = error
        answers = [await spend(limiter) for _ in range(200)]
        assert answers[:90] == [None] * 90
        assert answers[90:] == [WINDOW] * 110
        clock.advance(seconds=WINDOW)
        assert [await spend(limiter) for _ in range(101)] == [None] * 100 + [WINDOW]
        accounts.failing = None
        clock.advance(seconds=WINDOW)
        assert [await spend(limiter) for _ in range(101)] == [None] * 100 + [WINDOW]
        assert accounts.leases > 0

    asyncio.run(run())


def test_a_slow_lease_is_not_awaited(monkeypatch):
    monkeypatch.setattr("muster.access.rate_limit._PATIENCE_SECONDS", 0.01)

    async def run():
        accounts = Broken()
        accounts.stuck = True
        limiter = RateLimiter(accounts, 32)
        assert [await spend(limiter) for _ in range(33)] == [None] * 32 + [WINDOW]

    asyncio.run(run())


def test_unexpected_errors_in_leasing_are_raised():
    async def run():
        accounts = Broken()
        accounts.failing = RuntimeError("a bug")
        with pytest.raises(RuntimeError, match="a bug"):
            await spend(RateLimiter(accounts, 10))

    asyncio.run(run())

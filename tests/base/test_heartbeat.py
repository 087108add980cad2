"""The heartbeat reports a busy callback, and no waiting."""

import asyncio
import time

import pytest

from muster.base.heartbeat import STALL_SECONDS, Heartbeat


def _watched(work):
    async def run():
        heartbeat = Heartbeat()
        task = asyncio.create_task(heartbeat.run())
        await asyncio.sleep(0.06)
        await work()
        await asyncio.sleep(0.06)
        task.cancel()
        return heartbeat.stalls(), heartbeat.stalls()

    return asyncio.run(run())


def _compute(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


@pytest.mark.may_stall
def test_a_callback_that_computes_for_too_long_is_reported_once(caplog):
    async def work():
        _compute(STALL_SECONDS + 0.1)

    assert _watched(work) == (1, 0)
    assert "the event loop stalled for 0." in caplog.text


def test_many_short_callbacks_and_long_waits_are_not_reported(caplog):
    async def work():
        for _ in range(10):
            _compute(0.1)
            await asyncio.sleep(0.06)
        time.sleep(STALL_SECONDS + 0.1)  # noqa: ASYNC251 (waits without computing, as for a disk)

    assert _watched(work) == (0, 0)
    assert "stalled" not in caplog.text

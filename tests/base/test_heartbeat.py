"""The heartbeat reports a busy callback, and no waiting."""

import asyncio
import itertools

from muster.base import heartbeat
from muster.base.heartbeat import STALL_SECONDS, Heartbeat


def _watched(monkeypatch, *worked):
    """The stalls counted while the thread's processor time grows by these seconds."""
    clock = iter(itertools.accumulate(worked, initial=0.0))
    finished = asyncio.Event()

    def thread_time():
        seconds = next(clock, None)
        if seconds is None:
            finished.set()
            return sum(worked)
        return seconds

    monkeypatch.setattr(heartbeat.time, "thread_time", thread_time)
    monkeypatch.setattr(heartbeat, "_EVERY_SECONDS", 0)

    async def run():
        beats = Heartbeat()
        task = asyncio.create_task(beats.run())
        await finished.wait()
        task.cancel()
        return beats.stalls(), beats.stalls()

    return asyncio.run(run())


def test_a_callback_that_computes_for_too_long_is_reported_once(caplog, monkeypatch):
    assert _watched(monkeypatch, 0.01, STALL_SECONDS + 0.1, 0.01) == (1, 0)
    assert "the event loop stalled for 0.6 s of processor time" in caplog.text


def test_many_short_callbacks_and_long_waits_are_not_reported(caplog, monkeypatch):
    assert _watched(monkeypatch, *[0.1] * 10, 0, STALL_SECONDS - 0.1) == (0, 0)
    assert "stalled" not in caplog.text

"""Turns at searches: one per workspace, a fixed number in all, and none lost."""

import asyncio
import os
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.storage.port.errors import StorageError
from muster.storage.query.turns import MAX_WAITING, MAX_WAITING_PER_WORKSPACE, Turns


@settings(max_examples=60, deadline=None)
@given(
    at_once=st.integers(1, 3),
    asked=st.lists(st.tuples(st.integers(1, 3), st.integers(0, 3), st.booleans()), max_size=20),
)
def test_one_search_per_workspace_and_a_fixed_number_in_all(at_once, asked):
    """Each search has a workspace, a duration, and may be cancelled at once."""

    async def run():
        turns, running, most, done = Turns(at_once), [], 0, 0

        async def search(workspace, steps):
            nonlocal most, done
            async with turns.turn(workspace):
                assert workspace not in running
                running.append(workspace)
                most = max(most, len(running))
                try:
                    for _ in range(steps):
                        await asyncio.sleep(0)
                finally:
                    running.remove(workspace)
                done += 1

        tasks = []
        for workspace, steps, leaves in asked:
            tasks.append(asyncio.create_task(search(workspace, steps)))
            if leaves:
                await asyncio.sleep(0)
                tasks.pop().cancel()
        await asyncio.gather(*tasks)
        await asyncio.sleep(0)
        assert most <= at_once
        assert done >= len(tasks)
        assert turns.waiting == 0
        assert turns._queues == {}

    asyncio.run(run())


def test_waiting_searches_are_bounded_per_workspace():
    async def run():
        turns, go_on = Turns(2), asyncio.Event()

        async def search(workspace):
            async with turns.turn(workspace):
                await go_on.wait()

        tasks = [asyncio.create_task(search(1)) for _ in range(MAX_WAITING_PER_WORKSPACE + 1)]
        await asyncio.sleep(0)
        with pytest.raises(StorageError, match="Too many searches"):
            await search(1)
        async with turns.turn(2):
            pass
        tasks += [
            asyncio.create_task(search(3 + n)) for n in range(MAX_WAITING - turns.waiting + 1)
        ]
        await asyncio.sleep(0)
        assert turns.waiting == MAX_WAITING
        with pytest.raises(StorageError, match="Too many searches"):
            await search(1000)
        go_on.set()
        await asyncio.gather(*tasks)
        assert turns.waiting == 0

    asyncio.run(run())


@pytest.mark.skipif(
    sys.platform != "linux", reason="other systems give priorities to whole processes"
)
def test_search_threads_have_lower_priority(bench):
    """Keyed reads in the main thread must not wait for the time slices of searches."""
    scan = getattr(bench.storage, "_scan", None)
    if scan is None:
        return  # PostgreSQL's own processes run them
    mine = os.getpriority(os.PRIO_PROCESS, 0)
    theirs = bench.run(
        scan(
            bench.workspace.id, lambda _: os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        )
    )
    assert theirs > mine

"""Long work on the event loop gives others a turn."""

import asyncio

import pytest

from muster.base.loop_turns import TURN_BYTES, LoopTurns


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([TURN_BYTES - 1], 0),
        ([TURN_BYTES], 1),
        ([TURN_BYTES - 1, 1], 1),
        ([TURN_BYTES * 9] * 3, 3),
        ([0] * 660, 10),
    ],
)
def test_others_have_a_turn_after_so_many_bytes(sizes, expected):
    turns = 0

    async def other():
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async def work():
        task = asyncio.create_task(other())
        await asyncio.sleep(0)  # it has begun
        given = LoopTurns()
        for size in sizes:
            await given.handled(size)
        task.cancel()
        return turns

    assert asyncio.run(work()) == expected

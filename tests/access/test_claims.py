"""Claims: of several writers that read the same claim, one wins."""

import asyncio
from dataclasses import replace

from muster.access.claims import claimed, read_claim
from muster.storage.port.errors import Outdated


def test_one_of_several_writers_wins_again_and_again(bench):
    workspace = bench.new_workspace().id

    async def write(claim, name):
        try:
            await bench.storage.administer([claimed(claim, by=name)], [], [claim])
        except Outdated:
            return None
        return name

    async def race():
        claim = await read_claim(bench.storage, workspace, "race", "latest")
        return await asyncio.gather(*(write(claim, name) for name in "abc"))

    for number in (1, 2):
        (winner,) = filter(None, bench.run(race()))
        found = bench.run(read_claim(bench.storage, workspace, "race", "latest"))
        assert found.body == {"number": number, "by": winner}


def test_the_next_state_of_a_claim_differs_from_each_earlier_one(bench):
    claim = bench.run(read_claim(bench.storage, bench.new_workspace().id, "race", "latest"))
    assert claim.body is None
    states = [claim]
    for _ in range(3):
        states.append(claimed(states[-1]))
    bodies = [state.body for state in states]
    assert all(bodies.count(body) == 1 for body in bodies)
    assert all(replace(state, body=None) == claim for state in states)

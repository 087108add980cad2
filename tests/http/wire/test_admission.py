"""Admission budgets: limits hold, and places are released."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.http.wire.admission import Budget, GaveWay, Waits, network_of
from muster.storage.port.errors import StorageError

CALLERS = st.sampled_from("abcd")


@given(
    st.integers(1, 6),
    st.integers(1, 4),
    st.lists(st.tuples(st.sampled_from(["enter", "leave", "twice"]), CALLERS), max_size=60),
)
def test_a_budget_counts_its_seats(most, most_of_one, moves):
    budget = Budget(most, most_of_one, "all", "one")
    seats = {caller: [] for caller in "abcd"}
    refused = 0
    for move, caller in moves:
        inside = sum(map(len, seats.values()))
        if move == "enter":
            text = "one" if len(seats[caller]) == most_of_one else "all" if inside == most else None
            if text is None:
                seats[caller].append(budget.enter(caller))
            else:
                refused += 1
                with pytest.raises(StorageError, match=text):
                    budget.enter(caller)
        elif seats[caller]:
            seat = seats[caller].pop()
            seat.leave()
            if move == "twice":
                seat.leave()
        assert budget.inside == sum(map(len, seats.values()))
        assert budget.refused == refused
        assert (budget.full == "all") == (budget.inside == most)


def test_a_seat_moves_to_another_budget_or_is_kept():
    one, other = Budget(1, 1, "all", "one"), Budget(1, 1, "all", "one")
    seat = one.enter("a")
    seat.move(other, "admin")
    assert (one.inside, other.inside) == (0, 1)
    late = one.enter("b")
    with pytest.raises(StorageError):
        late.move(other, "admin")
    assert (one.inside, other.inside) == (1, 1)
    seat.leave()
    late.leave()
    assert (one.inside, other.inside) == (0, 0)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("", "", True),
        ("nonsense", "other nonsense", False),
    ],
)
def test_an_ipv6_network_is_one_caller(one, other, same):
    assert (network_of(one) == network_of(other)) is same


async def _wait(waits, workspace, seconds=60.0, idle=False):
    async with waits.waiting(workspace, seconds, idle):
        await asyncio.Event().wait()


def _outcomes(counts, idle, asking):
    """Let several waits of each workspace compete for places."""

    async def run():
        waits = Waits()
        tasks = [
            asyncio.create_task(_wait(waits, workspace))
            for workspace, count in counts.items()
            for _ in range(count)
        ]
        tasks += [
            asyncio.create_task(_wait(waits, workspace, idle=True))
            for workspace, count in idle.items()
            for _ in range(count)
        ]
        await asyncio.sleep(0)
        given = [waits.give_way(workspace) for workspace in asking]
        await asyncio.sleep(0.01)
        ended = [task.done() and isinstance(task.exception(), GaveWay) for task in tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not waits._bodies
        assert not waits._idle
        return given, ended

    return asyncio.run(run())


def test_the_workspace_with_the_most_waits_gives_way_oldest_first():
    given, ended = _outcomes({1: 3, 2: 1}, {}, [3])
    assert (given, ended) == ([True], [True, False, False, False])


def test_a_workspace_does_not_give_way_to_its_equals():
    assert _outcomes({1: 3}, {}, [1]) == ([False], [False] * 3)
    assert _outcomes({1: 2, 2: 1}, {}, [2]) == ([False], [False] * 3)
    assert _outcomes({}, {}, [1]) == ([False], [])


def test_giving_way_stops_at_equal_shares():
    given, ended = _outcomes({1: 4}, {}, [2, 2, 2, 2])
    assert given == [True, True, True, False]
    assert ended == [True, True, True, False]


def test_waits_for_a_change_give_way_first():
    given, ended = _outcomes({1: 3}, {1: 1, 2: 2}, [2, 2, 2, 1])
    assert given == [True, True, True, False]
    assert ended == [False, False, False, True, True, True]


def test_a_wait_that_takes_too_long_is_a_timeout():
    async def run():
        with pytest.raises(TimeoutError):
            await _wait(Waits(), 1, 0.01)

    asyncio.run(run())

"""Leases: one process has each, until it expires or is released."""

from hypothesis import given
from hypothesis import strategies as st

from muster.storage.records.leases import Leases
from tests.support.clock import StoppedClock

SECONDS = 10
steps = st.lists(
    st.tuples(
        st.sampled_from(["take", "release", "wait"]),
        st.integers(0, 2),
        st.sampled_from(["index", "webhook"]),
    ),
    max_size=12,
)


@given(steps)
def test_they_agree_with_a_model(bench, steps):
    processes = [Leases(bench.storage) for _ in range(3)]
    workspace = bench.new_workspace().id
    owners = {}
    with StoppedClock() as clock:
        for action, number, name in steps:
            if action == "wait":
                clock.advance(seconds=SECONDS * 0.6)
            elif action == "release":
                bench.run(processes[number].release(workspace, name))
                if owners.get(name, (None,))[0] == number:
                    del owners[name]
            else:
                owner, until = owners.get(name, (number, clock.milliseconds))
                free = owner == number or until < clock.milliseconds
                assert bench.run(processes[number].take(workspace, name, SECONDS)) == free
                if free:
                    owners[name] = (number, clock.milliseconds + SECONDS * 1000)


def test_a_lease_of_another_workspace_is_another(bench):
    one, other = Leases(bench.storage), Leases(bench.storage)
    assert bench.run(one.take(bench.workspace.id, "x", SECONDS))
    assert bench.run(other.take(bench.new_workspace().id, "x", SECONDS))
    assert not bench.run(other.take(bench.workspace.id, "x", SECONDS))

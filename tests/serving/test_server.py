"""How the service replaces its workers."""

from hypothesis import given
from hypothesis import strategies as st

from muster.serving.server import Backoff


def test_the_first_death_waits_for_nothing_and_quick_ones_wait_longer_and_longer():
    backoff = Backoff()
    waits, now = [], 1000.0
    for _ in range(10):
        waits.append(backoff.delay(now))
        now += waits[-1] + 1
    assert waits == [0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0]
    assert backoff.delay(now + 60) == 0.0


@given(st.lists(st.floats(0, 100), max_size=30))
def test_no_wait_is_longer_than_ten_seconds(pauses):
    backoff, now = Backoff(), 0.0
    for pause in pauses:
        now += pause
        assert 0 <= backoff.delay(now) <= 10

"""The progress of webhooks and the log of their deliveries."""

from dataclasses import replace

import pytest

from muster.storage.records import webhooks
from muster.storage.records.leases import Leases
from muster.storage.records.webhooks import Delivery, State, WebhookStates

DELIVERY = Delivery(1, 7, 0, "user.created", "2026-01-01T00:00:00.000Z", 1, 200, None, 12)


class Progress:
    """The states of the webhooks of a workspace."""

    def __init__(self, bench):
        self._run, self.workspace = bench.run, bench.new_workspace().id
        self._states = WebhookStates(bench.storage)

    def __getattr__(self, name):
        def call(*arguments, **named):
            return self._run(getattr(self._states, name)(self.workspace, *arguments, **named))

        return call


@pytest.fixture
def progress(bench):
    return Progress(bench)


def test_a_webhook_begins_after_a_change_and_again_from_nothing(progress):
    assert progress.state("w") is None
    progress.begin("w", 4)
    assert progress.state("w") == State(4)
    failing = State(4, 1, 3, 99, 50)
    assert progress.advance("w", State(4), failing)
    assert progress.state("w") == failing
    progress.begin("w", 4)
    assert progress.state("w") == State(4)


@pytest.mark.parametrize("before", [State(3), State(5), State(4, 1)])
def test_progress_is_recorded_only_from_the_position_that_was_read(progress, before):
    progress.begin("w", 4)
    assert not progress.advance("w", before, State(9))
    assert progress.state("w") == State(4)


def test_progress_of_another_webhook_or_workspace_stays(progress, bench):
    other = Progress(bench)
    for states in (progress, other):
        states.begin("w", 4)
    progress.begin("x", 4)
    assert progress.advance("w", State(4), State(5))
    assert (progress.state("x"), other.state("w")) == (State(4), State(4))
    progress.log("w", DELIVERY)
    progress.log("x", DELIVERY)
    other.log("w", DELIVERY)
    progress.forget("w")
    assert progress.state("w") is None
    assert progress.deliveries("w", 10) == []
    assert progress.state("x") == other.state("w") == State(4)
    assert progress.deliveries("x", 10) == other.deliveries("w", 10) == [DELIVERY]


def test_progress_needs_the_lease_while_it_lasts(progress, bench, clock):
    mine, theirs = Leases(bench.storage), Leases(bench.storage)
    progress.begin("w", 4)
    assert bench.run(mine.take(progress.workspace, "webhooks", 10))
    assert not progress.advance("w", State(4), State(5), ("webhooks", theirs.owner))
    assert not progress.advance("w", State(4), State(5), ("another", mine.owner))
    assert progress.advance("w", State(4), State(5), ("webhooks", mine.owner))
    clock.advance(seconds=11)
    assert not progress.advance("w", State(5), State(6), ("webhooks", mine.owner))
    assert progress.state("w") == State(5)


def test_deliveries_are_listed_newest_first_in_pages(progress):
    made = [replace(DELIVERY, number=number, status=None, error="down") for number in range(1, 6)]
    for delivery in made:
        progress.log("w", delivery)
    assert progress.deliveries("w", 2) == [made[4], made[3]]
    assert progress.deliveries("w", 2, before=4) == [made[2], made[1]]
    assert progress.deliveries("w", 9, before=1) == []


def test_only_the_latest_deliveries_are_kept(progress, monkeypatch):
    assert webhooks.KEPT == 1000
    progress.log("x", DELIVERY)
    for number in range(1, 1004):
        progress.log("w", replace(DELIVERY, number=number))
    kept = [delivery.number for delivery in progress.deliveries("w", 2000)]
    assert kept == list(range(1003, 3, -1))
    assert len(progress.deliveries("x", 10)) == 1


def test_attempts_within_one_microsecond_have_numbers_of_their_own(progress):
    for _ in range(3):
        progress.log("w", DELIVERY)
    progress.log("w", replace(DELIVERY, number=9))
    progress.log("other", DELIVERY)
    assert [found.number for found in progress.deliveries("w", 10)] == [9, 3, 2, 1]
    assert [found.number for found in progress.deliveries("other", 10)] == [1]

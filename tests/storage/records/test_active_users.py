"""The number of active users over time, counted from changes, against a plain model."""

import asyncio
from datetime import UTC, datetime, timedelta
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from muster.directory.caller import Caller
from muster.directory.documents import parse
from muster.directory.service import Directory
from muster.insight import active_users
from muster.insight.active_users import ActiveUserCounts, over_time
from muster.scim.schema.model import registry
from muster.storage.port.items import TRIM_ID, TRIM_KIND, Item
from muster.storage.port.resources import TALLY_KIND
from tests.support.clock import StoppedClock
from tests.support.people import name, person, replace

USERS = registry().types["/Users"]
START = datetime(2026, 1, 30, 12, tzinfo=UTC)
HOURS = 12
STEPS = st.lists(
    st.tuples(
        st.sampled_from(("create", "inactive", "off", "on", "title", "delete", "hour")),
        st.integers(0, 5),
    ),
    max_size=25,
)


def anything(_):
    """A precondition that holds."""


class Place:
    """A workspace whose active users are known at each hour."""

    def __init__(self, bench):
        self.bench = bench
        self.workspace = bench.new_workspace()
        self.caller = Caller(self.workspace, "key:x", "request")
        self.directory = Directory(bench.storage)
        self.users = {}

    def active(self):
        return sum(self.users.values())

    def create(self, active=True):
        # The manager's name contains the text by which inactive users are looked for.
        body = person(name(), active=active, title='"active":false')
        made = self.bench.run(self.directory.create(self.caller, USERS, body))
        self.users[made.id] = active

    def do(self, action, number):
        ids = list(self.users)
        if action in ("create", "inactive"):
            self.create(action == "create")
        elif ids:
            chosen = ids[number % len(ids)]
            if action == "delete":
                self.bench.run(self.directory.delete(self.caller, USERS, chosen, anything))
                del self.users[chosen]
            else:
                patch = (
                    replace("title", f"title {number}")
                    if action == "title"
                    else replace("active", action == "on")
                )
                stored = self.bench.run(
                    self.directory.patch(self.caller, USERS, chosen, patch, anything)
                )
                self.users[chosen] = parse(stored.document).get("active") is not False

    def tally(self, counts=None):
        """The tally, once everything is counted."""
        counts = counts or ActiveUserCounts(self.bench.storage)

        async def count():
            while (tally := await counts.tally(self.workspace.id)) is None:
                await asyncio.sleep(0.01)
            return tally

        return self.bench.run(count())


@given(STEPS, st.integers(1, 3))
@example([("create", 0), ("hour", 0), ("off", 0), ("hour", 0), ("on", 0), ("delete", 0)], 2)
@example([("inactive", 0), ("hour", 0), ("delete", 0), ("create", 0)], 1)
def test_the_counts_are_those_of_each_hour(bench, steps, chunk):
    place, seen = Place(bench), []
    with StoppedClock(START) as clock, mock.patch.object(active_users, "_CHUNK", chunk):
        counts = ActiveUserCounts(bench.storage)
        for action, number in steps:
            if action == "hour" and len(seen) < HOURS - 1:
                seen.append(place.active())
                clock.advance(hours=1)
                if number == 0:
                    place.tally(counts)
            else:
                place.do(action, number)
        tally = place.tally(counts)
    moments = [START + timedelta(hours=n) for n in range(len(seen) + 2)]
    found = over_time(tally, moments, place.active())
    assert found.points == [0, *seen, place.active()]
    assert found.joined - found.left == place.active()


def test_a_stored_tally_is_continued_by_another_process(bench):
    place = Place(bench)
    with StoppedClock(START) as clock, mock.patch.object(active_users, "_STORED_EVERY", 2):
        for _ in range(3):
            place.create()
        place.tally()
        (item,) = bench.run(bench.storage.items(place.workspace.id, TALLY_KIND))
        assert sum(item.body["joined"].values()) == 3
        clock.advance(hours=1)
        place.do("off", 0)
        tally = place.tally()
        assert over_time(tally, [START, START + timedelta(hours=1)], 2).points == [0, 3]
        clock.advance(days=40)
        place.create()
        place.create()
        tally = place.tally()
    assert set(tally.joined) == {"2026-03-11T13"}


@pytest.mark.parametrize("trimmed", [False, True])
def test_numbers_before_the_known_changes_are_unknown_only_if_changes_were_trimmed(bench, trimmed):
    place = Place(bench)
    with StoppedClock(START):
        place.create()
        if trimmed:
            mark = Item(place.workspace.id, TRIM_KIND, TRIM_ID, {"sequence": 0, "chain": None})
            bench.run(bench.storage.record([], [mark]))
        tally = place.tally()
    moments = [START - timedelta(hours=1), START + timedelta(hours=1)]
    assert over_time(tally, moments, 1).points == [None if trimmed else 0, 1]


def test_changes_before_the_longest_range_are_not_counted(bench):
    place = Place(bench)
    with StoppedClock(START) as clock:
        for _ in range(5):
            place.create()
        clock.advance(days=33)
        place.create()
        tally = place.tally()
    assert sum(tally.joined.values()) == 1

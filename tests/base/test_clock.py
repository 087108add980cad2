"""The clock, and timestamps as SCIM writes them."""

import time
from datetime import UTC, datetime, timedelta, timezone

from muster.base import clock as wall
from muster.base.clock import timestamp


def test_all_readings_of_the_clock_agree(clock):
    clock.moment = datetime(2026, 2, 3, 4, 5, 6, 789_012, tzinfo=UTC)
    assert wall.now() == clock.moment
    assert wall.seconds() == clock.moment.timestamp()
    assert wall.milliseconds() == 1_770_091_506_789
    assert wall.microseconds() == 1_770_091_506_789_012
    assert timestamp() == "2026-02-03T04:05:06.789Z"
    clock.advance(hours=1, milliseconds=1)
    assert timestamp() == "2026-02-03T05:05:06.790Z"


def test_a_timestamp_is_in_utc_to_the_millisecond():
    berlin = timezone(timedelta(hours=2))
    assert timestamp(datetime(2026, 7, 1, 1, 30, tzinfo=berlin)) == "2026-06-30T23:30:00.000Z"


def test_clock_advances_unless_stopped():
    before = time.time()
    assert before <= wall.seconds() <= time.time()
    assert wall.now().tzinfo is UTC

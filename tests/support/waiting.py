"""Waiting for a state, so that no test depends on the machine's speed."""

import time
from datetime import UTC, datetime


def until(check, seconds=60):
    """Call a function until its result is true or time is up; return the result."""
    end, pause = time.monotonic() + seconds, 0.002
    while not (found := check()) and time.monotonic() < end:
        time.sleep(pause)
        pause = min(0.05, pause * 1.5)  # many states are there after a few milliseconds
    return found


def this_moment():
    """Return the time as a parameter, strictly between earlier and later acts."""
    time.sleep(0.005)
    moment = datetime.now(UTC).isoformat(timespec="milliseconds")[:23]
    time.sleep(0.005)
    return moment

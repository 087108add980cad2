"""Waiting for what comes about by itself, so that no test depends on how fast the machine is."""

import time
from datetime import UTC, datetime


def until(check, seconds=60):
    """Call a function until its result is true, or the time is over. Returns its last result."""
    end, pause = time.monotonic() + seconds, 0.002
    while not (found := check()) and time.monotonic() < end:
        time.sleep(pause)
        pause = min(0.05, pause * 1.5)  # many states are there after a few milliseconds
    return found


def this_moment():
    """A moment as a parameter: what was done before is earlier, and what is done after is later."""
    time.sleep(0.005)
    moment = datetime.now(UTC).isoformat(timespec="milliseconds")[:23]
    time.sleep(0.005)
    return moment

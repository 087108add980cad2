"""Waiting for what comes about by itself, so that no test depends on how fast the machine is."""

import time
from datetime import UTC, datetime


def until(check, seconds=60):
    """What check gives, asked again and again until that is true, or until so many seconds are over: then what it gave last."""
    end = time.monotonic() + seconds
    while not (found := check()) and time.monotonic() < end:
        time.sleep(0.05)
    return found


def this_moment():
    """A moment as a parameter: what was done before is earlier, and what is done after is later."""
    time.sleep(0.005)
    moment = datetime.now(UTC).isoformat(timespec="milliseconds")[:23]
    time.sleep(0.005)
    return moment

"""The wall clock, and timestamps as SCIM writes them.

All code reads the time of day here, so that a test can set it in one place. Intervals are measured
with `time.monotonic` and `time.perf_counter`, which do not jump when the machine's clock is set.
"""

import time
from datetime import UTC, datetime

_read = time.time_ns


def seconds() -> float:
    """Return the time in seconds since 1970."""
    return _read() / 1_000_000_000


def milliseconds() -> int:
    """Return the time in whole milliseconds since 1970."""
    return _read() // 1_000_000


def microseconds() -> int:
    """Return the time in whole microseconds since 1970."""
    return _read() // 1_000


def now() -> datetime:
    """Return the time as a datetime in UTC."""
    return datetime.fromtimestamp(seconds(), UTC)


def timestamp(moment: datetime | None = None) -> str:
    """Format a time as `meta.created` has it: UTC, to the millisecond.

    Args:
        moment: A time with a zone; None for now.
    """
    if moment is None:
        moment = now()
    elif moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"

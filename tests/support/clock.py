"""The clock of this process, stopped for a test."""

from datetime import UTC, datetime, timedelta
from unittest import mock

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class StoppedClock:
    """A clock that stands still until the test moves it; see the fixture `clock`.

    Attributes:
        moment: The time that all of muster reads in this process: a datetime with a zone.
    """

    def __init__(self, moment=None):
        self.moment = moment or datetime.now(UTC)
        self._patch = mock.patch("muster.base.clock._read", self._nanoseconds)

    def advance(self, **duration):
        """Move the clock, by the arguments of timedelta."""
        self.moment += timedelta(**duration)

    @property
    def milliseconds(self):
        """The time in whole milliseconds since 1970."""
        return (self.moment - _EPOCH) // timedelta(milliseconds=1)

    def _nanoseconds(self):
        return (self.moment - _EPOCH) // timedelta(microseconds=1) * 1000

    def __enter__(self):
        self._patch.start()
        return self

    def __exit__(self, *_):
        self._patch.stop()

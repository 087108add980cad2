"""The time ranges of the overview, divided into equal parts."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True)
class TimeRange:
    """A range that ends now.

    Attributes:
        name: Its name in URLs.
        title: Its name on the page.
        seconds: The length of a part. Parts begin at multiples of it since 1970, in UTC.
        parts: The number of parts; the last one contains now.
        labelled: The axis has a label at each multiple of so many parts.
    """

    name: str
    title: str
    seconds: int
    parts: int
    labelled: int

    def starts(self, now: datetime) -> list[datetime]:
        """Return the beginning of each part, and the end of the last one."""
        last = int(now.timestamp()) // self.seconds
        moments = range(last - self.parts + 1, last + 2)
        return [datetime.fromtimestamp(number * self.seconds, UTC) for number in moments]

    @property
    def part(self) -> timedelta:
        """The length of a part."""
        return timedelta(seconds=self.seconds)


_HOUR, _DAY = 3600, 86_400
RANGES = {
    found.name: found
    for found in (
        TimeRange("24h", "24 hours", _HOUR, 24, 4),
        TimeRange("7d", "7 days", 6 * _HOUR, 28, 4),
        TimeRange("30d", "30 days", _DAY, 30, 5),
    )
}
DEFAULT = "24h"

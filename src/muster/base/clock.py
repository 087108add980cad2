"""The clock, and timestamps as SCIM writes them."""

from datetime import UTC, datetime


def timestamp(moment: datetime) -> str:
    """A moment as meta has it: UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"

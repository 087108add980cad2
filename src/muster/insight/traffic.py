"""Recorded requests by outcome over time, in total and for each API key."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from muster.insight.ranges import TimeRange
from muster.storage.port.engine import Upkeep
from muster.storage.records.request_figures import OutcomeCount, RequestFigures
from muster.storage.records.requests import number_of

_LARGE = 50_000
"""The number of requests from which counts are kept for a while."""
_KEPT_SECONDS = 60
_REMEMBERED = 200


@dataclass(slots=True)
class Outcomes:
    """The requests of a part of a range.

    Attributes:
        succeeded: The number of requests that were answered with a status below 400.
        refused: The number of those answered with 4xx.
        errors: The number of those answered with 5xx.
    """

    succeeded: int = 0
    refused: int = 0
    errors: int = 0

    @property
    def total(self) -> int:
        """The number of all requests."""
        return self.succeeded + self.refused + self.errors

    @property
    def failed(self) -> int:
        """The number of requests that failed."""
        return self.refused + self.errors

    def add(self, count: OutcomeCount) -> None:
        """Add the requests of one key."""
        self.succeeded += count.total - count.refused - count.errors
        self.refused += count.refused
        self.errors += count.errors


@dataclass(frozen=True, slots=True)
class Traffic:
    """The requests of a range.

    Attributes:
        parts: The requests of each part of the range.
        keys: The requests of each key in each part, by the id of the key.
    """

    parts: Sequence[Outcomes]
    keys: dict[str, list[Outcomes]] = field(default_factory=dict)


def summed(parts: Iterable[Outcomes]) -> Outcomes:
    """Return the sum of the requests of several parts."""
    total = Outcomes()
    for part in parts:
        total.succeeded += part.succeeded
        total.refused += part.refused
        total.errors += part.errors
    return total


class TrafficCounts:
    """Counts the requests of workspaces.

    Counting reads every request of the range. If there are very many, the result is used again for
    a minute.
    """

    def __init__(self, storage: Upkeep) -> None:
        self._figures = RequestFigures(storage)
        self._known: dict[tuple[int, int, int], tuple[float, Sequence[OutcomeCount]]] = {}

    async def over(self, workspace: int, wanted: TimeRange, now: datetime) -> Traffic:
        """Return the requests of a range by part."""
        starts = wanted.starts(now)
        since = starts[0].timestamp()
        rows = await self.counts(workspace, since, wanted.seconds, now.timestamp())
        first = int(since) // wanted.seconds
        found = Traffic([Outcomes() for _ in range(wanted.parts)])
        for row in rows:
            place = row.part - first
            if 0 <= place < wanted.parts:
                found.parts[place].add(row)
                parts = found.keys.setdefault(row.key_id, [Outcomes() for _ in found.parts])
                parts[place].add(row)
        return found

    async def counts(
        self, workspace: int, since: float, seconds: int, now: float
    ) -> Sequence[OutcomeCount]:
        """Return the requests since a time, by key and by part.

        Args:
            workspace: The id of the workspace.
            since: The time, in seconds since 1970.
            seconds: The length of a part.
            now: The current time, in seconds since 1970.
        """
        place = (workspace, seconds, int(since) // _KEPT_SECONDS)
        time, rows = self._known.get(place, (0.0, ()))
        if time + _KEPT_SECONDS < now:
            rows = await self._figures.outcomes(workspace, number_of(since), seconds)
            if sum(row.total for row in rows) > _LARGE:
                if len(self._known) >= _REMEMBERED:
                    self._known.clear()
                self._known[place] = now, rows
        return rows

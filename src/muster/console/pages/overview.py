"""The overview of a workspace, with a chart of its last day."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from muster.access.permissions import SCIM
from muster.base import clock
from muster.console.web import PageRoute, Visit
from muster.http.wire.message import Response
from muster.insight.overview import HOURS, Overview

_CHART_WIDTH, _CHART_HEIGHT, _BAR = 480, 80, 18


@dataclass(frozen=True, slots=True)
class Bar:
    """One hour of the chart.

    Attributes:
        x: The horizontal position, in units of the view box.
        height: The height for all requests, likewise.
        failed: The height for failed requests, likewise.
        label: The tooltip.
    """

    x: int
    height: int
    failed: int
    label: str


class OverviewPages:
    """The overview page."""

    def __init__(self, overview: Overview) -> None:
        self._overview = overview

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", "/w/{workspace}", SCIM, self.show)

    async def show(self, visit: Visit) -> Response:
        now = clock.now()
        seen = await self._overview.collect(visit.caller, now)
        bars = _bars(seen.hours, now)
        return visit.render(
            "overview.html",
            numbers=seen.numbers,
            bars=bars,
            keys=seen.keys,
            alerts=seen.alerts,
        )


def _bars(hours: dict[str, tuple[int, int]], now: datetime) -> list[Bar]:
    most = max((count[0] for count in hours.values()), default=1) or 1
    bars = []
    for number in range(HOURS):
        moment = now - timedelta(hours=HOURS - 1 - number)
        asked, failed = hours.get(moment.strftime("%Y-%m-%dT%H"), (0, 0))
        height, bad = (round(value / most * _CHART_HEIGHT) for value in (asked, failed))
        bars.append(
            Bar(
                number * (_CHART_WIDTH // HOURS),
                height,
                bad,
                f"{moment:%H}:00: {asked} requests, {failed} failed",
            )
        )
    return bars

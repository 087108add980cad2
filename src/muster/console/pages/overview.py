"""The overview of a workspace: checklist, alerts, charts and the latest syncs."""

from collections.abc import Iterator, Sequence

from muster.access.permissions import SCIM
from muster.base import clock
from muster.base.clock import timestamp
from muster.console import charts
from muster.console.web import PageRoute, Visit
from muster.http.wire.message import Response
from muster.insight.checklist import Checklist, Step
from muster.insight.overview import KeyFigures, Overview, OverviewFigures
from muster.insight.ranges import DEFAULT, RANGES
from muster.insight.traffic import Outcomes, summed

OUTCOMES = {"ok": "Succeeded", "refused": "Refused (4xx)", "errors": "Server errors (5xx)"}
"""The series of the chart of requests, by their class."""
_SHOWN_KEYS = 20
_INSTALLATION = "//"


class OverviewPages:
    """The overview page."""

    def __init__(self, overview: Overview, checklist: Checklist) -> None:
        self._overview = overview
        self._checklist = checklist

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", "/w/{workspace}", SCIM, self.show)
        yield PageRoute("POST", "/w/{workspace}/checklist", SCIM, self.switch_checklist)

    async def show(self, visit: Visit) -> Response:
        wanted = RANGES.get(visit.text("range"), RANGES[DEFAULT])
        seen = await self._overview.collect(visit.caller, wanted, clock.now())
        open_steps = [step for step in seen.steps if not step.done]
        hidden = bool(open_steps) and await self._checklist.is_hidden(*_reader(visit))
        parts = seen.traffic.parts
        return visit.render(
            "overview.html",
            ranges=RANGES.values(),
            range=wanted,
            numbers=seen.numbers,
            alerts=seen.alerts,
            steps=[(step, _link(visit, step)) for step in seen.steps] if open_steps else [],
            done=len(seen.steps) - len(open_steps),
            hidden=hidden,
            outcomes=OUTCOMES,
            total=summed(parts),
            requests=charts.bars(_series(parts), wanted, seen.starts),
            rows=_rows(seen),
            people=seen.people,
            line=_people(seen),
            keys=[(key, _spark(key)) for key in seen.keys[:_SHOWN_KEYS]],
            more=max(0, len(seen.keys) - _SHOWN_KEYS),
            since=_recorded_since(seen),
            hours=wanted.seconds * wanted.parts // 3600,
            said=visit.flashed.get("said", ""),
        )

    async def switch_checklist(self, visit: Visit) -> Response:
        """Hide the checklist from this administrator, or show it again."""
        if visit.text("show"):
            await self._checklist.show(*_reader(visit))
            return visit.redirect(".")
        await self._checklist.hide(*_reader(visit), timestamp())
        return await visit.redirect_with(".", said="Checklist hidden.")


def _reader(visit: Visit) -> tuple[int, str]:
    """Return the workspace and the signed-in administrator."""
    return visit.there().id, visit.session.admin.id if visit.session is not None else ""


def _link(visit: Visit, step: Step) -> str:
    """Return the link to the page of a step; empty if the administrator may not open it."""
    if step.page.startswith(_INSTALLATION):
        everywhere = visit.session is not None and visit.session.admin.everywhere
        return visit.url(step.page[1:]) if everywhere else ""
    return visit.url(f".{step.page}") if visit.opens(step.page) else ""


def _series(parts: Sequence[Outcomes]) -> list[tuple[str, list[int]]]:
    return [
        ("ok", [part.succeeded for part in parts]),
        ("refused", [part.refused for part in parts]),
        ("errors", [part.errors for part in parts]),
    ]


def _rows(seen: OverviewFigures) -> list[tuple[str, Outcomes, int | None]]:
    """Return each part of the range in words, with its requests and the users at its end."""
    points: Sequence[int | None] = () if seen.people is None else seen.people.points[1:]
    return [
        (
            charts.part_in_words(seen.starts[place], seen.range),
            part,
            points[place] if points else None,
        )
        for place, part in enumerate(seen.traffic.parts)
    ]


def _people(seen: OverviewFigures) -> charts.Line | None:
    if seen.people is None:
        return None
    return charts.line(seen.people.points, seen.range, seen.starts)


def _recorded_since(seen: OverviewFigures) -> str:
    """Return the time of the oldest recorded request if it is within the range, or else nothing."""
    since = seen.recorded_since
    return since if since is not None and since > timestamp(seen.starts[1]) else ""


def _spark(key: KeyFigures) -> list[charts.Block]:
    most = max(part.total for part in key.parts)
    series = [
        ("ok", [part.succeeded for part in key.parts]),
        ("bad", [part.failed for part in key.parts]),
    ]
    return charts.stacked(series, max(1, most))

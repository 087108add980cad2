"""/api/v1/overview."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from muster.access.permissions import SCIM
from muster.base import clock
from muster.base.clock import timestamp
from muster.http.management.models.overview import (
    ActiveUsersOverTime,
    GetOverview,
    OutcomeAnswer,
    OverviewAnswer,
    OverviewKey,
)
from muster.http.management.router import ApiRoute, Call
from muster.http.wire.message import Response, json_response
from muster.insight.overview import KeyFigures, Overview, OverviewFigures
from muster.insight.ranges import RANGES
from muster.insight.traffic import Outcomes


class OverviewRoutes:
    """The overview of a workspace."""

    def __init__(self, overview: Overview) -> None:
        self._overview = overview

    def __iter__(self) -> Iterator[ApiRoute]:
        yield ApiRoute(
            "GET",
            "/overview",
            SCIM,
            self.get_overview,
            "Retrieve the figures of the workspace and the matters that need attention",
            query=GetOverview,
            answer=OverviewAnswer,
        )

    async def get_overview(self, call: Call) -> Response:
        wanted = RANGES[call.query(GetOverview).range]
        figures = await self._overview.collect(call.caller, wanted, clock.now())
        numbers = figures.numbers
        answer: OverviewAnswer = {
            "users": numbers["users"],
            "active": numbers["active"],
            "groups": numbers["groups"],
            "requests": numbers["requests"],
            "failed": numbers["failed"],
            "hours": {
                hour: {"requests": requests, "failed": failed}
                for hour, (requests, failed) in sorted(figures.hours.items())
            },
            "keys": [_key(found, figures) for found in figures.keys],
            "attention": figures.attention,
            "alerts": [
                {"name": alert.name, "count": alert.count, "text": alert.text}
                for alert in figures.alerts
            ],
            "checklist": [
                {"name": step.name, "title": step.title, "done": step.done}
                for step in figures.steps
            ],
            "range": wanted.name,
            "recordedSince": figures.recorded_since,
            "outcomes": _outcomes(figures.traffic.parts, figures.starts),
            "activeUsers": _people(figures),
        }
        return json_response(200, answer)


def _outcomes(parts: Sequence[Outcomes], starts: Sequence[datetime]) -> list[OutcomeAnswer]:
    return [
        {
            "start": timestamp(start),
            "succeeded": part.succeeded,
            "refused": part.refused,
            "errors": part.errors,
        }
        for start, part in zip(starts, parts, strict=False)
    ]


def _key(found: KeyFigures, figures: OverviewFigures) -> OverviewKey:
    key, last = found.key, found.last_refusal
    return {
        "id": key.id,
        "name": key.name,
        "lastUsed": key.last_used,
        "expires": key.expires,
        "requests": found.sum.total,
        "refused": found.sum.failed,
        "lastRefused": None if last is None else last.time,
        "lastStatus": None if last is None else last.status,
        "outcomes": _outcomes(found.parts, figures.starts),
    }


def _people(figures: OverviewFigures) -> ActiveUsersOverTime | None:
    people = figures.people
    if people is None:
        return None
    return {
        "joined": people.joined,
        "left": people.left,
        "points": [
            {"time": timestamp(moment), "active": active}
            for moment, active in zip(figures.starts, people.points, strict=True)
        ],
    }

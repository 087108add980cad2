"""/api/v1/overview."""

from collections.abc import Iterator

from muster.access.permissions import SCIM
from muster.base import clock
from muster.http.management.models.overview import OverviewAnswer
from muster.http.management.router import ApiRoute, Call
from muster.http.wire.message import Response, json_response
from muster.insight.overview import Overview


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
            answer=OverviewAnswer,
        )

    async def get_overview(self, call: Call) -> Response:
        figures = await self._overview.collect(call.caller, clock.now())
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
            "keys": [
                {"id": key.id, "name": key.name, "lastUsed": key.last_used, "expires": key.expires}
                for key in figures.keys
            ],
            "attention": list(figures.attention),
        }
        return json_response(200, answer)

"""/api/v1/overview."""

from collections.abc import Iterator

from muster.access.permissions import SCIM
from muster.base import clock
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
            "How much there is, and what needs attention",
        )

    async def get_overview(self, call: Call) -> Response:
        seen = await self._overview.look(call.caller, clock.now())
        hours = {
            hour: {"requests": asked, "failed": failed}
            for hour, (asked, failed) in sorted(seen.hours.items())
        }
        keys = [
            {"id": key.id, "name": key.name, "lastUsed": key.last_used, "expires": key.expires}
            for key in seen.keys
        ]
        return json_response(
            200, {**seen.numbers, "hours": hours, "keys": keys, "attention": list(seen.attention)}
        )

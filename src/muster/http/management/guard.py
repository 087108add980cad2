"""/api/v1/guard: what the deprovisioning guard holds."""

from collections.abc import Iterator

from muster.access.permissions import SETTINGS
from muster.directory.guard.desk import GuardDesk
from muster.http.management.router import ApiRoute, Call
from muster.http.wire.message import Response, json_response


class GuardRoutes:
    """The operations on what the guard holds."""

    def __init__(self, desk: GuardDesk) -> None:
        self._desk = desk

    def __iter__(self) -> Iterator[ApiRoute]:
        yield ApiRoute(
            "GET",
            "/guard",
            SETTINGS,
            self.get_guard,
            "How far the deprovisioning guard is, and what it holds",
        )
        yield ApiRoute(
            "POST",
            "/guard/{id}/let",
            SETTINGS,
            self.let_through,
            "Does what is held of a user",
            204,
        )
        yield ApiRoute(
            "POST",
            "/guard/{id}/keep",
            SETTINGS,
            self.keep_held,
            "Leaves a user as they are, and forgets it",
            204,
        )

    async def get_guard(self, call: Call) -> Response:
        state = await self._desk.state(call.caller)
        told = {"mode": state.mode, "done": state.done, "allowed": state.allowed}
        return json_response(200, {**told, "held": [write.to_json() for write in state.held]})

    async def let_through(self, call: Call) -> Response:
        await self._desk.approve(call.caller, call.names["id"])
        return Response(204)

    async def keep_held(self, call: Call) -> Response:
        await self._desk.reject(call.caller, call.names["id"])
        return Response(204)

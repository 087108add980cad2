"""/api/v1/guard: the changes that the deprovisioning guard holds."""

from collections.abc import Iterator

from muster.access.origins import CredentialOrigins, Origins
from muster.access.permissions import SETTINGS
from muster.directory.guard.desk import GuardDesk, HeldWrite
from muster.http.management.models.guard import (
    GuardAnswer,
    GuardOutcome,
    GuardSelection,
    HeldAnswer,
    RefusedDecision,
)
from muster.http.management.router import ApiRoute, Call
from muster.http.wire.message import Response, json_response
from muster.scim.errors import ScimError


class GuardRoutes:
    """The operations on the changes that the guard holds."""

    def __init__(self, desk: GuardDesk, origins: CredentialOrigins) -> None:
        self._desk = desk
        self._origins = origins

    def __iter__(self) -> Iterator[ApiRoute]:
        yield ApiRoute(
            "GET",
            "/guard",
            SETTINGS,
            self.get_guard,
            "Retrieve the state of the deprovisioning guard and the changes it holds",
            answer=GuardAnswer,
        )
        yield ApiRoute(
            "POST",
            "/guard/{id}/let",
            SETTINGS,
            self.let_through,
            "Carry out the change of a user that is held",
            204,
        )
        yield ApiRoute(
            "POST",
            "/guard/{id}/keep",
            SETTINGS,
            self.keep_held,
            "Discard the change of a user that is held",
            204,
        )

        yield ApiRoute(
            "POST",
            "/guard/selection",
            SETTINGS,
            self.decide_held,
            "Carry out or discard the changes of several users that are held",
            body=GuardSelection,
            answer=GuardOutcome,
        )

    async def get_guard(self, call: Call) -> Response:
        state = await self._desk.state(call.caller)
        origins = await self._origins.of(call.workspace)
        answer: GuardAnswer = {
            "mode": state.mode,
            "done": state.done,
            "allowed": state.allowed,
            "held": [_held(write, origins) for write in state.held],
        }
        return json_response(200, answer)

    async def let_through(self, call: Call) -> Response:
        await self._desk.approve(call.caller, call.names["id"])
        return Response(204)

    async def keep_held(self, call: Call) -> Response:
        await self._desk.reject(call.caller, call.names["id"])
        return Response(204)

    async def decide_held(self, call: Call) -> Response:
        """Decide each of the changes; one that is refused does not affect the others."""
        body = await call.read(GuardSelection)
        users = list(dict.fromkeys(body.users))
        decide = self._desk.approve if body.decision == "let" else self._desk.reject
        refused: list[RefusedDecision] = []
        for user in users:
            try:
                await decide(call.caller, user)
            except ScimError as error:
                refused.append({"user": user, "status": error.status, "detail": error.detail})
        answer: GuardOutcome = {"decided": len(users) - len(refused), "refused": refused}
        return json_response(200, answer)


def _held(write: HeldWrite, origins: Origins) -> HeldAnswer:
    return {
        "user": write.id,
        "userName": write.name,
        "attempted": write.attempted,
        "time": write.time,
        "actor": write.actor,
        "connection": origins.of_actor(write.actor),
        "reason": write.reason,
    }

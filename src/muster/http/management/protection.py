"""/api/v1/protected-users: the users whose access provisioning cannot take."""

from collections.abc import Iterator

from muster.access.permissions import SETTINGS
from muster.access.protection import ProtectedUser, Protection
from muster.directory.service import Directory
from muster.http.management.models.protection import (
    Protect,
    ProtectedUserAnswer,
    ProtectedUserList,
)
from muster.http.management.router import ApiRoute, Call
from muster.http.wire.message import Response, json_response


class ProtectionRoutes:
    """The operations on protected users."""

    def __init__(self, protection: Protection, directory: Directory) -> None:
        self._protection = protection
        self._directory = directory

    def __iter__(self) -> Iterator[ApiRoute]:
        yield ApiRoute(
            "GET",
            "/protected-users",
            SETTINGS,
            self.find_protected_users,
            "List the protected users",
            answer=ProtectedUserList,
        )
        yield ApiRoute(
            "PUT",
            "/protected-users/{id}",
            SETTINGS,
            self.protect_user,
            "Protect a user from being deactivated and deleted by provisioning",
            body=Protect,
            answer=ProtectedUserAnswer,
            errors=(409,),
        )
        yield ApiRoute(
            "DELETE",
            "/protected-users/{id}",
            SETTINGS,
            self.unprotect_user,
            "End the protection of a user",
            204,
        )

    async def find_protected_users(self, call: Call) -> Response:
        users = await self._protection.all(call.workspace)
        answer: ProtectedUserList = {"items": [_user(user) for user in users], "nextCursor": None}
        return json_response(200, answer)

    async def protect_user(self, call: Call) -> Response:
        body, user_type = await call.read(Protect), call.grant.registry.types["/Users"]
        stored = await self._directory.get(call.caller, user_type, call.names["id"])
        user = await self._protection.protect(call.administrator, stored.id, body.reason)
        return json_response(200, _user(user))

    async def unprotect_user(self, call: Call) -> Response:
        await self._protection.end(call.administrator, call.names["id"])
        return Response(204)


def _user(user: ProtectedUser) -> ProtectedUserAnswer:
    return {"user": user.id, "reason": user.reason, "actor": user.actor, "time": user.time}

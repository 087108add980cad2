"""/api/v1/connections: the identity providers that provision into the workspace."""

from collections.abc import Iterator
from typing import cast

from muster.access.connections import Connection, Connections
from muster.access.permissions import SCIM, SETTINGS
from muster.access.roles import Roles
from muster.access.settings import check_lockout
from muster.base.clock import timestamp
from muster.directory.history.past import parse_time
from muster.http.management.models.connections import (
    ConnectionAnswer,
    ConnectionChange,
    ConnectionList,
    DeleteConnection,
    FindConnections,
    NewConnection,
    OwnerAnswer,
    PauseConnection,
)
from muster.http.management.pages import page
from muster.http.management.router import ApiRoute, Call, created
from muster.http.wire.errors import at
from muster.http.wire.message import Response, json_response


class ConnectionRoutes:
    """The operations on connections."""

    def __init__(self, connections: Connections, roles: Roles) -> None:
        self._connections = connections
        self._roles = roles

    def __iter__(self) -> Iterator[ApiRoute]:
        yield ApiRoute(
            "GET",
            "/connections",
            SETTINGS,
            self.find_connections,
            "List connections",
            query=FindConnections,
            answer=ConnectionList,
        )
        yield ApiRoute(
            "POST",
            "/connections",
            SETTINGS,
            self.create_connection,
            "Create a connection",
            201,
            body=NewConnection,
            answer=ConnectionAnswer,
            errors=(409,),
        )
        yield ApiRoute(
            "GET",
            "/connections/{id}",
            SETTINGS,
            self.get_connection,
            "Retrieve a connection",
            answer=ConnectionAnswer,
        )
        yield ApiRoute(
            "PATCH",
            "/connections/{id}",
            SETTINGS,
            self.update_connection,
            "Change a connection",
            body=ConnectionChange,
            answer=ConnectionAnswer,
            errors=(409,),
        )
        yield ApiRoute(
            "DELETE",
            "/connections/{id}",
            SETTINGS,
            self.delete_connection,
            "Delete a connection and revoke its keys",
            204,
            also=(SCIM,),
            query=DeleteConnection,
            errors=(409,),
        )
        yield ApiRoute(
            "POST",
            "/connections/{id}/pause",
            SETTINGS,
            self.pause_connection,
            "Pause a connection",
            body=PauseConnection,
            body_optional=True,
            answer=ConnectionAnswer,
        )
        yield ApiRoute(
            "POST",
            "/connections/{id}/resume",
            SETTINGS,
            self.resume_connection,
            "Resume a paused connection",
            answer=ConnectionAnswer,
        )
        yield ApiRoute(
            "GET",
            "/resources/{id}/connection",
            SCIM,
            self.get_owner,
            "Retrieve the connection that owns a user or group",
            answer=OwnerAnswer,
        )

    async def find_connections(self, call: Call) -> Response:
        query = call.query(FindConnections)
        found, following = page(
            await self._connections.all(call.workspace),
            lambda one: (one.created, one.id),
            query.cursor,
            query.limit,
        )
        answer: ConnectionList = {
            "items": [_answer(one) for one in found],
            "nextCursor": following,
        }
        return json_response(200, answer)

    async def get_connection(self, call: Call) -> Response:
        found = await self._connections.get(call.workspace, call.names["id"])
        return json_response(200, _answer(found))

    async def create_connection(self, call: Call) -> Response:
        body = await call.read(NewConnection)

        def answer(made: Connection) -> Response:
            return created(_answer(made), "/connections", made.id)

        return answer(
            await self._connections.create(
                call.administrator, _given(body), lambda made: call.keep(answer(made))
            )
        )

    async def update_connection(self, call: Call) -> Response:
        body = await call.read(ConnectionChange)
        own = call.names["id"] == call.grant.connection.id
        if own and body.ip_allowlist and not body.confirm_lockout:
            blocks = tuple(entry.block for entry in body.ip_allowlist)
            with at("/ipAllowlist"):
                check_lockout(blocks, call.request.address)
        changed = await self._connections.change(call.administrator, call.names["id"], _given(body))
        return json_response(200, _answer(changed))

    async def pause_connection(self, call: Call) -> Response:
        """Pause a connection.

        Its SCIM requests are answered with 503 and `Retry-After`, which clients take for a short
        outage: they keep their state and try again.
        """
        body = await call.read(PauseConnection, empty=True)
        paused = await self._connections.pause(
            call.administrator, call.names["id"], body.reason.strip()
        )
        return json_response(200, _answer(paused))

    async def resume_connection(self, call: Call) -> Response:
        resumed = await self._connections.resume(call.administrator, call.names["id"])
        return json_response(200, _answer(resumed))

    async def delete_connection(self, call: Call) -> Response:
        """Delete a connection and revoke its keys.

        The users and groups that it owns stay, and belong to no connection any more.
        """
        query = call.query(DeleteConnection)
        await self._roles.check_deletable(call.workspace, call.grant.permissions, call.names["id"])
        await self._connections.delete(call.administrator, call.names["id"], query.confirm or None)
        return Response(204)

    async def get_owner(self, call: Call) -> Response:
        owner = await self._connections.owner(call.workspace, call.names["id"])
        answer: OwnerAnswer = {"connection": None if owner is None else _answer(owner)}
        return json_response(200, answer)


def _given(body: NewConnection | ConnectionChange) -> dict[str, object]:
    given = body.changes()
    if given.get("record_reads") is not None:
        with at("/recordReads"):
            given["record_reads"] = timestamp(parse_time(given["record_reads"], "recordReads"))
    return given


def _answer(connection: Connection) -> ConnectionAnswer:
    return cast(ConnectionAnswer, connection.shown())

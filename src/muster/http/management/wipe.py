"""/api/v1/wipe."""

from collections.abc import Iterator

from muster.access.connections import Connections
from muster.access.permissions import ADMIN
from muster.directory.wipe import wipe
from muster.http.management.models.wipe import Wipe, WipeAnswer
from muster.http.management.router import ApiRoute, Call
from muster.http.wire.errors import at
from muster.http.wire.message import Response, json_response
from muster.scim.errors import invalid_value
from muster.storage.port.engine import Storage


class WipeRoutes:
    """The operation that empties a workspace."""

    def __init__(self, store: Storage, connections: Connections) -> None:
        self._store = store
        self._connections = connections

    def __iter__(self) -> Iterator[ApiRoute]:
        yield ApiRoute(
            "POST",
            "/wipe",
            ADMIN,
            self.wipe,
            "Delete every resource of the workspace",
            body=Wipe,
            answer=WipeAnswer,
            errors=(409,),
        )

    async def wipe(self, call: Call) -> Response:
        """Delete every resource of the workspace that the body names.

        It is refused with 403 if another connection than that of the key owns some of them
        exclusively. An administrator can delete these in the console.
        """
        body = await call.read(Wipe)
        with at("/workspace"):
            if body.workspace != call.grant.workspace.name:
                raise invalid_value(
                    "workspace: expected the name of the workspace of this API key, as confirmation"
                )
        await self._connections.check_barred(call.workspace, call.caller.barred)
        answer: WipeAnswer = {"deleted": await wipe(self._store, call.caller)}
        return json_response(200, answer)

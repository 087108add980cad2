"""/api/v1: the Open ID Connector of a workspace."""

from collections.abc import Iterator

from muster.access.connectors import Connectors, Setter
from muster.access.permissions import SCIM
from muster.http.management.models.connector import ConnectorAnswer, ConnectorBody
from muster.http.management.router import ApiRoute, Call
from muster.http.wire.message import Response, json_response
from muster.scim.errors import not_found

_PATH = "/open-id-connector"


class ConnectorRoutes:
    """The operations on the Open ID Connector."""

    def __init__(self, connectors: Connectors) -> None:
        self._connectors = connectors

    def __iter__(self) -> Iterator[ApiRoute]:
        yield ApiRoute(
            "GET",
            _PATH,
            SCIM,
            self.get_open_id_connector,
            "Retrieve the Open ID Connector, without its secret",
            answer=ConnectorAnswer,
            errors=(404,),
        )
        yield ApiRoute(
            "PUT",
            _PATH,
            SCIM,
            self.set_open_id_connector,
            "Set up the Open ID Connector; its identity provider must answer",
            body=ConnectorBody,
            answer=ConnectorAnswer,
        )
        yield ApiRoute(
            "DELETE",
            _PATH,
            SCIM,
            self.delete_open_id_connector,
            "Delete the Open ID Connector and sign out everybody who used it",
            204,
            errors=(404,),
        )

    async def get_open_id_connector(self, call: Call) -> Response:
        connector = await self._connectors.get(call.workspace)
        if connector is None:
            raise not_found("there is no Open ID Connector")
        return json_response(200, connector.shown())

    async def set_open_id_connector(self, call: Call) -> Response:
        connector = await self._connectors.put(
            _setter(call), (await call.read(ConnectorBody)).given()
        )
        return json_response(200, connector.shown())

    async def delete_open_id_connector(self, call: Call) -> Response:
        await self._connectors.delete(_setter(call))
        return Response(204)


def _setter(call: Call) -> Setter:
    return Setter(call.workspace, call.administrator.origin, call.grant.permissions)

"""/api/v1/ip-allowlist: whether an address would be accepted."""

from collections.abc import Iterator

from muster.access.allowlist import entries, is_address, matching
from muster.access.connections import Connection, Connections
from muster.access.permissions import SETTINGS
from muster.http.management.models.allowlist import AddressAnswer, ValidateAddress
from muster.http.management.models.settings import AllowlistEntry
from muster.http.management.router import ApiRoute, Call
from muster.http.wire.errors import at
from muster.http.wire.message import Response, json_response
from muster.scim.errors import invalid_value
from muster.storage.port.accounts import Workspace


class AllowlistRoutes:
    """The operations on IP allowlists."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def __iter__(self) -> Iterator[ApiRoute]:
        yield ApiRoute(
            "POST",
            "/ip-allowlist/validate",
            SETTINGS,
            self.validate_address,
            "Check whether an address would pass the IP allowlist",
            body=ValidateAddress,
            answer=AddressAnswer,
        )

    async def validate_address(self, call: Call) -> Response:
        """Check whether requests from an address would be accepted, and by which network."""
        body = await call.read(ValidateAddress)
        connection = Connection()
        if body.connection:
            with at("/connection"):
                connection = await self._connections.chosen(call.workspace, body.connection)
        with at("/address"):
            found = verdict(call.grant.workspace, connection, body.address)
        return json_response(200, found)


def verdict(workspace: Workspace, connection: Connection, address: str) -> AddressAnswer:
    """Tell whether an address passes the allowlist of a connection.

    Args:
        workspace: The workspace.
        connection: The connection; one without settings for the allowlist of the workspace.
        address: The address.

    Raises:
        ScimError: 400 if it is no IP address.
    """
    address = address.strip()
    if not is_address(address):
        raise invalid_value("address: expected an IPv4 or IPv6 address, such as 192.0.2.7")
    through = connection.through(workspace)
    block = matching(through.ip_allowlist, address)
    entry: AllowlistEntry | None = None
    if block is not None:
        [described] = entries([block], through.ip_descriptions)
        entry = {"range": block, "description": described["description"]}
    return {
        "address": address,
        "allowed": block is not None or not through.ip_allowlist,
        "entry": entry,
        "inherited": "ip_allowlist" not in connection.overrides,
    }

"""The keys, connections and credentials of one workspace, for a platform key.

Each operation is the one of the management API with the same path: it is called with all
permissions in that workspace, and the audit log of the workspace names the platform key. Further
resources of a workspace, such as links to set up a connection, belong beside these.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator

from muster.access.connections import Connection
from muster.access.keys import Grant
from muster.access.permissions import ADMIN
from muster.access.registries import Registries
from muster.http.management.router import API_ROOT, ApiRoute, Call
from muster.http.platform.router import PLATFORM, PlatformCall, PlatformRoute
from muster.http.wire.message import Response
from muster.storage.port.accounts import KeyRecord, Workspace

_ONE = "/platform/workspaces/{name}"
_WITHIN = ("/keys", "/connections")
"""The resources of the management API that the platform API has within a workspace."""


class WithinRoutes:
    """The operations on the keys and connections of a workspace.

    Args:
        routes: The routes of the management API.
        registries: The registries of all workspaces.
    """

    def __init__(self, routes: Iterable[ApiRoute], registries: Registries) -> None:
        self._routes = [route for route in routes if f"/{route.path.split('/')[1]}" in _WITHIN]
        self._registries = registries

    def __iter__(self) -> Iterator[PlatformRoute]:
        for route in self._routes:
            yield PlatformRoute(
                route.method,
                _ONE + route.path,
                PLATFORM,
                self._within(route),
                f"{route.summary}, in a workspace",
                route.status,
                body=route.body,
                body_optional=route.body_optional,
                query=route.query,
                answer=route.answer,
                answers=route.answers,
                errors=(*route.errors, 409),
                problems=route.problems,
            )

    def _within(self, route: ApiRoute) -> Callable[[PlatformCall], Awaitable[Response]]:
        """Return the handler that calls a route of the management API in a workspace."""

        async def handler(call: PlatformCall) -> Response:
            workspace = await call.workspace()
            inner = Call(
                request=call.request,
                names={name: value for name, value in call.names.items() if name != "name"},
                limits=call.limits,
                base=call.base,
                grant=await self._grant(call, workspace),
            )
            response = await route.handler(inner)
            place = f"{API_ROOT}{_ONE.format(name=workspace.name)}"
            response.headers[:] = [
                (name, place + value.removeprefix(API_ROOT) if name == "location" else value)
                for name, value in response.headers
            ]
            return response

        verb, _, rest = route.handler.__name__.partition("_")
        handler.__name__ = f"{verb}_workspace_{rest}"
        return handler

    async def _grant(self, call: PlatformCall, workspace: Workspace) -> Grant:
        """Return all permissions in a workspace, in the name of the platform key."""
        key = call.key
        who = (workspace.id, key.id, key.name, b"", (ADMIN,), None, key.created)
        return Grant(
            workspace,
            KeyRecord(*who, None, None, None),
            key.actor,
            (workspace.id, key.id),
            None,
            None,
            (ADMIN,),
            await self._registries.of(workspace),
            (),
            Connection(),
            workspace,
            {},
        )

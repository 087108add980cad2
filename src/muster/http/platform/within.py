"""The keys, connections and set-up links of one workspace, and webhooks across all of them.

Each operation is the one of the management API with the same path: it is called with all
permissions in that workspace, and the audit log of the workspace names the platform key. Webhooks
and the audit log of the platform are those of the installation, in the place of a workspace.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import replace

from muster.access.connections import Connection
from muster.access.keys import Grant
from muster.access.permissions import ADMIN
from muster.access.registries import Registries
from muster.events import reach
from muster.http.management.router import API_ROOT, ApiRoute, Call
from muster.http.platform.router import PLATFORM, PlatformCall, PlatformRoute
from muster.http.wire.message import Response
from muster.storage.port.accounts import KeyRecord, Workspace

_ROOT, _ONE = "/platform", "/platform/workspaces/{name}"
_WITHIN = ("/keys", "/connections", "/setup-links")
"""The resources of the management API that the platform API has within a workspace."""
_OF_ALL = {"/webhooks": "for the events of all workspaces", "/audit": "of the platform"}
"""Those that it has for the installation, with the end of their summaries."""


class WithinRoutes:
    """The operations on the keys and connections of a workspace, and on those of the installation.

    Args:
        routes: The routes of the management API.
        registries: The registries of all workspaces.
    """

    def __init__(self, routes: Iterable[ApiRoute], registries: Registries) -> None:
        self._routes = list(routes)
        self._registries = registries

    def __iter__(self) -> Iterator[PlatformRoute]:
        for route in self._routes:
            resource = f"/{route.path.split('/')[1]}"
            if resource in _WITHIN:
                yield self._called(route, _ONE, "workspace", "in a workspace")
            elif resource in _OF_ALL:
                yield self._called(route, _ROOT, "platform", _OF_ALL[resource])

    def _called(self, route: ApiRoute, root: str, noun: str, where: str) -> PlatformRoute:
        """Return the route of the platform API that calls one of the management API.

        Args:
            route: The route of the management API.
            root: The path before its own.
            noun: The second word of the operation's name.
            where: The end of the summary.
        """
        return PlatformRoute(
            route.method,
            root + route.path,
            PLATFORM,
            self._handler(route, root, noun),
            f"{route.summary}, {where}",
            route.status,
            body=route.body,
            body_optional=route.body_optional,
            query=route.query,
            answer=route.answer,
            answers=route.answers,
            errors=(*route.errors, 409),
            problems=route.problems,
        )

    def _handler(
        self, route: ApiRoute, root: str, noun: str
    ) -> Callable[[PlatformCall], Awaitable[Response]]:
        async def handler(call: PlatformCall) -> Response:
            workspace = reach.PLATFORM if root == _ROOT else await call.workspace()
            place = API_ROOT + root.format(name=workspace.name)
            inner = Call(
                request=call.request,
                names={name: value for name, value in call.names.items() if name != "name"},
                limits=call.limits,
                base=call.base,
                grant=await self._grant(call, workspace),
                keep=lambda response: call.keep(_at(place, response)),
            )
            return _at(place, await route.handler(inner))

        verb, _, rest = route.handler.__name__.partition("_")
        handler.__name__ = "_".join(filter(None, (verb, noun, rest)))
        handler.__doc__ = route.handler.__doc__
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


def _at(place: str, response: Response) -> Response:
    """Return a response of the management API, with its location in the platform API.

    Args:
        place: The path of the resources there.
        response: The response.
    """
    headers = [
        (name, place + value.removeprefix(API_ROOT) if name == "location" else value)
        for name, value in response.headers
    ]
    return replace(response, headers=headers)

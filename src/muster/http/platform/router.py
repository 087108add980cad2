"""The routes of /api/v1/platform, all of which require a platform key."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from muster.access.platform_keys import PlatformKey
from muster.access.workspaces import find_workspace
from muster.base.clock import timestamp
from muster.http.management.models.base import QueryParameters
from muster.http.management.router import API_ROOT, ApiOperation, Invocation
from muster.http.management.validation import read_query
from muster.http.platform.idempotency import HEADER, Idempotency, malformed_key
from muster.http.wire.base_url import BaseUrl
from muster.http.wire.media import read_body
from muster.http.wire.message import Request, Response
from muster.http.wire.router import Router
from muster.scim.errors import ScimError, not_found
from muster.scim.schema.discovery import Limits
from muster.storage.port.accounts import Accounts, Workspace
from muster.storage.port.changes import ChangeOrigin

PLATFORM = "Platform"
"""The permission of the operations, which platform keys alone have."""
PLATFORM_ROOT = f"{API_ROOT}/platform"


@dataclass(slots=True, kw_only=True)
class PlatformCall(Invocation):
    """One call of a route with a platform key.

    Attributes:
        key: The platform key.
        accounts: The storage.
    """

    key: PlatformKey
    accounts: Accounts

    @property
    def origin(self) -> ChangeOrigin:
        """The caller as the audit log records it."""
        return ChangeOrigin(
            self.key.actor, self.request.id, timestamp(), self.request.address, None
        )

    async def workspace(self, deleted: bool = False) -> Workspace:
        """Return the workspace that the path names, by its present name or a former one.

        Args:
            deleted: Whether it may be deleted.

        Raises:
            ScimError: 404 if it does not exist; 409 if it is deleted and may not be.
        """
        found = await find_workspace(self.accounts, self.names["name"])
        if found is None:
            raise not_found("Workspace not found.")
        self.request.workspace = found.name
        if found.deleted is not None and not deleted:
            raise ScimError(
                409, f"The workspace {found.name!r} is deleted. Restore it first, if it still can."
            )
        return found


class PlatformRoute(ApiOperation[PlatformCall]):
    """One operation of the platform API."""

    __slots__ = ()


class PlatformApi:
    """Answers what lies under /api/v1/platform, for a request whose platform key is checked."""

    def __init__(
        self,
        accounts: Accounts,
        routes: Iterable[PlatformRoute],
        limits: Limits,
        origin: BaseUrl,
    ) -> None:
        self._accounts = accounts
        self._router = Router(routes)
        self._limits = limits
        self._origin = origin
        self._idempotency = Idempotency(accounts)

    @property
    def routes(self) -> Sequence[PlatformRoute]:
        """All operations, in the order of the OpenAPI document."""
        return self._router.routes

    async def answer(self, request: Request, key: PlatformKey) -> Response:
        """The answer to a request. Raises ScimError 404 and 405."""
        found = self._router.match(request.method, request.path[len(API_ROOT) :])
        if found is None:
            raise not_found(f"Unknown path {request.path[:200]!r}")
        route = found.route
        request.operation = route.operation_id
        if route.query is None and request.query:
            read_query(QueryParameters, request.parameters())
        call = PlatformCall(
            request=request,
            names=found.names,
            limits=self._limits,
            base=self._origin.base(request),
            key=key,
            accounts=self._accounts,
        )
        if request.method != "POST":
            return await route.handler(call)
        if request.header(HEADER) is None:
            if request.has(HEADER):  # it is not ASCII, and must not be ignored
                raise malformed_key()
            return await route.handler(call)
        body = await read_body(request, self._limits)

        async def again(_: int) -> bytes:
            return body

        request.read = again
        return await self._idempotency.once(
            request, key, body, lambda keep: route.handler(replace(call, keep=keep))
        )

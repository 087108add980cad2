"""The routes of /api/v1: each a method, a path and the permission that it needs."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from muster.access.audit_notes import Administrator
from muster.access.kept_answers import Kept, keep_nothing
from muster.access.keys import Grant
from muster.access.permissions import SETTINGS, allows, lacking
from muster.base.clock import timestamp
from muster.directory.caller import Caller
from muster.directory.documents import parse
from muster.http.management.models.base import Body, QueryParameters
from muster.http.management.validation import B, Q, read_body, read_query
from muster.http.wire.base_url import SCIM_ROOT, BaseUrl
from muster.http.wire.media import read_json
from muster.http.wire.message import Request, Response, json_response
from muster.http.wire.router import Route, Router
from muster.scim.errors import forbidden, not_found
from muster.scim.schema.discovery import Limits
from muster.scim.values import Json
from muster.storage.port.changes import ChangeOrigin

API_ROOT = "/api/v1"
API_FOLDER = f"{API_ROOT}/"


@dataclass(slots=True, kw_only=True)
class Invocation:
    """One call of an operation, whoever makes it.

    Attributes:
        request: The request.
        names: The values of the names in the path.
        limits: The limits of requests.
        base: The URL under which the application is reached.
        keep: Returns the items to store together with the act, by the answer that it will get.
    """

    request: Request
    names: dict[str, str]
    limits: Limits
    base: str
    keep: Callable[[Response], Kept] = keep_nothing

    async def body(self) -> Json:
        """The JSON body. Raises ScimError."""
        return await read_json(self.request, self.limits)

    async def read(self, model: type[B], empty: bool = False) -> B:
        """Read the JSON body as a model.

        Args:
            model: The model.
            empty: Whether no body stands for an empty object.

        Raises:
            ScimError: that names each value in error.
        """
        if (
            empty
            and self.request.header("content-length") in (None, "0")
            and self.request.header("transfer-encoding") is None
        ):
            return read_body(model, {})
        return read_body(model, await self.body())

    def query(self, model: type[Q]) -> Q:
        """Read the query parameters as a model. Raises InvalidRequest that names each error."""
        return read_query(model, self.request.parameters())


@dataclass(slots=True, kw_only=True)
class Call(Invocation):
    """One call of a route with an API key of a workspace.

    Attributes:
        grant: The workspace and the permissions of its key.
    """

    grant: Grant

    @property
    def workspace(self) -> int:
        return self.grant.workspace.id

    @property
    def administrator(self) -> Administrator:
        """The caller as the audit log records it."""
        origin = ChangeOrigin(self.grant.actor, self.request.id, timestamp(), self.request.address)
        return Administrator(self.grant.workspace, origin, self.grant.permissions)

    @property
    def caller(self) -> Caller:
        """The caller as the directory sees it."""
        grant, request = self.grant, self.request
        origin = (grant.actor, request.id, request.address)
        who = (grant.through, *origin, grant.registry, grant.key.user, request.seen)
        return Caller(
            *who,
            protected=grant.protected,
            max_elements=self.limits.max_elements,
            max_comparisons=self.limits.max_comparisons,
            connection=grant.connection.stored_id,
            barred=grant.barred,
            guard_reset=grant.connection.guard_reset,
        )

    def caller_overriding(self, override: bool) -> Caller:
        """Return the caller, who passes the guard and the provisioning switches on `override`.

        Raises:
            ScimError: 403 if the key may not change the settings, and so not override them.
        """
        if override and not allows(self.grant.permissions, SETTINGS):
            raise forbidden(f'override: the API key does not have the permission "{SETTINGS}"')
        return replace(self.caller, overrides=override)

    def document(self, stored: bytes) -> dict[str, Any]:
        """A stored document with absolute references, as SCIM answers have them."""
        return parse(stored, self.base + SCIM_ROOT)


C = TypeVar("C", bound=Invocation)


@dataclass(frozen=True, slots=True)
class ApiOperation(Route, Generic[C]):
    """One operation of an API under /api/v1.

    Attributes:
        path: The path after /api/v1, with {names}.
        permission: The permission that a key needs.
        summary: The summary in the OpenAPI document.
        status: The status of a success.
        also: Further permissions that a key needs as well.
        body: The model of the body; None if there is none.
        body_optional: Whether the body may be left out.
        query: The model of the query parameters; None if there are none.
        answer: The typed dictionary of the answer; None if it has no body.
        answers: Other successes by status, each with its description and typed dictionary.
        errors: The statuses of errors that this operation has beside those that all have.
        problems: The typed dictionaries of errors that have members of their own, by status.
        csv: Whether it can answer a table as well.
    """

    permission: str
    handler: Callable[[C], Awaitable[Response]]
    summary: str
    status: int = 200
    also: tuple[str, ...] = ()
    body: type[Body] | None = None
    body_optional: bool = False
    query: type[QueryParameters] | None = None
    answer: type | None = None
    answers: Mapping[int, tuple[str, type]] = field(default_factory=dict)
    errors: tuple[int, ...] = ()
    problems: Mapping[int, type] = field(default_factory=dict)
    csv: bool = False

    @property
    def permissions(self) -> tuple[str, ...]:
        """All permissions that a key needs."""
        return (self.permission, *self.also)

    @property
    def operation_id(self) -> str:
        """The name of the operation, as findRoles."""
        first, *rest = self.handler.__name__.split("_")
        return first + "".join(word.title() for word in rest)


AnyOperation = ApiOperation[Any]


class ApiRoute(ApiOperation[Call]):
    """One operation of the management API."""

    __slots__ = ()


class Api:
    """Answers requests under /api/v1 whose key is checked."""

    def __init__(self, routes: Iterable[ApiRoute], limits: Limits, origin: BaseUrl) -> None:
        self._router = Router(routes)
        self._origin = origin
        self._limits = limits

    @property
    def routes(self) -> Sequence[ApiRoute]:
        """All operations, in the order of the OpenAPI document."""
        return self._router.routes

    async def answer(self, request: Request, grant: Grant) -> Response:
        """The answer to a request. Raises ScimError 403, 404 and 405."""
        found = self._router.match(request.method, request.path[len(API_ROOT) :])
        if found is None:
            raise not_found(f"Unknown path {request.path[:200]!r}")
        route = found.route
        request.operation = route.operation_id
        missing = lacking(grant.permissions, route.permissions)
        if missing:
            raise forbidden(f'This API key does not have the permission "{missing[0]}".')
        if route.query is None and request.query:
            read_query(QueryParameters, request.parameters())
        base = self._origin.base(request)
        return await route.handler(
            Call(request=request, grant=grant, names=found.names, limits=self._limits, base=base)
        )


def created(content: Json, place: str, name: str) -> Response:
    """Return a 201 response with the new object, and its URL in Location."""
    return json_response(
        201, content, headers=[("location", f"{API_ROOT}{place}/{quote(name, safe='')}")]
    )

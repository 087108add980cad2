"""SCIM over HTTP: resources and discovery under /scim/v2 (RFC 7644 section 3)."""

from collections.abc import Awaitable, Callable, Sequence

import orjson

from muster.access.keys import Grant
from muster.access.permissions import READ, SCIM
from muster.directory.caller import Caller
from muster.directory.documents import location_prefix, with_base_url
from muster.directory.groups.member_edits import MEMBERS
from muster.directory.groups.memberships import first_id, tag_of
from muster.directory.service import Directory
from muster.http.scim import bulk
from muster.http.scim.answer_cache import AnswerCache, KeptAnswer, Place
from muster.http.scim.conditions import Conditions
from muster.http.scim.cursors import Cursors
from muster.http.scim.groups import Read, pieces, projected
from muster.http.scim.listing import ListRequest
from muster.http.scim.search import named, parameters_of, unique_search
from muster.http.wire.base_url import SCIM_ROOT, BaseUrl
from muster.http.wire.errors import MethodNotAllowed
from muster.http.wire.media import answer_type, read_json
from muster.http.wire.message import Headers, Request, Response, json_response
from muster.http.wire.streaming import streamed
from muster.scim.errors import ScimError, forbidden, not_found
from muster.scim.etag import etag
from muster.scim.filter.predicate import Test
from muster.scim.messages import LIST_END, list_head
from muster.scim.projection import Projection, projection, shows_on_request
from muster.scim.schema import discovery
from muster.scim.schema.discovery import Limits
from muster.scim.schema.model import Registry, ResourceType
from muster.scim.values import Json
from muster.storage.port.resources import Stored

_UNDER_ROOT = len(SCIM_ROOT) + 1
Operation = Callable[[Request, Caller, ResourceType, str], Awaitable[Response]]


def needed_permission(request: Request) -> str:
    """Return the permission that a request under /scim/v2 needs.

    Only GET, HEAD and POST .search are reads; any other method or path needs the permission to
    write, also if it turns out to be unknown.
    """
    if request.method in ("GET", "HEAD"):
        return READ
    search = request.method == "POST" and request.path.rstrip("/").endswith("/.search")
    return READ if search else SCIM


class Scim:
    """Answers requests under /scim/v2 whose API key has been checked."""

    def __init__(
        self,
        directory: Directory,
        origin: BaseUrl,
        limits: Limits,
        cursors: Cursors,
        answers: AnswerCache,
    ) -> None:
        self._directory = directory
        self._origin = origin
        self._limits = limits
        self._listing = ListRequest(directory, limits, cursors)
        self._answers = answers
        self._discovery = {
            "ServiceProviderConfig": self._service_provider_config,
            "ResourceTypes": self._resource_types,
            "Schemas": self._schemas,
        }
        self._collection: dict[str, tuple[str, str, Operation]] = {
            "GET": ("find", "s", self.find),
            "POST": ("create", "", self.create),
        }
        self._item: dict[str, tuple[str, str, Operation]] = {
            "GET": ("get", "", self.get),
            "PUT": ("update", "", self.replace),
            "PATCH": ("patch", "", self.patch),
            "DELETE": ("delete", "", self.delete),
        }

    def answer(self, request: Request, grant: Grant) -> Response | Awaitable[Response]:
        """Return the response, if its answer is kept; otherwise await the result for it.

        Raises:
            ScimError: The path or method is unknown, or the request is invalid.
        """
        if request.method == "GET":
            answer = self._answers.find(self._place(request, grant), grant.registry)
            if answer is not None:
                request.operation = answer.operation
                return _shown(request, answer)
        return self._compose(request, grant)

    def _place(self, request: Request, grant: Grant) -> Place:
        return grant.workspace.id, self._origin.base(request), request.path, request.query

    def _compose(self, request: Request, grant: Grant) -> Awaitable[Response]:
        """Dispatch a request; await the result for the response.

        Raises:
            ScimError: The path or method is unknown, or the request is invalid.
        """
        registry, key = grant.registry, grant.key
        caller = Caller(
            grant.through,
            grant.actor,
            request.id,
            request.address,
            registry,
            key.user,
            request.seen,
            protected=grant.protected,
            max_elements=self._limits.max_elements,
            max_comparisons=self._limits.max_comparisons,
            connection=grant.connection.stored_id,
            barred=grant.barred,
            guard_reset=grant.connection.guard_reset,
            over_scim=True,
        )
        endpoint, _, name = request.path[_UNDER_ROOT:].rstrip("/").partition("/")
        resource_type = registry.types.get(f"/{endpoint}")
        method = request.method
        if method == "HEAD":
            method = "GET"
        if name == ".search" and resource_type is not None:
            return self.search(request, caller, [resource_type])
        if resource_type is not None and "/" not in name:
            operations = self._item if name else self._collection
            operation = operations.get(method)
            if operation is None:
                raise MethodNotAllowed(method, tuple(operations))
            verb, plural, answer = operation
            request.operation = f"{verb}{resource_type.name}{plural}"
            return answer(request, caller, resource_type, name)
        types = registry.types
        if endpoint in self._discovery:
            return self._discover(request, registry, endpoint, name, method)
        if not endpoint and method == "GET":
            request.operation = "search"
            return self._list(
                request, caller, list(types.values()), named(request.parameters(), caller.dialect)
            )
        if endpoint == ".search" and not name:
            return self.search(request, caller, list(types.values()))
        if endpoint == "Bulk" and not name:
            return self.bulk(request, caller)
        if endpoint == "Me" and not name:
            return self.me(request, caller, method)
        raise not_found(f"Unknown path {request.path[:200]!r}")

    async def get(
        self, request: Request, caller: Caller, resource_type: ResourceType, resource_id: str
    ) -> Response:
        state = self._answers.state()
        stored = await self._directory.get(caller, resource_type, resource_id)
        if request.query or not _is_whole(resource_type):
            return await self._part(request, caller, resource_type, stored)
        answer = KeptAnswer(
            stored.id,
            f"get{resource_type.name}",
            with_base_url(stored.document, self._base(request)),
            tag_of(stored),
            None if stored.groups is None else caller.workspace.id,
            caller.registry,
        )
        # Not the path of the request, which for /Me names no resource.
        path = location_prefix(resource_type, SCIM_ROOT) + stored.id
        self._answers.keep(
            (caller.workspace.id, self._origin.base(request), path, ""), answer, state
        )
        return _shown(request, answer)

    async def _part(
        self, request: Request, caller: Caller, resource_type: ResourceType, stored: Stored
    ) -> Response:
        """Return the response to a GET of a group, or of chosen attributes."""
        if _is_conditional(request) and Conditions(request).not_modified(tag_of(stored)):
            return Response(304, [("etag", etag(tag_of(stored)))])
        shown = self._projection(request, caller, resource_type)
        if resource_type.computed == MEMBERS:
            return await self._group(request, caller, stored, 200, shown)
        return self._resource(request, stored, 200, shown)

    def find(
        self, request: Request, caller: Caller, resource_type: ResourceType, _: str
    ) -> Awaitable[Response]:
        parameters = request.parameters()
        if resource_type.computed != MEMBERS:
            unique = unique_search(parameters, resource_type)
            if unique is not None:
                return self._find_one(request, caller, resource_type, unique)
        parameters = named(parameters, caller.dialect)
        return self._list(request, caller, (resource_type,), parameters)

    async def _find_one(
        self, request: Request, caller: Caller, resource_type: ResourceType, test: Test
    ) -> Response:
        """Answer a search for one unique value, in the same form as any other."""
        state, base = self._answers.state(), self._base(request)
        found = await self._directory.find_one(caller, resource_type, test)
        shown = projection(resource_type, None, None)
        head = list_head(found.count, found.total or 0, '"startIndex":1,')
        body = projected(with_base_url(found.documents, base), shown) if found.count else b""
        answer = KeptAnswer(
            first_id(found.documents) if found.count else "",
            f"find{resource_type.name}s",
            b"%b%b%b" % (head, body, LIST_END),
            None,
            caller.workspace.id if found.grouped else None,
            caller.registry,
        )
        # That no resource has a value is not kept: any resource may take it.
        if found.count and _is_whole(resource_type):
            path = f"{SCIM_ROOT}{resource_type.endpoint}"
            place = caller.workspace.id, self._origin.base(request), path, request.query
            self._answers.keep(place, answer, state)
        return _shown(request, answer)

    async def search(
        self, request: Request, caller: Caller, types: Sequence[ResourceType]
    ) -> Response:
        """Answer a search with parameters in a SearchRequest (RFC 7644 section 3.4.3)."""
        request.operation = "search"
        if request.method != "POST":
            raise MethodNotAllowed(request.method, ("POST",))
        message = await read_json(request, self._limits, caller.dialect)
        return await self._list(request, caller, types, parameters_of(message, caller.dialect()))

    async def me(self, request: Request, caller: Caller, method: str) -> Response:
        """Answer a request for the user bound to the API key (RFC 7644 section 3.11)."""
        if caller.user is None:
            raise ScimError(
                501, "/Me is not supported for this API key. Use a key that is bound to a user."
            )
        if method not in self._item:
            raise MethodNotAllowed(method, tuple(self._item))
        verb, _, answer = self._item[method]
        request.operation = f"{verb}Me"
        response = await answer(request, caller, caller.registry.types["/Users"], caller.user)
        response.headers.append(("content-location", f"{self._base(request)}/Users/{caller.user}"))
        return response

    async def bulk(self, request: Request, caller: Caller) -> Response:
        request.operation = "bulk"
        if request.method != "POST":
            raise MethodNotAllowed(request.method, ("POST",))
        return await bulk.answer(
            request, caller, self._directory, self._limits, self._base(request)
        )

    def _list(
        self,
        request: Request,
        caller: Caller,
        types: Sequence[ResourceType],
        parameters: dict[str, str],
    ) -> Awaitable[Response]:
        return self._listing.answer(request, caller, types, parameters, self._base(request))

    def _members(self, caller: Caller) -> Read:
        return lambda group_id: self._directory.members(caller, group_id)

    async def create(
        self, request: Request, caller: Caller, resource_type: ResourceType, _: str
    ) -> Response:
        shown = self._projection(request, caller, resource_type)
        Conditions(request).check_create()
        body = await self._body(request, caller)
        stored = await self._directory.create(caller, resource_type, body)
        location = location_prefix(resource_type, self._base(request)) + stored.id
        status = 200 if caller.workspace.contract == "cortex" else 201
        headers = [("location", location)]
        if resource_type.computed == MEMBERS:
            return await self._group(request, caller, stored, status, shown, headers)
        return self._resource(request, stored, status, shown, headers)

    async def replace(
        self, request: Request, caller: Caller, resource_type: ResourceType, resource_id: str
    ) -> Response:
        shown = self._projection(request, caller, resource_type)
        body, check = await self._body(request, caller), Conditions(request).check_write
        stored = await self._directory.replace(caller, resource_type, resource_id, body, check)
        if resource_type.computed == MEMBERS:
            return await self._group(request, caller, stored, 200, shown)
        return self._resource(request, stored, 200, shown)

    async def patch(
        self, request: Request, caller: Caller, resource_type: ResourceType, resource_id: str
    ) -> Response:
        shown = self._projection(request, caller, resource_type)
        body, check = await self._body(request, caller), Conditions(request).check_write
        stored = await self._directory.patch(caller, resource_type, resource_id, body, check)
        if resource_type.computed != MEMBERS:
            return self._resource(request, stored, 200, shown)
        if shown is None and await self._directory.has_many_members(caller, stored.id):
            return Response(204, [("etag", etag(tag_of(stored)))])  # RFC 7644 section 3.5.2
        return await self._group(request, caller, stored, 200, shown)

    async def delete(
        self, request: Request, caller: Caller, resource_type: ResourceType, resource_id: str
    ) -> Response:
        check = Conditions(request).check_write
        stored = await self._directory.delete(caller, resource_type, resource_id, check)
        if caller.workspace.contract == "cortex":
            return self._resource(request, stored, 200, None)
        return Response(204)

    async def _body(self, request: Request, caller: Caller) -> Json:
        body = await read_json(request, self._limits, caller.dialect)
        caller.body_bytes = len(request.body)
        return body

    def _resource(
        self,
        request: Request,
        stored: Stored,
        status: int,
        shown: Projection | None,
        headers: Headers | None = None,
    ) -> Response:
        """Return a resource as a response.

        The stored bytes are sent with the base URL inserted; only a projection requires parsing.
        """
        body = projected(with_base_url(stored.document, self._base(request)), shown)
        return Response(status, _headers(request, stored, headers), body)

    async def _group(
        self,
        request: Request,
        caller: Caller,
        stored: Stored,
        status: int,
        shown: Projection | None,
        headers: Headers | None = None,
    ) -> Response:
        """Return a group as a response, with its members unless they are excluded."""
        body = pieces(stored.id, stored.document, shown, self._base(request), self._members(caller))
        return await streamed(status, _headers(request, stored, headers), body)

    def _projection(
        self, request: Request, caller: Caller, resource_type: ResourceType
    ) -> Projection | None:
        parameters = named(request.parameters(), caller.dialect)
        return projection(
            resource_type, parameters.get("attributes"), parameters.get("excludedAttributes")
        )

    async def _discover(
        self, request: Request, registry: Registry, endpoint: str, name: str, method: str
    ) -> Response:
        request.operation = f"discover{endpoint}"
        if method != "GET":
            raise MethodNotAllowed(method, ("GET",))
        if "filter" in request.parameters():
            raise forbidden(f"/{endpoint} cannot be filtered (RFC 7644 section 4)")
        return self._discovery[endpoint](request, registry, name)

    def _service_provider_config(self, request: Request, _: Registry, name: str) -> Response:
        if name:
            raise not_found("/ServiceProviderConfig has no sub-resources")
        grant = request.grant
        credentials = "any" if grant is None else grant.workspace.scim_credentials
        profiled = grant is not None and grant.workspace.is_ipsie
        base = self._base(request)
        content = discovery.service_provider_config(self._limits, base, credentials, profiled)
        return json_response(200, content, answer_type(request))

    def _resource_types(self, request: Request, registry: Registry, name: str) -> Response:
        documents = discovery.resource_type_documents(registry, self._base(request))
        return self._listed(request, documents, name, "resource type")

    def _schemas(self, request: Request, registry: Registry, name: str) -> Response:
        return self._listed(
            request, discovery.schema_documents(registry, self._base(request)), name, "schema"
        )

    def _listed(
        self, request: Request, documents: list[dict[str, object]], name: str, noun: str
    ) -> Response:
        """Answer with all documents, or with the one of that name, case-insensitively."""
        media_type = answer_type(request)
        if not name:
            head = list_head(len(documents), len(documents), '"startIndex":1,')
            return Response(
                200, [("content-type", media_type)], head + orjson.dumps(documents)[1:-1] + LIST_END
            )
        for document in documents:
            if str(document["id"]).lower() == name.lower():
                return json_response(200, document, media_type)
        raise not_found(f"No {noun} named {name[:200]!r}")

    def _base(self, request: Request) -> str:
        return self._origin.base(request) + SCIM_ROOT


def _is_whole(resource_type: ResourceType) -> bool:
    """Return whether a GET without parameters answers the document as it is stored."""
    return resource_type.computed != MEMBERS and not shows_on_request(resource_type)


def _is_conditional(request: Request) -> bool:
    return request.header("if-none-match") is not None or request.header("if-match") is not None


def _shown(request: Request, answer: KeptAnswer) -> Response:
    """Return the response to a GET from its answer.

    Raises:
        ScimError: 412 if If-Match does not hold.
    """
    if answer.tag is None:
        return Response(200, [("content-type", answer_type(request))], answer.body)
    tag = ("etag", etag(answer.tag))
    if _is_conditional(request) and Conditions(request).not_modified(answer.tag):
        return Response(304, [tag])
    return Response(200, [("content-type", answer_type(request)), tag], answer.body)


def _headers(request: Request, stored: Stored, headers: Headers | None) -> Headers:
    return [
        ("content-type", answer_type(request)),
        ("etag", etag(tag_of(stored))),
        *(headers or ()),
    ]

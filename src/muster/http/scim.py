"""SCIM over HTTP (RFC 7644 section 3): /Users and the discovery documents, under /scim/v2."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from urllib.parse import unquote

import orjson

from muster.access.keys import Grant
from muster.directory.documents import etag, located, location_of
from muster.directory.service import Caller, Directory
from muster.http.conditions import Conditions
from muster.http.cursors import Cursor, Cursors
from muster.http.errors import MethodNotAllowed
from muster.http.media import answer_type, read_json
from muster.http.message import Headers, Request, Response, json_response
from muster.http.origin import SCIM_ROOT, Origin
from muster.http.search import parameters_of, search_of
from muster.scim import discovery
from muster.scim.discovery import Limits
from muster.scim.errors import ScimError, forbidden, not_found
from muster.scim.messages import list_response
from muster.scim.projection import Projection, projection
from muster.scim.schema import Registry, ResourceType, registry
from muster.storage.port import Stored

_ITEM_METHODS = ("GET", "PUT", "PATCH", "DELETE")
_COLLECTION_METHODS = ("GET", "POST")
Operation = Callable[[Request, Caller, ResourceType, str], Awaitable[Response]]


class Scim:
    """Answers what lies under /scim/v2, for a request whose key is checked."""

    def __init__(self, directory: Directory, origin: Origin, limits: Limits, cursors: Cursors) -> None:
        self._directory = directory
        self._origin = origin
        self._limits = limits
        self._cursors = cursors
        self._registry: Registry = registry()
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

    def answer(self, request: Request, grant: Grant) -> Awaitable[Response]:
        """The answer to a request, to be awaited. Raises ScimError."""
        caller = Caller(grant.workspace, f"key:{grant.key.id}", request.id)
        endpoint, _, name = request.path[len(SCIM_ROOT) + 1 :].rstrip("/").partition("/")
        resource_type = self._registry.types.get("/" + endpoint)
        method = "GET" if request.method == "HEAD" else request.method
        if name == ".search" and resource_type is not None:
            return self.search(request, caller, [resource_type])
        if resource_type is not None and "/" not in name:
            operations, allowed = (self._item, _ITEM_METHODS) if name else (self._collection, _COLLECTION_METHODS)
            if method not in operations:
                raise MethodNotAllowed(method, allowed)
            verb, plural, answer = operations[method]
            request.operation = f"{verb}{resource_type.name}{plural}"
            return answer(request, caller, resource_type, name)
        if endpoint in self._discovery:
            return self._discover(request, endpoint, unquote(name), method)
        if endpoint == ".search" and not name:
            return self.search(request, caller, list(self._registry.types.values()))
        if endpoint in ("Me", "Bulk"):
            raise ScimError(501, f"/{endpoint} is not supported: see /ServiceProviderConfig")
        raise not_found(f"there is nothing at {request.path[:200]!r}")

    async def get(self, request: Request, caller: Caller, resource_type: ResourceType, resource_id: str) -> Response:
        stored = await self._directory.get(caller, resource_type, resource_id)
        if request.header("if-none-match") is not None or request.header("if-match") is not None:  # noqa: SIM102
            if Conditions(request).not_modified(stored):
                return Response(304, [("etag", etag(stored.version))])
        shown = self._projection(request, resource_type) if request.query else None
        return self._resource(request, stored, 200, shown)

    async def find(self, request: Request, caller: Caller, resource_type: ResourceType, _: str) -> Response:
        return await self._found(request, caller, [resource_type], request.parameters())

    async def search(self, request: Request, caller: Caller, resource_types: list[ResourceType]) -> Response:
        """A find whose parameters come as a SearchRequest (RFC 7644 section 3.4.3)."""
        request.operation = "search"
        if request.method != "POST":
            raise MethodNotAllowed(request.method, ("POST",))
        message = await read_json(request, self._limits)
        return await self._found(request, caller, resource_types, parameters_of(message))

    async def _found(
        self, request: Request, caller: Caller, resource_types: list[ResourceType], parameters: dict[str, str]
    ) -> Response:
        """The page of a find over one or more resource types, one after the other."""
        search = search_of(parameters, self._limits)
        shown = [projection(t, parameters.get("attributes"), parameters.get("excludedAttributes")) for t in resource_types]
        bound = (caller.workspace.id, [t.name for t in resource_types], search.filter, search.domain, search.sort_by)
        listing = (*bound, search.descending)
        cursor = Cursor(0, None, 0)
        if search.by_cursor and parameters["cursor"]:
            cursor = await self._cursors.read(parameters["cursor"], listing)
        base = self._base(request)
        found, count, total = [], 0, cursor.total
        following: Cursor | None = None
        for kind, resource_type in enumerate(resource_types[cursor.kind :], cursor.kind):
            wanted = replace(search, count=search.count - count)
            if search.by_cursor:
                wanted.after = cursor.position if kind == cursor.kind else None
            else:
                wanted.start_index = max(1, search.start_index - total)
            page = await self._directory.find(caller, resource_type, wanted)
            count += page.count
            total += page.total if page.total is not None and not cursor.total else 0
            if page.count:
                documents, part = located(page.documents, base), shown[kind]
                found.append(documents if part is None else _shown_of_each(documents, part))
            if following is None and page.following is not None:
                following = Cursor(kind, page.following, 0)
            elif following is None and count == search.count and kind + 1 < len(resource_types):
                following = Cursor(kind + 1, None, 0)
        place = f'"startIndex":{search.start_index},'
        if search.by_cursor:
            place = ""
            if following is not None:
                text = await self._cursors.write(replace(following, total=total), listing)
                place = f'"nextCursor":"{text}",'
        body = list_response(b",".join(found), count, total, place)
        return Response(200, [("content-type", answer_type(request))], body)

    async def create(self, request: Request, caller: Caller, resource_type: ResourceType, _: str) -> Response:
        shown = self._projection(request, resource_type)
        Conditions(request).check_create()
        body = await read_json(request, self._limits)
        stored = await self._directory.create(caller, resource_type, body)
        location = location_of(resource_type, self._base(request)) + stored.id
        status = 200 if caller.workspace.contract == "cortex" else 201
        return self._resource(request, stored, status, shown, [("location", location)])

    async def replace(self, request: Request, caller: Caller, resource_type: ResourceType, resource_id: str) -> Response:
        shown = self._projection(request, resource_type)
        body = await read_json(request, self._limits)
        check = Conditions(request).check_write
        stored = await self._directory.replace(caller, resource_type, resource_id, body, check)
        return self._resource(request, stored, 200, shown)

    async def patch(self, request: Request, caller: Caller, resource_type: ResourceType, resource_id: str) -> Response:
        shown = self._projection(request, resource_type)
        body = await read_json(request, self._limits)
        check = Conditions(request).check_write
        stored = await self._directory.patch(caller, resource_type, resource_id, body, check)
        return self._resource(request, stored, 200, shown)

    async def delete(self, request: Request, caller: Caller, resource_type: ResourceType, resource_id: str) -> Response:
        check = Conditions(request).check_write
        stored = await self._directory.delete(caller, resource_type, resource_id, check)
        if caller.workspace.contract == "cortex":
            return self._resource(request, stored, 200, None)
        return Response(204)

    def _resource(
        self,
        request: Request,
        stored: Stored,
        status: int,
        shown: Projection | None,
        headers: Headers | None = None,
    ) -> Response:
        """A resource as an answer: its stored bytes with the base URL put in, parsed only where a projection asks for it."""
        body = located(stored.document, self._base(request))
        if shown is not None:
            body = _shown(body, shown)
        found: Headers = [("content-type", answer_type(request)), ("etag", etag(stored.version))]
        if headers:
            found.extend(headers)
        return Response(status, found, body)

    def _projection(self, request: Request, resource_type: ResourceType) -> Projection | None:
        parameters = request.parameters()
        return projection(resource_type, parameters.get("attributes"), parameters.get("excludedAttributes"))

    async def _discover(self, request: Request, endpoint: str, name: str, method: str) -> Response:
        request.operation = f"discover{endpoint}"
        if method != "GET":
            raise MethodNotAllowed(method, ("GET",))
        if "filter" in request.parameters():
            raise forbidden(f"/{endpoint} cannot be filtered (RFC 7644 section 4)")
        return self._discovery[endpoint](request, name)

    def _service_provider_config(self, request: Request, name: str) -> Response:
        if name:
            raise not_found("there is one ServiceProviderConfig, and it has no id")
        content = discovery.service_provider_config(self._limits, self._base(request))
        return json_response(200, content, answer_type(request))

    def _resource_types(self, request: Request, name: str) -> Response:
        documents = discovery.resource_type_documents(self._registry, self._base(request))
        return self._listed(request, documents, name, "resource type")

    def _schemas(self, request: Request, name: str) -> Response:
        return self._listed(request, discovery.schema_documents(self._registry, self._base(request)), name, "schema")

    def _listed(self, request: Request, documents: list[dict[str, object]], name: str, what: str) -> Response:
        """All of the documents, or the one that is named, in any case."""
        media_type = answer_type(request)
        if not name:
            body = list_response(orjson.dumps(documents)[1:-1], len(documents), len(documents), '"startIndex":1,')
            return Response(200, [("content-type", media_type)], body)
        for document in documents:
            if str(document["id"]).lower() == name.lower():
                return json_response(200, document, media_type)
        raise not_found(f"no {what} is named {name[:200]!r}")

    def _base(self, request: Request) -> str:
        return self._origin.base(request) + SCIM_ROOT


def _shown(document: bytes, shown: Projection) -> bytes:
    """The part of a document that a projection shows."""
    return orjson.dumps(shown(orjson.loads(document)))


def _shown_of_each(documents: bytes, shown: Projection) -> bytes:
    """The same of each of the documents, which have commas in between."""
    return orjson.dumps([shown(document) for document in orjson.loads(b"[%b]" % documents)])[1:-1]

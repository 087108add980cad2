"""The OpenAPI document, generated from the schemas and routes of the service.

It includes all operations of the published Cortex API page. The version is 3.1, which describes
webhooks.
"""

from collections.abc import Iterable
from typing import Any

from muster.access.permissions import READ, SCIM
from muster.directory.groups.member_edits import MEMBERS
from muster.http.management.router import AnyOperation
from muster.http.openapi.management import management_components, management_paths
from muster.http.openapi.schemas import component, is_standard, schemas
from muster.http.openapi.service import SCHEMAS as SERVICE_SCHEMAS
from muster.http.openapi.service import service_paths
from muster.http.openapi.tags import DISCOVERY, SEARCH, tag_of_type, tags
from muster.http.openapi.webhooks import MODELS as MESSAGES
from muster.http.openapi.webhooks import webhooks
from muster.http.wire.media import PLAIN_JSON, PROBLEM_JSON, SCIM_JSON
from muster.scim.bulk import BULK_REQUEST
from muster.scim.messages import SEARCH_REQUEST
from muster.scim.patch import PATCH_OP
from muster.scim.schema.discovery import Limits
from muster.scim.schema.model import ENTERPRISE_USER, GROUP, USER, Registry, ResourceType
from muster.version import __version__

Json = dict[str, Any]
_EXAMPLE_ID = "0193591c-1f00-7b5d-a1b2-3c4d5e6f7081"
_EXAMPLES: dict[str, Json] = {
    "User": {
        "schemas": [USER, ENTERPRISE_USER],
        "externalId": "00u1abcd",
        "userName": "bjensen@example.com",
        "name": {"givenName": "Barbara", "familyName": "Jensen"},
        "displayName": "Barbara Jensen",
        "active": True,
        "emails": [{"value": "bjensen@example.com", "type": "work", "primary": True}],
        ENTERPRISE_USER: {"employeeNumber": "701984", "department": "Tour Operations"},
    },
    "Group": {"schemas": [GROUP], "externalId": "00g1abcd", "displayName": "Tour Guides"},
}
_PATCHES: dict[str, Json] = {
    "User": {"op": "replace", "path": "active", "value": False},
    "Group": {"op": "replace", "path": "displayName", "value": "Tour Guides of Europe"},
}


_ABOUT = """SCIM 2.0 (RFC 7643, 7644 and 9865) under `/scim/v2`, the management API of a workspace
under `/api/v1`, and the platform API, which administers all workspaces, under `/api/v1/platform`.

Each operation of SCIM and of the management API needs an API key of a workspace with the permission
that its description names. The platform API needs a platform key.

The workspace setting `contract` selects two status codes of SCIM: with `rfc7644`, the default, POST
returns 201 and DELETE 204; with `cortex`, both return 200 and the resource, as in the published
Cortex SCIM API."""


def openapi_document(limits: Limits, registry: Registry, routes: Iterable[AnyOperation]) -> Json:
    """Build the document for a workspace, without the request's servers.

    Args:
        limits: The limits of page sizes.
        registry: The schemas and resource types of the workspace.
        routes: The routes under /api/v1.
    """
    types, routes = list(registry.types.values()), list(routes)
    paths: Json = {}
    for resource_type in types:
        paths |= _resource_paths(resource_type)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "muster API",
            "version": __version__,
            "description": _ABOUT,
        },
        **tags(types),
        "security": [{"bearerAuth": []}],
        "paths": paths
        | _search_paths(types)
        | _bulk_paths()
        | _discovery_paths()
        | management_paths(routes)
        | service_paths(),
        "webhooks": webhooks(registry),
        "components": _components(types, limits, management_components(routes, MESSAGES)),
    }


def _components(types: Iterable[ResourceType], limits: Limits, models: Json) -> Json:
    return {
        "securitySchemes": {
            "bearerAuth": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": "An API key of the workspace.",
            },
            "platformKey": {
                "type": "http",
                "scheme": "bearer",
                "description": "A platform key, which `muster keys create --platform` creates.",
            },
        },
        "parameters": _parameters(limits),
        "headers": {
            "ETag": {
                "description": ("The weak ETag of the resource's version."),
                "schema": {"type": "string"},
            },
            "Location": {
                "description": "The URI of the resource.",
                "schema": {"type": "string", "format": "uri"},
            },
        },
        "schemas": schemas(types) | models | SERVICE_SCHEMAS,
        "responses": _error_responses(),
    }


def _parameters(limits: Limits) -> Json:
    def query(name: str, kind: str, description: str, example: Any = None) -> Json:
        schema: Json = {"type": kind} | ({"format": "int32"} if kind == "integer" else {})
        found: Json = {
            "in": "query",
            "name": name,
            "required": False,
            "schema": schema,
            "description": description,
        }
        return found | ({"example": example} if example is not None else {})

    def header(name: str, description: str) -> Json:
        return {
            "in": "header",
            "name": name,
            "required": False,
            "schema": {"type": "string"},
            "description": description,
        }

    count = f"The page size. Default: {limits.default_page}; maximum: {limits.max_results}."
    parameters = [
        query(
            "attributes",
            "string",
            "The attributes to return, separated by commas.",
            "userName,emails.value",
        ),
        query("excludedAttributes", "string", "The attributes to omit, separated by commas."),
        query(
            "filter",
            "string",
            "A filter (RFC 7644 section 3.4.2.2).",
            'userName eq "bjensen@example.com"',
        ),
        query("startIndex", "integer", "The 1-based index of the first resource of the page."),
        query("count", "integer", count),
        query(
            "cursor",
            "string",
            "The page to return: empty for the first, then the `nextCursor` of each page (RFC"
            " 9865).",
            "",
        ),
        query("sortBy", "string", "The attribute to sort by.", "name.familyName"),
        query("sortOrder", "string", "The sort order: `ascending` or `descending`.", "ascending"),
        query(
            "domain",
            "string",
            "Return only users whose userName or an e-mail address is in this domain.",
            "example.com",
        ),
        header(
            "If-Match", "Continue only if the resource has one of these versions, or any for `*`."
        ),
        header("If-None-Match", "Continue only if the resource has none of these versions."),
    ]
    return {parameter["name"]: parameter for parameter in parameters} | {
        "id": {
            "in": "path",
            "name": "id",
            "required": True,
            "schema": {"type": "string"},
            "example": _EXAMPLE_ID,
        }
    }


def _reference(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


def _content(schema: Json, example: Any = None) -> Json:
    media = {"schema": schema} | ({"example": example} if example is not None else {})
    return {SCIM_JSON: media, PLAIN_JSON: media}


def _shown(resource_type: ResourceType, description: str, location: bool = False) -> Json:
    headers = {"ETag": _reference("headers", "ETag")} | (
        {"Location": _reference("headers", "Location")} if location else {}
    )
    schema = _reference("schemas", component(resource_type, "Shown"))
    return {
        "description": description,
        "headers": headers,
        "content": _content(schema, _shown_example(resource_type)),
    }


def _shown_example(resource_type: ResourceType) -> Json | None:
    example = _EXAMPLES.get(resource_type.name)
    return None if example is None else example | {"id": _EXAMPLE_ID}


def _operation(
    operation_id: str,
    summary: str,
    description: str,
    parameters: list[str],
    responses: Json,
    errors: list[int],
    tag: str,
    permission: str = SCIM,
) -> Json:
    shared = {
        str(status): _reference("responses", _ERRORS[status][0])
        for status in (400, 401, 403, *errors, 429, 500, 503)
    }
    return {
        "operationId": operation_id,
        "summary": summary,
        "description": f"{description} Requires the permission `{permission}`.",
        "tags": [tag],
        "parameters": [_reference("parameters", name) for name in parameters],
        "responses": responses | shared,
    }


def _body(schema: str, example: Any) -> Json:
    return {
        "requestBody": {
            "required": True,
            "content": _content(_reference("schemas", schema), example),
        }
    }


_SHOWN = ["attributes", "excludedAttributes"]
_CONDITIONAL = [*_SHOWN, "If-Match", "If-None-Match"]
_FINDING = [
    *_SHOWN,
    "filter",
    "startIndex",
    "count",
    "cursor",
    "sortBy",
    "sortOrder",
    "domain",
]
_WRITTEN = [408, 409, 412, 413, 415, 507]


def _resource_paths(resource_type: ResourceType) -> Json:
    """Return the six operations on a resource type."""
    path = f"/scim/v2{resource_type.endpoint}"
    return {
        path: _collection_operations(resource_type),
        f"{path}/{{id}}": _item_operations(resource_type),
    }


def _operation_id(verb: str, resource_type: ResourceType, name: str) -> str:
    """Return the id of an operation on a resource type.

    Custom types have a dot in it, so a type called Role does not take an id of the management API.
    """
    return f"{verb}{name}" if is_standard(resource_type) else f"{verb}.{name}"


def _noun(resource_type: ResourceType) -> tuple[str, str]:
    """Return the word for a resource of a type, and the same with its article."""
    noun = resource_type.name.lower()
    return noun, f"{'an' if noun[0] in 'aeio' else 'a'} {noun}"


def _collection_operations(resource_type: ResourceType) -> Json:
    name, plural = resource_type.name, resource_type.endpoint.strip("/")
    noun, a_noun = _noun(resource_type)
    nouns, tag = plural.lower(), tag_of_type(resource_type)
    listed = {
        "200": {
            "description": f"A page of {nouns}.",
            "content": _content(_reference("schemas", component(resource_type, "List"))),
        }
    }
    made = {
        "201": _shown(resource_type, f"The created {noun} (contract `rfc7644`).", location=True),
        "200": _shown(resource_type, f"The created {noun} (contract `cortex`).", location=True),
    }
    find, create = f"List {nouns}", f"Create {a_noun}"
    finding = f"{find}, optionally filtered, sorted and paged."
    return {
        "get": _operation(
            _operation_id("find", resource_type, plural),
            find,
            finding,
            _FINDING,
            listed,
            [],
            tag,
            READ,
        ),
        "post": _operation(
            _operation_id("create", resource_type, name),
            create,
            f"{create}.",
            _SHOWN,
            made,
            _WRITTEN,
            tag,
        )
        | _body(component(resource_type), _EXAMPLES.get(name)),
    }


def _item_operations(resource_type: ResourceType) -> Json:
    name = resource_type.name
    noun, a_noun = _noun(resource_type)
    found = {
        "200": _shown(resource_type, f"The {noun}."),
        "304": {"description": "Not modified: the client has the current version."},
    }
    updated = {"200": _shown(resource_type, f"The updated {noun}.")}
    patched = {"200": _shown(resource_type, f"The patched {noun}.")}
    if resource_type.computed == MEMBERS:
        patched["204"] = {
            "description": f"Patched. The {noun} is large; to return it, set `attributes`."
        }
    gone = {
        "204": {"description": "Deleted (contract `rfc7644`)."},
        "200": _shown(resource_type, f"The deleted {noun} (contract `cortex`)."),
    }
    patch = {"schemas": [PATCH_OP], "Operations": [_PATCHES[name]]} if name in _PATCHES else None
    changed = [404, *_WRITTEN]

    def operation(
        verb: str, summary: str, description: str, responses: Json, errors: list[int]
    ) -> Json:
        parameters = _CONDITIONAL if verb != "delete" else _CONDITIONAL[len(_SHOWN) :]
        return _operation(
            _operation_id(verb, resource_type, name),
            f"{summary} {a_noun}",
            description.format(a_noun),
            parameters,
            responses,
            errors,
            tag_of_type(resource_type),
            READ if verb == "get" else SCIM,
        )

    return {
        "parameters": [_reference("parameters", "id")],
        "get": operation("get", "Get", "Return {} by its id.", found, [404, 412]),
        "put": operation("update", "Replace", "Replace all attributes of {}.", updated, changed)
        | _body(component(resource_type), _EXAMPLES.get(name)),
        "patch": operation(
            "patch",
            "Update",
            "Change single attributes of {} with PATCH operations.",
            patched,
            changed,
        )
        | _body("PatchOp", patch),
        "delete": operation("delete", "Delete", "Delete {} by its id.", gone, [404, 412, 507]),
    }


_SEARCHES = {
    "User": ('emails.value ew "@example.com"', "userName"),
    "Group": ('displayName sw "Tour"', "displayName"),
}
"""The example of a search for each type: a filter, and the attribute to return."""
_ANY_SEARCH = ('meta.lastModified gt "2026-01-01T00:00:00Z"', "externalId")
"""The same for every other type, and for a search over all types."""


def _search_paths(types: Iterable[ResourceType]) -> Json:
    listed = {
        "200": {
            "description": "A page of resources.",
            "content": _content(_reference("schemas", "ResourceList")),
        }
    }

    def post(operation_id: str, summary: str, tag: str, searched: str) -> Json:
        search, attribute = _SEARCHES.get(searched, _ANY_SEARCH)
        example = {
            "schemas": [SEARCH_REQUEST],
            "filter": search,
            "attributes": [attribute],
            "count": 10,
        }
        operation = _operation(
            operation_id,
            summary,
            "List resources, with the parameters in the body (RFC 7644 section 3.4.3).",
            [],
            listed,
            [408, 413, 415],
            tag,
            READ,
        )
        return {"post": operation | _body("SearchRequest", example)}

    paths = {"/scim/v2/.search": post("search", "Search all resource types", SEARCH, "")}
    for resource_type in types:
        plural = resource_type.endpoint.strip("/")
        paths[f"/scim/v2/{plural}/.search"] = post(
            _operation_id("search", resource_type, plural),
            f"Search {plural.lower()}",
            tag_of_type(resource_type),
            resource_type.name,
        )
    return paths


def _bulk_paths() -> Json:
    example = {
        "schemas": [BULK_REQUEST],
        "failOnErrors": 1,
        "Operations": [
            {"method": "POST", "path": "/Users", "bulkId": "babs", "data": _EXAMPLES["User"]},
            {"method": "DELETE", "path": f"/Users/{_EXAMPLE_ID}"},
        ],
    }
    text = "Run several operations and return the result of each (RFC 7644 section 3.7)."
    carried = {
        "200": {
            "description": "The result of each operation.",
            "content": _content(_reference("schemas", "BulkResponse")),
        }
    }
    operation = _operation("bulk", "Run a bulk request", text, [], carried, [408, 413, 415], SEARCH)
    return {"/scim/v2/Bulk": {"post": operation | _body("BulkRequest", example)}}


def _discovery_paths() -> Json:
    def get(operation_id: str, summary: str, errors: list[int]) -> Json:
        responses = {"200": {"description": summary, "content": _content({"type": "object"})}}
        return {
            "get": _operation(
                operation_id, summary, f"{summary}.", [], responses, errors, DISCOVERY, READ
            )
        }

    named = {
        "parameters": [
            {"in": "path", "name": "name", "required": True, "schema": {"type": "string"}}
        ]
    }
    return {
        "/scim/v2/ServiceProviderConfig": get(
            "getServiceProviderConfig", "Get the supported features", []
        ),
        "/scim/v2/ResourceTypes": get("discoverResourceTypes", "List resource types", []),
        "/scim/v2/ResourceTypes/{name}": named
        | get("discoverResourceType", "Get a resource type", [404]),
        "/scim/v2/Schemas": get("discoverSchemas", "List schemas", []),
        "/scim/v2/Schemas/{name}": named | get("discoverSchema", "Get a schema by its URN", [404]),
    }


_ERRORS = {
    400: (
        "BadRequest",
        "The request is invalid. `detail` names the problem and its position; `scimType` is the"
        " error keyword (RFC 7644 table 9).",
    ),
    401: ("Unauthorized", "The API key is missing or invalid."),
    403: (
        "Forbidden",
        "The API key does not have the permission, or the workspace does not allow the operation.",
    ),
    404: ("NotFound", "The resource does not exist."),
    408: ("Timeout", "The body did not arrive in time."),
    409: ("Conflict", "A value that must be unique belongs to another resource."),
    412: ("PreconditionFailed", "If-Match or If-None-Match does not hold."),
    413: ("TooLarge", "The body is too large."),
    415: ("UnsupportedMediaType", "The media type of the body is not supported."),
    429: ("TooManyRequests", "The key has exceeded its rate limit."),
    500: ("InternalError", "Internal error."),
    503: ("Unavailable", "The server is overloaded or the storage is unavailable. Retry later."),
    507: ("InsufficientStorage", "The disk of the database is full."),
}


def _error_responses() -> Json:
    error = _reference("schemas", "Error")
    responses: Json = {
        name: {"description": text, "content": _content(error)} for name, text in _ERRORS.values()
    }
    responses["TooManyRequests"] = {
        "description": "The client has exceeded the rate limit by performing too many requests"
        " in a short period. "
        "Retry the request after a delay.",
        "headers": {
            "Retry-After": {
                "description": "The number of seconds until the rate limiting resets.",
                "schema": {"type": "integer", "format": "int32", "minimum": 0},
            }
        },
        "content": {
            PROBLEM_JSON: {"schema": _reference("schemas", "TooManyRequestsProblemDetail")}
        },
    }
    return responses

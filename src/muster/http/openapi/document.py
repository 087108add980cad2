"""The OpenAPI document, made from the schemas that the service runs on, with the published page's operations in full.

3.0.3, because the page at /docs is drawn by a Swagger UI that reads 3.0.
"""

from collections.abc import Iterable
from typing import Any

from muster.directory.groups.member_edits import MEMBERS
from muster.http.management.router import ApiRoute
from muster.http.openapi.management import management_components, management_paths
from muster.http.openapi.schemas import schemas
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


def openapi_document(limits: Limits, registry: Registry, routes: Iterable[ApiRoute]) -> Json:
    """The document for a workspace with that registry, but for its servers, which vary with the request. routes: of /api/v1."""
    types, routes = list(registry.types.values()), list(routes)
    paths: Json = {}
    for resource_type in types:
        paths |= _resource_paths(resource_type)
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "muster SCIM API",
            "version": __version__,
            "description": "The Cortex SCIM API, and RFC 7643 and 7644. Every operation needs an API key with the permission "
            "`Configure Open ID Connector & SCIM`.\n\nA workspace's setting `contract` decides two status codes: with "
            "`rfc7644` (unless told otherwise) POST answers 201 and DELETE 204; with `cortex` both answer 200 with the resource.",
        },
        "tags": [{"name": "SCIM"}, {"name": "Discovery"}, {"name": "Management"}],
        "security": [{"bearerAuth": []}],
        "paths": paths
        | _search_paths(types)
        | _bulk_paths()
        | _discovery_paths()
        | management_paths(routes),
        "components": _components(types, limits, management_components(routes)),
    }


def _components(types: Iterable[ResourceType], limits: Limits, models: Json) -> Json:
    return {
        "securitySchemes": {
            "bearerAuth": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": "An API key of the workspace.",
            }
        },
        "parameters": _parameters(limits),
        "headers": {
            "ETag": {"description": "The weak ETag of the version.", "schema": {"type": "string"}},
            "Location": {
                "description": "The URI of the resource.",
                "schema": {"type": "string", "format": "uri"},
            },
        },
        "schemas": schemas(types) | models,
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

    count = (
        f"Resources in a page; {limits.default_page} without it, {limits.max_results} at the most."
    )
    parameters = [
        query(
            "attributes", "string", "The attributes to answer, by commas.", "userName,emails.value"
        ),
        query("excludedAttributes", "string", "The attributes to leave out, by commas."),
        query(
            "filter",
            "string",
            "A filter (RFC 7644 section 3.4.2.2).",
            'userName eq "bjensen@example.com"',
        ),
        query("startIndex", "integer", "The first resource of the page, from 1."),
        query("count", "integer", count),
        query(
            "cursor",
            "string",
            "Where the page begins: empty for the first, then each page's nextCursor (RFC 9865).",
            "",
        ),
        query("sortBy", "string", "The attribute to sort by.", "name.familyName"),
        query("sortOrder", "string", "ascending or descending.", "ascending"),
        query(
            "domain",
            "string",
            "Users whose userName or an e-mail address is at exactly this domain.",
            "example.com",
        ),
        header("If-Match", "Carry on only where the resource is at one of these versions, or *."),
        header("If-None-Match", "Carry on only where the resource is at none of these versions."),
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
    schema = _reference("schemas", f"Shown{resource_type.name}")
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
) -> Json:
    shared = {
        str(status): _reference("responses", _ERRORS[status][0])
        for status in (400, 401, 403, *errors, 429, 500, 503)
    }
    return {
        "operationId": operation_id,
        "summary": summary,
        "description": description,
        "tags": ["SCIM"],
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


def _resource_paths(resource_type: ResourceType) -> Json:
    """The six operations on a resource type, with the texts that the published page has for users."""
    name, plural, noun = (
        resource_type.name,
        resource_type.endpoint.strip("/"),
        resource_type.name.lower(),
    )
    shown = ["attributes", "excludedAttributes"]
    finding = [*shown, "filter", "startIndex", "count", "cursor", "sortBy", "sortOrder", "domain"]
    conditions = ["If-Match", "If-None-Match"]
    gone = {
        "204": {"description": "Deleted (contract `rfc7644`)."},
        "200": _shown(resource_type, f"The deleted {noun} (contract `cortex`)."),
    }
    made = {
        "201": _shown(resource_type, f"The created {noun} (contract `rfc7644`).", location=True),
        "200": _shown(resource_type, f"The created {noun} (contract `cortex`).", location=True),
    }
    patched = {"200": _shown(resource_type, f"The patched {noun}.")}
    if resource_type.computed == MEMBERS:
        patched["204"] = {
            "description": f"The {noun} is patched, and large: `attributes` asks for it."
        }
    plural_noun = plural.lower()
    listed = {
        "200": {
            "description": f"A page of {plural_noun}.",
            "content": _content(_reference("schemas", f"{name}List")),
        }
    }
    found = {
        "200": _shown(resource_type, f"The {noun}."),
        "304": {"description": "The version that the client has."},
    }
    written = [408, 409, 412, 413, 415, 507]
    changed = [404, *written]
    body, text = _body(name, _EXAMPLES.get(name)), "based on provided"
    find_text, replace_text = (
        f"Fetches {plural_noun} {text} criteria",
        f"Replaces {noun} details {text} id and data",
    )
    patch_example = (
        {"schemas": [PATCH_OP], "Operations": [_PATCHES[name]]} if name in _PATCHES else None
    )
    return {
        f"/scim/v2/{plural}": {
            "get": _operation(
                f"find{plural}", f"Find {plural_noun}", find_text, finding, listed, []
            ),
            "post": _operation(
                f"create{name}",
                f"Creates a {noun}",
                f"Creates a {noun} {text} data.",
                shown,
                made,
                written,
            )
            | body,
        },
        f"/scim/v2/{plural}/{{id}}": {
            "parameters": [_reference("parameters", "id")],
            "get": _operation(
                f"get{name}",
                f"Gets a {noun} by id",
                f"Gets a {noun} {text} id",
                [*shown, *conditions],
                found,
                [404, 412],
            ),
            "put": _operation(
                f"update{name}",
                f"Updates a {noun}",
                f"Updates a {noun} {text} id and data",
                [*shown, *conditions],
                {"200": _shown(resource_type, f"The updated {noun}.")},
                changed,
            )
            | body,
            "patch": _operation(
                f"patch{name}",
                f"Patches a {noun}",
                replace_text,
                [*shown, *conditions],
                patched,
                changed,
            )
            | _body("PatchOp", patch_example),
            "delete": _operation(
                f"delete{name}",
                f"Deletes a {noun}",
                f"Deletes a {noun} {text} id",
                conditions,
                gone,
                [404, 412, 507],
            ),
        },
    }


def _search_paths(types: Iterable[ResourceType]) -> Json:
    listed = {
        "200": {
            "description": "A page of resources.",
            "content": _content(_reference("schemas", "ResourceList")),
        }
    }
    example = {
        "schemas": [SEARCH_REQUEST],
        "filter": 'emails.value ew "@example.com"',
        "attributes": ["userName"],
        "count": 10,
    }

    def post(operation_id: str, summary: str) -> Json:
        operation = _operation(
            operation_id,
            summary,
            "A find whose parameters are in the body.",
            [],
            listed,
            [408, 413, 415],
        )
        return {"post": operation | _body("SearchRequest", example)}

    paths = {"/scim/v2/.search": post("search", "Find resources of every type by POST")}
    for resource_type in types:
        plural = resource_type.endpoint.strip("/")
        paths[f"/scim/v2/{plural}/.search"] = post(
            f"search{plural}", f"Find {plural.lower()} by POST"
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
    text = "Carries out each operation alone, and answers what came of it (RFC 7644 section 3.7)."
    carried = {
        "200": {
            "description": "What came of each operation.",
            "content": _content(_reference("schemas", "BulkResponse")),
        }
    }
    operation = _operation(
        "bulk", "Many operations in one request", text, [], carried, [408, 413, 415]
    )
    return {"/scim/v2/Bulk": {"post": operation | _body("BulkRequest", example)}}


def _discovery_paths() -> Json:
    def get(operation_id: str, summary: str, errors: list[int]) -> Json:
        responses = {"200": {"description": summary, "content": _content({"type": "object"})}}
        return {
            "get": _operation(operation_id, summary, summary, [], responses, errors)
            | {"tags": ["Discovery"]}
        }

    named = {
        "parameters": [
            {"in": "path", "name": "name", "required": True, "schema": {"type": "string"}}
        ]
    }
    return {
        "/scim/v2/ServiceProviderConfig": get(
            "getServiceProviderConfig", "What the service provider supports", []
        ),
        "/scim/v2/ResourceTypes": get("findResourceTypes", "The resource types", []),
        "/scim/v2/ResourceTypes/{name}": named | get("getResourceType", "A resource type", [404]),
        "/scim/v2/Schemas": get("findSchemas", "The schemas", []),
        "/scim/v2/Schemas/{name}": named | get("getSchema", "A schema by its URN", [404]),
    }


_ERRORS = {
    400: (
        "BadRequest",
        "The request is wrong: `detail` names what and where, `scimType` how (RFC 7644 table 9).",
    ),
    401: ("Unauthorized", "There is no API key, or it is not valid."),
    403: ("Forbidden", "The API key lacks the permission."),
    404: ("NotFound", "There is no such resource."),
    408: ("Timeout", "The body did not come in time."),
    409: ("Conflict", "A value that must be unique is another resource's."),
    412: ("PreconditionFailed", "If-Match or If-None-Match does not hold."),
    413: ("TooLarge", "The body is too large."),
    415: ("UnsupportedMediaType", "The body is of another media type."),
    429: ("TooManyRequests", "The rate limit of the key is spent."),
    500: ("InternalError", "An error of the server's."),
    503: ("Unavailable", "The storage cannot answer just now."),
    507: ("InsufficientStorage", "There is no room to write."),
}


def _error_responses() -> Json:
    error = _reference("schemas", "Error")
    responses: Json = {
        name: {"description": text, "content": _content(error)} for name, text in _ERRORS.values()
    }
    responses["TooManyRequests"] = {
        "description": "The client has exceeded the rate limit by performing too many requests in a short period. "
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

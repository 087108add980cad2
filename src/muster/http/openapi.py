"""The OpenAPI document, made from the schemas that the service runs on, with the published page's operations in full.

3.0.3, because the page at /docs is drawn by a Swagger UI that reads 3.0.
"""

from typing import Any

from muster.http.media import PLAIN_JSON, PROBLEM_JSON, SCIM_JSON
from muster.scim.discovery import Limits
from muster.scim.messages import ERROR, LIST_RESPONSE, SEARCH_REQUEST
from muster.scim.patch import PATCH_OP
from muster.scim.schema import ENTERPRISE_USER, USER, Attribute, ResourceType, registry
from muster.version import __version__

Json = dict[str, Any]
_SCALARS: dict[str, Json] = {
    "string": {"type": "string"},
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer", "format": "int64"},
    "decimal": {"type": "number"},
    "dateTime": {"type": "string", "format": "date-time"},
    "reference": {"type": "string"},
    "binary": {"type": "string", "format": "byte"},
}
_EXAMPLE_ID = "0193591c-1f00-7b5d-a1b2-3c4d5e6f7081"
_EXAMPLE: Json = {
    "schemas": [USER, ENTERPRISE_USER],
    "externalId": "00u1abcd",
    "userName": "bjensen@example.com",
    "name": {"givenName": "Barbara", "familyName": "Jensen"},
    "displayName": "Barbara Jensen",
    "active": True,
    "emails": [{"value": "bjensen@example.com", "type": "work", "primary": True}],
    ENTERPRISE_USER: {"employeeNumber": "701984", "department": "Tour Operations"},
}


def openapi_document(limits: Limits) -> Json:
    """The document, but for its servers, which vary with the request."""
    user_type = registry().types["/Users"]
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "muster SCIM API",
            "version": __version__,
            "description": "The Cortex SCIM API, and RFC 7643 and 7644. Every operation needs an API key with the permission "
            "`Configure Open ID Connector & SCIM`.\n\nA workspace's setting `contract` decides two status codes: with "
            "`rfc7644` (unless told otherwise) POST answers 201 and DELETE 204; with `cortex` both answer 200 with the user.",
        },
        "tags": [{"name": "SCIM"}, {"name": "Discovery"}],
        "security": [{"bearerAuth": []}],
        "paths": _user_paths() | _search_paths() | _discovery_paths(),
        "components": _components(user_type, limits),
    }


def _components(user_type: ResourceType, limits: Limits) -> Json:
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
            "Location": {"description": "The URI of the resource.", "schema": {"type": "string", "format": "uri"}},
        },
        "schemas": _schemas(user_type),
        "responses": _error_responses(),
    }


def _parameters(limits: Limits) -> Json:
    def query(name: str, kind: str, description: str, example: Any = None) -> Json:
        schema: Json = {"type": kind} | ({"format": "int32"} if kind == "integer" else {})
        found: Json = {"in": "query", "name": name, "required": False, "schema": schema, "description": description}
        return found | ({"example": example} if example is not None else {})

    def header(name: str, description: str) -> Json:
        return {"in": "header", "name": name, "required": False, "schema": {"type": "string"}, "description": description}

    count = f"Resources in a page; {limits.default_page} without it, {limits.max_results} at the most."
    parameters = [
        query("attributes", "string", "The attributes to answer, by commas.", "userName,emails.value"),
        query("excludedAttributes", "string", "The attributes to leave out, by commas."),
        query("filter", "string", "A filter (RFC 7644 section 3.4.2.2).", 'userName eq "bjensen@example.com"'),
        query("startIndex", "integer", "The first resource of the page, from 1."),
        query("count", "integer", count),
        query("cursor", "string", "Where the page begins: empty for the first, then each page's nextCursor (RFC 9865).", ""),
        query("sortBy", "string", "The attribute to sort by.", "name.familyName"),
        query("sortOrder", "string", "ascending or descending.", "ascending"),
        query("domain", "string", "Users whose userName or an e-mail address is at exactly this domain.", "example.com"),
        header("If-Match", "Carry on only where the resource is at one of these versions, or *."),
        header("If-None-Match", "Carry on only where the resource is at none of these versions."),
    ]
    return {parameter["name"]: parameter for parameter in parameters} | {
        "id": {"in": "path", "name": "id", "required": True, "schema": {"type": "string"}, "example": _EXAMPLE_ID}
    }


def _reference(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


def _content(schema: Json, example: Any = None) -> Json:
    media = {"schema": schema} | ({"example": example} if example is not None else {})
    return {SCIM_JSON: media, PLAIN_JSON: media}


def _user_response(description: str, location: bool = False) -> Json:
    headers = {"ETag": _reference("headers", "ETag")} | ({"Location": _reference("headers", "Location")} if location else {})
    example = _EXAMPLE | {"id": _EXAMPLE_ID}
    return {"description": description, "headers": headers, "content": _content(_reference("schemas", "ShownUser"), example)}


def _operation(
    operation_id: str, summary: str, description: str, parameters: list[str], responses: Json, errors: list[int]
) -> Json:
    shared = {str(status): _reference("responses", _ERRORS[status][0]) for status in (400, 401, 403, *errors, 429, 500, 503)}
    return {
        "operationId": operation_id,
        "summary": summary,
        "description": description,
        "tags": ["SCIM"],
        "parameters": [_reference("parameters", name) for name in parameters],
        "responses": responses | shared,
    }


def _body(schema: str, example: Any) -> Json:
    return {"requestBody": {"required": True, "content": _content(_reference("schemas", schema), example)}}


def _user_paths() -> Json:
    shown = ["attributes", "excludedAttributes"]
    finding = [*shown, "filter", "startIndex", "count", "cursor", "sortBy", "sortOrder", "domain"]
    conditions = ["If-Match", "If-None-Match"]
    gone = {
        "204": {"description": "Deleted (contract `rfc7644`)."},
        "200": _user_response("The deleted user (contract `cortex`)."),
    }
    made = {
        "201": _user_response("The created user (contract `rfc7644`).", location=True),
        "200": _user_response("The created user (contract `cortex`).", location=True),
    }
    listed = {"200": {"description": "A page of users.", "content": _content(_reference("schemas", "UserList"))}}
    found = {"200": _user_response("The user."), "304": {"description": "The version that the client has."}}
    written = [408, 409, 412, 413, 415, 507]
    changed = [404, *written]
    example = {"schemas": [PATCH_OP], "Operations": [{"op": "replace", "path": "active", "value": False}]}
    return {
        "/scim/v2/Users": {
            "get": _operation("findUsers", "Find users", "Fetches users based on provided criteria", finding, listed, []),
            "post": _operation(
                "createUser",
                "Creates a user",
                "Creates a user based on provided data.",
                shown,
                made,
                [408, 409, 412, 413, 415, 507],
            )
            | _body("User", _EXAMPLE),
        },
        "/scim/v2/Users/{id}": {
            "parameters": [_reference("parameters", "id")],
            "get": _operation(
                "getUser", "Gets a user by id", "Gets a user based on provided id", [*shown, *conditions], found, [404, 412]
            ),
            "put": _operation(
                "updateUser",
                "Updates a user",
                "Updates a user based on provided id and data",
                [*shown, *conditions],
                {"200": _user_response("The updated user.")},
                changed,
            )
            | _body("User", _EXAMPLE),
            "patch": _operation(
                "patchUser",
                "Patches a user",
                "Replaces user details based on provided id and data",
                [*shown, *conditions],
                {"200": _user_response("The patched user.")},
                changed,
            )
            | _body("PatchOp", example),
            "delete": _operation(
                "deleteUser", "Deletes a user", "Deletes a user based on provided id", conditions, gone, [404, 412, 507]
            ),
        },
    }


def _search_paths() -> Json:
    listed = {"200": {"description": "A page of resources.", "content": _content(_reference("schemas", "UserList"))}}
    example = {"schemas": [SEARCH_REQUEST], "filter": 'emails.value ew "@example.com"', "attributes": ["userName"], "count": 10}

    def post(operation_id: str, summary: str) -> Json:
        operation = _operation(operation_id, summary, "A find whose parameters are in the body.", [], listed, [408, 413, 415])
        return {"post": operation | _body("SearchRequest", example)}

    return {
        "/scim/v2/Users/.search": post("searchUsers", "Find users by POST"),
        "/scim/v2/.search": post("search", "Find resources by POST"),
    }


def _discovery_paths() -> Json:
    def get(operation_id: str, summary: str, errors: list[int]) -> Json:
        responses = {"200": {"description": summary, "content": _content({"type": "object"})}}
        return {"get": _operation(operation_id, summary, summary, [], responses, errors) | {"tags": ["Discovery"]}}

    named = {"parameters": [{"in": "path", "name": "name", "required": True, "schema": {"type": "string"}}]}
    return {
        "/scim/v2/ServiceProviderConfig": get("getServiceProviderConfig", "What the service provider supports", []),
        "/scim/v2/ResourceTypes": get("findResourceTypes", "The resource types", []),
        "/scim/v2/ResourceTypes/{name}": named | get("getResourceType", "A resource type", [404]),
        "/scim/v2/Schemas": get("findSchemas", "The schemas", []),
        "/scim/v2/Schemas/{name}": named | get("getSchema", "A schema by its URN", [404]),
    }


_ERRORS = {
    400: ("BadRequest", "The request is wrong: `detail` names what and where, `scimType` how (RFC 7644 table 9)."),
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
    responses: Json = {name: {"description": text, "content": _content(error)} for name, text in _ERRORS.values()}
    responses["TooManyRequests"] = {
        "description": "The client has exceeded the rate limit by performing too many requests in a short period. "
        "Retry the request after a delay.",
        "headers": {
            "Retry-After": {
                "description": "The number of seconds until the rate limiting resets.",
                "schema": {"type": "integer", "format": "int32", "minimum": 0},
            }
        },
        "content": {PROBLEM_JSON: {"schema": _reference("schemas", "TooManyRequestsProblemDetail")}},
    }
    return responses


def _schemas(user_type: ResourceType) -> Json:
    return {
        "User": _resource_schema(user_type, ["schemas", "userName"]),
        "ShownUser": _resource_schema(user_type, ["schemas", "id"]),
        "UserList": {
            "type": "object",
            "required": ["schemas", "totalResults", "Resources"],
            "properties": {
                "schemas": {"type": "array", "items": {"type": "string", "enum": [LIST_RESPONSE]}},
                "totalResults": {"type": "integer", "minimum": 0},
                "startIndex": {"type": "integer", "minimum": 1},
                "itemsPerPage": {"type": "integer", "minimum": 0},
                "nextCursor": {"type": "string"},
                "Resources": {
                    "type": "array",
                    "items": {"type": "object", "description": "A User, or the part of it asked for."},
                },
            },
        },
        "PatchOp": _patch_schema(),
        "SearchRequest": _search_schema(),
        "Error": {
            "type": "object",
            "required": ["schemas", "status", "detail"],
            "properties": {
                "schemas": {"type": "array", "items": {"type": "string", "enum": [ERROR]}},
                "status": {"type": "string", "example": "400"},
                "scimType": {"type": "string", "example": "invalidFilter"},
                "detail": {"type": "string"},
            },
        },
        "TooManyRequestsProblemDetail": _problem_schema(),
    }


def _search_schema() -> Json:
    names = {"type": "array", "items": {"type": "string"}}
    texts = {name: {"type": "string"} for name in ("filter", "sortBy", "sortOrder", "domain", "cursor")}
    numbers = {name: {"type": "integer"} for name in ("startIndex", "count")}
    schemas = {"type": "array", "items": {"type": "string", "enum": [SEARCH_REQUEST]}, "minItems": 1, "maxItems": 1}
    return {
        "type": "object",
        "required": ["schemas"],
        "properties": {"schemas": schemas, "attributes": names, "excludedAttributes": names, **texts, **numbers},
    }


def _patch_schema() -> Json:
    operation = {
        "type": "object",
        "required": ["op"],
        "properties": {
            "op": {"type": "string", "enum": ["add", "replace", "remove"]},
            "path": {"type": "string", "example": 'emails[type eq "work"].value'},
            "value": {"description": "Of the type of the attribute at path; without a path, an object of attributes."},
        },
    }
    return {
        "type": "object",
        "required": ["schemas", "Operations"],
        "properties": {
            "schemas": {"type": "array", "items": {"type": "string", "enum": [PATCH_OP]}, "minItems": 1},
            "Operations": {"type": "array", "minItems": 1, "items": operation},
        },
    }


def _problem_schema() -> Json:
    return {
        "type": "object",
        "required": ["type", "title", "status"],
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": {"type": "string"},
            "status": {"type": "integer", "format": "int32", "minimum": 100, "maximum": 599, "enum": [429]},
            "detail": {"type": "string"},
            "instance": {"type": "string", "format": "uri-reference"},
            "retryAfter": {
                "type": "integer",
                "format": "int32",
                "minimum": 0,
                "description": "The number of seconds until the rate limiting resets.",
            },
        },
    }


def _resource_schema(resource_type: ResourceType, required: list[str]) -> Json:
    properties: Json = {}
    for extension, attribute in resource_type.attributes():
        holder = properties
        if extension is not None:
            holder = properties.setdefault(extension, {"type": "object", "properties": {}})["properties"]
        holder[attribute.name] = _attribute_schema(attribute)
    return {"type": "object", "required": required, "properties": properties}


def _attribute_schema(attribute: Attribute) -> Json:
    schema: Json = dict(_SCALARS.get(attribute.type, {"type": "object"}))
    if attribute.is_complex:
        schema["properties"] = {sub.name: _attribute_schema(sub) for sub in attribute.sub_attributes.values()}
    if attribute.multi_valued:
        schema = {"type": "array", "items": schema}
    schema["description"] = attribute.description
    if attribute.read_only:
        schema["readOnly"] = True
    if attribute.mutability == "writeOnly":
        schema["writeOnly"] = True
    return schema

"""The schemas of the OpenAPI document, generated from those of the service."""

from collections.abc import Iterable
from typing import Any

from muster.scim.bulk import BULK_REQUEST, BULK_RESPONSE, METHODS
from muster.scim.messages import ERROR, LIST_RESPONSE, SEARCH_REQUEST
from muster.scim.patch import PATCH_OP
from muster.scim.schema.model import Attribute, ResourceType, registry

Json = dict[str, Any]
_SCALARS: dict[str, Json] = {
    "string": {"type": "string"},
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer", "format": "int64"},
    "decimal": {"type": "number"},
    "dateTime": {"type": "string", "format": "date-time"},
    "reference": {"type": "string"},
    "binary": {"type": "string", "contentEncoding": "base64"},
}


def is_standard(resource_type: ResourceType) -> bool:
    """Whether a type is one of the RFCs, whose names the document uses as they are."""
    return any(resource_type.name == standard.name for standard in registry().types.values())


def component(resource_type: ResourceType, form: str = "") -> str:
    """Return the name of a schema of a resource type in `components`.

    Names of custom types contain dots, which names of types and other components do not, so a
    type may be called Error or UserList. `$` is not allowed in names of components.

    Args:
        form: Empty for the resource as it is sent, `Shown` as it is returned, `List` for a page.
    """
    name = resource_type.name
    if is_standard(resource_type):
        return f"{name}List" if form == "List" else f"{form}{name}"
    name = f"type.{name.replace('$', '..')}"
    return f"{name}.{form.lower()}" if form else name


def schemas(types: Iterable[ResourceType]) -> Json:
    """Return components/schemas: input, output and list of each type, and messages."""
    made: Json = {}
    for resource_type in types:
        required = [a.name for a in resource_type.core.attributes.values() if a.required]
        sent, shown = ["schemas", *required], ["schemas", "id"]
        made[component(resource_type)] = _resource_schema(resource_type, sent)
        made[component(resource_type, "Shown")] = _resource_schema(resource_type, shown)
        made[component(resource_type, "List")] = _list_schema(
            f"A {resource_type.name}, or its requested attributes."
        )
    return made | {
        "ResourceList": _list_schema("A resource, or its requested attributes."),
        "PatchOp": _patch_schema(),
        "SearchRequest": _search_schema(),
        "BulkRequest": _bulk_schema(),
        "BulkResponse": _bulk_response_schema(),
        "Error": {
            "type": "object",
            "required": ["schemas", "status", "detail"],
            "properties": {
                "schemas": {"type": "array", "items": {"type": "string", "enum": [ERROR]}},
                "status": _described("string", "The HTTP status.", "400"),
                "scimType": _described(
                    "string", "The keyword of RFC 7644 table 9, if it has one.", "invalidFilter"
                ),
                "detail": _described("string", "The place of the mistake, and its remedy."),
            },
        },
        "TooManyRequestsProblemDetail": _problem_schema(),
    }


def _described(kind: str, description: str, *examples: str) -> Json:
    found: Json = {"type": kind, "description": description}
    return found | ({"examples": [*examples]} if examples else {})


def _list_schema(description: str) -> Json:
    return {
        "type": "object",
        "required": ["schemas", "totalResults", "Resources"],
        "properties": {
            "schemas": {"type": "array", "items": {"type": "string", "enum": [LIST_RESPONSE]}},
            "totalResults": _described("integer", "The number of resources that match.")
            | {"minimum": 0},
            "startIndex": _described("integer", "The index of the first resource of the page.")
            | {"minimum": 1},
            "itemsPerPage": _described("integer", "The number of resources in the page.")
            | {"minimum": 0},
            "nextCursor": _described(
                "string", "Pass this as `cursor` to get the next page. Left out on the last page."
            ),
            "Resources": {
                "type": "array",
                "description": "The resources of the page.",
                "items": {"type": "object", "description": description},
            },
        },
    }


def _search_schema() -> Json:
    names = {
        name: {"type": "array", "items": {"type": "string"}, "description": text}
        for name, text in (
            ("attributes", "The attributes to return."),
            ("excludedAttributes", "The attributes to omit."),
        )
    }
    texts = {
        name: _described("string", text)
        for name, text in (
            ("filter", "A filter (RFC 7644 section 3.4.2.2)."),
            ("sortBy", "The attribute to sort by."),
            ("sortOrder", "The sort order: `ascending` or `descending`."),
            ("domain", "Return only users with a userName or an e-mail address in this domain."),
            ("cursor", "The page to return: empty for the first, then `nextCursor`."),
        )
    }
    numbers = {
        name: _described("integer", text)
        for name, text in (
            ("startIndex", "The 1-based index of the first resource of the page."),
            ("count", "The page size."),
        )
    }
    schemas = {
        "type": "array",
        "items": {"type": "string", "enum": [SEARCH_REQUEST]},
        "minItems": 1,
        "maxItems": 1,
    }
    return {
        "type": "object",
        "required": ["schemas"],
        "properties": {
            "schemas": schemas,
            **names,
            **texts,
            **numbers,
        },
    }


def _patch_schema() -> Json:
    operation = {
        "type": "object",
        "required": ["op"],
        "properties": {
            "op": _described("string", "The operation.") | {"enum": ["add", "replace", "remove"]},
            "path": _described(
                "string",
                "The attribute, or a value path. A `remove` needs one.",
                'emails[type eq "work"].value',
            ),
            "value": {
                "description": (
                    "The value of the attribute at `path`; without a path, an object of attributes."
                )
            },
        },
    }
    return {
        "type": "object",
        "required": ["schemas", "Operations"],
        "properties": {
            "schemas": {
                "type": "array",
                "items": {"type": "string", "enum": [PATCH_OP]},
                "minItems": 1,
            },
            "Operations": {
                "type": "array",
                "minItems": 1,
                "items": operation,
                "description": "The operations, each applied to the result of the one before.",
            },
        },
    }


def _bulk_schema() -> Json:
    operation = {
        "type": "object",
        "required": ["method", "path"],
        "properties": {
            "method": {"type": "string", "enum": list(METHODS)},
            "path": {"type": "string", "examples": ["/Users"]},
            "bulkId": {"type": "string", "minLength": 1, "maxLength": 200},
            "version": {"type": "string"},
            "data": {"type": "object"},
        },
    }
    return _bulk_message(
        BULK_REQUEST, operation, {"failOnErrors": {"type": "integer", "minimum": 1}}
    )


def _bulk_response_schema() -> Json:
    texts = {
        name: {"type": "string"} for name in ("method", "bulkId", "version", "location", "status")
    }
    response = {"$ref": "#/components/schemas/Error"}
    return _bulk_message(
        BULK_RESPONSE,
        {"type": "object", "required": ["status"], "properties": texts | {"response": response}},
    )


def _bulk_message(urn: str, operation: Json, more: Json | None = None) -> Json:
    return {
        "type": "object",
        "required": ["schemas", "Operations"],
        "properties": {
            "schemas": {
                "type": "array",
                "items": {"type": "string", "enum": [urn]},
                "minItems": 1,
                "maxItems": 1,
            },
            "Operations": {"type": "array", "minItems": 1, "items": operation},
            **(more or {}),
        },
    }


def _problem_schema() -> Json:
    return {
        "type": "object",
        "required": ["type", "title", "status"],
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": {"type": "string"},
            "status": {
                "type": "integer",
                "format": "int32",
                "minimum": 100,
                "maximum": 599,
                "enum": [429],
            },
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
            holder = properties.setdefault(extension, {"type": "object", "properties": {}})[
                "properties"
            ]
        holder[attribute.name] = _attribute_schema(attribute)
    return {"type": "object", "required": required, "properties": properties}


def _attribute_schema(attribute: Attribute) -> Json:
    schema: Json = dict(_SCALARS.get(attribute.type, {"type": "object"}))
    if attribute.is_complex:
        schema["properties"] = {
            sub.name: _attribute_schema(sub) for sub in attribute.sub_attributes.values()
        }
    if attribute.multi_valued:
        schema = {"type": "array", "items": schema}
    schema["description"] = attribute.description
    if attribute.read_only:
        schema["readOnly"] = True
    if attribute.mutability == "writeOnly":
        schema["writeOnly"] = True
    return schema

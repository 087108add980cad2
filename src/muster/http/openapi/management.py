"""The part of the OpenAPI document that is about /api/v1, made from its routes."""

import re
from collections.abc import Iterable
from typing import Any

from muster.http.management.router import API_ROOT, ApiRoute
from muster.http.wire.media import PLAIN_JSON, PROBLEM_JSON

Json = dict[str, Any]
_ERRORS = {
    400: "The request is wrong: `detail` names what and where.",
    401: "There is no API key, or it is not valid.",
    403: "The API key lacks the permission, or may not do this.",
    404: "It is not there.",
    408: "The body did not come in time.",
    409: "It does not go with what is there.",
    410: "The cursor is older than what is kept.",
    413: "The body is too large.",
    415: "The body is of another media type.",
    429: "The rate limit of the key is spent, or too many passwords were tried.",
    500: "An error of the server's.",
    503: "The storage cannot answer just now.",
}
_QUERIES: dict[str, tuple[tuple[str, str, str], ...]] = {
    "findChanges": (
        (
            "cursor",
            "string",
            "The `cursor` of an answer; empty for the beginning, `end` for what is still to come.",
        ),
        ("limit", "integer", "How many rows of the log are read at the most."),
        ("wait", "integer", "How many seconds to wait for something to happen, 60 at the most."),
    ),
    "findAudit": (
        ("cursor", "string", "The `cursor` of an answer; empty for the beginning."),
        ("limit", "integer", "How many rows are looked at, at the most."),
        (
            "actor",
            "string",
            "The beginning of the actor: `key:`, `admin:`, `openid:WORKSPACE:`, or a whole actor.",
        ),
        ("type", "string", "To what it was done, such as `User` or `ApiKey`."),
        ("action", "string", "What was done, such as `create` or `revoke`."),
    ),
    "findRequests": (
        ("before", "integer", "The number of a request: those before it."),
        ("key", "string", "The id of the key."),
        ("status", "integer", "The status, or its first digit."),
        ("path", "string", "How the path begins."),
        ("resource", "string", "The id of a user or group."),
        ("limit", "integer", "How many at the most."),
    ),
    "planUndo": (
        ("key", "string", "The id of the key."),
        ("since", "string", "From when, as ISO 8601."),
        ("until", "string", "Until when."),
    ),
    "findHistory": (("before", "string", "The `change` of a row: those before it."),),
    "getPast": (("time", "string", "The moment, as ISO 8601."),),
    "findDeliveries": (("limit", "integer", "How many at the most."),),
}
_EMPTY_BODY = frozenset({"rotateKey", "rotateWebhook", "letThrough", "keepHeld"})


def management_paths(routes: Iterable[ApiRoute]) -> Json:
    """The paths of the management API."""
    paths: Json = {}
    for route in routes:
        names = [
            {"in": "path", "name": name, "required": True, "schema": {"type": "string"}}
            for name in re.findall(r"{(\w+)}", route.path)
        ]
        item = paths.setdefault(API_ROOT + route.path, {"parameters": names} if names else {})
        item[route.method.lower()] = _operation(route)
    return paths


def _operation(route: ApiRoute) -> Json:
    answer: Json = {"description": route.summary}
    if route.status != 204:
        answer["content"] = {PLAIN_JSON: {"schema": {}}}
    errors = {
        str(status): {
            "description": text,
            "content": {PROBLEM_JSON: {"schema": {"type": "object"}}},
        }
        for status, text in _ERRORS.items()
    }
    permissions = " and ".join(f"`{permission}`" for permission in route.permissions)
    made: Json = {
        "operationId": route.operation_id,
        "summary": route.summary,
        "description": f"Needs the permission {permissions}.",
        "tags": ["Management"],
        "responses": {str(route.status): answer, **errors},
    }
    if route.status == 201:
        made["responses"]["200"] = {
            "description": "It was there already.",
            "content": answer["content"],
        }
    if route.operation_id == "redeliver":
        made["responses"]["202"] = {
            "description": "All from the place are sent again.",
            "content": answer["content"],
        }
    queries = _QUERIES.get(route.operation_id, ())
    if queries:
        made["parameters"] = [
            {
                "in": "query",
                "name": name,
                "required": False,
                "schema": {"type": kind},
                "description": text,
            }
            for name, kind, text in queries
        ]
    if route.method in ("POST", "PUT", "PATCH") and route.operation_id not in _EMPTY_BODY:
        made["requestBody"] = {
            "required": True,
            "content": {PLAIN_JSON: {"schema": {"type": "object"}}},
        }
    return made

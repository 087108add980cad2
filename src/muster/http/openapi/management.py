"""The part of the OpenAPI document that describes /api/v1, generated from its routes."""

import functools
import inspect
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from muster.http.management.models.base import Problem
from muster.http.management.router import API_ROOT, AnyOperation
from muster.http.openapi.models import components_of, reference
from muster.http.openapi.tags import tag_of
from muster.http.platform.idempotency import MAX_KEY
from muster.http.platform.router import PlatformRoute
from muster.http.wire.media import CSV, PLAIN_JSON, PROBLEM_JSON

Json = dict[str, Any]
_ERRORS = {
    400: "The request is malformed or a value is in error. `errors` names each value.",
    401: "The API key is missing or not valid.",
    403: "The API key does not have the permission.",
    404: "Not found.",
    408: "The body did not arrive in time.",
    409: "The request conflicts with the current state.",
    410: "Changes after the cursor are not kept any more.",
    413: "The body is too large.",
    415: "The media type of the body is not supported.",
    422: "The `Idempotency-Key` was used for another request within the last day.",
    429: "The rate limit of the API key is exceeded, or too many passwords were tried.",
    500: "Internal error.",
    502: "The identity provider does not answer as it should.",
    503: "The server is overloaded or the database does not answer. Retry later.",
    507: "The disk of the database is full.",
}
_LOCATION = {
    "description": "The path of the new object.",
    "schema": {"type": "string", "format": "uri-reference"},
}
_SECTIONS = ("Args:", "Returns:", "Raises:")
_ALWAYS = (400, 401, 403, 429, 500, 503)
_OF_BODIES = (408, 413, 415)
_OF_WRITES = (409, 507)
_OF_REPEATABLE = (408, 409, 413, 422)
_IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "description": "A random value for each request, such as a UUID. A request that is sent again"
    " within a day with the same key and body gets the first answer, and acts once.",
    "schema": {"type": "string", "maxLength": MAX_KEY},
}
_NAMES = {
    "client": "The client id of the OAuth client.",
    "id": "The id.",
    "name": "The name.",
    "number": "The number of the request.",
    "trust": "The id of the trust.",
    "urn": "The URN of the schema.",
}


def management_paths(routes: Iterable[AnyOperation]) -> Json:
    """The paths of the management REST."""
    paths: Json = {}
    for route in routes:
        item = paths.setdefault(API_ROOT + route.path, {})
        item[route.method.lower()] = _operation(route)
        names = [
            {
                "in": "path",
                "name": name,
                "required": True,
                "schema": {"type": "string"},
                "description": _NAMES[name],
            }
            for name in re.findall(r"{(\w+)}", route.path)
        ]
        if names:
            item["parameters"] = names
    return paths


def management_components(routes: Iterable[AnyOperation], others: Sequence[type] = ()) -> Json:
    """The components/schemas of the models that the routes name, and of others."""
    return _components(tuple(dict.fromkeys((*_models(routes), *others))))


def _models(routes: Iterable[AnyOperation]) -> Iterator[type]:
    yield Problem
    for route in routes:
        yield from filter(None, (route.body, route.answer))
        yield from (answer for _, answer in route.answers.values())
        yield from route.problems.values()


@functools.cache
def _components(models: tuple[type, ...]) -> Json:
    return components_of(models)


def _operation(route: AnyOperation) -> Json:
    made: Json = {
        "operationId": route.operation_id,
        "summary": route.summary,
        "description": "\n\n".join((*_prose(route), _requirement(route))),
        "tags": [tag_of(route.path)],
        **({"security": [{"platformKey": []}]} if isinstance(route, PlatformRoute) else {}),
        "responses": _responses(route),
    }
    parameters = [] if route.query is None else list(_parameters(route.query))
    if _is_repeatable(route):
        parameters.append(_IDEMPOTENCY_KEY)
    if parameters:
        made["parameters"] = parameters
    if route.body is not None:
        made["requestBody"] = {
            "required": not route.body_optional,
            "content": {PLAIN_JSON: {"schema": reference(route.body)}},
        }
    return made


def _prose(route: AnyOperation) -> Iterator[str]:
    """The paragraphs of the handler's docstring after the first, which the summary says."""
    _, *paragraphs = (inspect.getdoc(route.handler) or "").split("\n\n")
    for paragraph in paragraphs:
        if paragraph.startswith(_SECTIONS):
            return
        yield " ".join(paragraph.split())


def _requirement(route: AnyOperation) -> str:
    """The sentence about the credential that an operation requires."""
    if isinstance(route, PlatformRoute):
        return "Requires a platform key."
    permissions = " and ".join(f"`{permission}`" for permission in route.permissions)
    return f"Requires the permission{'s' if route.also else ''} {permissions}."


def _responses(route: AnyOperation) -> Json:
    successes: dict[int, tuple[str, type | None]] = {
        route.status: ("Success.", route.answer),
        **route.answers,
    }
    made: Json = {
        str(status): {"description": text} | _content(PLAIN_JSON, answer)
        for status, (text, answer) in successes.items()
    }
    if route.csv:
        made[str(route.status)]["content"][CSV] = {"schema": {"type": "string"}}
    for status in _errors(route):
        made[str(status)] = {"description": _ERRORS[status]} | _content(
            PROBLEM_JSON, route.problems.get(status, Problem)
        )
    if route.status == 201:
        made["201"]["headers"] = {"Location": _LOCATION}
    return made


def _errors(route: AnyOperation) -> list[int]:
    """The statuses of the errors that an operation can answer."""
    found = {*_ALWAYS, *route.errors, *route.problems}
    if "{" in route.path:
        found.add(404)
    if route.body is not None:
        found.update(_OF_BODIES)
    if route.method != "GET":
        found.update(_OF_WRITES)
    if _is_repeatable(route):
        found.update(_OF_REPEATABLE)
    return sorted(found)


def _is_repeatable(route: AnyOperation) -> bool:
    """Whether an operation reads `Idempotency-Key`."""
    return route.method == "POST" and isinstance(route, PlatformRoute)


def _content(media_type: str, answer: type | None) -> Json:
    return {} if answer is None else {"content": {media_type: {"schema": reference(answer)}}}


def _parameters(query: type) -> Iterator[Json]:
    (schema,) = components_of((query,)).values()
    for name, found in schema["properties"].items():
        yield {
            "in": "query",
            "name": name,
            "required": name in schema.get("required", ()),
            "description": found.pop("description"),
            **({"deprecated": True} if found.pop("deprecated", False) else {}),
            "schema": found,
        }

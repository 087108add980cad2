"""The pages of endpoints, from the OpenAPI document."""

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tools.reference import shapes
from tools.reference.examples import errors, examples
from tools.reference.markdown import anchor, block, code, json_block, page, paragraph, table
from tools.reference.shapes import Json, document, first_media, resolved

_ROOT, _PLATFORM_ROOT = "/api/v1", "/api/v1/platform"
_WITHIN = re.compile(r"^/workspaces/\{name\}(?=/)")


class Page(NamedTuple):
    """A page of endpoints.

    Attributes:
        name: The name of its file.
        title: Its title.
        groups: The groups of the OpenAPI document on it; a group is a list of tags.
        intro: What a reader needs to know first.
    """

    name: str
    title: str
    groups: Sequence[str]
    intro: str


_MANAGEMENT = "[The management API](endpoints.md#the-management-api) says what all have in common."
PAGES: Sequence[Page] = (
    Page(
        "scim.md",
        "SCIM endpoints",
        ("SCIM",),
        "SCIM 2.0 (RFC 7643, 7644 and 9865), under `/scim/v2`."
        " [SCIM](endpoints.md#scim) says what all have in common. A workspace with resource types"
        " of its own has the same endpoints for them as for users.",
    ),
    Page(
        "management-people.md",
        "Management API: people and groups",
        ("People and groups",),
        f"Role mappings, passwords, the guard, history and undo. {_MANAGEMENT}",
    ),
    Page(
        "management-access.md",
        "Management API: keys and access",
        ("Keys and access",),
        "API keys, roles, connections, set-up links and single sign-on."
        f" {_MANAGEMENT} The token endpoint for OAuth clients is on a"
        " [page of its own](oauth-endpoints.md).",
    ),
    Page(
        "management-events.md",
        "Management API: events",
        ("Events",),
        "The feed and webhooks. [Events](events.md) has the types of events and"
        f" their content. {_MANAGEMENT}",
    ),
    Page(
        "management-operations.md",
        "Management API: operations",
        ("Operations",),
        f"Settings, schemas, the request log, the doctor and the audit log. {_MANAGEMENT}",
    ),
    Page(
        "platform.md",
        "Platform API",
        ("Many workspaces",),
        "All workspaces of an installation, under `/api/v1/platform`."
        " [The platform API](endpoints.md#the-platform-api) says what all have in common.",
    ),
    Page(
        "oauth-endpoints.md",
        "OAuth and health endpoints",
        ("OAuth and health",),
        "Endpoints that need no API key: the token endpoint for OAuth clients with its metadata,"
        " and the health checks.",
    ),
)
_OPEN = ("OAuth", "Health")
"""The tags of the operations that need no key, which have a page of their own."""

_INTRO = """# Endpoints

The pages of endpoints are generated from the OpenAPI document. A running service has it at
`/openapi.json`, and at `/docs` a page with a form for each request; with an API key, both describe
the schemas and resource types of the key's workspace too. The examples are what a running service
was sent and what it answered; ids, times and secrets are replaced, and `…` stands for further
elements of a list.

Credentials go into the header `Authorization: Bearer`, and never into the URL. `POST`, `PUT` and
`PATCH` take JSON in UTF-8. Times are in UTC, such as `2026-01-31T09:00:00.000Z`. Every answer has
the header `X-Request-Id`; the request log and the audit log name the same id. A client may choose
it. [Limits](limits.md) lists the limits on requests, and [Errors](errors.md) every error.

## SCIM

`/scim/v2` takes API keys with the permission *Configure Open ID Connector & SCIM*, access tokens of
OAuth clients, and tokens of trusted issuers. *Read directory* is enough to read. Bodies are
`application/scim+json` or `application/json`, and the answer has the type that `Accept` prefers.

Errors are SCIM Error documents (RFC 7644 section 3.12). `scimType` is set if the RFC has a keyword
for the error, and `detail` names the attribute, the operation or the position:

{scim_error}

Answers with one resource have its version as a weak `ETag`. `If-Match` lets a write go ahead only
if the version is still the same; `If-None-Match` answers 304 to a read of a version that the client
has. [Contracts](contracts.md) has the status codes that a workspace can choose.

## The management API

`/api/v1` takes API keys of a workspace, and each endpoint names the permission that it needs.
Unknown fields and parameters are refused by name.

Errors are problem documents (RFC 9457). `errors` names each value at fault, if any:

{management_error}

Lists are `{"items": […], "nextCursor": …}`. To get the next page, pass `nextCursor` as `cursor`; it
is null on the last page. The feed and the audit log have no last page: their cursor is never null,
and `more` tells whether more can be read at once.

## The platform API

`/api/v1/platform` takes platform keys, which `muster keys create --platform` and the page Platform
keys create. It has the conventions of the management API. The audit log of a workspace names the
platform key.

Send an `Idempotency-Key`, such as a UUID, with every POST. A request that is sent again within a
day with the same key and body gets the first answer, with the header `Idempotent-Replayed: true`,
and acts once. That answer is stored encrypted under a key that only the holder of the platform key
can derive. Another body with the same key is 422, and 409 while the first request is being
answered.

## Errors of every endpoint

These errors are the same for every endpoint, so the pages do not repeat them:

| status | cause |
|---|---|
| 400 | A value, or the body as JSON, is in error. |
| 401 | The key is missing, unknown, expired or revoked. |
| 403 | The key does not have the permission, or the allowlist does not have the address. |
| 408, 413, 415 | The body arrives too slowly, is too large, or is not JSON. |
| 429 | The key has exceeded its rate limit; see `Retry-After`. |
| 500 | An error of muster. The body has the id of the request; please report it. |
| 503 | The service is overloaded, or its database does not answer; see `Retry-After`. |
| 507 | The disk of the database is full. |

[Errors](errors.md) has the text of each, with its cause and its cure."""

_SHARED = frozenset({"400", "401", "403", "408", "413", "415", "429", "500", "503", "507"})
"""The errors that endpoints.md describes."""


class Operation(NamedTuple):
    """An operation of the OpenAPI document.

    Attributes:
        method: The HTTP method.
        path: The path, with {names}.
        content: Its object in the document.
        parameters: Its parameters, and those of its path.
    """

    method: str
    path: str
    content: Json
    parameters: Sequence[Json]


@functools.cache
def operations() -> Sequence[Operation]:
    """Return every operation of the document."""
    found = []
    for path, item in document()["paths"].items():
        shared = item.get("parameters", [])
        for method, content in item.items():
            if method != "parameters":
                given = [resolved(one) for one in (*shared, *content.get("parameters", ()))]
                found.append(Operation(method.upper(), path, content, given))
    return found


@functools.cache
def _tags(group: str) -> Sequence[str]:
    if group == "OAuth and health":
        return _OPEN
    groups = {found["name"]: found["tags"] for found in document()["x-tagGroups"]}
    return [tag for tag in groups[group] if tag not in _OPEN]


def _of(tag: str) -> list[Operation]:
    return [one for one in operations() if one.content["tags"] == [tag]]


def endpoints_page() -> str:
    """Return the page that all others begin at."""
    described = {tag["name"]: tag["description"] for tag in document()["tags"]}
    listed = ["## All endpoints"]
    for found in PAGES:
        for group in found.groups:
            for tag in _tags(group):
                rows = [
                    (
                        code(f"{one.method} {one.path}"),
                        f"[{_heading(one)}]({found.name}#{anchor(_heading(one))})",
                    )
                    for one in _of(tag)
                ]
                listed += [f"### {tag}", described[tag], table(("endpoint", "task"), rows)]
    shown = {f"{api}_error": json_block(error).rstrip() for api, error in errors().items()}
    intro = re.sub(r"^{(\w+)}$", lambda found: shown[found[1]], _INTRO, flags=re.M)
    return page(intro, *listed)


def pages_of_endpoints() -> Mapping[str, Any]:
    """Return the generators of the pages by the names of their files."""
    made = {found.name: functools.partial(_page, found) for found in PAGES}
    return {"endpoints.md": endpoints_page, **made}


def _page(found: Page) -> str:
    described = {tag["name"]: tag["description"] for tag in document()["tags"]}
    sections = [
        page(f"## {tag}", paragraph(described[tag]), *map(_section, _of(tag)))
        for group in found.groups
        for tag in _tags(group)
    ]
    return page(f"# {found.title}", paragraph(found.intro), *sections, *_forms(found))


def _forms(found: Page) -> Iterator[str]:
    """Yield the forms of resources, which several operations of SCIM share."""
    if found.name != "scim.md":
        return
    yield page(
        "## Attributes",
        paragraph(
            "Both types have `schemas`, `id`, `externalId` and `meta`. The schema endpoints return"
            " the same attributes with all characteristics of RFC 7643 section 7."
        ),
    )
    for name in ("User", "Group"):
        found_fields = list(shapes.fields(document()["components"]["schemas"][name]))
        yield page(
            f"### Attributes of a {name.lower()}", _fields_table(found_fields, requests=True)
        )


def _heading(operation: Operation) -> str:
    return str(operation.content["summary"]).partition(";")[0].partition(":")[0]


def _original(operation: Operation) -> tuple[Operation, str] | None:
    """Return the operation of the management API that one of the platform API calls.

    Returns:
        The operation and the name of its page; None if the platform API has it alone.
    """
    if not operation.path.startswith(_PLATFORM_ROOT) or operation.path.endswith("/changes"):
        return None
    path = _ROOT + _WITHIN.sub("", operation.path.removeprefix(_PLATFORM_ROOT))
    for found in PAGES:
        for group in found.groups:
            for tag in _tags(group):
                for one in _of(tag):
                    if (one.method, one.path) == (operation.method, path):
                        return one, found.name
    return None


def _section(operation: Operation) -> str:
    """Return the section of an operation."""
    content = operation.content
    original = _original(operation)
    if original is not None:
        one, name = original
        heading = _heading(one)
        return page(
            f"### {_heading(operation)}",
            code(f"{operation.method} {operation.path}"),
            paragraph(
                "The parameters, the body, the answer and the errors are those of"
                f" [{heading}]({name}#{anchor(heading)}) in the management API. Requires a"
                " platform key."
            ),
        )
    sections = [
        f"### {_heading(operation)}",
        code(f"{operation.method} {operation.path}"),
        *_sentences(content),
        *_parameters(operation.parameters),
        *_request(operation),
        *_answers(operation),
        *_errors(content),
    ]
    return page(*sections)


def _sentences(content: Json) -> Iterator[str]:
    summary = str(content["summary"])
    if summary != summary.partition(";")[0].partition(":")[0]:
        yield paragraph(f"{summary}.")
    for text in content["description"].split("\n\n"):
        if not text.lower().startswith(f"{summary.lower()}. "):
            yield paragraph(text)
        else:
            yield paragraph(text[len(summary) + 2 :])


def _parameters(parameters: Sequence[Json]) -> Iterator[str]:
    if not parameters:
        return
    rows = []
    for found in parameters:
        schema = found["schema"]
        needed = "yes" if found.get("required") else ""
        note = found.get("description", "")
        if found.get("deprecated"):
            note = note or "Deprecated."
        rows.append(
            (
                code(found["name"]),
                found["in"],
                shapes.kind(schema),
                needed,
                shapes.limits(schema),
                note,
            )
        )
    heads = ("parameter", "in", "type", "required", "limits", "description")
    yield page("**Parameters**", table(heads, rows))


def _request(operation: Operation) -> Iterator[str]:
    body = operation.content.get("requestBody")
    if body is None:
        return
    media, found = first_media(body["content"])
    schema = found["schema"]
    shape = resolved(schema)
    optional = "" if body.get("required", True) else " It may be left out."
    text = f"{shape.get('description', '')}{optional}".strip()
    yield page("**Body**", paragraph(text), _link_or_fields(schema, requests=True))
    sample = examples()[operation.method, operation.path].body
    if media == shapes.FORM:
        encoded = "&".join(f"{name}={value}" for name, value in sample.items())
        yield page("An example:", block(encoded, "text"))
    elif sample:
        yield page("An example:", json_block(sample))


def _link_or_fields(schema: Json, requests: bool) -> str:
    """Return the fields of a body, or a link if it is a resource of SCIM."""
    name = str(schema.get("$ref", "")).rpartition("/")[2].removeprefix("Shown")
    if name in ("User", "Group"):
        return f"The [attributes of a {name.lower()}](#attributes-of-a-{name.lower()})."
    return _fields_table(list(shapes.fields(schema)), requests)


def _fields_table(found: Sequence[shapes.Field], requests: bool) -> str:
    if not found:
        return ""
    heads = ("field", "type", "limits", "description")
    if requests:
        heads = ("field", "type", "required", "limits", "description")  # type: ignore[assignment]  # the table is wider
    return table(heads, shapes.rows(found, requests))


def _answers(operation: Operation) -> Iterator[str]:
    """Yield the successes of an operation, with their fields and an example."""
    for status, answer in operation.content["responses"].items():
        if status >= "4":
            continue
        found = resolved(answer)
        note = "" if found["description"] == "Success." else f": {found['description']}"
        title = f"**Answer {status}**{note}"
        content = found.get("content")
        if content is None:
            yield paragraph(title)
            continue
        _, media = first_media(content)
        schema = media["schema"]
        first = _first_with(schema, operation)
        if first != operation:
            heading = _heading(first)
            yield page(paragraph(title), f"The same as for [{heading}](#{anchor(heading)}).")
            continue
        description = resolved(schema).get("description", "")
        others = [kind for kind in content if kind not in (shapes.JSON, shapes.SCIM)]
        also = f" Also as {' and '.join(map(code, others))}." if others and len(content) > 1 else ""
        yield page(
            paragraph(title), paragraph(description + also), _link_or_fields(schema, requests=False)
        )
        made = examples()[operation.method, operation.path]
        if made.answer is not None and status == str(made.status):
            yield page("An example:", json_block(made.answer))


def _first_with(schema: Json, operation: Operation) -> Operation:
    """Return the first operation on the page that answers with a shape."""
    if "$ref" not in schema:
        return operation
    tags = next(
        tags
        for page_of in PAGES
        for group in page_of.groups
        if operation.content["tags"][0] in (tags := _tags(group))
    )
    return next(
        (
            one
            for tag in tags
            for one in _of(tag)
            if _original(one) is None and schema in _answered(one)
        ),
        operation,
    )


def _answered(operation: Operation) -> list[Json]:
    """Return the shapes that an operation answers with if it succeeds."""
    found = [
        resolved(answer).get("content")
        for status, answer in operation.content["responses"].items()
        if status < "4"
    ]
    return [first_media(content)[1]["schema"] for content in found if content]


def _errors(content: Json) -> Iterator[str]:
    """Yield the errors that not every operation has."""
    own = [
        (code(status), resolved(answer)["description"])
        for status, answer in content["responses"].items()
        if status >= "4" and status not in _SHARED
    ]
    if own:
        common = "[those of every endpoint](endpoints.md#errors-of-every-endpoint)"
        yield page(f"**Errors**, besides {common}:", table(("status", "cause"), own))

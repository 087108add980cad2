"""Media types and JSON bodies of requests and responses (RFC 7644 section 3.1)."""

from codecs import BOM_UTF8
from collections.abc import Callable, Iterable

import orjson

from muster.base.threads import compute
from muster.http.wire.admission import Waits
from muster.http.wire.message import MAX_HEADER, Request
from muster.scim.bounds import ELEMENTS_SETTING, LARGE_BODY
from muster.scim.dialects import Dialect
from muster.scim.errors import ScimError, invalid_syntax
from muster.scim.schema.discovery import Limits
from muster.scim.values import Json

SCIM_JSON = "application/scim+json"
PLAIN_JSON = "application/json"
PROBLEM_JSON = "application/problem+json"
CSV = "text/csv; charset=utf-8"
_ACCEPTED = f"{SCIM_JSON}, {PLAIN_JSON}"
_MAX_DEPTH = 64


class UnsupportedMedia(ScimError):
    """415 with the accepted media types or content codings (RFC 9110, RFC 7694)."""

    def __init__(self, detail: str, header: str, value: str) -> None:
        super().__init__(415, detail)
        self.accepted = (header, value)


def answer_type(request: Request) -> str:
    """Return application/scim+json, unless the client accepts only application/json."""
    accept = request.header("accept")
    if accept is None or accept in ("*/*", SCIM_JSON) or len(accept) > MAX_HEADER:
        return SCIM_JSON
    ranges = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    if PLAIN_JSON in ranges and not ranges & {SCIM_JSON, "*/*", "application/*"}:
        return PLAIN_JSON
    return SCIM_JSON


def _strict() -> Dialect:
    return Dialect(strict=True)


async def read_json(
    request: Request, limits: Limits, dialect: Callable[[], Dialect] = _strict
) -> Json:
    """Read the JSON body.

    Args:
        request: The request.
        limits: The limits of the size and time of the body.
        dialect: Returns the client's dialect; called only if the body has a byte order mark.

    Raises:
        ScimError: 415, 413 or 408; invalidSyntax with the position if the body is malformed.
    """
    check_content_type(request)
    body = await read_body(request, limits)
    workspace = 0 if request.grant is None else request.grant.workspace.id
    if body.startswith(BOM_UTF8):
        dialect().take("byte-order-mark", "the body")
        body = request.body = body[len(BOM_UTF8) :]
    if len(body) > LARGE_BODY:
        return await compute(workspace, lambda: parse_json(body, limits))
    return parse_json(body, limits)


async def read_body(request: Request, limits: Limits) -> bytes:
    """Read the body. Raises ScimError 413 if it is too large, 408 if it takes too long."""
    try:
        waits = request.waits or Waits()
        workspace = 0 if request.grant is None else request.grant.workspace.id
        async with waits.waiting(workspace, limits.body_seconds):
            request.body = await request.read(limits.max_body)
            return request.body
    except TimeoutError:
        raise ScimError(
            408,
            f"The body did not arrive within {limits.body_seconds:g} seconds"
            " (MUSTER_BODY_SECONDS).",
        ) from None
    except ScimError as error:
        raise (
            ScimError(413, f"{error.detail} (MUSTER_MAX_BODY)") if error.status == 413 else error
        ) from None


def parse_json(body: bytes, limits: Limits) -> Json:
    """Parse a JSON body.

    Parsing time depends on the number of values, so the number is limited first, by counting
    braces, brackets and commas. Those within strings are counted too: they are rare, and excluding
    them would cost as much as parsing.

    Raises:
        ScimError: 413 if it has too many values; invalidSyntax with the position if malformed.
    """
    containers = body.count(b"{") + body.count(b"[")
    values = containers + body.count(b",")
    if values > limits.max_values:
        raise ScimError(
            413,
            f"The body has {values:,} values; the limit is {limits.max_values:,}"
            " (MUSTER_MAX_VALUES).",
        )
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if not body.strip():
            raise invalid_syntax("The body is empty. Send a JSON object.") from None
        raise invalid_syntax(f"The body is not JSON: {error}") from None
    may_have_nul = b"\\u0000" in body
    if may_have_nul or containers > _MAX_DEPTH or values > limits.max_elements:
        check_json(value, may_have_nul, limits.max_elements)
    return value


def check_content_type(request: Request) -> None:
    """Check that the body is SCIM or plain JSON, in UTF-8 and without compression.

    Raises:
        ScimError: 415 if it is not.
    """
    if (request.header("content-encoding") or "identity").strip().lower() != "identity":
        raise UnsupportedMedia(
            "Content-Encoding: only identity is supported", "accept-encoding", "identity"
        )
    content_type = request.header("content-type")
    if content_type is None or content_type in (SCIM_JSON, PLAIN_JSON):
        return
    if len(content_type) > MAX_HEADER:
        raise UnsupportedMedia(
            f"Content-Type is longer than {MAX_HEADER:,} bytes", "accept", _ACCEPTED
        )
    media, _, parameters = content_type.partition(";")
    if media.strip().lower() not in (SCIM_JSON, PLAIN_JSON):
        raise UnsupportedMedia(f"Content-Type: expected {_ACCEPTED}", "accept", _ACCEPTED)
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in (
            "utf-8",
            "utf8",
            "us-ascii",
        ):
            raise UnsupportedMedia("Content-Type: expected the charset UTF-8", "accept", _ACCEPTED)


def check_json(value: Json, may_have_nul: bool, max_names: int) -> None:
    """Limit depth and names of objects; reject NUL, which PostgreSQL cannot store.

    Raises:
        ScimError: invalidSyntax.
    """
    level = [value if isinstance(value, dict | list) else [value]]
    for _ in range(_MAX_DEPTH):
        following: list[Json] = []
        for container in level:
            if isinstance(container, dict):
                _check_names(container, may_have_nul, max_names)
                items: Iterable[Json] = container.values()
            else:
                items = container
            for item in items:
                if isinstance(item, dict | list):
                    following.append(item)
                elif may_have_nul and isinstance(item, str) and "\0" in item:
                    raise invalid_syntax("A string in the body contains a NUL character.")
        if not following:
            return
        level = following
    raise invalid_syntax(f"The body is nested deeper than {_MAX_DEPTH} levels.")


def _check_names(container: dict[str, Json], may_have_nul: bool, max_names: int) -> None:
    if len(container) > max_names:
        detail = f"An object in the body has {len(container):,} names; the limit is {max_names:,}"
        raise invalid_syntax(f"{detail} ({ELEMENTS_SETTING})")
    if may_have_nul and any("\0" in key for key in container):
        raise invalid_syntax("A name in the body contains a NUL character.")

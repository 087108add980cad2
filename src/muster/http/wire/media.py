"""Media types and JSON: what a client may send, and what it is answered in (RFC 7644 section 3.1)."""

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
_ACCEPTED = f"{SCIM_JSON}, {PLAIN_JSON}"
_MAX_DEPTH = 64


class UnsupportedMedia(ScimError):
    """415, with the media types or content codings that are read (RFC 9110 section 15.5.16, RFC 7694 section 3)."""

    def __init__(self, detail: str, header: str, value: str) -> None:
        super().__init__(415, detail)
        self.accepted = (header, value)


def answer_type(request: Request) -> str:
    """application/scim+json, unless the client accepts only application/json."""
    accept = request.header("accept")
    if accept is None or accept == "*/*" or accept == SCIM_JSON or len(accept) > MAX_HEADER:
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
        limits: The largest body, and how long it may take.
        dialect: How to read the client, asked only if the body begins with a byte order mark.

    Raises:
        ScimError: 415, 413, 408, or invalidSyntax that says where the body is malformed.
    """
    check_content_type(request)
    try:
        waits = request.waits or Waits()
        workspace = 0 if request.grant is None else request.grant.workspace.id
        async with waits.waiting(workspace, limits.body_seconds):
            body = request.body = await request.read(limits.max_body)
    except TimeoutError:
        raise ScimError(
            408,
            f"the body did not come within {limits.body_seconds:g} seconds (MUSTER_BODY_SECONDS)",
        ) from None
    except ScimError as error:
        raise (
            ScimError(413, f"{error.detail} (MUSTER_MAX_BODY)") if error.status == 413 else error
        ) from None
    if body.startswith(BOM_UTF8):
        dialect().take("byte-order-mark", "the body")
        body = request.body = body[len(BOM_UTF8) :]
    if len(body) > LARGE_BODY:
        return await compute(workspace, lambda: parse_json(body, limits))
    return parse_json(body, limits)


def parse_json(body: bytes, limits: Limits) -> Json:
    """The value of a JSON body. Raises ScimError 413, or invalidSyntax that says where it is malformed.

    Parsing takes its time by the number of values, so that number is bounded before. Braces, brackets and commas in strings are
    counted too: they are rare, and to tell them apart would cost as much as parsing.
    """
    containers = body.count(b"{") + body.count(b"[")
    values = containers + body.count(b",")
    if values > limits.max_values:
        raise ScimError(
            413,
            f"the body has {values:,} values, and at most {limits.max_values:,} are allowed (MUSTER_MAX_VALUES)",
        )
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if not body.strip():
            raise invalid_syntax("the body is empty: a JSON object is needed") from None
        raise invalid_syntax(f"the body is not JSON: {error}") from None
    may_have_nul = b"\\u0000" in body
    if may_have_nul or containers > _MAX_DEPTH or values > limits.max_elements:
        check_json(value, may_have_nul, limits.max_elements)
    return value


def check_content_type(request: Request) -> None:
    """Both SCIM's media type and plain JSON are read, in UTF-8. Raises ScimError 415 for others."""
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
        raise UnsupportedMedia(f"Content-Type must be {_ACCEPTED}", "accept", _ACCEPTED)
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in (
            "utf-8",
            "utf8",
            "us-ascii",
        ):
            raise UnsupportedMedia("Content-Type: the charset must be utf-8", "accept", _ACCEPTED)


def check_json(value: Json, may_have_nul: bool, max_names: int) -> None:
    """Bound the depth and the names of an object, and refuse NUL characters, which not every store can keep."""
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
                    raise invalid_syntax("a string in the body has a NUL character")
        if not following:
            return
        level = following
    raise invalid_syntax(f"the body is nested deeper than {_MAX_DEPTH}")


def _check_names(container: dict[str, Json], may_have_nul: bool, max_names: int) -> None:
    if len(container) > max_names:
        detail = f"an object in the body has {len(container):,} names, and at most {max_names:,} are allowed"
        raise invalid_syntax(f"{detail} ({ELEMENTS_SETTING})")
    if may_have_nul and any("\0" in key for key in container):
        raise invalid_syntax("a name in the body has a NUL character")

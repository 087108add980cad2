"""Requests and responses, independent of the server interface."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import unquote

import orjson

from muster.http.wire.admission import Seat, Waits
from muster.scim.errors import ScimError, invalid_value

Headers = list[tuple[str, str]]
_MAX_PARAMETERS = 50
_MAX_FIELDS = 200
_MAX_QUERY = 65_536
"""The longest query in bytes; Granian accepts no longer URL either."""
MAX_HEADER_BYTES = 65_536
"""The longest headers in bytes, all together."""
MAX_HEADERS = 100
"""The largest number of headers, the same as in hyper, on which Granian is built."""
SEND_SECONDS = 60
"""The seconds for a client to receive one chunk of a streamed response."""
MAX_HEADER = 16_384
"""The longest header in bytes that is parsed."""


async def _never() -> None:
    await asyncio.Event().wait()


def _nothing(*_: str) -> None:
    """Do nothing."""


def _no(_: str) -> bool:
    """Return that a header was not sent."""
    return False


@dataclass(slots=True)
class Request:
    """An HTTP request.

    The fields from `operation` on are filled in while the request is answered, for the log.

    Attributes:
        method: The HTTP method.
        path: The path after the prefix, with repeated slashes collapsed by the service.
        query: The query string, without the question mark.
        header: Returns a header by its lower-case name, or None.
        read: Reads the body up to a size; raises ScimError 413 if it is larger.
        client: The address and port of the peer.
        scheme: http or https.
        host: The Host header.
        prefix: The path at which the application is mounted.
        id: The request id.
        operation: The name of the operation.
        workspace: The name of the workspace.
        key: The id of the API key.
        address: The client's address behind trusted proxies.
        seen: The rows of the dialect table that the request showed.
        body: The body, if it was read.
        grant: The access that the API key grants.
        gone: Returns once the client has closed the connection.
        waits: Registers waiting requests with a key.
        signed_in: Called with the administrator's id once a session is known, before the body is
            read.
        signed_out: Called instead of it once the request is known to have no session.
        administrator: The id of the signed-in administrator.
        too_long: Whether the headers exceed the limits; none is available then.
        has: Returns whether a header was sent, also if it is no text and `header` returns None.
    """

    method: str
    path: str
    query: str
    header: Callable[[str], str | None]
    read: Callable[[int], Awaitable[bytes]]
    client: str
    scheme: str
    host: str
    prefix: str = ""
    id: str = ""
    operation: str = "unknown"
    workspace: str = ""
    key: str = ""
    address: str = ""
    seen: list[str] = field(default_factory=list)
    body: bytes = b""
    grant: Any = None
    gone: Callable[[], Awaitable[None]] = _never
    waits: Waits | None = None
    signed_in: Callable[[str], None] = _nothing
    signed_out: Callable[[], None] = _nothing
    administrator: str = ""
    too_long: bool = False
    has: Callable[[str], bool] = _no

    def parameters(self) -> dict[str, str]:
        """Parse the query parameters.

        Raises:
            ScimError: 414 if the query is too long; invalidValue if it is malformed, or a
                parameter is given twice.
        """
        if not self.query:
            return {}
        if len(self.query) > _MAX_QUERY:
            raise ScimError(
                414,
                f"The query is {len(self.query):,} bytes long; the limit is {_MAX_QUERY:,}. Use"
                " POST /.search.",
            )
        found: dict[str, str] = {}
        if self.query.count("&") >= _MAX_PARAMETERS:
            raise invalid_value(f"The query has more than {_MAX_PARAMETERS} parameters.")
        for part in self.query.split("&"):
            name, equals, value = part.partition("=")
            if not name and equals:
                raise invalid_value("the query has a parameter without a name")
            if not name.isalpha():  # most names are, and need no decoding
                name = _decoded(name)
            value = _decoded(value)
            if name in found:
                raise invalid_value(f"The parameter {name[:100]!r} is given twice.")
            if "\0" in value:
                raise invalid_value(f"The parameter {name[:100]!r} contains a NUL character.")
            if name:
                found[name] = value
        return found

    def repeated_parameters(self) -> dict[str, list[str]]:
        """Parse the query parameters of a form, in which a name may occur several times.

        Raises:
            ScimError: 414 if the query is too long; invalidValue if it is malformed.
        """
        if len(self.query) > _MAX_QUERY:
            raise ScimError(414, f"The query is longer than {_MAX_QUERY:,} bytes.")
        if self.query.count("&") >= _MAX_FIELDS:
            raise invalid_value(f"The query has more than {_MAX_FIELDS} parameters.")
        found: dict[str, list[str]] = {}
        for part in self.query.split("&") if self.query else ():
            name, _, value = part.partition("=")
            name, value = _decoded(name), _decoded(value)
            if "\0" in value:
                raise invalid_value(f"The parameter {name[:100]!r} contains a NUL character.")
            if name:
                found.setdefault(name, []).append(value)
        return found


def _decoded(text: str) -> str:
    """Percent-decode UTF-8.

    Raises:
        ScimError: invalidValue if it is malformed.
    """
    if "+" in text:
        text = text.replace("+", " ")
    if "%" not in text:
        return text
    text = (
        text.replace("%20", " ").replace("%22", '"').replace("%40", "@")
    )  # fast path for the escapes in most filters
    if "%" not in text:
        return text
    try:
        return unquote(text, errors="strict")
    except ValueError:
        raise invalid_value(
            "The query string is malformed. Encode it as UTF-8 with percent-encoding."
        ) from None


@dataclass(slots=True)
class Response:
    """An HTTP response.

    Attributes:
        status: The HTTP status.
        headers: The headers, with lower-case names.
        body: The body, unless it is streamed.
        stream: The chunks of a streamed body; otherwise None.
        seat: The place that a streamed response occupies.
    """

    status: int
    headers: Headers = field(default_factory=list)
    body: bytes = b""
    stream: AsyncIterator[bytes] | None = None
    seat: Seat | None = None

    async def close(self) -> None:
        """Close the stream, even if it was not sent completely."""
        if isinstance(self.stream, AsyncGenerator):
            await self.stream.aclose()
        if self.seat is not None:
            self.seat.leave()


def json_response(
    status: int, content: Any, media_type: str = "application/json", headers: Headers | None = None
) -> Response:
    """Return a JSON response."""
    return Response(status, [("content-type", media_type), *(headers or ())], orjson.dumps(content))


def announced_length(header: str | None) -> int | None:
    """Return the length in a Content-Length header; None if it is missing or malformed."""
    if header is None or not header.isascii() or not header.isdigit():
        return None
    # Python refuses to read thousands of digits. A length of 18 is beyond every limit.
    return int(header.lstrip("0")[:18] or "0")


def too_large(limit: int) -> ScimError:
    """Return the error for a body over the limit (RFC 7644 section 3.12)."""
    return ScimError(413, f"The body is larger than {limit:,} bytes")


class RequestHandler(Protocol):
    """Answers requests, independently of the server interface."""

    async def answer(self, request: Request) -> Response:
        """Answer a request; errors of the client become responses, never exceptions."""

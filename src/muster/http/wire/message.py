"""A request and a response, the same under every server interface."""

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
_MAX_QUERY = 65_536
"""Bytes of a query; Granian takes no longer URL either."""
MAX_HEADER_BYTES = 65_536
"""Bytes of all headers together."""
MAX_HEADERS = 100
"""How many headers are read: as many as hyper reads, which muster's own server is built on."""
SEND_SECONDS = 60
"""How long a client may take to take one piece of an answer that comes in pieces."""
MAX_HEADER = 16_384
"""Bytes of a header that is taken apart."""


async def _never() -> None:
    await asyncio.Event().wait()


def _nothing(_: str) -> None:
    """Do nothing."""


@dataclass(slots=True)
class Request:
    """header: the value of a header by its lower-case name, or None. read: the body, up to a size, else ScimError 413.

    path is what follows prefix, under which the application is mounted; the service reads repeated slashes in it as one.
    The last fields are what the answering finds out, for the log. address: the client's, as Origin has it. seen: the rows of
    the dialect table that it showed. body: as it was read, where it was. gone: returns once the client has closed the connection.
    waits: where a request with a key says that it waits. signed_in: told the administrator of a session. too_long: the headers
    are longer than they may be, and none is given.
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
    administrator: str = ""
    too_long: bool = False

    def parameters(self) -> dict[str, str]:
        """The query parameters. Raises ScimError invalidValue where they cannot be read or one is given twice."""
        if not self.query:
            return {}
        if len(self.query) > _MAX_QUERY:
            raise ScimError(
                414,
                f"the query is {len(self.query):,} bytes long, and at most {_MAX_QUERY:,} are read",
            )
        found: dict[str, str] = {}
        if self.query.count("&") >= _MAX_PARAMETERS:
            raise invalid_value(f"the query has more than {_MAX_PARAMETERS} parameters")
        for part in self.query.split("&"):
            name, _, value = part.partition("=")
            name, value = _decoded(name), _decoded(value)
            if name in found:
                raise invalid_value(f"the parameter {name[:100]!r} is given twice")
            if "\0" in value:
                raise invalid_value(f"the parameter {name[:100]!r} has a NUL character")
            if name:
                found[name] = value
        return found


def _decoded(text: str) -> str:
    """Percent-decoded UTF-8. Raises ScimError invalidValue."""
    if "+" in text:
        text = text.replace("+", " ")
    if "%" not in text:
        return text
    text = (
        text.replace("%20", " ").replace("%22", '"').replace("%40", "@")
    )  # nearly all that filters have, and cheap
    if "%" not in text:
        return text
    try:
        return unquote(text, errors="strict")
    except ValueError:
        raise invalid_value(
            "the query string cannot be read: it must be UTF-8, percent-encoded"
        ) from None


@dataclass(slots=True)
class Response:
    """An answer: status, headers by lower-case name, body. stream: the body where it comes in pieces. seat: its place."""

    status: int
    headers: Headers = field(default_factory=list)
    body: bytes = b""
    stream: AsyncIterator[bytes] | None = None
    seat: Seat | None = None

    async def close(self) -> None:
        """End the stream, whether all of it was sent or not."""
        if isinstance(self.stream, AsyncGenerator):
            await self.stream.aclose()
        if self.seat is not None:
            self.seat.leave()


def json_response(
    status: int, content: Any, media_type: str = "application/json", headers: Headers | None = None
) -> Response:
    """An answer that is JSON."""
    return Response(status, [("content-type", media_type), *(headers or ())], orjson.dumps(content))


def too_large(limit: int) -> ScimError:
    """The error for a body over the limit (RFC 7644 section 3.12)."""
    return ScimError(413, f"the body is larger than {limit} bytes")


class RequestHandler(Protocol):
    """Answers requests, whichever server interface they came by."""

    async def answer(self, request: Request) -> Response:
        """Answer one request. Never raises for a mistake of the client."""

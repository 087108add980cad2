"""The service over RSGI, Granian's native interface, which is faster than ASGI."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from granian.rsgi import ProtocolClosed, ProtocolError  # type: ignore[attr-defined]  # compiled, not in its stubs

from muster.http.wire.disconnect import disconnect
from muster.http.wire.message import (
    SEND_SECONDS,
    Request,
    RequestHandler,
    Response,
    announced_length,
    too_large,
)
from muster.scim.errors import invalid_syntax

_PASSED_OVER = 10


def application(service: RequestHandler) -> Callable[[Any, Any], Awaitable[None]]:
    """Return the function that Granian calls for each request."""

    async def answer(scope: Any, protocol: Any) -> None:
        headers = scope.headers.get

        async def read(limit: int) -> bytes:
            try:
                return await _body(protocol, limit, announced_length(headers("content-length")))
            except (ProtocolClosed, ProtocolError):
                raise invalid_syntax(
                    "The body ended early: fewer bytes arrived than Content-Length announces."
                ) from None

        request = Request(
            scope.method,
            scope.path,
            scope.query_string,
            headers,
            read,
            scope.client,
            scope.scheme,
            headers("host") or scope.authority or "",
            gone=protocol.client_disconnect,
            has=scope.headers.__contains__,
        )
        response = await service.answer(request)
        try:
            if response.stream is not None and scope.method != "HEAD":
                await _stream(response, response.stream, scope, protocol)
            elif response.body:
                protocol.response_bytes(response.status, response.headers, response.body)
            else:
                protocol.response_empty(response.status, response.headers)
        except (ProtocolClosed, ProtocolError):
            pass  # the client has disconnected; the response is logged all the same
        finally:
            if response.stream is not None:
                await response.close()

    return answer


async def _stream(
    response: Response, pieces: AsyncIterator[bytes], scope: Any, protocol: Any
) -> None:
    """Send a body in pieces; break the connection off unless all of them are sent.

    Granian would end the body properly, and the client would take a part for the whole.
    """
    transport = protocol.response_stream(response.status, response.headers)
    whole = False
    try:
        async for piece in pieces:
            if not await _sent(transport, piece):
                return
        whole = True
    finally:
        if not whole:
            disconnect(scope.client, scope.server)


async def _sent(transport: Any, piece: bytes) -> bool:
    """Send a piece. Returns False if the client has gone, or receives nothing any more."""
    try:
        async with asyncio.timeout(SEND_SECONDS):
            await transport.send_bytes(piece)
    except (ProtocolClosed, ProtocolError, TimeoutError):
        return False
    return True


async def _body(protocol: Any, limit: int, announced: int | None) -> bytes:
    """Read the body, keeping at most `limit` bytes.

    The rest is read and discarded, so that the client stays connected to receive the error.
    """
    if announced is not None and announced <= limit:
        body: bytes = await protocol()
        if len(body) < announced:
            raise invalid_syntax(
                "The body ended early: fewer bytes arrived than Content-Length announces."
            )
        return body
    chunks, size = [], 0
    async for chunk in protocol:
        size += len(chunk)
        if size <= limit:
            chunks.append(chunk)
        elif size > _PASSED_OVER * limit:
            break
    if size > limit or announced is not None:  # it was announced as larger than the limit
        raise too_large(limit)
    return b"".join(chunks)

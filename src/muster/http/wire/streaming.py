"""Streamed responses."""

from collections.abc import AsyncIterator

from muster.http.wire.message import Headers, Response

_WHOLE = 256 * 1024
"""The bytes up to which a response is collected and sent whole, with its length."""


async def streamed(status: int, headers: Headers, body: AsyncIterator[bytes]) -> Response:
    """Return a response from chunks: whole if it is short, streamed otherwise."""
    gathered, size = [], 0
    async for piece in body:
        gathered.append(piece)
        size += len(piece)
        if size > _WHOLE:
            return Response(status, headers, stream=_rest(b"".join(gathered), body))
    return Response(status, headers, b"".join(gathered))


async def _rest(gathered: bytes, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield gathered
    async for piece in body:
        yield piece

"""The service as an ASGI 3.0 application, to run or to mount under a prefix."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from muster.http.wire.message import (
    MAX_HEADER_BYTES,
    MAX_HEADERS,
    SEND_SECONDS,
    Request,
    RequestHandler,
    announced_length,
    too_large,
)
from muster.scim.errors import invalid_syntax

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


async def answer(service: RequestHandler, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one HTTP request."""
    response = await service.answer(_request(scope, receive))
    headers = [
        (name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers
    ]
    if response.status not in (204, 304) and response.stream is None:
        headers.append((b"content-length", str(len(response.body)).encode()))
    try:
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        if response.stream is not None and scope["method"] != "HEAD":
            async for piece in response.stream:
                async with asyncio.timeout(SEND_SECONDS):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send(
            {
                "type": "http.response.body",
                "body": response.body if scope["method"] != "HEAD" else b"",
            }
        )
    finally:
        if response.stream is not None:
            await response.close()


def _headers(scope: Scope) -> dict[str, str] | None:
    """Return the headers by lower-case name, repeats joined; None if too long."""
    given = scope["headers"]
    if (
        len(given) > MAX_HEADERS
        or sum(len(name) + len(value) for name, value in given) > MAX_HEADER_BYTES
    ):
        return None
    found: dict[str, list[str]] = {}
    for name, value in given:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return {
        name: (values[0] if len(values) == 1 else ", ".join(values))
        for name, values in found.items()
    }


def _request(scope: Scope, receive: Receive) -> Request:
    given = _headers(scope)
    headers = given or {}
    prefix = scope.get("root_path", "").rstrip("/")
    path: str = scope["path"]
    client = scope.get("client")

    async def read(limit: int) -> bytes:
        return await _body(receive, limit, announced_length(headers.get("content-length")))

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    return Request(
        scope["method"],
        path.removeprefix(prefix) if prefix else path,
        scope.get("query_string", b"").decode("latin-1"),
        headers.get,
        read,
        f"{client[0]}:{client[1]}"
        if client and ":" not in client[0]
        else f"[{client[0]}]:{client[1]}"
        if client
        else "",
        scope.get("scheme", "http"),
        headers.get("host", ""),
        prefix,
        gone=gone,
        too_long=given is None,
    )


async def _body(receive: Receive, limit: int, announced: int | None) -> bytes:
    if announced is not None and announced > limit:
        raise too_large(limit)
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise invalid_syntax(
                "The body ended early: fewer bytes arrived than Content-Length announces."
            )
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise too_large(limit)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)

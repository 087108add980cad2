"""Sending one message to a URL of a stranger's choice: to no private address, with no redirect followed, within a time."""

import asyncio
import ipaddress
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpcore

_SECONDS = 15.0
_READ = 4096


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of sending. status: of the answer, None where there was none; error: why not."""

    status: int | None
    error: str | None
    milliseconds: int

    @property
    def arrived(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class _Guarded(httpcore.AnyIOBackend):
    """Connects to public addresses alone: the address that was looked at is the one that is connected to."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (the library's signature)
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(f"{host}: {error.strerror}") from error
        addresses = [str(item[4][0]) for item in found]
        for address in addresses:
            if not is_public(address):
                raise httpcore.ConnectError(f"{host} is at {address}, which is not a public address")
        return await super().connect_tcp(addresses[0], port, timeout, local_address, socket_options)


def is_public(address: str) -> bool:
    """Whether an address is one of the Internet's, also where it is written into an IPv6 one."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is not None and not is_public(str(inner)):
            return False
        if found in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)))
    return found.is_global and not found.is_multicast


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class Sender:
    """Sends messages. private: also to private addresses, and without TLS."""

    def __init__(self, private: bool) -> None:
        self.private = private
        backend = None if private else _Guarded()
        self._pool = httpcore.AsyncConnectionPool(
            max_connections=100, max_keepalive_connections=20, keepalive_expiry=30, network_backend=backend
        )

    async def post(self, url: str, headers: Mapping[bytes | str, bytes | str], body: bytes) -> Answer:
        """POST a body; it never raises for what the other side does."""
        started = time.monotonic()
        status, error = None, None
        try:
            async with asyncio.timeout(_SECONDS), self._pool.stream("POST", url, headers=headers, content=body) as response:
                status = response.status
                async for _ in response.aiter_stream():
                    break  # what it says is of no interest, and may be without end
        except TimeoutError:
            error = f"no answer within {_SECONDS:g} seconds"
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError, ValueError) as failed:
            error = str(failed) or type(failed).__name__
        return Answer(status, error if status is None else None, int((time.monotonic() - started) * 1000))

    async def close(self) -> None:
        await self._pool.aclose()

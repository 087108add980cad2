"""Connections to where a stranger wants them: to no private address, unless that is allowed."""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

import httpcore2

FAILURES = (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException, OSError, ValueError)
"""What a request over such a connection may raise, for no fault of ours."""


class _Guarded(httpcore2.AnyIOBackend):
    """Connects to public addresses alone: the address that was looked at is the one that is connected to."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (the library's signature)
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore2.ConnectError(f"{host}: {error.strerror}") from error
        addresses = [str(item[4][0]) for item in found]
        for address in addresses:
            if not is_public(address):
                raise httpcore2.ConnectError(f"{host} is at {address}, which is not a public address")
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


def pool(private: bool) -> httpcore2.AsyncConnectionPool:
    """Connections that follow no redirect. private: also to private addresses."""
    backend = None if private else _Guarded()
    return httpcore2.AsyncConnectionPool(
        max_connections=100, max_keepalive_connections=20, keepalive_expiry=30, network_backend=backend
    )

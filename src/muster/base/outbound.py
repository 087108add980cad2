"""Outbound connections to addresses that a customer chooses.

Webhooks and OpenID providers are reached at URLs from the console. Without a check, such a URL
could make muster send requests into the operator's own network (server-side request forgery).
Private addresses are refused unless the operator allows them.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Collection, Iterable
from typing import Any
from urllib.parse import urlsplit

import httpcore2

FAILURES = (
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.TimeoutException,
    OSError,
    ValueError,
)
"""Errors of a request over such a connection that are not defects in muster."""


class _PublicBackend(httpcore2.AnyIOBackend):
    """Connects to public addresses only.

    The host name is resolved once, every address is checked, and the connection is made to a
    checked address instead of the name. A second resolution could return another address (DNS
    rebinding).
    """

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (the library's signature)
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                host, port, type=socket.SOCK_STREAM
            )
        except OSError as error:
            raise httpcore2.ConnectError(f"{host}: {error.strerror}") from error
        addresses = [str(item[4][0]) for item in found]
        for address in addresses:
            if not is_public(address):
                raise httpcore2.ConnectError(
                    f"{host} resolves to {address}, which is not a public address"
                )
        return await super().connect_tcp(addresses[0], port, timeout, local_address, socket_options)


_NOT_PUBLIC = {
    4: (
        ("0.0.0.0/8", "this network (RFC 791)"),
        ("10.0.0.0/8", "private use (RFC 1918)"),
        ("100.64.0.0/10", "carrier-grade NAT (RFC 6598)"),
        ("127.0.0.0/8", "loopback (RFC 1122)"),
        ("168.63.129.16/32", "the platform services of Microsoft Azure"),
        ("169.254.0.0/16", "link-local, and the metadata services of clouds (RFC 3927)"),
        ("172.16.0.0/12", "private use (RFC 1918)"),
        ("192.0.0.0/24", "protocol assignments (RFC 6890)"),
        ("192.0.2.0/24", "documentation (RFC 5737)"),
        ("192.31.196.0/24", "AS112 (RFC 7535)"),
        ("192.52.193.0/24", "AMT (RFC 7450)"),
        ("192.88.99.0/24", "6to4 relays (RFC 7526)"),
        ("192.168.0.0/16", "private use (RFC 1918)"),
        ("192.175.48.0/24", "AS112 (RFC 7534)"),
        ("198.18.0.0/15", "benchmarks (RFC 2544)"),
        ("198.51.100.0/24", "documentation (RFC 5737)"),
        ("203.0.113.0/24", "documentation (RFC 5737)"),
        ("224.0.0.0/4", "multicast (RFC 1112)"),
        ("240.0.0.0/4", "reserved, and broadcast (RFC 1112)"),
    ),
    6: (
        ("::/96", "unspecified, loopback and IPv4-compatible (RFC 4291)"),
        ("::ffff:0:0:0/96", "IPv4-translated (RFC 2765)"),
        ("64:ff9b:1::/48", "local NAT64 (RFC 8215)"),
        ("2001::/23", "protocol assignments: Teredo, benchmarks, ORCHID (RFC 2928)"),
        ("2001:db8::/32", "documentation (RFC 3849)"),
        ("2002::/16", "6to4 (RFC 3056)"),
        ("2620:4f:8000::/48", "AS112 (RFC 7534)"),
        ("3ffe::/16", "the former 6bone (RFC 3701)"),
        ("3fff::/20", "documentation (RFC 9637)"),
        ("fc00::/7", "unique local (RFC 4193)"),
        ("fe80::/10", "link-local (RFC 4291)"),
        ("fec0::/10", "site-local (RFC 3879)"),
        ("ff00::/8", "multicast (RFC 4291)"),
    ),
}
"""Networks that are not public, by IP version.

They are listed here because the answers of `ipaddress` differ between versions of Python.
"""

_EXCLUDED = {
    version: [ipaddress.ip_network(network) for network, _ in listed]
    for version, listed in _NOT_PUBLIC.items()
}
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_WITH_IPV4 = (ipaddress.IPv6Network("::ffff:0:0/96"), ipaddress.IPv6Network("64:ff9b::/96"))
"""Networks whose addresses contain an IPv4 address.

They are IPv4-mapped addresses and the well-known NAT64 prefix (RFC 6052). An address is as public
as the IPv4 address within it.
"""


MAX_URL = 2000
"""The longest URL that may be configured or that a provider may name."""


def is_absolute_url(text: object, schemes: Collection[str]) -> bool:
    """Tell whether a value is an absolute URL, in printable ASCII and without a user.

    Args:
        text: The value.
        schemes: The allowed schemes, in lower case.
    """
    if not isinstance(text, str) or len(text) > MAX_URL or not text.isascii():
        return False
    if not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
        sound = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets without an IPv6 address, or a port that is no port
        return False
    return sound and "@" not in parts.netloc


def is_public(address: str) -> bool:
    """Tell whether an address is global unicast, itself or by the IPv4 address in it."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if any(found in network for network in _WITH_IPV4):
            return is_public(str(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)))
        if found not in _GLOBAL_UNICAST:
            return False
    return not any(found in network for network in _EXCLUDED[found.version])


class _PublicPool(httpcore2.AsyncConnectionPool):
    """Connects over TLS to public addresses only.

    URLs that somebody enters are checked before, but a provider names further ones, to which its
    client secret is sent.
    """

    async def handle_async_request(self, request: httpcore2.Request) -> httpcore2.Response:
        if request.url.scheme != b"https":
            host = request.url.host.decode("ascii", "replace")
            raise httpcore2.ConnectError(f"the URL of {host} does not use HTTPS")
        return await super().handle_async_request(request)


def pool(private: bool) -> httpcore2.AsyncConnectionPool:
    """Return a pool of connections that follows no redirect.

    Args:
        private: Allow private addresses, and plain HTTP.
    """
    kind = httpcore2.AsyncConnectionPool if private else _PublicPool
    return kind(
        max_connections=100,
        max_keepalive_connections=20,
        keepalive_expiry=30,
        network_backend=None if private else _PublicBackend(),
    )

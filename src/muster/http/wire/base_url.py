"""The base URL of responses: the setting, or the request's host.

Forwarded headers are used only if they come from trusted proxies.
"""

import ipaddress
import re
from functools import lru_cache
from urllib.parse import urlsplit

from muster.http.wire.message import MAX_HEADER, Request
from muster.scim.errors import ScimError

SCIM_ROOT = "/scim/v2"
_HOST = re.compile(r"[A-Za-z0-9._~-]+(?::\d{1,5})?|\[[0-9A-Fa-f:.]+\](?::\d{1,5})?")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")
_REMEMBERED = 1000


class BaseUrl:
    """Derives the base URL and the client's address from requests.

    Args:
        base_url: The configured base URL for all responses; None to use the request's.
        trusted_proxies: The addresses or networks of trusted proxies.
    """

    def __init__(self, base_url: str | None, trusted_proxies: tuple[str, ...]) -> None:
        self._fixed = base_url
        self.fixed_prefix = "" if base_url is None else urlsplit(base_url).path
        """The path of the configured base URL; empty if none is set."""
        self._trusted = [ipaddress.ip_network(proxy, strict=False) for proxy in trusted_proxies]
        self._known: dict[tuple[str, str, str], str] = {}

    def base(self, request: Request) -> str:
        """Return the base URL of the application for a request, without a trailing slash.

        Raises:
            ScimError: 400 if the Host header is invalid.
        """
        if self._fixed is not None:
            return self._fixed
        scheme, host = request.scheme, request.host
        if self._trusted and self._is_trusted(request.client):
            scheme = _first(request.header("x-forwarded-proto")) or scheme
            host = _first(request.header("x-forwarded-host")) or host
        key = (scheme, host, request.prefix)
        return self._known.get(key) or self._remember(key)

    def prefix(self, request: Request) -> str:
        """Return the path of the application's public URL, without a trailing slash."""
        return self.fixed_prefix or request.prefix

    def public(self, request: Request) -> str:
        """Return the base URL for links with secrets, such as invitations.

        Only the configured URL and loopback hosts are used. Any other host comes from the client or
        a proxy, so the link could send its secret to a host of the client's choice.

        Raises:
            ScimError: 400 if no base URL is configured and the host is not loopback.
        """
        base = self.base(request)
        if self._fixed is None and not is_loopback(urlsplit(base).hostname or ""):
            raise ScimError(
                400,
                "Cannot create a link: set MUSTER_BASE_URL to the public URL of this server.",
            )
        return base

    def client(self, request: Request) -> str:
        """Return the client's address: the last untrusted one forwarded, or the peer's."""
        address = peer_address(request.client)
        if not self._trusted:
            return address
        forwarded = (request.header("x-forwarded-for") or "")[-MAX_HEADER:]
        chain = [part.strip() for part in forwarded.split(",") if part.strip()]
        while chain and self._is_trusted(address):
            address = peer_address(chain.pop())
        return address

    def _remember(self, key: tuple[str, str, str]) -> str:
        scheme, host, prefix = key
        if (
            scheme not in ("http", "https")
            or not _HOST.fullmatch(host)
            or not _PREFIX.fullmatch(prefix)
        ):
            raise ScimError(400, "The Host header is not a valid host name.")
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[key] = f"{scheme}://{host}{prefix}"
        return self._known[key]

    def _is_trusted(self, client: str) -> bool:
        try:
            address = ipaddress.ip_address(peer_address(client))
        except ValueError:
            return False
        return any(address in network for network in self._trusted)


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


@lru_cache(maxsize=_REMEMBERED)
def peer_address(client: str) -> str:
    """Return an address without its port."""
    if client.startswith("["):
        return client[1:].partition("]")[0]
    return client.rpartition(":")[0] if client.count(":") == 1 else client


def _first(header: str | None) -> str:
    return (header or "").partition(",")[0].strip()

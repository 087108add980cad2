"""The base URL of an answer: the setting, or the request's host; forwarded headers only from trusted proxies."""

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
    """base_url: fixed for all answers, where it is set. trusted_proxies: addresses or networks."""

    def __init__(self, base_url: str | None, trusted_proxies: tuple[str, ...]) -> None:
        self._fixed = base_url
        self.fixed_prefix = "" if base_url is None else urlsplit(base_url).path
        """The path of the public URL, where it is a setting."""
        self._trusted = [ipaddress.ip_network(proxy, strict=False) for proxy in trusted_proxies]
        self._known: dict[tuple[str, str, str], str] = {}

    def base(self, request: Request) -> str:
        """The URL under which the application is reached, without a slash at its end. Raises ScimError 400 for a bad Host."""
        if self._fixed is not None:
            return self._fixed
        scheme, host = request.scheme, request.host
        if self._trusted and self._is_trusted(request.client):
            scheme = _first(request.header("x-forwarded-proto")) or scheme
            host = _first(request.header("x-forwarded-host")) or host
        key = (scheme, host, request.prefix)
        return self._known.get(key) or self._remember(key)

    def prefix(self, request: Request) -> str:
        """The path under which people reach the application, without a slash at its end."""
        return self.fixed_prefix or request.prefix

    def public(self, request: Request) -> str:
        """The base URL for links that lead people here, such as invitations and OpenID redirects.

        It is the setting, or a loopback host. Any other host is chosen by whoever sends the request, or is forwarded from
        there by a proxy, and such a link would carry its secret to that host. Raises ScimError 400.
        """
        base = self.base(request)
        if self._fixed is None and not _is_loopback(urlsplit(base).hostname or ""):
            raise ScimError(
                400,
                "No link is made for a host that is not configured: set MUSTER_BASE_URL to the public URL.",
            )
        return base

    def client(self, request: Request) -> str:
        """The client's address: what the last proxy that is not trusted says, else the peer's."""
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
            raise ScimError(400, "the Host of the request is not a host name")
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


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


@lru_cache(maxsize=_REMEMBERED)
def peer_address(client: str) -> str:
    """The address without its port."""
    if client.startswith("["):
        return client[1:].partition("]")[0]
    return client.rpartition(":")[0] if client.count(":") == 1 else client


def _first(header: str | None) -> str:
    return (header or "").partition(",")[0].strip()

"""The IP allowlist of a workspace: CIDR blocks, IPv4 and IPv6."""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def networks(blocks: Iterable[str]) -> tuple[Network, ...]:
    """The networks that blocks name; an address alone is a network of one. Raises ValueError that says which is none."""
    return tuple(ipaddress.ip_network(block, strict=False) for block in blocks)


def admits(allowed: tuple[Network, ...], address: str) -> bool:
    """Whether an address is in one of some networks. What is no address is in none."""
    found = _parsed(address)
    return found is not None and any(
        found.version == network.version and found in network for network in allowed
    )


@lru_cache(maxsize=4096)
def _parsed(address: str) -> _Address | None:
    """An address; an IPv4 one that is mapped into IPv6 as itself."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found

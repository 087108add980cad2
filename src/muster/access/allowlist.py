"""The IP allowlist of a workspace: CIDR ranges, IPv4 and IPv6."""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def networks(blocks: Iterable[str]) -> tuple[Network, ...]:
    """Parse CIDR ranges; a single address is a range of one.

    Raises:
        ValueError: A range is invalid; the message names it.
    """
    return tuple(ipaddress.ip_network(block, strict=False) for block in blocks)


def admits(allowed: tuple[Network, ...], address: str) -> bool:
    """Return whether an address is valid and in one of the networks."""
    found = _parsed(address)
    return found is not None and any(
        found.version == network.version and found in network for network in allowed
    )


@lru_cache(maxsize=4096)
def _parsed(address: str) -> _Address | None:
    """Parse an address, unmapping IPv4 from IPv6; None if it is invalid."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found

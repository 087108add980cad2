"""The IP allowlist of a workspace: CIDR ranges, IPv4 and IPv6."""

import ipaddress
from collections.abc import Iterable, Sequence
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Descriptions = Iterable[tuple[str, str]]
"""CIDR ranges, each with its description."""
MAX_DESCRIPTION = 200
"""Characters of the description of a range."""
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


def matching(blocks: Iterable[str], address: str) -> str | None:
    """Return the first CIDR range that contains an address, or None."""
    return next((block for block in blocks if admits(networks([block]), address)), None)


def is_address(text: str) -> bool:
    """Tell whether a text is an IP address."""
    return _parsed(text) is not None


def described(
    before: Descriptions, blocks: Sequence[str], given: Descriptions
) -> tuple[tuple[str, str], ...]:
    """Return the descriptions of the ranges of a changed allowlist.

    A range that comes without one keeps the description that it has, because clients that know no
    descriptions send back the ranges alone.

    Args:
        before: The descriptions before the change.
        blocks: The ranges after it.
        given: The descriptions that the change gives; an empty one removes that of the range.
    """
    texts = {**dict(before), **dict(given)}
    return tuple((block, texts[block]) for block in blocks if texts.get(block))


def entries(blocks: Iterable[str], descriptions: Descriptions) -> list[dict[str, str]]:
    """Return the ranges as JSON, each with its description, which may be empty."""
    texts = dict(descriptions)
    return [{"range": block, "description": texts.get(block, "")} for block in blocks]


@lru_cache(maxsize=4096)
def _parsed(address: str) -> _Address | None:
    """Parse an address, unmapping IPv4 from IPv6; None if it is invalid."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found

"""ETags (RFC 7644 section 3.14).

All ETags are weak. Clients send them back as weak or strong, with or without quotation marks; all
forms are accepted.
"""

ANY = "*"


def etag(version: int | str) -> str:
    """Return the ETag of a version."""
    return f'W/"{version}"'


def version_tag(version: int, digest: str | None = None) -> str:
    """Return the opaque part of an ETag.

    Args:
        version: The version of the resource.
        digest: A digest of the groups of a user, which can change without a new version; None if
            there are none.
    """
    return str(version) if digest is None else f"{version}-{digest}"


def read_etags(header: str) -> frozenset[str]:
    """Parse `If-Match` or `If-None-Match`; `*` is one of the tags."""
    return frozenset(read_etag(part) for part in header.split(","))


def read_etag(text: str) -> str:
    """Parse one ETag, as in `version` of a bulk operation."""
    return text.strip().removeprefix("W/").strip('"')


def matches_etag(tags: frozenset[str] | None, tag: str) -> bool:
    """Return whether a header with these tags matches; None (no header) always does."""
    return tags is None or ANY in tags or tag in tags

"""ETags (RFC 7644 section 3.14): how a version is written, and how `If-Match` is read and compared.

All ETags are weak. Clients send them back as weak or strong, with or without quotation marks, and all forms compare
alike.
"""

ANY = "*"


def etag(version: int | str) -> str:
    """Return the ETag of a version."""
    return f'W/"{version}"'


def version_tag(version: int, digest: str | None = None) -> str:
    """Return the text within an ETag.

    Args:
        version: The version of the resource.
        digest: A digest of the groups that a user is in, for they change without the user; None if there are none.
    """
    return str(version) if digest is None else f"{version}-{digest}"


def read_etags(header: str) -> frozenset[str]:
    """Return the tags that an `If-Match` or `If-None-Match` header lists, `*` among them."""
    return frozenset(read_etag(part) for part in header.split(","))


def read_etag(text: str) -> str:
    """Return the tag of one ETag, as `version` has it in a bulk operation."""
    return text.strip().removeprefix("W/").strip('"')


def matches_etag(tags: frozenset[str] | None, tag: str) -> bool:
    """Return whether a header with these tags matches a resource; without the header, any resource matches."""
    return tags is None or ANY in tags or tag in tags

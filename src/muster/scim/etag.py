"""ETags (RFC 7644 section 3.14)."""


def etag(version: int | str) -> str:
    """The weak ETag of a version, or of a version's tag (RFC 7644 section 3.14)."""
    return f'W/"{version}"'

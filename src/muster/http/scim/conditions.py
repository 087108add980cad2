"""Conditional requests: If-Match and If-None-Match (RFC 7644 section 3.14)."""

from muster.directory.groups.memberships import tag_of
from muster.http.wire.message import MAX_HEADER, Request
from muster.scim.errors import ScimError
from muster.scim.etag import matches_etag, read_etags
from muster.storage.port.resources import Stored


class Conditions:
    """The conditions in the headers of a request."""

    __slots__ = ("_match", "_none_match")

    def __init__(self, request: Request) -> None:
        self._match = _versions(request.header("if-match"))
        self._none_match = _versions(request.header("if-none-match"))

    def check_write(self, standing: Stored) -> None:
        """Check the conditions before a write.

        Args:
            standing: The current resource.

        Raises:
            ScimError: 412 if they do not hold.
        """
        tag = tag_of(standing)
        if not matches_etag(self._match, tag):
            raise _failed(tag)
        if self._none_match is not None and matches_etag(self._none_match, tag):
            raise _failed(tag)

    def check_create(self) -> None:
        """Check the conditions before a resource is created.

        Raises:
            ScimError: 412 if If-Match is given, as it cannot match.
        """
        if self._match is not None:
            raise ScimError(412, "If-Match cannot match a resource that does not exist yet")

    def not_modified(self, tag: str) -> bool:
        """Return whether to answer a read with 304.

        Args:
            tag: The opaque part of the resource's ETag.

        Raises:
            ScimError: 412 if If-Match does not hold.
        """
        if not matches_etag(self._match, tag):
            raise _failed(tag)
        return self._none_match is not None and matches_etag(self._none_match, tag)


def _versions(header: str | None) -> frozenset[str] | None:
    """Parse the versions, or `*`, in a header.

    Weak and strong ETags compare alike, because all ETags of this server are weak.
    """
    if header is None:
        return None
    if len(header) > MAX_HEADER:
        raise ScimError(
            431, f"If-Match and If-None-Match can have at most {MAX_HEADER:,} bytes each"
        )
    return read_etags(header)


def _failed(tag: str) -> ScimError:
    return ScimError(412, f'The current version is W/"{tag}". Read the resource again and retry.')

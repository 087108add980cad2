"""Conditional requests (RFC 7644 section 3.14, RFC 9110 section 13): If-Match and If-None-Match on every method."""

from muster.directory.groups.memberships import tag_of
from muster.http.wire.message import MAX_HEADER, Request
from muster.scim.errors import ScimError
from muster.scim.etag import matches_etag, read_etags
from muster.storage.port.resources import Stored


class Conditions:
    """The two headers of a request."""

    __slots__ = ("_match", "_none_match")

    def __init__(self, request: Request) -> None:
        self._match = _versions(request.header("if-match"))
        self._none_match = _versions(request.header("if-none-match"))

    def check_write(self, standing: Stored) -> None:
        """Raises ScimError 412 where the resource that stands is not what the client has in mind."""
        if not matches_etag(self._match, tag_of(standing)):
            raise _failed(standing)
        if self._none_match is not None and matches_etag(self._none_match, tag_of(standing)):
            raise _failed(standing)

    def check_create(self) -> None:
        """On a new resource If-Match can match nothing. Raises ScimError 412."""
        if self._match is not None:
            raise ScimError(412, "If-Match: there is no resource yet that it could match")

    def not_modified(self, standing: Stored) -> bool:
        """Whether a read is to be answered 304. Raises ScimError 412 where If-Match does not hold."""
        if not matches_etag(self._match, tag_of(standing)):
            raise _failed(standing)
        return self._none_match is not None and matches_etag(self._none_match, tag_of(standing))


def _versions(header: str | None) -> frozenset[str] | None:
    """The versions that a header lists, `*` among them; weak and strong compare alike, as all of ours are weak."""
    if header is None:
        return None
    if len(header) > MAX_HEADER:
        raise ScimError(431, f"If-Match and If-None-Match may be {MAX_HEADER:,} bytes long")
    return read_etags(header)


def _failed(standing: Stored) -> ScimError:
    return ScimError(
        412,
        f'the resource is at version W/"{tag_of(standing)}", which the condition does not allow',
    )

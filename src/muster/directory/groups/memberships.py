"""Attributes computed from memberships: `groups` of users, `members` of groups.

Documents are stored without them. They are inserted into the bytes of a document when it is
answered, so that a large group costs no parsing.
"""

from collections.abc import Iterator

from muster.scim.document import Document
from muster.scim.etag import version_tag
from muster.scim.references import element
from muster.scim.schema.model import registry
from muster.storage.port.members import Groups, Member
from muster.storage.port.resources import BASE, Stored

GROUPS = "groups"
_LOCATION = b'"location":"%b' % BASE.encode()
_END = b'"}}'
_ENDPOINTS = {
    resource_type.name: resource_type.endpoint for resource_type in registry().types.values()
}


def tag_of(stored: Stored) -> str:
    """Return the opaque part of a resource's ETag.

    It is the version. For a user in groups, a digest of the groups follows, because `groups` can
    change without a new version of the user.
    """
    return version_tag(stored.version, None if stored.groups is None else stored.groups.digest)


def with_groups(stored: Stored) -> Stored:
    """Insert the groups of a resource, and the version that its ETag has."""
    if stored.groups is None:
        return stored
    document = _insert_groups(stored.document, stored.groups)
    return Stored(stored.id, stored.version, document, stored.groups)


def each_with_groups(documents: bytes, memberships: dict[str, Groups]) -> bytes:
    """Insert the groups into each document of a page.

    Args:
        documents: Documents joined by commas.
        memberships: The groups of each resource by its id; resources in no group are absent.
    """
    answered = []
    for resource_id, document in split(documents):
        groups = memberships.get(resource_id)
        answered.append(document if groups is None else _insert_groups(document, groups))
    return b",".join(answered)


def split(documents: bytes) -> Iterator[tuple[str, bytes]]:
    """Split a page into its documents, each with its id.

    Every document ends with its location, which contains the placeholder of the base URL. No other
    value can contain the placeholder, so the search for it needs no parsing.
    """
    start = 0
    while start < len(documents):
        end = documents.index(_END, documents.index(_LOCATION, start))
        yield documents[end - 36 : end].decode(), documents[start : end + len(_END)]
        start = end + len(_END) + 1


def first_id(documents: bytes) -> str:
    """Return the id of the first resource of a page, whether groups were inserted or not."""
    location = documents.index(_LOCATION) + len(_LOCATION)
    end = documents.index(b'"', location)
    return documents[end - 36 : end].decode()


def _insert_groups(document: bytes, groups: Groups) -> bytes:
    # `meta` ends with `"version":"W/\"3\"","location":"…"}}`: the digest goes before the escaped
    # quote.
    version = document.rindex(b'",' + _LOCATION) - 2
    return b'%b-%b%b,"groups":[%b]}' % (
        document[:version],
        groups.digest.encode(),
        document[version:-1],
        groups.elements,
    )


def member(found: Member) -> bytes:
    """Serialise a member as an element of `members`."""
    return element(
        f"{BASE}{_ENDPOINTS[found.type]}/{found.id}", found.id, found.display, found.type
    )


def member_element(found: Member) -> Document:
    """Return the element of `members` on which filters are evaluated."""
    document = {"value": found.id, "type": found.type}
    return document if found.display is None else {**document, "display": found.display}

"""What documents do not hold, for the memberships say it: `groups` of a user, `members` of a group. Put in as bytes, unparsed."""

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
    """What the ETag says: the version, and for a user in groups a digest of them, for they change without the user."""
    return version_tag(stored.version, None if stored.groups is None else stored.groups.digest)


def with_groups(stored: Stored) -> Stored:
    """A resource as it is shown: with the groups that it is in, and with the version that its ETag says."""
    if stored.groups is None:
        return stored
    return Stored(stored.id, stored.version, _shown(stored.document, stored.groups), stored.groups)


def each_with_groups(documents: bytes, memberships: dict[str, Groups]) -> bytes:
    """The same of each of the documents of a page, which have commas in between. memberships: as the storage has them, by id."""
    shown = []
    for resource_id, document in split(documents):
        groups = memberships.get(resource_id)
        shown.append(document if groups is None else _shown(document, groups))
    return b",".join(shown)


def split(documents: bytes) -> Iterator[tuple[str, bytes]]:
    """The documents of a page, each with its id: each ends with its location, and nothing else is like that."""
    start = 0
    while start < len(documents):
        end = documents.index(_END, documents.index(_LOCATION, start))
        yield documents[end - 36 : end].decode(), documents[start : end + len(_END)]
        start = end + len(_END) + 1


def _shown(document: bytes, groups: Groups) -> bytes:
    version = (
        document.rindex(b'",' + _LOCATION) - 2
    )  # where the ETag within meta ends, its quotation mark escaped
    return b'%b-%b%b,"groups":[%b]}' % (
        document[:version],
        groups.digest.encode(),
        document[version:-1],
        groups.elements,
    )


def member(found: Member) -> bytes:
    """A member as an element of `members`."""
    return element(
        f"{BASE}{_ENDPOINTS[found.type]}/{found.id}", found.id, found.display, found.type
    )


def element_of(found: Member) -> Document:
    """A member as filters see it."""
    shown = {"value": found.id, "type": found.type}
    return shown if found.display is None else {**shown, "display": found.display}

"""Builds new versions of a resource for the storage."""

import orjson

from muster.directory.documents import location_prefix, parse, with_location
from muster.scim.document import Document
from muster.scim.errors import invalid_value
from muster.scim.etag import etag
from muster.scim.indexing import entries, entries_of_next, search_form
from muster.scim.schema.model import ResourceType
from muster.scim.secrets import add, lost_with_elements
from muster.storage.port.resources import BASE, Lookups, Put, Stored

_MAX_INDEXED = 2000
"""The most bytes of an indexed value. PostgreSQL rejects B-tree keys over 2,704 bytes."""


def make_put(
    document: Document,
    resource_type: ResourceType,
    resource_id: str,
    version: int,
    created: str,
    modified: str,
    before: Lookups | None = None,
    secrets: dict[str, str | None] | None = None,
) -> Put:
    """Build the write that stores a canonical document.

    Args:
        document: The document; `id` and `meta` are replaced.
        resource_type: Its type.
        resource_id: Its id.
        version: The version it gets.
        created: `meta.created`.
        modified: `meta.lastModified`.
        before: The look-ups of the document that it replaces; None for a new resource.
        secrets: Hashes by attribute; None for those to forget.

    Raises:
        ScimError: invalidValue, if an indexed value is too long.
    """
    whole = _with_meta(document, resource_type, resource_id, version, (created, modified))
    index = index_of_document(whole, resource_type)
    return _put(whole, resource_type, version, index, before, secrets)


def _with_meta(
    document: Document,
    resource_type: ResourceType,
    resource_id: str,
    version: int,
    times: tuple[str, str],
) -> Document:
    """Return a canonical document as it is stored, but for its location.

    Args:
        document: The document; `id` and `meta` are replaced.
        resource_type: Its type.
        resource_id: Its id.
        version: Its version.
        times: `meta.created` and `meta.lastModified`.
    """
    whole: Document = {"schemas": document["schemas"], "id": resource_id}
    whole.update(document)
    whole["id"] = resource_id
    whole.pop("meta", None)  # `meta` must come last: with_location appends to it
    if resource_type.computed is not None:
        whole.pop(resource_type.computed, None)
    whole["meta"] = {
        "resourceType": resource_type.name,
        "created": times[0],
        "lastModified": times[1],
        "version": etag(version),
    }
    return whole


def _put(
    whole: Document,
    resource_type: ResourceType,
    version: int,
    index: Lookups,
    before: Lookups | None,
    secrets: dict[str, str | None] | None,
) -> Put:
    resource_id = whole["id"]
    location = location_prefix(resource_type, BASE) + resource_id
    stored = Stored(resource_id, version, with_location(orjson.dumps(whole), location))
    search = orjson.dumps(search_form(whole, resource_type))
    check_length(index)
    return Put(stored, search, index, display_of(whole), before, secrets or {})


def next_version(
    current: Stored,
    changed: Document,
    resource_type: ResourceType,
    now: str,
    secrets: dict[str, str | None] | None = None,
    current_document: Document | None = None,
) -> Put:
    """Build the next version of a resource; its lastModified never goes back.

    Args:
        current: The resource as it is stored now.
        changed: The new document.
        resource_type: Its type.
        now: The time of the change.
        secrets: Hashes by attribute; None for those to forget.
        current_document: The parsed document of `current`, with its meta, if the caller has it.
    """
    whole = parse(current.document) if current_document is None else current_document
    before, meta = index_of_document(whole, resource_type), whole["meta"]
    modified = max(now, meta["lastModified"])
    hashes = lost_with_elements(whole, changed, resource_type)
    add(hashes, secrets or {})
    version, times = current.version + 1, (meta["created"], modified)
    after = _with_meta(changed, resource_type, current.id, version, times)
    known = (before.lookups, before.unique)
    index = Lookups(*entries_of_next(after, whole, known, resource_type))
    put = _put(after, resource_type, version, index, before, hashes)
    put.stored.groups = current.groups
    return put


def display_of(document: Document) -> str | None:
    """Return the name of a resource in lists of members and groups."""
    found = (
        document.get("displayName")
        or (document.get("name") or {}).get("formatted")
        or document.get("userName")
    )
    return found if isinstance(found, str) else None


def check_length(index: Lookups) -> None:
    """Check the length of the values of an index. Raises ScimError invalidValue."""
    for entry in (*index.unique, *index.lookups):
        if len(entry.value) * 4 > _MAX_INDEXED and len(entry.value.encode()) > _MAX_INDEXED:
            raise invalid_value(
                f"{entry.attribute}: {entry.value[:40]!r}… is longer than {_MAX_INDEXED:,} bytes,"
                " the limit for an indexed attribute"
            )


def index_of_document(whole: Document, resource_type: ResourceType) -> Lookups:
    """Return the look-ups and unique values of a document with its `meta`."""
    return Lookups(*entries(whole, resource_type))

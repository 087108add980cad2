"""New versions of a resource, as the storage keeps them."""

import orjson

from muster.directory.documents import _with_location, location_of, parse
from muster.scim.document import Document
from muster.scim.errors import invalid_value
from muster.scim.etag import etag
from muster.scim.indexing import entries, search_form
from muster.scim.schema.model import ResourceType
from muster.scim.secrets import add, gone
from muster.storage.port.resources import BASE, Lookups, Put, Stored

_MAX_INDEXED = 2000
"""How many bytes a value may have that is looked up by: a B-tree of PostgreSQL takes no key much longer."""


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
    """What to keep for a canonical document. before: what the document that it replaces was found by.

    Raises ScimError invalidValue where a value is too long to be looked up by.
    """
    whole: Document = {"schemas": document["schemas"], "id": resource_id}
    whole.update(document)
    whole["id"] = resource_id
    whole.pop("meta", None)  # it comes last
    if resource_type.computed is not None:
        whole.pop(resource_type.computed, None)
    whole["meta"] = {
        "resourceType": resource_type.name,
        "created": created,
        "lastModified": modified,
        "version": etag(version),
    }
    stored = Stored(
        resource_id,
        version,
        _with_location(orjson.dumps(whole), location_of(resource_type, BASE) + resource_id),
    )
    search = orjson.dumps(search_form(whole, resource_type))
    index = index_of_document(whole, resource_type)
    _check_length(index)
    return Put(stored, search, index, display_of(whole), before, secrets or {})


def next_version(
    standing: Stored,
    changed: Document,
    resource_type: ResourceType,
    now: str,
    secrets: dict[str, str | None] | None = None,
    current: Document | None = None,
) -> Put:
    """Build the next version of a resource; its lastModified never goes back.

    Args:
        standing: The resource as it is.
        changed: The new document.
        resource_type: Its type.
        now: The time of the change.
        secrets: Hashes by attribute; None for those to forget.
        current: The parsed document of `standing`, with its meta, if the caller has it.
    """
    current = parse(standing.document) if current is None else current
    before, meta = index_of_document(current, resource_type), current["meta"]
    modified = max(now, meta["lastModified"])
    forgotten = gone(current, changed, resource_type)
    add(forgotten, secrets or {})
    put = make_put(
        changed,
        resource_type,
        standing.id,
        standing.version + 1,
        meta["created"],
        modified,
        before,
        forgotten,
    )
    put.stored.groups = standing.groups
    return put


def display_of(document: Document) -> str | None:
    """What a resource is called in lists of members and of groups."""
    found = (
        document.get("displayName")
        or (document.get("name") or {}).get("formatted")
        or document.get("userName")
    )
    return found if isinstance(found, str) else None


def _check_length(index: Lookups) -> None:
    for entry in (*index.unique, *index.lookups):
        if len(entry.value) * 4 > _MAX_INDEXED and len(entry.value.encode()) > _MAX_INDEXED:
            raise invalid_value(
                f"{entry.attribute}: {entry.value[:40]!r}… is longer than {_MAX_INDEXED:,} bytes"
            )


def index_of_document(whole: Document, resource_type: ResourceType) -> Lookups:
    """What a whole document, with its meta, is found by."""
    return Lookups(*entries(whole, resource_type))

"""Stored documents as bytes: parsing them, and inserting the base URL.

Documents are stored with a placeholder (`BASE`) in place of the base URL, so that one stored
document can be served under any host name. Inserting the URL is a replacement of bytes; it does not
parse the document.
"""

import orjson

from muster.scim.document import Document
from muster.scim.schema.model import ResourceType
from muster.storage.port.resources import BASE

_BASE = BASE.encode()


def parse(document: bytes, base: str = "") -> Document:
    """Parse a stored document.

    Args:
        document: The document as stored.
        base: The URL that ends in /scim/v2, for references; without it they are relative.
    """
    parsed: Document = orjson.loads(document.replace(_BASE, base.encode()))
    return parsed


def parse_all(documents: bytes) -> list[Document]:
    """Parse the comma-joined documents of a page; references are relative."""
    parsed: list[Document] = orjson.loads(b"[%b]" % documents.replace(_BASE, b""))
    return parsed


def with_base_url(documents: bytes, base: str) -> bytes:
    """Insert the base URL into one or more stored documents, without parsing them.

    Args:
        documents: Stored documents.
        base: The URL that ends in /scim/v2.
    """
    return documents.replace(_BASE, base.encode())


def with_location(document: bytes, location: str) -> bytes:
    """Append `location` to `meta`, which must be the last attribute.

    The location is inserted as bytes because orjson would escape the placeholder in it.
    """
    return b'%b,"location":"%b"}}' % (document[:-2], location.encode())


def location_prefix(resource_type: ResourceType, base: str) -> str:
    """Return the part of `meta.location` that precedes the id."""
    return f"{base}{resource_type.endpoint}/"

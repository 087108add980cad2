"""Stored documents as bytes: parsing them and filling in the base URL."""

import orjson

from muster.scim.document import Document
from muster.scim.schema.model import ResourceType
from muster.storage.port.resources import BASE

_BASE = BASE.encode()


def parse(document: bytes, base: str = "") -> Document:
    """A stored document as a dict. base: the URL that ends in /scim/v2, for its references; without one they are relative."""
    parsed: Document = orjson.loads(document.replace(_BASE, base.encode()))
    return parsed


def parse_all(documents: bytes) -> list[Document]:
    """The documents of a page, which have commas in between, as dicts."""
    parsed: list[Document] = orjson.loads(b"[%b]" % documents.replace(_BASE, b""))
    return parsed


def located(documents: bytes, base: str) -> bytes:
    """Stored documents, one or many, with what they refer to under base, the URL that ends in /scim/v2; nothing is parsed."""
    return documents.replace(_BASE, base.encode())


def _with_location(document: bytes, location: str) -> bytes:
    """The location put last in meta, which comes last: orjson would write the BASE in it escaped."""
    return b'%b,"location":"%b"}}' % (document[:-2], location.encode())


def location_of(resource_type: ResourceType, base: str) -> str:
    """What goes before an id to make its meta.location."""
    return f"{base}{resource_type.endpoint}/"

"""Responses with groups: members are read and sent in chunks."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

import orjson

from muster.directory.documents import with_base_url
from muster.directory.groups.member_edits import MEMBERS
from muster.directory.groups.memberships import member
from muster.scim.document import Document
from muster.scim.projection import Projection
from muster.storage.port.members import Member

_TURN, _TURN_BYTES = 25, 64 * 1024
"""Documents, and bytes of documents, to project between two turns of the event loop."""


_BETWEEN = b'},{"schemas":['


_ANY = {"value": "-", "$ref": "-", "type": "-", "display": "-"}


Read = Callable[[str], AsyncIterator[Sequence[Member]]]


def shows_members(shown: Projection | None) -> bool:
    """Return whether a projection includes members; if not, they are not read."""
    return shown is None or shown.part(MEMBERS, [_ANY]) is not None


def projected(documents: bytes, shown: Projection | None) -> bytes:
    """Project comma-separated documents; without a projection they are not parsed."""
    if shown is None or _shows_all(shown):
        return documents
    return _shown(orjson.loads(b"[%b]" % documents), shown)


async def projected_in_turns(documents: bytes, shown: Projection | None) -> bytes:
    """Project a page in batches, yielding to other requests between them."""
    if shown is None or _shows_all(shown):
        return documents
    try:
        done = []
        for some in _turns(documents):
            done.append(_shown(orjson.loads(b"[%b]" % some), shown))
            await asyncio.sleep(0)
        return b",".join(done)
    except orjson.JSONDecodeError:  # a nested object looked like the start of a document
        return _shown(orjson.loads(b"[%b]" % documents), shown)


def _turns(documents: bytes) -> Iterator[bytes]:
    """Split the documents of a page into batches."""
    start = end = count = 0
    while (end := documents.find(_BETWEEN, end)) >= 0:
        count, end = count + 1, end + 2
        if count == _TURN or end - start >= _TURN_BYTES:
            yield documents[start : end - 1]
            start, count = end, 0
    if start < len(documents):
        yield documents[start:]


def _shows_all(shown: Projection) -> bool:
    """Return whether a projection leaves stored documents unchanged."""
    return shown.resource_type.computed == MEMBERS and shown.drops_only(MEMBERS)


def _shown(parsed: list[Document], shown: Projection) -> bytes:
    return orjson.dumps([shown(document) for document in parsed])[1:-1]


async def pieces(
    group_id: str, document: bytes, shown: Projection | None, base: str, read: Read
) -> AsyncIterator[bytes]:
    """Yield a group's document with its members in chunks.

    `members` is an empty array if the group has none.

    Args:
        group_id: The id of the group.
        document: The stored document, without members.
        shown: The projection; None for all attributes.
        base: The base URL for references.
        read: Reads the members of a group by its id.
    """
    body = projected(with_base_url(document, base), shown)
    if not shows_members(shown):
        yield body
        return
    yield b'%b,"members":[' % body[:-1]
    begun = False
    async for page in read(group_id):
        elements = with_base_url(b",".join([member(found) for found in page]), base)
        if shown is not None:
            elements = orjson.dumps(shown.part(MEMBERS, orjson.loads(b"[%b]" % elements)) or [])[
                1:-1
            ]
        if elements:
            yield b"," + elements if begun else elements
            begun = True
    yield b"]}"

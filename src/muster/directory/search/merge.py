"""Searches several resource types as one list (RFC 7644 section 3.4.3).

Each type is a source, read in chunks in the common order. A page is a k-way merge: take the
smallest head of all sources until the page is full. A cursor holds one position for each source, so
a page by cursor costs the same at any depth. A page by `startIndex` has to merge everything before
it.

One SQL query over all types would need no merge, but the types are stored and indexed separately,
and few searches span more than two of them.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cmp_to_key

from muster.base.loop_turns import LoopTurns
from muster.directory.documents import parse
from muster.directory.groups.memberships import split
from muster.directory.search.chunks import find_chunk
from muster.scim.filter.evaluate import comparable
from muster.scim.schema.model import ResourceType
from muster.scim.sorting import sort_value
from muster.scim.values import Json
from muster.storage.ids import key_of
from muster.storage.port.errors import PageTooLarge
from muster.storage.port.resources import Page, Position, Query, Resources

_CHUNK = 500
Places = tuple[Position | None, ...]
"""The position in each type after which a page begins; None for the beginning."""


@dataclass(frozen=True, slots=True)
class Found:
    """One resource of a merged page, and its position in its type."""

    resource_type: ResourceType
    document: bytes
    position: Position


@dataclass(frozen=True, slots=True)
class Merged:
    """A page over several types.

    Attributes:
        total: The number of all matches; None if not counted, on pages after the first by cursor.
        found: The resources of the page, in order.
        following: The places at which the next page begins; None on the last page.
    """

    total: int | None
    found: Sequence[Found]
    following: Places | None


async def merge(
    storage: Resources, queries: Sequence[Query], offset: int, count: int, places: Places
) -> Merged:
    """Return a page of the matches of several queries in their common order.

    Args:
        storage: The storage.
        queries: One query for each type, all with the same sort.
        offset: How many matches to skip.
        count: The most resources on the page.
        places: The place at which each query begins.

    Raises:
        PageTooLarge: The page has too many bytes.
    """
    sources = [
        _Source(storage, query, place, offset + count)
        for query, place in zip(queries, places, strict=True)
    ]
    # The first chunk of each source carries its total; later chunks do not count.
    for source in sources:
        await source.fill()
    total = (
        None
        if any(place is not None for place in places)
        else sum(source.total for source in sources)
    )
    found: list[Found] = []
    passed, size = 0, -1
    while len(found) < count:
        first = await _first(sources, queries[0].descending)
        if first is None:
            break
        taken = first.take()
        passed += 1
        if passed > offset:
            found.append(taken)
            size += len(taken.document) + 1
            if size > storage.page_bytes:
                raise PageTooLarge
    # Looks one resource ahead, so that the last page has no cursor to an empty one.
    has_more = count > 0 and await _first(sources, queries[0].descending) is not None
    return Merged(total, found, tuple(source.place for source in sources) if has_more else None)


async def _first(sources: "Sequence[_Source]", descending: bool) -> "_Source | None":
    """Return the source with the smallest head; None if all are exhausted."""
    for source in sources:
        await source.fill()

    def order(one: _Source, other: _Source) -> int:
        return _compare(one.head, other.head, descending)

    return min((source for source in sources if source.buffer), key=cmp_to_key(order), default=None)


def _compare(one: Position, other: Position, descending: bool) -> int:
    """Compare two positions as the storage does (RFC 7644 section 3.4.2.3).

    Resources without a value come last in ascending order and first in descending order. Equal
    values are ordered by id, in ascending order always.
    """
    before: bool
    if (one.value is None) != (other.value is None):
        before = (one.value is None) == descending
    elif one.value == other.value:
        before = one.key < other.key
    else:
        before = _typed(one.value) < _typed(other.value)
        before = before != descending
    return -1 if before else 1


def _typed(value: Json) -> tuple[str, Json]:
    """Make values comparable, since resource types may declare different types."""
    return ("text" if isinstance(value, str) else "number", value)


class _Source:
    """The matches of one type in their order, read in chunks.

    Attributes:
        place: The position of the last match taken.
        buffer: The matches that have been read and not taken.
        total: The number of all matches, if the first chunk was read from the beginning.
    """

    def __init__(
        self, storage: Resources, query: Query, place: Position | None, wanted: int
    ) -> None:
        self._storage = storage
        self._query = query
        # One more than wanted, so that looking ahead needs no second read.
        self._limit = max(1, min(wanted + 1, _CHUNK))
        self._more = True
        self.place = place
        self.buffer: list[Found] = []
        self.total = 0

    @property
    def head(self) -> Position:
        return self.buffer[0].position

    def take(self) -> Found:
        taken = self.buffer.pop(0)
        self.place = taken.position
        return taken

    async def fill(self) -> None:
        """Read the next chunk if the buffer is empty and the source is not exhausted."""
        if self.buffer or not self._more:
            return
        page = await self._read()
        if page.total is not None:
            self.total = page.total
        self._more = page.last is not None
        turns = LoopTurns()
        for resource_id, document in split(page.documents):
            self.buffer.append(
                Found(self._query.resource_type, document, self._position(resource_id, document))
            )
            await turns.handled(len(document))

    async def _read(self) -> Page:
        """Read the next chunk.

        A chunk that is too large does not mean that the page is: the page may take only a few of
        its resources.
        """
        await asyncio.sleep(
            0
        )  # the storage may answer without waiting, and an offset needs many reads
        page, self._limit = await find_chunk(
            self._storage,
            replace(self._query, offset=0, limit=self._limit, after=self.place, walk=True),
        )
        return page

    def _position(self, resource_id: str, document: bytes) -> Position:
        sort, value = self._query.sort, None
        if sort is not None:
            value = sort_value(sort, parse(document))
        key = key_of(resource_id) or 0
        return Position(
            None if value is None or sort is None else comparable(sort.attribute, value), key
        )

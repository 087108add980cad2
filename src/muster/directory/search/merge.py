"""Several resource types in one order (RFC 7644 section 3.4.3): each read in its own, and merged."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cmp_to_key

from muster.directory.documents import parse
from muster.directory.groups.memberships import split
from muster.scim.filter.evaluate import comparable
from muster.scim.schema.model import ResourceType
from muster.scim.sorting import sort_value
from muster.scim.values import Json
from muster.storage.ids import key_of
from muster.storage.port.errors import PageTooLarge
from muster.storage.port.resources import Page, Position, Query, Resources

_CHUNK = 500
_TURN_BYTES = 100_000
"""How many bytes of documents are parsed before whoever waits has a turn."""
Places = tuple[Position | None, ...]
"""Where in each type a page begins, None for its beginning."""


@dataclass(frozen=True, slots=True)
class Found:
    """One resource of a merged page."""

    resource_type: ResourceType
    document: bytes
    position: Position


@dataclass(frozen=True, slots=True)
class Merged:
    """A page over several types. total: of all, None where a page after the first does not count it."""

    total: int | None
    found: Sequence[Found]
    following: Places | None


async def merge(
    storage: Resources, queries: Sequence[Query], offset: int, count: int, places: Places
) -> Merged:
    """A page of what the queries find, one for each type, all in the order that they have in common.

    Costs what it passes over: a page by its places is as cheap at any depth, one by its offset is not.

    Raises:
        PageTooLarge: The page has too many bytes.
    """
    sources = [
        _Source(storage, query, place, offset + count)
        for query, place in zip(queries, places, strict=True)
    ]
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
    left = count > 0 and await _first(sources, queries[0].descending) is not None
    return Merged(total, found, tuple(source.place for source in sources) if left else None)


async def _first(sources: "Sequence[_Source]", descending: bool) -> "_Source | None":
    """The source whose next resource comes first."""
    for source in sources:
        await source.fill()

    def order(one: _Source, other: _Source) -> int:
        return _order(one.head, other.head, descending)

    return min(
        (source for source in sources if source.waiting), key=cmp_to_key(order), default=None
    )


def _order(one: Position, other: Position, descending: bool) -> int:
    """Missing values last when ascending, first when descending; ties by id (RFC 7644 section 3.4.2.3)."""
    before: bool
    if (one.value is None) != (other.value is None):
        before = (one.value is None) == descending
    elif one.value == other.value:
        before = one.key < other.key
    else:
        before = _value(one.value) < _value(other.value)
        before = before != descending
    return -1 if before else 1


def _value(value: Json) -> tuple[str, Json]:
    """Values of two types may be of two kinds, which have an order too."""
    return ("text" if isinstance(value, str) else "number", value)


class _Source:
    """The resources of one type in their order, read some at a time."""

    def __init__(
        self, storage: Resources, query: Query, place: Position | None, wanted: int
    ) -> None:
        self._storage = storage
        self._query = query
        self._limit = max(1, min(wanted + 1, _CHUNK))
        self._more = True
        self.place = place
        self.waiting: list[Found] = []
        self.total = 0

    @property
    def head(self) -> Position:
        return self.waiting[0].position

    def take(self) -> Found:
        taken = self.waiting.pop(0)
        self.place = taken.position
        return taken

    async def fill(self) -> None:
        if self.waiting or not self._more:
            return
        page = await self._read()
        if page.total is not None:
            self.total = page.total
        self._more = page.last is not None
        parsed = 0
        for resource_id, document in split(page.documents):
            self.waiting.append(
                Found(self._query.resource_type, document, self._position(resource_id, document))
            )
            parsed += len(document)
            if parsed > _TURN_BYTES:
                parsed = 0
                await asyncio.sleep(0)

    async def _read(self) -> Page:
        """The next resources: fewer than wanted if so many do not fit on a page, as they may not all be on the answer."""
        await asyncio.sleep(0)  # a read may not wait for anything, and many may be passed over
        while True:
            try:
                return await self._storage.find(
                    replace(self._query, offset=0, limit=self._limit, after=self.place, walk=True)
                )
            except PageTooLarge:
                if self._limit == 1:
                    raise
                self._limit = -(-self._limit // 2)

    def _position(self, resource_id: str, document: bytes) -> Position:
        sort, value = self._query.sort, None
        if sort is not None:
            value = sort_value(sort, parse(document))
        key = key_of(resource_id) or 0
        return Position(
            None if value is None or sort is None else comparable(sort.attribute, value), key
        )

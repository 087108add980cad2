"""Chunks of a search that fit in a page."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.directory.search.chunks import find_chunk
from muster.scim.schema.model import registry
from muster.storage.port.errors import PageTooLarge
from muster.storage.port.resources import Page, Position, Query

QUERY = Query(1, registry().types["/Users"], walk=True)
PAGE_BYTES = 100


class Storage:
    """Resources of different sizes, which are found in the order of their keys."""

    def __init__(self, sizes):
        self._sizes = sizes
        self.asked = 0

    async def find(self, query):
        self.asked += 1
        first = 0 if query.after is None else query.after.key + 1
        found = self._sizes[first : first + query.limit]
        if sum(found) > PAGE_BYTES:
            raise PageTooLarge
        full = len(found) == query.limit
        last = Position(None, first + len(found) - 1) if full else None
        return Page(None, len(found), b"x" * len(found), last=last)


async def read_all(storage, limit):
    count, after = 0, None
    while True:
        query = Query(1, QUERY.resource_type, limit=limit, after=after, walk=True)
        page, limit = await find_chunk(storage, query)
        count += page.count
        if page.last is None:
            return count
        after = page.last


@given(st.lists(st.integers(0, PAGE_BYTES), max_size=40), st.integers(1, 20))
def test_every_resource_is_read_once_whatever_its_size(sizes, limit):
    storage = Storage(sizes)
    assert asyncio.run(read_all(storage, limit)) == len(sizes)
    assert storage.asked <= 2 * len(sizes) + 6


def test_a_chunk_that_fits_is_read_at_once():
    storage = Storage([1] * 10)
    page, limit = asyncio.run(find_chunk(storage, QUERY))
    assert (page.count, limit, storage.asked) == (10, QUERY.limit, 1)


def test_a_single_resource_that_is_too_large_is_an_error():
    with pytest.raises(PageTooLarge):
        asyncio.run(find_chunk(Storage([PAGE_BYTES + 1]), QUERY))

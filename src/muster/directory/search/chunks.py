"""Reads a search in chunks that fit in a page."""

from dataclasses import replace

from muster.storage.port.errors import PageTooLarge
from muster.storage.port.resources import Page, Query, Resources


async def find_chunk(storage: Resources, query: Query) -> tuple[Page, int]:
    """Return the next resources of a search: at most `query.limit`, as many as fit in a page.

    The limit is halved while the documents exceed the bytes of a page. If more resources may
    follow, `last` is the position at which the chunk ends (if the query asks to walk).

    Returns:
        The chunk, and the limit that it was read with, which is likely to fit the next chunk.

    Raises:
        PageTooLarge: A single resource exceeds the bytes of a page.
        TooExpensive: The search exceeded its time budget.
    """
    while True:
        try:
            return await storage.find(query), query.limit
        except PageTooLarge:
            if query.limit <= 1:
                raise
            query = replace(query, limit=-(-query.limit // 2))

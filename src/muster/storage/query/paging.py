"""Reads a page by its plan.

The functions are generators that yield statements and receive their rows, so that each engine can
run them in its own way, all within one snapshot.
"""

from collections.abc import Generator
from typing import Any

import orjson

from muster.scim.filter.evaluate import comparable
from muster.scim.sorting import sort_value
from muster.storage.ids import key_of
from muster.storage.port.engine import Statement
from muster.storage.port.errors import PageTooLarge
from muster.storage.port.resources import BASE, Page, Position, Query
from muster.storage.query.binder import Binder
from muster.storage.query.compiler import ONE, RANGE, Measure, QueryPlan

Answer = Generator[Statement, tuple[Any, ...], Page]
_BASE = BASE.encode()
PAGE_BYTES, CHANGES_SHARE = 16_000_000, 4
"""The most bytes of the documents of a page; one part in CHANGES_SHARE for changes."""
QUICK_ROWS = 1000
"""The most rows that a search may read without waiting for a turn."""
QUICK_BYTES = 4_000_000
"""The most bytes of documents times conditions that a search checks without waiting for a turn."""


class Stale(Exception):
    """The workspace has changed since the query's mark."""


async def is_quick(query: Query, plan: QueryPlan, measure: Measure) -> bool:
    """Whether a search reads so few rows that it need not wait for a turn."""
    if plan.bounded:
        return query.after is not None or query.offset + query.limit <= 2 * QUICK_ROWS
    if plan.seek is None or plan.seek.rank > RANGE:
        return False
    if plan.seek.rank == ONE:
        return True
    return (await measure(plan.seek) if plan.seek.size is None else plan.seek.size) <= QUICK_ROWS


def answer(query: Query, plan: QueryPlan) -> Answer:
    """Yield statements, receive the one row of each, and return the page.

    Raises:
        Stale: The workspace has changed since the query's mark.
    """
    mark = None
    if query.walk:
        bind = Binder()
        mark = (
            yield bind.statement(
                f"SELECT max(sequence) FROM changes WHERE workspace = {bind(query.workspace)}"
            )
        )[0]
    if query.mark is not None and query.mark != mark:
        raise Stale
    resumed = query.after is not None
    page, ids = yield from _documents(query, plan, 0 if resumed else query.offset)
    page.mark = mark
    if not resumed:
        page.total = yield from _total(query, plan, page)
    if query.walk and 0 < page.count == query.limit:
        page.last = yield from _position(query, ids.rpartition(b",")[2].decode())
    return page


def _documents(
    query: Query, plan: QueryPlan, offset: int
) -> Generator[Statement, tuple[Any, ...], tuple[Page, bytes]]:
    """Return the page without its total, and the ids on it."""
    count, found, ids, grouped = 0, [], b"", False
    for arm in plan.arms:
        if count >= query.limit:
            break
        on_page, documents, on_page_ids, some_grouped = yield arm.page.followed_by(
            query.limit - count, offset
        )
        if on_page and documents is None:
            raise PageTooLarge
        if on_page:
            count += on_page
            found.append(documents)
            ids = on_page_ids
            grouped = grouped or bool(some_grouped)
            offset = 0
        elif arm is not plan.arms[-1]:
            offset = max(0, offset - (yield arm.count)[0])
    return Page(None, count, b",".join(found), grouped), ids


def _total(query: Query, plan: QueryPlan, page: Page) -> Generator[Statement, tuple[Any, ...], int]:
    if 0 < page.count < query.limit:
        return query.offset + page.count
    total = 0
    for statement in (plan.total,) if plan.total is not None else [arm.count for arm in plan.arms]:
        total += (yield statement)[0] or 0
    return total


def _position(query: Query, last_id: str) -> Generator[Statement, tuple[Any, ...], Position]:
    """Return the position at which a page ends: the key and sort value of its last resource."""
    key = key_of(last_id) or 0
    if query.sort is None:
        return Position(None, key)
    bind = Binder()
    at = f'"key" = {bind(key)} AND workspace = {bind(query.workspace)}'
    document = (yield bind.statement(f"SELECT document FROM resources WHERE {at}"))[0]
    text = document if isinstance(document, bytes) else document.encode()
    value = sort_value(query.sort, orjson.loads(text.replace(_BASE, b"")))
    return Position(None if value is None else comparable(query.sort.attribute, value), key)

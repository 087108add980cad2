"""Reads a page according to a plan.

A page takes up to five kinds of statements, whose number depends on the rows found. The engines run
statements differently (SQLite inline or on a thread, PostgreSQL over a connection), so the logic is
a generator: it yields a statement, is sent the statement's one row, and returns the page. The
engine keeps all of it in one snapshot.

The order of the steps:

1. **The mark.** If the query continues a walk, the workspace's latest change is compared with the
   query's mark; after any change, positions could skip or repeat resources, and StaleMark makes the
   engine read by offset.
2. **The documents** of each arm, until the page is full. Only if an arm has no row at the offset,
   its rows are counted to reduce the offset for the next arm.
3. **The total.** A page that is not full ends the result, so the total follows from the offset.
   Otherwise the running count or the counts of the arms are added up.
4. **The position** at which the page ends, for the next page of the walk.
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
from muster.storage.query.compiler import ONE, QUICK_ROWS, RANGE, Measure, QueryPlan

PageSteps = Generator[Statement, tuple[Any, ...], Page]
"""Yields statements, is sent the one row of each, and returns the page."""
_BASE = BASE.encode()
PAGE_BYTES = 16_000_000
"""The default for the most bytes of a page."""
CHANGES_SHARE = 4
"""Changes that are read at a time take at most this part (a quarter) of the bytes of a page."""
QUICK_BYTES = 4_000_000
"""The most work of a search that need not wait for a turn: bytes of documents times conditions."""


class StaleMark(Exception):
    """The workspace has changed since the query's mark."""


async def is_quick(query: Query, plan: QueryPlan, measure: Measure) -> bool:
    """Tell whether a query reads so little that it need not wait for a turn."""
    if plan.bounded:
        return query.after is not None or query.offset + query.limit <= 2 * QUICK_ROWS
    if plan.seek is None or plan.seek.rank > RANGE:
        return False
    if plan.seek.rank == ONE:
        return True
    return (await measure(plan.seek) if plan.seek.size is None else plan.seek.size) <= QUICK_ROWS


def page_steps(query: Query, plan: QueryPlan) -> PageSteps:
    """Read a page.

    Raises:
        StaleMark: The workspace has changed since the query's mark.
        PageTooLarge: The documents exceed the bytes of a page.
    """
    mark = None
    if query.walk:
        bind = Binder()
        mark = (
            yield bind.statement(
                f"SELECT max(sequence) FROM changes WHERE workspace = {bind(query.workspace)}"
            )
        )[0]
    # The mark and the documents are read in one snapshot, so no change can fall between them.
    if query.mark is not None and query.mark != mark:
        raise StaleMark
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
    """Read the page without its total; the ids on its last arm follow."""
    count, found, ids, grouped = 0, [], b"", False
    for arm in plan.arms:
        if count >= query.limit:
            break
        on_page, documents, on_page_ids, some_grouped = yield arm.page.with_parameters(
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
            # The offset lies beyond this arm: continue in the next one by the rest of it.
            offset = max(0, offset - (yield arm.count)[0])
    return Page(None, count, b",".join(found), grouped), ids


def _total(query: Query, plan: QueryPlan, page: Page) -> Generator[Statement, tuple[Any, ...], int]:
    """Compute the number of all matches."""
    # A page that is neither full nor empty is the last one.
    if 0 < page.count < query.limit:
        return query.offset + page.count
    if plan.total is not None:
        return (yield plan.total)[0] or 0
    total, most = 0, query.counted
    if plan.matches is not None and (
        plan.matches <= QUICK_ROWS or (most is not None and most <= plan.matches)
    ):
        return plan.matches
    # The rows without a value are counted last: few have none, and they take long to find.
    for arm in reversed(plan.arms) if query.descending else plan.arms:
        total += (yield arm.count)[0] or 0
        if most is not None and total >= most:
            return most
    return total


def _position(query: Query, last_id: str) -> Generator[Statement, tuple[Any, ...], Position]:
    """Return the position of the page's last resource: its sort value and its key."""
    key = key_of(last_id) or 0
    if query.sort is None:
        return Position(None, key)
    bind = Binder()
    at = f'"key" = {bind(key)} AND workspace = {bind(query.workspace)}'
    document = (yield bind.statement(f"SELECT document FROM resources WHERE {at}"))[0]
    text = document if isinstance(document, bytes) else document.encode()
    value = sort_value(query.sort, orjson.loads(text.replace(_BASE, b"")))
    return Position(None if value is None else comparable(query.sort.attribute, value), key)

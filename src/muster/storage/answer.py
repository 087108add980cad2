"""A page from a plan: which statements to run, and what their rows make. The engines run them, each in its own way."""

from collections.abc import Generator
from typing import Any

from muster.storage.compile import Plan, Statement
from muster.storage.port import Page, Query

Answer = Generator[Statement, tuple[Any, ...], Page]


def answer(query: Query, plan: Plan) -> Answer:
    """Yields statements, each to be sent its one row, all in one snapshot; returns the page and the exact total."""
    count, found = 0, []
    offset = query.offset
    for arm in plan.arms:
        if count >= query.limit:
            break
        on_page, documents = yield arm.page.followed_by(query.limit - count, offset)
        if on_page:
            count += on_page
            found.append(documents)
            offset = 0
        elif arm is not plan.arms[-1]:
            offset = max(0, offset - (yield arm.count)[0])
    if 0 < count < query.limit:
        return Page(query.offset + count, count, b",".join(found))
    total = 0
    for statement in (plan.total,) if plan.total is not None else [arm.count for arm in plan.arms]:
        total += (yield statement)[0] or 0
    return Page(total, count, b",".join(found))

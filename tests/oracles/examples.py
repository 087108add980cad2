"""Run generated cases and report those that fail.

MUSTER_TEST_EXAMPLES sets the number of cases for each engine, in lenient and in strict workspaces.
MUSTER_TEST_FIRST sets the number of the first one. A case depends on its number alone: to repeat one, start at
its number and run one example.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator
from random import Random
from typing import Any

EXAMPLES = int(os.environ.get("MUSTER_TEST_EXAMPLES", "200"))
FIRST = int(os.environ.get("MUSTER_TEST_FIRST", "0"))
_MOST_TOLD = 10


def numbers() -> range:
    return range(FIRST, FIRST + EXAMPLES)


def random_of(number: int) -> Random:
    return Random(f"case {number}")


def smallest(
    case: Any, smaller: Callable[[Any], Iterable[Any]], fault: Callable[[Any], str | None]
) -> Any:
    """Shrink a failing case as long as its fault stays of the same kind.

    The kind is the text of the fault before the first colon.
    """
    kind = (fault(case) or "").split(":")[0]
    while True:
        for less in smaller(case):
            if (fault(less) or "").split(":")[0] == kind:
                case = less
                break
        else:
            return case


_TOGETHER = 40
"""How many cases run at once, so that their writes share transactions."""


def run(
    runner: asyncio.Runner, fault: Callable[[int], Awaitable[str | None]]
) -> Iterator[tuple[int, str]]:
    """Run every case and yield the faults."""

    async def together(some: range) -> list[str | None]:
        return await asyncio.gather(*map(fault, some))

    for first in numbers()[::_TOGETHER]:
        some = range(first, min(first + _TOGETHER, numbers().stop))
        found = runner.run(together(some))
        yield from (
            (number, fault) for number, fault in zip(some, found, strict=True) if fault is not None
        )


async def smallest_of(
    case: Any,
    smaller: Callable[[Any], Iterable[Any]],
    fault: Callable[[Any], Awaitable[str | None]],
) -> Any:
    """The asynchronous form of smallest."""
    kind = (await fault(case) or "").split(":")[0]
    while True:
        for less in smaller(case):
            if (await fault(less) or "").split(":")[0] == kind:
                case = less
                break
        else:
            return case


def check(faults: Iterable[tuple[int, str]]) -> None:
    """Fail on any fault, and show the first few."""
    told: list[str] = []
    for number, fault in faults:
        told.append(f"case {number}: {fault}")
        if len(told) == _MOST_TOLD:
            break
    assert not told, "\n\n".join(["", *told])

"""Combines keyed reads that wait together into one statement.

A round trip and the scheduling of a server process are most of the cost of a keyed read. Up to two
statements of a scope run at once. A read that finds a free place starts at once, alone; the reads
that arrive meanwhile go with the next statement. None joins a statement that has begun, so a read
always sees everything that was committed before it was asked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

from muster.storage.port.errors import copy_exception

S = TypeVar("S", bound=Hashable)
K = TypeVar("K")
V = TypeVar("V")
_AT_ONCE = 2
"""Statements of one scope at a time: the server works on one while the other is answered."""
_TOGETHER = 64


class _Lane(Generic[K, V]):
    """The running statements and the waiting reads of one scope."""

    __slots__ = ("running", "waiting")

    def __init__(self) -> None:
        self.running = 0
        self.waiting: list[tuple[K, asyncio.Future[V | None]]] = []


class Loader(Generic[S, K, V]):
    """Reads by key; a statement reads keys of one scope only.

    Args:
        fetch: Reads some keys of a scope, and returns those that exist.
    """

    def __init__(self, fetch: Callable[[S, Sequence[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._fetch = fetch
        self._lanes: dict[S, _Lane[K, V]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def load(self, scope: S, key: K) -> V | None:
        """Return the value of a key, read after this call began; None if it does not exist.

        Raises the exceptions of `fetch`.
        """
        lane = self._lanes.get(scope)
        if lane is None:
            lane = self._lanes[scope] = _Lane()
        if lane.running >= _AT_ONCE:
            future: asyncio.Future[V | None] = asyncio.get_running_loop().create_future()
            lane.waiting.append((key, future))
            return await future
        lane.running += 1
        try:
            return (await self._fetch(scope, [key])).get(key)
        finally:
            self._go_on(scope, lane)

    def _go_on(self, scope: S, lane: _Lane[K, V]) -> None:
        """Start a statement for the waiting reads, or give the place back."""
        if lane.waiting:
            together, lane.waiting = lane.waiting[:_TOGETHER], lane.waiting[_TOGETHER:]
            task = asyncio.get_running_loop().create_task(self._load(scope, lane, together))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        lane.running -= 1
        if not lane.running:
            del self._lanes[scope]

    async def _load(
        self, scope: S, lane: _Lane[K, V], together: Sequence[tuple[K, "asyncio.Future[V | None]"]]
    ) -> None:
        try:
            found = await self._fetch(scope, list({key for key, _ in together}))
            for key, future in together:
                if not future.done():
                    future.set_result(found.get(key))
        except Exception as error:  # each waiting read raises its own copy
            for _, future in together:
                if not future.done():
                    future.set_exception(copy_exception(error))
        finally:
            self._go_on(scope, lane)

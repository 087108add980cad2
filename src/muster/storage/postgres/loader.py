"""Combines keyed reads that wait together into one statement.

A round trip, and scheduling a server process, are most of the cost of a keyed read. A read that
finds little going on in its scope is sent at once, by itself, so a lone read waits for nothing.
While two statements of the scope run, further reads queue, and the next statement takes them
together. No timer is involved, and a read is never answered from a statement that was sent before
the read was asked for.

Two statements run at a time, not one: while the answers of one are handed out, the server works on
the other.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

from muster.storage.port.errors import copy_exception

S = TypeVar("S", bound=Hashable)
K = TypeVar("K")
V = TypeVar("V")
_CONCURRENT = 2
"""The statements of one scope that run at a time."""
_MAX_KEYS = 64
"""The most keys in one statement."""


class _Lane(Generic[K, V]):
    """The state of one scope.

    Attributes:
        running: Statements that run.
        waiting: Keys to read, each with the future that waits for it.
    """

    __slots__ = ("running", "waiting")

    def __init__(self) -> None:
        self.running = 0
        self.waiting: list[tuple[K, asyncio.Future[V | None]]] = []


class Loader(Generic[S, K, V]):
    """Reads by key within scopes; a statement reads keys of one scope only.

    Args:
        fetch: Reads some keys, and returns those that exist.
    """

    def __init__(self, fetch: Callable[[S, Sequence[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._fetch = fetch
        self._lanes: dict[S, _Lane[K, V]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def load(self, scope: S, key: K) -> V | None:
        """Return the value of a key, read after this call, or None if it does not exist.

        Raises whatever `fetch` raises.
        """
        lane = self._lanes.get(scope)
        if lane is None:
            lane = self._lanes[scope] = _Lane()
        if lane.running >= _CONCURRENT:
            future: asyncio.Future[V | None] = asyncio.get_running_loop().create_future()
            lane.waiting.append((key, future))
            return await future
        lane.running += 1
        try:
            return (await self._fetch(scope, [key])).get(key)
        finally:
            self._next_statement(scope, lane)

    def _next_statement(self, scope: S, lane: _Lane[K, V]) -> None:
        """Read the keys that have queued meanwhile, or free the place."""
        if lane.waiting:
            together, lane.waiting = lane.waiting[:_MAX_KEYS], lane.waiting[_MAX_KEYS:]
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
        except Exception as error:  # raised by everyone who waits, whatever it is
            for _, future in together:
                if not future.done():
                    future.set_exception(copy_exception(error))
        finally:
            self._next_statement(scope, lane)

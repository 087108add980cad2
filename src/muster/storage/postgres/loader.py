"""Keyed reads that wait together are one statement: a round trip, and a backend's turn, is most of what each would cost."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

from muster.storage.port.errors import copy_exception

S = TypeVar("S", bound=Hashable)
K = TypeVar("K")
V = TypeVar("V")
_AT_ONCE = 2
"""How many statements of one scope run at once: while the answers of one are handed out, the server has another."""
_TOGETHER = 64


class _Lane(Generic[K, V]):
    """What goes on in one scope."""

    __slots__ = ("running", "waiting")

    def __init__(self) -> None:
        self.running = 0
        self.waiting: list[tuple[K, asyncio.Future[V | None]]] = []


class Loader(Generic[S, K, V]):
    """Reads by key, within scopes: a statement asks for keys of one scope alone.

    fetch: what reads some keys; it answers those that are there.
    """

    def __init__(self, fetch: Callable[[S, Sequence[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._fetch = fetch
        self._lanes: dict[S, _Lane[K, V]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def load(self, scope: S, key: K) -> V | None:
        """What a key has, read after this was called; None where it is not there. Raises what fetch raises.

        Where little else goes on it is read at once, by itself.
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
        """Read what has gathered meanwhile, or leave."""
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
        except Exception as error:  # whoever waits for it is told, whatever it is
            for _, future in together:
                if not future.done():
                    future.set_exception(copy_exception(error))
        finally:
            self._go_on(scope, lane)

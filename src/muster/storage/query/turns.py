"""Turns for searches without an index: each workspace runs one at a time.

So the searches of one workspace leave a core to the requests of the others.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from muster.storage.port.errors import StorageError

MAX_WAITING = 64
MAX_OF_ONE = 32
"""The most searches that wait, in all and of one workspace."""


class _Queue:
    """The searches of a workspace.

    Attributes:
        count: The number of searches that wait or run.
    """

    __slots__ = ("count", "lock")

    def __init__(self) -> None:
        self.count = 0
        self.lock = asyncio.Lock()


class Turns:
    """Gives turns.

    Args:
        at_once: How many searches run at a time, each of another workspace.
    """

    def __init__(self, at_once: int) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._queues: dict[int, _Queue] = {}
        self.waiting = 0

    @contextlib.asynccontextmanager
    async def turn(self, workspace: int) -> AsyncIterator[None]:
        """Wait for a turn, and hold it within the context.

        Raises:
            StorageError: Too many searches are waiting.
        """
        queue = self._queues.get(workspace) or _Queue()
        if self.waiting >= MAX_WAITING:
            raise StorageError(f"too many searches are waiting: {MAX_WAITING} at a time")
        if queue.count > MAX_OF_ONE:
            raise StorageError(
                f"too many searches are waiting: {MAX_OF_ONE + 1} of a workspace at a time"
            )
        self._queues[workspace] = queue
        queue.count += 1
        try:
            async with contextlib.AsyncExitStack() as held:
                self.waiting += 1
                try:
                    await held.enter_async_context(queue.lock)
                    await held.enter_async_context(self._free)
                finally:
                    self.waiting -= 1
                yield
        finally:
            queue.count -= 1
            if not queue.count:
                del self._queues[workspace]

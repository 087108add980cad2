"""Turns at searches that no index serves.

Such a search may read every document of a workspace and keep a core busy for seconds. Two rules
protect others: a workspace runs one of these searches at a time, and a worker runs a fixed number
of them. Locks are taken in that order, the workspace's before the worker's, so that the second
search of a workspace does not occupy a place that another workspace could use.

Queues are bounded. A client that is told at once to retry (503) behaves better than one whose
request times out in a queue.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from muster.storage.port.errors import StorageError

MAX_WAITING = 64
"""The most searches that wait in a worker."""
MAX_WAITING_PER_WORKSPACE = 32
"""The most searches that wait in a worker for one workspace."""


class _Queue:
    """The searches of one workspace.

    Attributes:
        count: The searches that wait, and the one that runs.
        lock: Held by the search that runs.
    """

    __slots__ = ("count", "lock")

    def __init__(self) -> None:
        self.count = 0
        self.lock = asyncio.Lock()


class Turns:
    """The turns of one worker.

    Args:
        at_once: The number of searches that run at a time, each of another workspace.

    Attributes:
        waiting: The searches that wait.
    """

    def __init__(self, at_once: int) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._queues: dict[int, _Queue] = {}
        self.waiting = 0

    @contextlib.asynccontextmanager
    async def turn(self, workspace: int) -> AsyncIterator[None]:
        """Wait for a turn.

        Raises:
            StorageError: Too many searches are waiting.
        """
        queue = self._queues.get(workspace) or _Queue()
        if self.waiting >= MAX_WAITING:
            raise StorageError(
                f"Too many searches are waiting (at most {MAX_WAITING}). Retry later."
            )
        if queue.count > MAX_WAITING_PER_WORKSPACE:
            raise StorageError(
                "Too many searches of this workspace are waiting (at most"
                f" {MAX_WAITING_PER_WORKSPACE}). Retry later."
            )
        # The queue is registered only now: a refused search must not leave an empty one behind.
        self._queues[workspace] = queue
        queue.count += 1
        try:
            async with contextlib.AsyncExitStack() as held:
                self.waiting += 1
                try:
                    # The workspace's lock first: its second search must not hold a free place.
                    await held.enter_async_context(queue.lock)
                    await held.enter_async_context(self._free)
                finally:
                    self.waiting -= 1
                yield
        finally:
            queue.count -= 1
            if not queue.count:
                del self._queues[workspace]

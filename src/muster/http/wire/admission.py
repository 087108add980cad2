"""Admission control: limits the waiting requests of each caller.

Three kinds of requests wait for a client: those without a key or with a session, for a form; those
with a key, for their body or for a change; and streamed responses, for their reader. Requests
without a key have budgets of their own and never take a place from requests with a key. Among
requests with a key, if a worker has no place left, the workspace with the most waiting requests
gives up one of them.
"""

import asyncio
import contextlib
import ipaddress
from collections import Counter
from functools import lru_cache
from types import TracebackType

from muster.storage.port.errors import StorageError

_REMEMBERED = 10_000


class Budget:
    """A limited number of places for one kind of request.

    Args:
        most: The places in total.
        most_of_one: The places for each caller.
        all_full: The error text if all places are taken.
        one_full: The error text if all places of the caller are taken.
    """

    def __init__(self, most: int, most_of_one: int, all_full: str, one_full: str) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._texts = all_full, one_full
        self._by_caller: Counter[str] = Counter()
        self.inside = 0
        self.refused = 0

    def enter(self, caller: str) -> "Seat":
        """Take a place.

        Raises:
            StorageError: 503 if all places, or all of this caller's, are taken.
        """
        all_full, one_full = self._texts
        if self._by_caller[caller] >= self._most_of_one:
            self.refused += 1
            raise StorageError(one_full)
        if self.inside >= self._most:
            self.refused += 1
            raise StorageError(all_full)
        self._by_caller[caller] += 1
        self.inside += 1
        return Seat(self, caller)

    @property
    def full(self) -> str | None:
        """The error text if all places are taken; otherwise None."""
        return self._texts[0] if self.inside >= self._most else None

    def leave(self, caller: str) -> None:
        """Release a place."""
        self.inside -= 1
        self._by_caller[caller] -= 1
        if self._by_caller[caller] <= 0:
            del self._by_caller[caller]


class Seat:
    """A place taken in a budget, released at most once."""

    __slots__ = ("_budget", "_caller")

    def __init__(self, budget: Budget, caller: str) -> None:
        self._budget: Budget | None = budget
        self._caller = caller

    def leave(self) -> None:
        """Release the place."""
        if self._budget is not None:
            self._budget.leave(self._caller)
            self._budget = None

    def move(self, budget: Budget, caller: str) -> None:
        """Exchange the place for one in another budget.

        Raises:
            StorageError: 503 if that budget is full; the current place is kept.
        """
        taken = budget.enter(caller)
        self.leave()
        self._budget, self._caller = taken._budget, caller


class GaveWay(StorageError):
    """503: a waiting request was ended in favour of one of another workspace."""

    def __init__(self) -> None:
        super().__init__(
            "Overloaded: too many requests in progress (MUSTER_MAX_IN_FLIGHT). Retry this request."
        )


class _Wait:
    """A waiting request, registered inside an `async with` block.

    It is a class because a generator with `contextlib.asynccontextmanager` takes 3 us more, and
    every request with a body waits.

    Attributes:
        timer: Its timeout; rescheduling it ends the wait.
        idle: Whether it waits for a change rather than for its body.
        gave_way: Whether it was ended in favour of another request.
    """

    __slots__ = ("_by_workspace", "_workspace", "gave_way", "idle", "timer")

    def __init__(
        self,
        by_workspace: dict[int, dict["_Wait", None]],
        workspace: int,
        seconds: float,
        idle: bool,
    ) -> None:
        self._by_workspace = by_workspace
        self._workspace = workspace
        self.timer = asyncio.timeout(seconds)
        self.idle = idle
        self.gave_way = False

    async def __aenter__(self) -> None:
        await self.timer.__aenter__()
        self._by_workspace.setdefault(self._workspace, {})[self] = None

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        waits = self._by_workspace.get(self._workspace)
        if waits is not None:  # `Waits` removes a wait that it ends
            waits.pop(self, None)
            if not waits:
                del self._by_workspace[self._workspace]
        try:
            await self.timer.__aexit__(kind, error, traceback)
        except TimeoutError:
            if self.gave_way:
                raise GaveWay from None
            raise


class Waits:
    """The waiting requests with a key, by workspace."""

    def __init__(self) -> None:
        self._bodies: dict[int, dict[_Wait, None]] = {}
        self._idle: dict[int, dict[_Wait, None]] = {}

    def waiting(
        self, workspace: int, seconds: float, idle: bool = False
    ) -> contextlib.AbstractAsyncContextManager[None]:
        """Register the request as waiting inside the `async with` block.

        Args:
            workspace: The id of the workspace.
            seconds: The longest time to wait.
            idle: Whether it waits for a change rather than for its body.

        Raises:
            TimeoutError: The time is over.
            GaveWay: The wait was ended in favour of another request.
        """
        return _Wait(self._idle if idle else self._bodies, workspace, seconds, idle)

    def give_way(self, workspace: int) -> bool:
        """End one waiting request to make room for a request of a workspace.

        Waits for a change are ended first, in any workspace. A wait for a body is ended only if its
        workspace has at least two more of them than this one.

        Returns:
            False if no wait can be ended.
        """
        most = max(self._idle, key=lambda found: len(self._idle[found]), default=None)
        if most is not None:
            return self._end(self._idle, most)
        most = max(self._bodies, key=lambda found: len(self._bodies[found]), default=None)
        if most is None or len(self._bodies[most]) < len(self._bodies.get(workspace, ())) + 2:
            return False
        return self._end(self._bodies, most)

    def _end(self, by_workspace: dict[int, dict[_Wait, None]], workspace: int) -> bool:
        """End the oldest wait of a workspace."""
        waits = by_workspace[workspace]
        wait = next(iter(waits))
        del waits[wait]
        if not waits:
            del by_workspace[workspace]
        wait.gave_way = True
        wait.timer.reschedule(asyncio.get_running_loop().time())
        return True


@lru_cache(maxsize=_REMEMBERED)
def network_of(address: str) -> str:
    """Return the caller key of an address: the address, or the /64 network for IPv6.

    A single host can use all addresses of a /64 network.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))

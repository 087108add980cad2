"""How much of a worker a caller may keep busy by waiting, so that none of them keeps the others from being answered.

Three kinds of requests wait for somebody: those without a key or with a session, for a form that a browser sends; those with a
key, for their body or for a change; and answers in pieces, for whoever reads them. Requests without a key are held to budgets of
their own and never take a place from requests with one. Of those with a key, when a worker has no place left, the workspace that
has the most of them waiting gives one up.
"""

import asyncio
import contextlib
import ipaddress
from collections import Counter
from collections.abc import AsyncIterator
from functools import lru_cache

from muster.storage.port.errors import StorageError

_REMEMBERED = 10_000


class Budget:
    """Places for requests of one kind: `most` in all and `most_of_one` for each caller. The texts name both in errors."""

    def __init__(self, most: int, most_of_one: int, all_full: str, one_full: str) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._texts = all_full, one_full
        self._by_caller: Counter[str] = Counter()
        self.inside = 0
        self.refused = 0

    def enter(self, caller: str) -> "Seat":
        """Take a place. Raises StorageError (503) if all places, or all of this caller's, are taken."""
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
        """The text that says so if all places are taken."""
        return self._texts[0] if self.inside >= self._most else None

    def leave(self, caller: str) -> None:
        """Give a place back."""
        self.inside -= 1
        self._by_caller[caller] -= 1
        if self._by_caller[caller] <= 0:
            del self._by_caller[caller]


class Seat:
    """A place that is taken until it is left, once."""

    __slots__ = ("_budget", "_caller")

    def __init__(self, budget: Budget, caller: str) -> None:
        self._budget: Budget | None = budget
        self._caller = caller

    def leave(self) -> None:
        """Give the place back."""
        if self._budget is not None:
            self._budget.leave(self._caller)
            self._budget = None

    def move(self, budget: Budget, caller: str) -> None:
        """Take a place of another budget in exchange. Raises StorageError as enter does, and keeps the place it has."""
        taken = budget.enter(caller)
        self.leave()
        self._budget, self._caller = taken._budget, caller


class GaveWay(StorageError):
    """503: a request that only waited gave its place to another workspace's."""

    def __init__(self) -> None:
        super().__init__(
            "too many requests are in flight, and this one waited: its place went to another (MUSTER_MAX_IN_FLIGHT)"
        )


class _Wait:
    """One request that waits. timer: ends it. idle: it waits for a change, not for its own body."""

    __slots__ = ("gave_way", "idle", "timer")

    def __init__(self, timer: asyncio.Timeout, idle: bool) -> None:
        self.timer = timer
        self.idle = idle
        self.gave_way = False


class Waits:
    """The requests with a key that wait, by workspace."""

    def __init__(self) -> None:
        self._bodies: dict[int, dict[_Wait, None]] = {}
        self._idle: dict[int, dict[_Wait, None]] = {}

    @contextlib.asynccontextmanager
    async def waiting(
        self, workspace: int, seconds: float, idle: bool = False
    ) -> AsyncIterator[None]:
        """Wait within this for at most so many seconds. idle: for a change. Raises TimeoutError, and GaveWay."""
        by_workspace = self._idle if idle else self._bodies
        wait: _Wait | None = None
        try:
            async with asyncio.timeout(seconds) as timer:
                wait = _Wait(timer, idle)
                by_workspace.setdefault(workspace, {})[wait] = None
                yield
        except TimeoutError:
            if wait is not None and wait.gave_way:
                raise GaveWay from None
            raise
        finally:
            waits = by_workspace.get(workspace)
            if waits is not None and wait is not None:
                waits.pop(wait, None)
                if not waits:
                    del by_workspace[workspace]

    def give_way(self, workspace: int) -> bool:
        """End a wait in favour of a request of a workspace; False if none is to be ended.

        Waits for a change go first, whoever's. A wait for a body ends only if its workspace has at least two more than this one.
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
    """The caller that an address stands for: itself, or the /64 network of an IPv6 address, which one host may have all of."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))

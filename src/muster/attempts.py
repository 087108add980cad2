"""How often something may be tried, by name, in one process: passwords, mostly."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

_REMEMBERED = 100_000


class Attempts:
    """most: tries of one name within a window of so many seconds."""

    def __init__(self, most: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._tries: OrderedDict[Hashable, list[float]] = OrderedDict()

    def take(self, name: Hashable) -> int:
        """Try once more: 0, or the seconds until that may be done."""
        now = self._clock()
        tries = [moment for moment in self._tries.pop(name, ()) if moment > now - self._seconds]
        self._tries[name] = tries
        if len(self._tries) > _REMEMBERED:
            self._tries.popitem(last=False)
        if len(tries) >= self._most:
            return int(tries[0] + self._seconds - now) + 1
        tries.append(now)
        return 0

    def forget(self, name: Hashable) -> None:
        """Begin anew for a name."""
        self._tries.pop(name, None)

"""Counts attempts, mostly at passwords, across workers and replicas.

The counter must be exact, because a limit on password guesses that each worker counts alone is
multiplied by the number of workers. It must also be cheap to refuse, because the refused attempts
are the attack. `take` therefore works in three steps:

1. Read the counter. If the limit is reached, refuse without a write.
2. Increment it in one statement. The database serialises increments, so none is lost. The same
   statement starts a new window if the old one has passed.
3. Read it again. If several processes passed step 1 together, those beyond the limit are refused
   here. Each may see the increments of the others besides its own, so at the limit an attempt too
   many may be refused, but none is allowed.

A window begins with its first attempt instead of at a fixed time, so that nobody can use two
windows in a row. The counters are rows of `rate_windows` under a prefix that no API key has; one in
64 attempts deletes old ones.

A full disk takes no increments, but passwords must still be verified. Each process then counts on
its own, in addition to the stored counter. What must not happen twice in any process is refused
instead (`exact`).
"""

import contextlib
import secrets

from muster.base import clock
from muster.storage.port.engine import Upkeep
from muster.storage.port.errors import StorageFull
from muster.storage.repair.derived import bound

_PREFIX = "try "
_SWEPT_EVERY = 64
"""One in so many attempts deletes old counters."""
_KEPT_SECONDS = 86_400
_MOST_UNWRITTEN = 10_000
"""The most names that a process counts itself while the disk is full."""
_TAKE = """
INSERT INTO rate_windows (workspace, key_id, "window", used) VALUES ($1, $2, $3, 1)
ON CONFLICT (workspace, key_id) DO UPDATE SET
    used = CASE WHEN rate_windows."window" > $4 THEN rate_windows.used + 1 ELSE 1 END,
    "window" = CASE WHEN rate_windows."window" > $4 THEN rate_windows."window"
        ELSE excluded."window" END
"""
_USED = (
    'SELECT "window", used FROM rate_windows WHERE workspace = $1 AND key_id = $2 AND "window" > $3'
)
_GIVE_BACK = (
    "UPDATE rate_windows SET used = used - 1 WHERE workspace = $1 AND key_id = $2 AND used > 0"
)
_FORGET = "DELETE FROM rate_windows WHERE workspace = $1 AND key_id = $2"
_SWEEP = f"""
DELETE FROM rate_windows WHERE workspace = $1 AND key_id LIKE '{_PREFIX}%' AND "window" < $2
"""


class Attempts:
    """A limit on attempts under one name in one workspace.

    Args:
        most: The attempts allowed within a window.
        seconds: The length of a window, which begins with the first attempt.
        exact: Whether attempts fail while the disk is full.
    """

    def __init__(self, storage: Upkeep, most: int, seconds: int, *, exact: bool = False) -> None:
        self._storage = storage
        self._most = most
        self._seconds = seconds
        self._exact = exact
        self._unwritten: dict[tuple[int, str], tuple[int, int]] = {}
        """Attempts made while the disk was full: the time of the first, and their number."""

    async def take(self, workspace: int, name: str) -> int:
        """Count one more attempt.

        Returns:
            0 if it is allowed; otherwise the seconds until the window ends.

        Raises:
            StorageFull: The disk is full, and the limit is exact.
        """
        now = int(clock.seconds())
        place = (workspace, _PREFIX + name)
        # Refusing costs no write: the refused attempts are the attack.
        begun, used = await self._used(*place, now)
        if used >= self._most:
            return begun + self._seconds - now
        statements = [bound(_TAKE, *place, now, now - self._seconds)]
        if secrets.randbelow(_SWEPT_EVERY) == 0:
            statements.append(bound(_SWEEP, workspace, now - _KEPT_SECONDS))
        try:
            await self._storage.transact(workspace, statements)
        except StorageFull:
            if self._exact:
                raise
            self._count_unwritten(place, now)
        # Several processes may have passed the first check together: stop those beyond the limit.
        begun, used = await self._used(*place, now)
        return begun + self._seconds - now if used > self._most else 0

    def _count_unwritten(self, place: tuple[int, str], now: int) -> None:
        begun, used = self._unwritten.pop(place, (now, 0))
        if begun <= now - self._seconds:
            begun, used = now, 0
        self._unwritten[place] = begun, used + 1
        if len(self._unwritten) > _MOST_UNWRITTEN:
            del self._unwritten[next(iter(self._unwritten))]

    async def give_back(self, workspace: int, name: str) -> None:
        """Uncount one attempt, because it succeeded."""
        with contextlib.suppress(StorageFull):
            place = (workspace, _PREFIX + name)
            await self._storage.transact(workspace, [bound(_GIVE_BACK, *place)])

    async def forget(self, workspace: int, name: str) -> None:
        """Reset the counter of a name."""
        self._unwritten.pop((workspace, _PREFIX + name), None)
        with contextlib.suppress(StorageFull):
            place = (workspace, _PREFIX + name)
            await self._storage.transact(workspace, [bound(_FORGET, *place)])

    async def _used(self, workspace: int, key: str, now: int) -> tuple[int, int]:
        """Return the start of the current window (seconds since 1970) and its attempts."""
        rows = await self._storage.query(bound(_USED, workspace, key, now - self._seconds))
        begun, used = (rows[0][0], rows[0][1]) if rows else (now, 0)
        since, unwritten = self._unwritten.get((workspace, key), (0, 0))
        if since <= now - self._seconds:
            return begun, used
        return min(begun, since), used + unwritten

"""How often something was tried, passwords mostly, right across workers and replicas. For every engine."""

import contextlib
import secrets

from muster.base import clock
from muster.storage.port.engine import Upkeep
from muster.storage.port.errors import StorageFull
from muster.storage.repair.derived import bound

_PREFIX = "try "
_SWEPT_EVERY = 64
_KEPT_SECONDS = 86_400
_MOST_UNWRITTEN = 10_000
"""How many names a process counts attempts of while the disk is full."""
_TAKE = """
INSERT INTO rate_windows (workspace, key_id, "window", used) VALUES ($1, $2, $3, 1)
ON CONFLICT (workspace, key_id) DO UPDATE SET
    used = CASE WHEN rate_windows."window" > $4 THEN rate_windows.used + 1 ELSE 1 END,
    "window" = CASE WHEN rate_windows."window" > $4 THEN rate_windows."window" ELSE excluded."window" END
"""
_USED = (
    'SELECT "window", used FROM rate_windows WHERE workspace = $1 AND key_id = $2 AND "window" > $3'
)
_GIVE_BACK = (
    "UPDATE rate_windows SET used = used - 1 WHERE workspace = $1 AND key_id = $2 AND used > 0"
)
_FORGET = "DELETE FROM rate_windows WHERE workspace = $1 AND key_id = $2"
_SWEEP = f"""DELETE FROM rate_windows WHERE workspace = $1 AND key_id LIKE '{_PREFIX}%' AND "window" < $2"""


class Attempts:
    """most: tries of one name of a workspace in a window of so many seconds, which begins with the first of them."""

    def __init__(self, storage: Upkeep, most: int, seconds: int) -> None:
        self._storage = storage
        self._most = most
        self._seconds = seconds
        self._unwritten: dict[tuple[int, str], tuple[int, int]] = {}
        """The attempts made while the disk was full: when the first was made, and how many."""

    async def take(self, workspace: int, name: str) -> int:
        """Try once more: 0, or the seconds until that may be done. What is refused costs no write.

        While the disk is full, each process counts by itself, so that passwords can still be verified.
        """
        now = int(clock.seconds())
        place = (workspace, _PREFIX + name)
        begun, used = await self._used(*place, now)
        if used >= self._most:
            return begun + self._seconds - now
        statements = [bound(_TAKE, *place, now, now - self._seconds)]
        if secrets.randbelow(_SWEPT_EVERY) == 0:
            statements.append(bound(_SWEEP, workspace, now - _KEPT_SECONDS))
        try:
            await self._storage.transact(workspace, statements)
        except StorageFull:
            self._count_unwritten(place, now)
        begun, used = await self._used(*place, now)
        return begun + self._seconds - now if used > self._most else 0  # others may be as quick

    def _count_unwritten(self, place: tuple[int, str], now: int) -> None:
        begun, used = self._unwritten.pop(place, (now, 0))
        if begun <= now - self._seconds:
            begun, used = now, 0
        self._unwritten[place] = begun, used + 1
        if len(self._unwritten) > _MOST_UNWRITTEN:
            del self._unwritten[next(iter(self._unwritten))]

    async def give_back(self, workspace: int, name: str) -> None:
        """Take back one try, as it was a good one."""
        with contextlib.suppress(StorageFull):
            place = (workspace, _PREFIX + name)
            await self._storage.transact(workspace, [bound(_GIVE_BACK, *place)])

    async def forget(self, workspace: int, name: str) -> None:
        """Begin anew for a name."""
        self._unwritten.pop((workspace, _PREFIX + name), None)
        with contextlib.suppress(StorageFull):
            place = (workspace, _PREFIX + name)
            await self._storage.transact(workspace, [bound(_FORGET, *place)])

    async def _used(self, workspace: int, key: str, now: int) -> tuple[int, int]:
        """When the window that it is in began, in seconds since 1970, and how many tries it has."""
        rows = await self._storage.query(bound(_USED, workspace, key, now - self._seconds))
        begun, used = (rows[0][0], rows[0][1]) if rows else (now, 0)
        since, unwritten = self._unwritten.get((workspace, key), (0, 0))
        if since <= now - self._seconds:
            return begun, used
        return min(begun, since), used + unwritten

"""How often something was tried, passwords mostly, right across workers and replicas. For every engine."""

import secrets
import time
from collections.abc import Callable

from muster.storage.port.engine import Upkeep
from muster.storage.repair.derived import bound

_PREFIX = "try "
_SWEPT_EVERY = 64
_KEPT_SECONDS = 86_400
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

    def __init__(
        self, storage: Upkeep, most: int, seconds: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._storage = storage
        self._most = most
        self._seconds = seconds
        self._clock = clock

    async def take(self, workspace: int, name: str) -> int:
        """Try once more: 0, or the seconds until that may be done. What is refused costs no write."""
        now = int(self._clock())
        place = (workspace, _PREFIX + name)
        begun, used = await self._used(*place, now)
        if used >= self._most:
            return begun + self._seconds - now
        statements = [bound(_TAKE, *place, now, now - self._seconds)]
        if secrets.randbelow(_SWEPT_EVERY) == 0:
            statements.append(bound(_SWEEP, workspace, now - _KEPT_SECONDS))
        await self._storage.transact(workspace, statements)
        begun, used = await self._used(*place, now)
        return (
            begun + self._seconds - now if used > self._most else 0
        )  # others may have been as quick

    async def give_back(self, workspace: int, name: str) -> None:
        """Take back one try, as it was a good one."""
        await self._storage.transact(workspace, [bound(_GIVE_BACK, workspace, _PREFIX + name)])

    async def forget(self, workspace: int, name: str) -> None:
        """Begin anew for a name."""
        await self._storage.transact(workspace, [bound(_FORGET, workspace, _PREFIX + name)])

    async def _used(self, workspace: int, key: str, now: int) -> tuple[int, int]:
        """When the window that it is in began, in seconds since 1970, and how many tries it has."""
        rows = await self._storage.query(bound(_USED, workspace, key, now - self._seconds))
        return (rows[0][0], rows[0][1]) if rows else (now, 0)

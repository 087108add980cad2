"""The horizon of the changes of all workspaces on PostgreSQL.

A change takes its number from a sequence before it commits, so a lower number can appear after a
higher one. Within a workspace the lock of the workspace prevents that. Across workspaces, a reader
must not go beyond a number that an open transaction may still fill in.

Whoever inserts into `changes` holds a lock on the table (ROW EXCLUSIVE, which excludes nobody)
from before it takes a number until its commit is visible. So:

1. Read the last number of the sequence.
2. Read who holds the lock. A transaction with a number up to that one either is among them, or has
   ended.
3. Wait until all of them have ended. Then every number up to the first is settled: it is visible or
   will never be.

Writers pay nothing for this.
"""

import asyncio
import time

from muster.storage.postgres.connection import Pool

_LAST = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM changes_sequence_seq"
_WRITERS = """
SELECT virtualtransaction || ' ' || coalesce(pid, 0) FROM pg_locks
WHERE locktype = 'relation' AND relation = 'changes'::regclass AND mode = 'RowExclusiveLock'
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_PAUSE_SECONDS = 0.005
_PATIENCE_SECONDS = 0.25


class Horizon:
    """Finds the horizon."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._settled = 0

    async def settled(self) -> int:
        """Return a number up to which no change can appear any more.

        Behind a transaction that stays open it returns what was settled before.
        """
        last = await self._last()
        if last == self._settled:
            return last
        open_ones = await self._writers()
        end = time.monotonic() + _PATIENCE_SECONDS
        while open_ones and time.monotonic() < end:
            await asyncio.sleep(_PAUSE_SECONDS)
            open_ones &= await self._writers()
        if not open_ones:
            self._settled = max(self._settled, last)
        return self._settled

    async def _last(self) -> int:
        row = await self._pool.row(_LAST)
        return 0 if row is None else int(row[0])

    async def _writers(self) -> set[str]:
        return {row[0] for row in await self._pool.rows(_WRITERS)}

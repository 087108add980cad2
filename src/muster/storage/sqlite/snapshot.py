"""The connection of keyed reads, and the snapshot that they share.

Beginning and ending a read transaction takes locks on a file, which is a third of the cost of a
keyed read. So a read transaction stays open for the reads that follow, under three rules:

- **A read sees every commit that was answered before it.** A process that commits replaces the
  commit stamp (`epoch.py`) before it answers any of the writes. Each read compares the stamp, which
  costs no system call, and begins a new snapshot if it has changed. The stamp is read *before* the
  transaction begins: a commit between the two is then seen as a later one, and costs one
  superfluous renewal instead of being missed.
- **A snapshot ends after 2 ms**, even without a commit, so that it never delays a checkpoint of the
  write-ahead log for long.
- **The writer ends it** before each of its transactions, for the same reason.

All of this runs in the event loop. A caller must use the connection before its next `await`, since
the snapshot may be replaced afterwards.
"""

import asyncio
import sqlite3
from collections.abc import Callable

from muster.storage.sqlite.epoch import Stamps

_MAX_HELD_SECONDS = 0.002


class Snapshot:
    """A read connection and its current snapshot.

    Args:
        on_begin: Called with the connection in each new snapshot, before any other read. If it
            raises, the snapshot ends.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        stamps: Stamps,
        on_begin: Callable[[sqlite3.Connection], None] | None = None,
    ) -> None:
        self._connection = connection
        self._stamps = stamps
        self._on_begin = on_begin
        self._number = 0
        self._loop = asyncio.get_running_loop()
        self._stamp = 0
        self._timer: asyncio.TimerHandle | None = None

    def reader(self) -> sqlite3.Connection:
        """Return the connection, at a snapshot that contains every earlier commit.

        Use it at once, not after an await.
        """
        self.number()
        return self._connection

    def number(self) -> int:
        """Return the number of the snapshot that `reader` gives now."""
        # The stamp is read before BEGIN: a commit between the two is noticed by the next read.
        stamp = self._stamps.commits()
        if stamp != self._stamp or not self._connection.in_transaction:
            self._renew(stamp)
        return self._number

    def _renew(self, stamp: int) -> None:
        self.release()
        self._connection.execute("BEGIN")
        self._number += 1
        if self._on_begin is not None:
            try:
                self._on_begin(self._connection)
            except BaseException:
                self.release()
                raise
        self._stamp = stamp
        # One timer serves all snapshots begun while it runs: it bounds the age of the oldest.
        if self._timer is None:
            self._timer = self._loop.call_later(_MAX_HELD_SECONDS, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self.release()

    def release(self) -> None:
        """End the snapshot; the next read begins another."""
        if self._connection.in_transaction:
            self._connection.execute("COMMIT")

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._connection.close()

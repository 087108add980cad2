"""The connection of keyed reads. Reads that follow each other closely share a snapshot, as long as nothing is committed.

To begin and to end a read takes locks on a file, which is a third of what a keyed read costs. A snapshot is let go of at the
first commit of any process, which the stamps tell, and after two milliseconds in any case, so that it holds no checkpoint back.
"""

import asyncio
import sqlite3

from muster.storage.sqlite.epoch import Stamps

_HELD_SECONDS = 0.002


class Snapshot:
    """A connection for reading, and the snapshot that it is at."""

    def __init__(self, connection: sqlite3.Connection, stamps: Stamps) -> None:
        self._connection = connection
        self._stamps = stamps
        self._loop = asyncio.get_running_loop()
        self._seen = 0
        self._timer: asyncio.TimerHandle | None = None

    def reader(self) -> sqlite3.Connection:
        """The connection, at a snapshot that has all that was committed before; to be used at once, not after an await."""
        stamp = (
            self._stamps.commits()
        )  # before the snapshot, so that a commit in between is seen as one after it
        if stamp != self._seen or not self._connection.in_transaction:
            self._renew(stamp)
        return self._connection

    def _renew(self, stamp: int) -> None:
        self.let_go()
        self._connection.execute("BEGIN")
        self._seen = stamp
        if self._timer is None:
            self._timer = self._loop.call_later(_HELD_SECONDS, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self.let_go()

    def let_go(self) -> None:
        """End the snapshot; the next read begins another."""
        if self._connection.in_transaction:
            self._connection.execute("COMMIT")

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._connection.close()

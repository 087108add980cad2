"""Stamps by which the processes of a machine notice commits without a query.

A file beside the database contains two 64-bit stamps, and every process maps it into memory. After
a commit that changes keys, settings or items, the first stamp is replaced by a random number; after
any commit, the second. Readers compare a stamp with the one they saw last, which is a read of
memory.

A random number, not a counter: two processes that increment at the same moment could leave the
counter at a value that a third has seen already. Two random numbers of 64 bits do not repeat.

Aligned 64-bit reads and writes are atomic, so no lock is needed. The order is commit, then stamp: a
reader that sees the new stamp finds the commit. If a process dies between the two, others would
never notice, so every reader of a stamp also has a fallback: the epoch is read from the database
once a second, and a snapshot ends after 2 ms.

The database remains the authority. A lost or foreign stamp file costs queries, never correctness.
"""

import errno
import mmap
import os
import secrets
import sqlite3
import time

from muster.storage.port.errors import StorageError, StorageFull

_STAMP_BITS = 64
_SIZE = 2 * _STAMP_BITS // 8
_ACCOUNTS, _COMMITS = 0, 1
_POLL_SECONDS = 1.0


class Stamps:
    """The two stamps of a database file.

    They lie beside the real file, as SQLite's write-ahead log does, whatever symbolic link opened
    it.
    """

    def __init__(self, path: str) -> None:
        """Map the stamps, and create their file if necessary.

        Raises:
            StorageFull: The disk has no room for the file.
            StorageError: The file cannot be opened.
        """
        name = f"{os.path.realpath(path)}-epoch"
        try:
            descriptor = os.open(name, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                _allocate(descriptor)
                # Shared with all processes that open the database; the mapping outlives the file
                # descriptor.
                self._map = mmap.mmap(descriptor, _SIZE)
            finally:
                os.close(descriptor)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            kind = StorageFull if full else StorageError
            raise kind(f"cannot open {name}: {(error.strerror or str(error)).lower()}") from None
        self._stamps = memoryview(self._map).cast("Q")

    def accounts(self) -> int:
        """Return the stamp of keys, settings and items."""
        return self._stamps[_ACCOUNTS]

    def commits(self) -> int:
        """Return the stamp of all commits."""
        return self._stamps[_COMMITS]

    def announce_accounts(self) -> None:
        """Announce a committed change to keys, settings or items."""
        self._stamps[_ACCOUNTS] = secrets.randbits(_STAMP_BITS)

    def announce_commit(self) -> None:
        """Announce a commit."""
        self._stamps[_COMMITS] = secrets.randbits(_STAMP_BITS)

    def close(self) -> None:
        self._stamps.release()
        self._map.close()


def _allocate(descriptor: int) -> None:
    """Allocate the file's bytes on the disk.

    A write to a hole of a mapped file on a full disk kills the process (SIGBUS), so holes are
    filled here, where an error can be reported. Existing stamps are kept, since other processes may
    be changing them.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, _SIZE)
    elif os.fstat(descriptor).st_size < _SIZE:
        os.pwrite(descriptor, bytes(_SIZE), 0)


class SqliteEpoch:
    """The epoch, read from the database if its stamp has changed, and once a second."""

    def __init__(self, stamps: Stamps, connection: sqlite3.Connection) -> None:
        self._stamps = stamps
        self._connection = connection
        self._last_stamp: int | None = None
        self._last_read = 0.0
        self._value = 0

    def value(self) -> int:
        """Return the current epoch."""
        # The stamp is read before the epoch: a change between the two is then seen next time.
        stamp = self._stamps.accounts()
        now = time.monotonic()
        if stamp != self._last_stamp or now - self._last_read > _POLL_SECONDS:
            self._value = self._connection.execute(
                "SELECT epoch FROM installation WHERE id = 1"
            ).fetchone()[0]
            self._last_stamp, self._last_read = stamp, now
        return self._value

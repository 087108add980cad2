"""What processes tell each other without a query: that keys or settings have changed, and that something was committed.

Beside the database lies a file of two stamps, mapped by every process. Whoever changes a key or a setting makes the first
anew after the commit, and whoever commits anything the second. Were a process killed between its commit and the stamp, the
others find out a little later: what asks for a stamp asks the database itself as well, once in a while.
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
_AT_LEAST_EVERY = 1.0


class Stamps:
    """The two stamps of a database file, whatever name it is opened by: like SQLite's log, they lie beside the file itself."""

    def __init__(self, path: str) -> None:
        """Map the stamps. Raises StorageError if they cannot be opened, and StorageFull if the disk has no room for them."""
        name = f"{os.path.realpath(path)}-epoch"
        try:
            descriptor = os.open(name, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                _allocate(descriptor)
                self._map = mmap.mmap(descriptor, _SIZE)
            finally:
                os.close(descriptor)
        except OSError as error:
            kind = (
                StorageFull
                if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
                else StorageError
            )
            raise kind(f"cannot open {name}: {(error.strerror or str(error)).lower()}") from None
        self._stamps = memoryview(self._map).cast("Q")

    def accounts(self) -> int:
        """The stamp of keys and settings."""
        return self._stamps[_ACCOUNTS]

    def commits(self) -> int:
        """The stamp of all that is committed."""
        return self._stamps[_COMMITS]

    def tell_accounts(self) -> None:
        """Say that a key or a setting has changed and is committed."""
        self._stamps[_ACCOUNTS] = secrets.randbits(_STAMP_BITS)

    def tell_commit(self) -> None:
        """Say that something is committed."""
        self._stamps[_COMMITS] = secrets.randbits(_STAMP_BITS)

    def close(self) -> None:
        self._stamps.release()
        self._map.close()


def _allocate(descriptor: int) -> None:
    """Give the file its bytes on the disk: a write to a hole of a mapped file kills the process if the disk is full (SIGBUS)."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(
            descriptor, 0, _SIZE
        )  # keeps the stamps that are there, which others may be changing
    elif os.fstat(descriptor).st_size < _SIZE:
        os.pwrite(descriptor, bytes(_SIZE), 0)


class SqliteEpoch:
    """The number of changes to keys and settings, read from the database when their stamp is another, and once a second."""

    def __init__(self, stamps: Stamps, connection: sqlite3.Connection) -> None:
        self._stamps = stamps
        self._connection = connection
        self._seen: int | None = None
        self._asked = 0.0
        self._value = 0

    def value(self) -> int:
        """The epoch as the database has it now."""
        seen = self._stamps.accounts()
        now = time.monotonic()
        if seen != self._seen or now - self._asked > _AT_LEAST_EVERY:
            self._value = self._connection.execute(
                "SELECT epoch FROM installation WHERE id = 1"
            ).fetchone()[0]
            self._seen, self._asked = seen, now
        return self._value

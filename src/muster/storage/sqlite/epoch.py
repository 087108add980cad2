"""Whether keys or settings have changed, told between processes without a query.

Beside the database lies a file of eight bytes, mapped by every process, which whoever changes a key or a setting fills anew
after the commit. Were a process killed between the two, the others find out by the query, within a second.
"""

import mmap
import os
import sqlite3
import time

from muster.storage.port import StorageError

_SIZE = 8
_AT_LEAST_EVERY = 1.0


class Epoch:
    """The number of changes so far, read from the database when the mapped bytes are others, and once a second."""

    def __init__(self, path: str, connection: sqlite3.Connection) -> None:
        try:
            descriptor = os.open(f"{path}-epoch", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StorageError(f"cannot be read or written: {path}-epoch: {error.strerror}") from None
        try:
            if os.fstat(descriptor).st_size < _SIZE:
                os.ftruncate(descriptor, _SIZE)
            self._map = mmap.mmap(descriptor, _SIZE)
        finally:
            os.close(descriptor)
        self._connection = connection
        self._seen: bytes | None = None
        self._asked = 0.0
        self._value = 0

    def value(self) -> int:
        """The epoch as the database has it now."""
        seen = self._map[:]
        now = time.monotonic()
        if seen != self._seen or now - self._asked > _AT_LEAST_EVERY:
            self._value = self._connection.execute("SELECT epoch FROM installation WHERE id = 1").fetchone()[0]
            self._seen, self._asked = seen, now
        return self._value

    def tell(self) -> None:
        """Say that something has changed and is committed."""
        self._map[:] = os.urandom(_SIZE)

    def close(self) -> None:
        self._map.close()

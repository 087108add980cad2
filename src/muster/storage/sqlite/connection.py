"""Connections to SQLite, and the translation of its errors."""

import asyncio
import os
import random
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from typing import cast

from sqlalchemy import NullPool, StaticPool, create_engine, event
from sqlalchemy.exc import DBAPIError

from muster.storage import migrations
from muster.storage.port.engine import Missing
from muster.storage.port.errors import (
    PageTooLarge,
    StatementRejected,
    StorageCorrupt,
    StorageError,
    StorageFull,
)

BUSY_SECONDS = 10.0
"""How long a connection waits for a lock."""
PATIENT_SECONDS = 60.0
"""How long a command or a migration waits for the writes of other processes."""
_POLL_SECONDS = 0.001, 0.003
"""The shortest and the longest time between two attempts to take the lock."""
_FULL = frozenset({sqlite3.SQLITE_FULL})
_UNWRITABLE = frozenset({sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE})
"""Writes that the file system refuses because of a quota or a limit on the size of a file."""
_CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_REJECTED = frozenset(
    {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_RANGE, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_MISUSE}
    | {sqlite3.SQLITE_CONSTRAINT}
)
_NO_ROOM = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN})


def connect(path: str, cache_kib: int, read_only: bool = False) -> sqlite3.Connection:
    """Open a connection in autocommit mode, durable at each commit.

    Args:
        cache_kib: The size of the page cache in KiB.
    """
    connection = sqlite3.connect(
        path,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA cache_size = -{cache_kib}")
    connection.execute("PRAGMA temp_store = MEMORY")
    if read_only:
        connection.execute("PRAGMA query_only = ON")
    return connection


class ConnectionPool:
    """Connections that each serve one caller at a time.

    The connection returned last is taken first, because its cache has the pages in use.
    """

    def __init__(self, connections: Iterable[sqlite3.Connection]) -> None:
        pooled = list(connections)
        self._free: asyncio.LifoQueue[sqlite3.Connection] = asyncio.LifoQueue(len(pooled))
        for connection in pooled:
            self.give_back(connection)

    async def take(self) -> sqlite3.Connection:
        """Wait for a free connection."""
        return await self._free.get()

    def give_back(self, connection: sqlite3.Connection) -> None:
        """Return a connection to the pool."""
        self._free.put_nowait(connection)

    async def close(self) -> None:
        """Close all connections, each once it is returned."""
        for _ in range(self._free.maxsize):
            (await self.take()).close()


def migrate(path: str) -> tuple[str | None, str]:
    """Migrate the database file to this version's tables; create it if necessary.

    Returns:
        The revisions before and after; None if the database was empty.
    """
    _make_private(path)
    engine = create_engine(
        f"sqlite:///{path}", poolclass=NullPool, connect_args={"timeout": PATIENT_SECONDS}
    )

    @event.listens_for(engine, "connect")
    def no_implicit_transactions(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None

    with translated(), engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        connection.exec_driver_sql("PRAGMA synchronous = FULL")
        if (revision := migrations.current(connection)) == migrations.newest():
            return revision, revision  # without the lock, for which a command might wait long
        begin(cast(sqlite3.Connection, connection.connection.driver_connection), PATIENT_SECONDS)
        try:
            revisions = migrations.upgrade(connection)
            connection.exec_driver_sql("COMMIT")
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise
    return revisions


def begin(connection: sqlite3.Connection, seconds: float) -> None:
    """Begin a transaction that writes, and wait for the lock.

    SQLite itself tries ten times a second. A process that writes all the time releases the lock
    for less than a millisecond, so these attempts may fail for a minute; this function tries
    hundreds of times a second.

    Args:
        seconds: How long to try.

    Raises:
        sqlite3.OperationalError: The lock was never free, or the database cannot be used.
    """
    usual = connection.execute("PRAGMA busy_timeout").fetchone()[0]
    end = time.monotonic() + seconds
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if not is_busy(error) or time.monotonic() > end:
                    raise
            else:
                return
            time.sleep(random.uniform(*_POLL_SECONDS))  # noqa: S311 (not for security)
    finally:
        connection.execute(f"PRAGMA busy_timeout = {usual}")


def is_busy(error: sqlite3.Error) -> bool:
    """Tell whether another process has the lock."""
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def missing(path: str) -> list[Missing]:
    """Return the tables, columns, keys and indexes that the database file lacks."""
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    with translated(), engine.connect() as connection:
        return migrations.missing(connection)


def recreate(path: str, gap: Missing) -> None:
    """Create a missing table or index, as the migrations define it.

    The definition is copied from a new database in memory that is migrated to this version.

    Raises:
        StorageError: The gap is a key, which SQLite cannot add to a table.
    """
    with sqlite3.connect(":memory:") as scratch:
        engine = create_engine("sqlite://", creator=lambda: scratch, poolclass=StaticPool)
        with engine.begin() as made:
            migrations.upgrade(made)
        # The table comes before its indexes.
        chosen = (
            "tbl_name = ? ORDER BY type DESC"
            if gap.kind == "table"
            else "type = 'index' AND name = ?"
        )
        found = scratch.execute(
            f"SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND {chosen}",
            (gap.name or gap.table,),
        )
        statements = [sql for (sql,) in found]
    scratch.close()
    if not statements or gap.kind not in ("table", "index"):
        raise StorageError(f"SQLite cannot add the {gap.kind} to a table that exists")
    if gap.kind == "index":
        statements.insert(0, f"DROP INDEX IF EXISTS {gap.name}")
    with translated(), closing(connect(path, 1024)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in statements:
                connection.execute(statement)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise


def _make_private(path: str) -> None:
    """Create the database file readable by its owner only, as it contains secrets.

    SQLite gives the files beside it the same mode. A file that exists is not opened: to close it
    would release the locks of all connections that this process has to it (POSIX).
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        if not os.access(path, os.R_OK | os.W_OK):
            raise StorageError(f"cannot open {path}: permission denied") from None
    except OSError as error:
        raise StorageError(
            f"cannot open {path}: {(error.strerror or str(error)).lower()}"
        ) from None


@contextmanager
def translated() -> Iterator[None]:
    """Turn SQLite's errors into the port's."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise translate(error) from error
    except DBAPIError as error:
        if isinstance(error.orig, sqlite3.DatabaseError):
            raise translate(error.orig) from error
        raise


def translate(error: sqlite3.DatabaseError) -> StorageError:
    """Return the port's error for an error of SQLite."""
    if isinstance(error, sqlite3.ProgrammingError) and "closed database" in str(error):
        return StorageError("the database is closed")
    extended = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    code = extended & 0xFF
    if code == sqlite3.SQLITE_TOOBIG:
        return PageTooLarge()
    if code in _REJECTED:
        return StatementRejected(f"the database rejected a statement ({error})")
    if code in _FULL:
        return StorageFull("the disk is full: nothing was written")
    if extended in _UNWRITABLE:
        return StorageFull("the disk is full, or has reached a quota: nothing was written")
    if code in _CORRUPT:
        return StorageCorrupt("the database file is damaged")
    if code in _NO_ROOM:
        return StorageError("cannot read or write the database file")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StorageError("the database is busy")
    return StorageError("the database cannot answer")

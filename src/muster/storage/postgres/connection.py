"""Connections to PostgreSQL, and the translation of its errors."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypeAlias, TypeVar

import asyncpg

from muster.storage.port.errors import StatementRejected, StorageCorrupt, StorageError, StorageFull

CONNECT_SECONDS = 5.0
_GRACE_SECONDS = 2.0
LOST = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the connection is lost between two messages
    asyncpg.PostgresConnectionError,
    asyncpg.exceptions.OperatorInterventionError,
)
"""Errors of asyncpg when the connection or the server is gone."""
_REJECTED_CLASSES = frozenset({"0A", "21", "22", "23", "42", "54"})
"""The SQLSTATE classes of statements that no retry can help.

They are: unsupported feature, cardinality violation, data exception, constraint violation, syntax
error or access rule, program limit.
"""
_REFUSALS = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
)
_WITHDRAWN = asyncpg.QueryCanceledError
FAILED = (*LOST, asyncpg.PostgresError, TimeoutError)

T = TypeVar("T")
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def connect(url: str, statement_seconds: float | None = None) -> Connection:
    """Open a connection with a time limit on statements.

    Args:
        statement_seconds: The limit, enforced by the server and, with some grace, by the client, in
            case the server is gone.

    Raises:
        StorageError: The server cannot be reached or refuses.
    """
    settings = {"application_name": "muster", "jit": "off", "timezone": "UTC"}
    if statement_seconds is not None:
        milliseconds = str(max(1, int(statement_seconds * 1000)))
        settings |= {
            "statement_timeout": milliseconds,
            "idle_in_transaction_session_timeout": "60000",
        }
    limit = None if statement_seconds is None else statement_seconds + _GRACE_SECONDS
    with translated():
        connection: Connection = await asyncpg.connect(
            url,
            timeout=CONNECT_SECONDS,
            command_timeout=limit,
            server_settings=settings,
            statement_cache_size=512,
        )
    return connection


class Pool:
    """At most `size` connections, opened when they are needed.

    asyncpg's own pool resets a connection with a statement whenever it is returned, which would be
    a second round trip for each read.
    """

    def __init__(self, url: str, size: int, statement_seconds: float) -> None:
        self._url = url
        self._size = size
        self._seconds = statement_seconds
        self._idle: list[Connection] = []
        self._made = 0
        self._free = asyncio.Semaphore(size)
        self._closed = False

    @property
    def in_use(self) -> int:
        """The connections that are handed out."""
        return self._made - len(self._idle)

    async def acquire(self) -> Connection:
        """Wait for a connection.

        Raises:
            StorageError: None can be opened, or the pool is closed.
        """
        await self._free.acquire()
        try:
            if self._closed:
                raise StorageError("the database is closed")
            while self._idle:
                connection = self._idle.pop()
                if not connection.is_closed():
                    return connection
                self._made -= 1
            self._made += 1
            try:
                return await connect(self._url, self._seconds)
            except BaseException:
                self._made -= 1
                raise
        except BaseException:
            self._free.release()
            raise

    def release(self, connection: Connection) -> None:
        """Return a connection; one that is closed or within a transaction is discarded."""
        if connection.is_closed() or self._closed or connection.is_in_transaction():
            self._made -= 1
            connection.terminate()
        else:
            self._idle.append(connection)
        self._free.release()

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection, and turn PostgreSQL's errors into the port's."""
        connection = await self.acquire()
        try:
            with translated():
                yield connection
        except asyncio.CancelledError:
            connection.terminate()
            raise
        finally:
            self.release(connection)

    async def row(self, statement: str, *values: Any) -> asyncpg.Record | None:
        """Return the first row of a read."""
        return await self._read(lambda connection: connection.fetchrow(statement, *values))

    async def rows(self, statement: str, *values: Any) -> list[asyncpg.Record]:
        """Return all rows of a read."""
        return await self._read(lambda connection: connection.fetch(statement, *values))

    async def _read(self, read: Callable[[Connection], Awaitable[T]]) -> T:
        """Run a read, once more on another connection if the first turns out to be lost."""
        for attempt in range(2):
            connection = await self.acquire()
            try:
                return await read(connection)
            except LOST as error:
                if is_rejection(error) or lost_elsewhere(error, connection):
                    raise translate(error) from error
                connection.terminate()
                if attempt or isinstance(error, _WITHDRAWN):
                    raise translate(error) from error
                self.forget_idle()
            except FAILED as error:
                raise translate(error) from error
            except asyncio.CancelledError:
                connection.terminate()
                raise
            finally:
                self.release(connection)
        raise AssertionError

    def forget_idle(self) -> None:
        """Discard the idle connections after one was found to be lost."""
        while self._idle:
            self._idle.pop().terminate()
            self._made -= 1

    async def close(self) -> None:
        """Close the idle connections; those in use are closed when they are returned."""
        self._closed = True
        idle, self._idle = self._idle, []
        for connection in idle:
            with contextlib.suppress(*FAILED):
                await connection.close(timeout=CONNECT_SECONDS)


def lost_elsewhere(error: Exception, connection: Connection) -> bool:
    """Tell whether the server lost another node, while this connection is intact.

    Citus reports the loss of a worker with the same class of errors.
    """
    return isinstance(error, asyncpg.PostgresConnectionError) and not connection.is_closed()


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn asyncpg's errors into the port's."""
    try:
        yield
    except FAILED as error:
        raise translate(error) from error


def translate(error: Exception) -> StorageError:
    """Return the port's error for an error of asyncpg."""
    if isinstance(error, asyncpg.DiskFullError):
        return StorageFull("the disk is full: nothing was written")
    if isinstance(error, asyncpg.DataCorruptedError | asyncpg.IndexCorruptedError):
        return StorageCorrupt("the database is damaged")
    if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
        return StorageError("the database is read-only")
    if isinstance(error, _REFUSALS):
        return StorageError(f"the database refuses the connection: {error}")
    if isinstance(error, asyncpg.QueryCanceledError):
        return StorageError("the database is busy")
    if is_rejection(error):
        return StatementRejected(f"the database rejected a statement ({type(error).__name__})")
    if isinstance(error, (*LOST, TimeoutError)):
        return StorageError("the database cannot be reached")
    return StorageError(f"the database cannot answer ({type(error).__name__})")


def is_rejection(error: Exception) -> bool:
    """Tell whether a statement was rejected: by the server, or by asyncpg's encoding."""
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "")[:2] in _REJECTED_CLASSES
    if isinstance(error, asyncpg.exceptions.ClientConfigurationError):
        return False
    return isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError)

"""Connections: a pool without ceremony, and which of PostgreSQL's errors means what."""

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
    asyncpg.InternalClientError,  # where the connection goes between two messages
    asyncpg.PostgresConnectionError,
    asyncpg.exceptions.OperatorInterventionError,
)
"""What a query raises when its connection, or the server, has gone."""
_REJECTED_CLASSES = frozenset({"0A", "21", "22", "23", "42", "54"})
"""The SQLSTATE classes of statements that no retry can help: unsupported, wrong data, constraint, syntax, program limit."""
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
    """A connection on which no statement runs longer than that, by the server's clock or, where it has gone, by ours.

    Raises StorageError.
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
    """At most `size` connections, made as they are needed; one that was lost is not handed out again.

    asyncpg's own pool resets a connection with a statement each time it comes back: a second round trip for each read.
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
        return self._made - len(self._idle)

    async def acquire(self) -> Connection:
        """A connection, once one is free. Raises StorageError where none can be made, or the pool is closed."""
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
        """Give a connection back. One that is closed, or in a transaction still, is let go of."""
        if connection.is_closed() or self._closed or connection.is_in_transaction():
            self._made -= 1
            connection.terminate()
        else:
            self._idle.append(connection)
        self._free.release()

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for a while; PostgreSQL's errors become the port's."""
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
        """The first row of a read."""
        return await self._read(lambda connection: connection.fetchrow(statement, *values))

    async def rows(self, statement: str, *values: Any) -> list[asyncpg.Record]:
        """All rows of a read."""
        return await self._read(lambda connection: connection.fetch(statement, *values))

    async def _read(self, read: Callable[[Connection], Awaitable[T]]) -> T:
        """What is read. Where the connection turns out to be lost, another is tried: every idle one may be."""
        for attempt in range(2):
            connection = await self.acquire()
            try:
                return await read(connection)
            except LOST as error:
                if is_rejection(error) or elsewhere(error, connection):
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
        """Let go of the idle connections, when one was found to be lost."""
        while self._idle:
            self._idle.pop().terminate()
            self._made -= 1

    async def close(self) -> None:
        """Close what is idle; what is in use is closed as it comes back."""
        self._closed = True
        idle, self._idle = self._idle, []
        for connection in idle:
            with contextlib.suppress(*FAILED):
                await connection.close(timeout=CONNECT_SECONDS)


def elsewhere(error: Exception, connection: Connection) -> bool:
    """Whether the server reports the loss of a connection of its own, to another node of Citus, while this one is intact."""
    return isinstance(error, asyncpg.PostgresConnectionError) and not connection.is_closed()


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turns asyncpg's errors into the port's."""
    try:
        yield
    except FAILED as error:
        raise translate(error) from error


def translate(error: Exception) -> StorageError:
    """The port's error for one of asyncpg's."""
    if isinstance(error, asyncpg.DiskFullError):
        return StorageFull("the disk is full: nothing was written")
    if isinstance(error, asyncpg.DataCorruptedError | asyncpg.IndexCorruptedError):
        return StorageCorrupt("the database is damaged")
    if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
        return StorageError("the database is read-only")
    if isinstance(error, _REFUSALS):
        return StorageError(f"the database refuses: {error}")
    if isinstance(error, asyncpg.QueryCanceledError):
        return StorageError("the database is busy")
    if is_rejection(error):
        return StatementRejected(f"the database rejected a statement ({type(error).__name__})")
    if isinstance(error, (*LOST, TimeoutError)):
        return StorageError("the database cannot be reached")
    return StorageError(f"the database cannot answer ({type(error).__name__})")


def is_rejection(error: Exception) -> bool:
    """Whether the server, or asyncpg while encoding its parameters, rejected a statement as wrong."""
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "")[:2] in _REJECTED_CLASSES
    if isinstance(error, asyncpg.exceptions.ClientConfigurationError):
        return False
    return isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError)

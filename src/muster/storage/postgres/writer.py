"""Group commit on PostgreSQL: one transaction per workspace at a time.

Each workspace has a queue. A task takes the writes of one queue into a transaction, and answers
them after its COMMIT; tasks of different workspaces run independently. The order of the steps:

1. Take a connection, and the lock of the workspace (`lock.py`). BEGIN and the advisory lock are one
   round trip.
2. Only then take the waiting writes, at most MAX_BATCH. While the transaction waited for the lock,
   more writes have arrived; a batch fixed before would often hold a single write.
3. Decide and store the batch (`rows.py`), one statement of each kind.
4. COMMIT, and answer.

**A write that fails** while it is decided has changed nothing, because decisions are made in memory
before any statement. It gets its error, and the rest of the batch commits. So no savepoints are
needed.

**A transaction that fails** may be repeated in three cases: the server resolved a deadlock or
detected a conflict; another replica inserted one of the generated keys; the connection was lost
before COMMIT was sent. If a key is taken again and again, the writes are tried one by one, so that
only the unlucky one fails.

**An ambiguous commit.** If the connection is lost during COMMIT, the server may or may not have
committed, and neither repeating the writes nor reporting an error is safe. The number of the
transaction does not settle it: a server that crashed before writing anything gives the same number
to another transaction after its restart. Instead muster looks for the hash that the batch's last
row of `changes` would have. The hash covers the row and its predecessor, so no other transaction
can have stored it. The question is asked with the workspace's lock held: a transaction that is
still in progress on the server, or prepared, has not released it.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence

import asyncpg

from muster.storage.port.errors import KeyTaken, StorageError, copy_exception
from muster.storage.port.resources import Outcome, Write
from muster.storage.postgres import rows
from muster.storage.postgres.connection import (
    FAILED,
    LOST,
    Connection,
    Pool,
    connect,
    is_rejection,
    lost_elsewhere,
    translate,
)
from muster.storage.postgres.lock import LOCK, LOCK_SPACE, lock_last_change

MAX_BATCH = 128
MAX_WAITING = 10_000
_ATTEMPTS = 5
"""The most transactions for one batch."""
_RESOLVE_SECONDS = 20.0
"""How long the outcome of an ambiguous commit is asked for before the writes get an error."""
_RETRY_SECONDS = 0.25
"""Seconds between two questions."""
_IS_STORED = "SELECT EXISTS (SELECT FROM changes WHERE workspace = $1 AND id = $2 AND chain = $3)"
_RETRIED = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.UniqueViolationError,
    KeyTaken,
)
"""Errors after which a transaction is known to have changed nothing, and may succeed next time."""
Join = Callable[[], Sequence[Write]]
"""Returns the writes of a transaction. Called once the transaction has the lock."""
_log = logging.getLogger(__name__)


class AmbiguousCommit(StorageError):
    """The connection was lost during a commit whose outcome could not be determined."""


class _Waiting:
    """A write, and the future for its outcome."""

    __slots__ = ("future", "write")

    def __init__(self, write: Write, future: "asyncio.Future[Outcome]") -> None:
        self.write = write
        self.future = future


class _Batch:
    """The writes of a transaction.

    Attributes:
        taken: The writes that belong to the transaction so far.
    """

    def __init__(self, queue: deque[_Waiting]) -> None:
        self._queue = queue
        self.taken: list[_Waiting] = []
        self.join()

    def join(self) -> Sequence[Write]:
        """Take the waiting writes, and return all writes of the transaction."""
        while self._queue and len(self.taken) < MAX_BATCH:
            self.taken.append(self._queue.popleft())
        return [waiting.write for waiting in self.taken]


class PostgresWriter:
    """Executes writes, in the order in which they arrive at a workspace.

    Attributes:
        waiting: The writes that have not been answered.
    """

    def __init__(self, pool: Pool, url: str, on_commit: Callable[[int], None]) -> None:
        self._pool = pool
        self._on_commit = on_commit
        self._url = url
        self._queues: dict[int, deque[_Waiting]] = {}
        self._running: dict[int, asyncio.Task[None]] = {}
        self.waiting = 0

    async def write(self, write: Write) -> Outcome:
        """Execute a write, and return its outcome after the commit.

        Raises:
            Conflict: Another resource has a unique value.
            StorageError: Too many writes are waiting, or the engine cannot answer.
            Exception: Whatever `decide` raised.
        """
        if self.waiting >= MAX_WAITING:
            raise StorageError(
                f"Too many writes are waiting (at most {MAX_WAITING:,}). Retry later."
            )
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(write.workspace, deque()).append(_Waiting(write, future))
        self.waiting += 1
        if write.workspace not in self._running:
            self._running[write.workspace] = asyncio.create_task(self._run(write.workspace))
        return await future

    async def close(self) -> None:
        """Finish the waiting writes."""
        while self._running:
            await asyncio.wait(list(self._running.values()))

    async def _run(self, workspace: int) -> None:
        """Run transactions while writes of a workspace wait."""
        queue = self._queues[workspace]
        try:
            while queue:
                batch = _Batch(queue)
                answers: Sequence[Outcome | Exception]
                try:
                    answers = await self._transact(workspace, batch.join)
                except StorageError as error:
                    _log.error("%d writes were undone: %s", len(batch.taken), error)
                    answers = [copy_exception(error) for _ in batch.taken]
                except Exception as error:
                    _log.exception("the writer failed")
                    answers = [
                        StorageError(f"the database cannot answer ({type(error).__name__})")
                        for _ in batch.taken
                    ]
                self.waiting -= len(batch.taken)
                _answer(batch.taken, answers)
        finally:
            del self._running[workspace]
            del self._queues[workspace]

    async def transact(
        self, workspace: int, writes: Sequence[Write], whole: bool = False, rehearse: bool = False
    ) -> Sequence[Outcome | Exception]:
        """Execute writes in one transaction, repeating it if it failed without effect.

        Args:
            whole: If one write fails, raise its error and commit none.
            rehearse: Roll back instead of committing.

        Returns:
            The outcome or the error of each write.
        """
        return await self._transact(workspace, lambda: writes, whole, rehearse)

    async def _transact(
        self, workspace: int, join: Join, whole: bool = False, rehearse: bool = False
    ) -> Sequence[Outcome | Exception]:
        """Execute the writes that join, and return the outcome or the error of each."""
        taken: Exception | None = None
        for _ in range(_ATTEMPTS):
            connection = await self._pool.acquire()
            try:
                return await self._attempt(connection, workspace, join, whole, rehearse)
            except _RETRIED as error:
                taken = error
            except _Lost:
                self._pool.forget_idle()
            except FAILED as error:
                raise translate(error) from error
            finally:
                self._pool.release(connection)
        # The keys of one write collide again and again: let only that write fail.
        if isinstance(taken, KeyTaken):
            if whole:
                raise taken
            return await self._one_by_one(workspace, join(), taken)
        raise StorageError(
            "the database cannot be reached" if taken is None else "the database is busy"
        )

    async def _one_by_one(
        self, workspace: int, writes: Sequence[Write], taken: KeyTaken
    ) -> Sequence[Outcome | Exception]:
        """Execute writes in a transaction each, so that only one without a free key fails."""
        if len(writes) == 1:
            return [taken]
        return [(await self.transact(workspace, [write]))[0] for write in writes]

    async def _attempt(
        self, connection: Connection, workspace: int, join: Join, whole: bool, rehearse: bool
    ) -> Sequence[Outcome | Exception]:
        """Run one transaction.

        Raises:
            _Lost: The connection was lost, and nothing was committed.
        """
        try:
            # One message: a round trip less for each batch.
            await connection.execute(
                f"BEGIN; SELECT pg_advisory_xact_lock({LOCK_SPACE}, {workspace})"
            )
            await lock_last_change(connection, workspace)
            # Not before: more writes have arrived while this transaction waited for the lock.
            writes = join()
            answers, mark = await rows.carry_out(connection, workspace, writes)
            failed = next(
                (answered for answered in answers if isinstance(answered, Exception)), None
            )
            if whole and failed is not None:
                raise failed
            if rehearse:
                await connection.execute("ROLLBACK;")
                return answers
        except LOST as error:
            # COMMIT has not been sent, so nothing was stored. Only a lost connection is retried: a
            # rejected statement fails again, and a cancelled one has used up its time.
            if lost_elsewhere(error, connection) or is_rejection(error):
                await connection.execute("ROLLBACK;")
                raise
            if isinstance(error, asyncpg.QueryCanceledError):
                raise
            raise _Lost from error
        except BaseException:
            if not connection.is_closed():
                await connection.execute("ROLLBACK;")
            raise
        try:
            await connection.execute("COMMIT;")
        except (*LOST, TimeoutError) as error:
            # From here on the outcome is unknown until the database has been asked. A batch without
            # changes has no mark, and nothing of it could have been lost.
            intact = lost_elsewhere(error, connection)
            if not intact:
                connection.terminate()
            _log.warning("a connection was lost during a commit; looking up its outcome")
            if mark is not None and not await self._was_committed(workspace, mark):
                if intact:
                    raise
                raise _Lost from error
        self._on_commit(len(writes))
        return answers

    async def _was_committed(self, workspace: int, mark: rows.Mark) -> bool:
        """Tell whether the transaction with this mark was committed; retry until answered.

        Raises:
            AmbiguousCommit: The server did not answer in time.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + _RESOLVE_SECONDS
        while loop.time() < end:
            try:
                connection = await connect(self._url, _RESOLVE_SECONDS)
                try:
                    # A transaction that still runs on the server, or is prepared, has the lock.
                    await connection.execute(LOCK, LOCK_SPACE, workspace)
                    await lock_last_change(connection, workspace)
                    return bool(await connection.fetchval(_IS_STORED, workspace, *mark))
                finally:
                    connection.terminate()
            except (StorageError, *FAILED) as error:
                _log.warning("the outcome of the commit is still unknown: %s", error)
            await asyncio.sleep(_RETRY_SECONDS)
        raise AmbiguousCommit(
            "The connection to the database was lost during a commit, so the change may or may not"
            " have been stored. Check before you repeat it."
        )


class _Lost(Exception):
    """The connection was lost before anything was committed."""


def _answer(batch: Sequence[_Waiting], answers: Sequence[Outcome | Exception]) -> None:
    for waiting, answer in zip(batch, answers, strict=True):
        if waiting.future.done():
            continue
        if isinstance(answer, Exception):
            waiting.future.set_exception(answer)
        else:
            waiting.future.set_result(answer)

"""Group commit: writes to one workspace that wait together share a transaction.

They are answered after its commit. A workspace's transactions run one after another, on every
replica, because each takes the workspace's lock first. So none conflicts with another, and the
sequence of `changes` is the order of commits. Workspaces do not wait for each other.

A transaction that failed without effect is tried again: if the connection was lost before COMMIT,
on a deadlock, or if a generated key was taken. If the connection is lost during COMMIT, the writer
finds out whether it took effect before it answers anyone.
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
    elsewhere,
    is_rejection,
    translate,
)
from muster.storage.postgres.lock import LOCK, LOCK_SPACE, lock_last_change

MAX_BATCH = 128
MAX_WAITING = 10_000
_ATTEMPTS = 5
_RESOLVE_SECONDS = 20.0
_AGAIN_SECONDS = 0.25
_KEPT = "SELECT EXISTS (SELECT FROM changes WHERE workspace = $1 AND id = $2 AND chain = $3)"
_RETRIED = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.UniqueViolationError,
    KeyTaken,
)
Join = Callable[[], Sequence[Write]]
"""Returns the writes of a transaction; called when it has the lock."""
_log = logging.getLogger(__name__)


class AmbiguousCommit(StorageError):
    """A commit whose outcome is unknown: the server did not come back in time to tell."""


class _Waiting:
    """A write, and the future for its outcome."""

    __slots__ = ("future", "write")

    def __init__(self, write: Write, future: "asyncio.Future[Outcome]") -> None:
        self.write = write
        self.future = future


class _Batch:
    """The writes of a transaction.

    Attributes:
        taken: The writes that have joined it so far.
    """

    def __init__(self, queue: deque[_Waiting]) -> None:
        self._queue = queue
        self.taken: list[_Waiting] = []
        self.joined()

    def joined(self) -> Sequence[Write]:
        """Return all writes, including those that arrived while the transaction waited.

        A transaction of one write would take as long as one of many.
        """
        while self._queue and len(self.taken) < MAX_BATCH:
            self.taken.append(self._queue.popleft())
        return [waiting.write for waiting in self.taken]


class PostgresWriter:
    """Executes writes in the order in which they arrive for a workspace."""

    def __init__(self, pool: Pool, url: str, on_commit: Callable[[int], None]) -> None:
        self._pool = pool
        self._on_commit = on_commit
        self._url = url
        self._queues: dict[int, deque[_Waiting]] = {}
        self._running: dict[int, asyncio.Task[None]] = {}
        self.waiting = 0

    async def write(self, write: Write) -> Outcome:
        """Execute a write, and return its outcome after the commit.

        Raises the exceptions of `decide`, Conflict and StorageError.
        """
        if self.waiting >= MAX_WAITING:
            raise StorageError(f"too many writes are waiting: {MAX_WAITING:,} at a time")
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
        """Run transactions while writes are waiting for this workspace."""
        queue = self._queues[workspace]
        try:
            while queue:
                batch = _Batch(queue)
                answers: Sequence[Outcome | Exception]
                try:
                    answers = await self._transacted(workspace, batch.joined)
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
        """Execute writes in one transaction, and return the outcome or error of each.

        Args:
            whole: If a write fails, raise its error and store nothing.
            rehearse: Roll back instead of committing.
        """
        return await self._transacted(workspace, lambda: writes, whole, rehearse)

    async def _transacted(
        self, workspace: int, join: Join, whole: bool = False, rehearse: bool = False
    ) -> Sequence[Outcome | Exception]:
        """Try the transaction up to five times, and return the outcome of each write."""
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
        """Execute the writes apart, so that only the one without a free key fails."""
        if len(writes) == 1:
            return [taken]
        return [(await self.transact(workspace, [write]))[0] for write in writes]

    async def _attempt(
        self, connection: Connection, workspace: int, join: Join, whole: bool, rehearse: bool
    ) -> Sequence[Outcome | Exception]:
        """Run one transaction. Raises _Lost if it is certain that nothing was committed."""
        try:
            await connection.execute(
                f"BEGIN; SELECT pg_advisory_xact_lock({LOCK_SPACE}, {workspace})"
            )  # one round trip
            await lock_last_change(connection, workspace)
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
            if elsewhere(error, connection) or is_rejection(error):
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
            intact = elsewhere(error, connection)
            if not intact:
                connection.terminate()
            _log.warning("a connection was lost during a commit; asking whether it took effect")
            if mark is not None and not await self._was_committed(workspace, mark):
                if intact:
                    raise
                raise _Lost from error
        self._on_commit(len(writes))
        return answers

    async def _was_committed(self, workspace: int, mark: rows.Mark) -> bool:
        """Whether the transaction with this mark took effect. Raises AmbiguousCommit.

        It asks until the server answers. It takes the workspace's lock first, because the
        transaction holds the lock while it is still in progress. Then it looks for the chain link
        of the transaction's last change. The transaction's number would not tell: if the server
        lost it in a crash, it gives the number to another transaction.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + _RESOLVE_SECONDS
        while loop.time() < end:
            try:
                connection = await connect(self._url, _RESOLVE_SECONDS)
                try:
                    await connection.execute(LOCK, LOCK_SPACE, workspace)
                    await lock_last_change(connection, workspace)
                    return bool(await connection.fetchval(_KEPT, workspace, *mark))
                finally:
                    connection.terminate()
            except (StorageError, *FAILED) as error:
                _log.warning("not yet: %s", error)
            await asyncio.sleep(_AGAIN_SECONDS)
        raise AmbiguousCommit(
            "the connection to the database was lost in the middle of a commit: it may have happened or not"
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

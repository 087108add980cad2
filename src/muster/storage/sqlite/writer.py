"""Group commit: writes that wait together share a transaction, and are answered after its commit.

One that fails once it has changed something takes its own changes back alone: the transaction begins anew, a savepoint for each.
For what never fails so a savepoint is too dear, a copy of every page that the write changes.

The statements run in the event loop, one write at a time with the loop free in between, for two threads that share an
interpreter lock cost more than they give. What may wait for a disk or a lock, BEGIN and COMMIT, runs on a thread, and so does a
write that takes long, so that reads are answered meanwhile.
"""

import asyncio
import contextlib
import logging
import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from muster.storage.port.errors import StorageError, copy_of
from muster.storage.sqlite.connection import translate
from muster.storage.sqlite.rows import OnThread

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]
MAX_BATCH = 128
MAX_WAITING = 10_000
_COMMITS_BETWEEN = 64
_LOG_PAGES = 4_000
"""How long the log may grow, in pages of 4 KiB, before readers are waited for so that it can start over."""
_PATIENCE_MILLISECONDS = 50
_log = logging.getLogger(__name__)


class _Waiting:
    """A job, and the future that waits for what it answers."""

    __slots__ = ("answer", "error", "future", "job", "large")

    def __init__(self, job: Job[Any], future: "asyncio.Future[Any]", large: bool) -> None:
        self.job = job
        self.future = future
        self.large = large
        self.answer: object = None
        self.error: BaseException | None = None


class SqliteWriter:
    """Runs jobs on its own connection, in the order in which they come."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        on_begin: Callable[[], None],
        on_commit: Callable[[int], None],
    ) -> None:
        self._connection = connection
        self._on_begin = on_begin
        self._on_commit = on_commit
        self._waiting: deque[_Waiting] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="muster-commit")
        self._loop = asyncio.get_running_loop()
        self._running: asyncio.Task[None] | None = None
        self._commits = 0

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def write(self, job: Job[T], large: bool = False) -> T:
        """What the job answers, once its transaction is committed. Raises what it raises, its own changes undone.

        large: it takes long, and runs on the thread.
        """
        if len(self._waiting) >= MAX_WAITING:
            raise StorageError(f"too many writes are waiting: {MAX_WAITING:,} at a time")
        future: asyncio.Future[T] = self._loop.create_future()
        self._waiting.append(_Waiting(job, future, large))
        if self._running is None:
            self._running = self._loop.create_task(self._run())
        return await future

    async def close(self) -> None:
        """Finish what waits, and close the connection."""
        while self._running is not None:
            await asyncio.wait([self._running])
        self._thread.shutdown()
        self._connection.close()

    async def _run(self) -> None:
        """Transactions, as long as something waits."""
        try:
            while self._waiting:
                batch: list[_Waiting] = []
                try:
                    await self._transaction(batch)
                except sqlite3.DatabaseError as error:
                    self._fail(batch, translate(error), error)
                except Exception as error:
                    _log.exception("the writer failed")
                    self._fail(batch, StorageError("the database cannot answer"), error)
                _answer(batch)
                await self._bound_log()
        finally:
            self._running = None

    async def _transaction(self, batch: list[_Waiting]) -> None:
        batch.append(self._waiting.popleft())
        self._on_begin()  # with no snapshot of ours in the way the log can start over
        await self._execute("BEGIN IMMEDIATE")
        careful = False
        while True:
            if not await self._attempt(batch[-1], careful):
                careful = True
                await self._again(batch)
            if not self._waiting or len(batch) >= MAX_BATCH:
                break
            await asyncio.sleep(0)  # whoever reads is served between two writes
            batch.append(self._waiting.popleft())
        await self._execute("COMMIT")
        self._on_commit(len(batch))

    async def _bound_log(self) -> None:
        """Have a log that has grown long start over: it cannot by itself while there is always somebody who reads from it."""
        self._commits += 1
        if self._commits % _COMMITS_BETWEEN == 0:
            with contextlib.suppress(sqlite3.DatabaseError):  # the next round tries again
                await self._loop.run_in_executor(self._thread, _restart_log, self._connection)

    async def _execute(self, statement: str) -> None:
        await self._loop.run_in_executor(self._thread, self._connection.execute, statement)

    async def _attempt(self, waiting: _Waiting, savepoint: bool) -> bool:
        """Run one job. Answers False where it failed and its changes are still there, for want of a savepoint.

        An engine's error undoes the whole transaction, any other this job alone.
        """
        savepoint = savepoint or waiting.large
        before = self._connection.total_changes
        if savepoint:
            self._connection.execute("SAVEPOINT job")
        try:
            if waiting.large:
                waiting.answer = await self._loop.run_in_executor(
                    self._thread, waiting.job, self._connection
                )
            else:
                waiting.answer = waiting.job(self._connection)
        except sqlite3.DatabaseError:
            raise
        except OnThread as error:
            waiting.job, waiting.large = error.job, True
            if savepoint:
                self._connection.execute("RELEASE job")
            return await self._attempt(waiting, savepoint)
        except Exception as error:
            waiting.error = error
            if not savepoint:
                return self._connection.total_changes == before
            self._connection.execute("ROLLBACK TO job")
        if savepoint:
            self._connection.execute("RELEASE job")
        return True

    async def _again(self, batch: list[_Waiting]) -> None:
        """Undo the transaction, and carry out its jobs once more, each under a savepoint."""
        await self._execute("ROLLBACK")
        await self._execute("BEGIN IMMEDIATE")
        for waiting in batch:
            waiting.answer = waiting.error = None
            await self._attempt(waiting, True)

    def _fail(self, batch: list[_Waiting], error: StorageError, cause: BaseException) -> None:
        _log.error("%d writes were undone: %s (%r)", len(batch), error, cause)
        for waiting in batch:
            waiting.error = copy_of(error)
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.DatabaseError:
                _log.exception("rollback failed")


def _restart_log(connection: sqlite3.Connection) -> None:
    pages = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]
    if pages < _LOG_PAGES:
        return
    usual = connection.execute("PRAGMA busy_timeout").fetchone()[0]
    connection.execute(f"PRAGMA busy_timeout = {_PATIENCE_MILLISECONDS}")
    try:
        connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {usual}")


def _answer(batch: list[_Waiting]) -> None:
    for waiting in batch:
        if waiting.future.done():
            continue
        if waiting.error is not None:
            waiting.future.set_exception(waiting.error)
        else:
            waiting.future.set_result(waiting.answer)

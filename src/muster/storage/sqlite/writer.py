"""Group commit: writes that wait together share a transaction.

A write is answered after its transaction is on disk. One `fsync` per write would limit the service
to the disk's rate, so a transaction takes in the writes that arrive while it runs, at most
MAX_BATCH, and all of them are answered after its COMMIT.

**A write that fails** must undo its own changes and leave those of the others. A savepoint per
write would do, but SQLite then copies every page that the write changes: 25 µs of the 120 µs of a
POST. Most failures occur before anything has changed (`rows.py`), and need no undoing. So the
transaction runs without savepoints. If a write fails after it has changed something, or writes that
are stored together fail, the transaction is rolled back and starts over: each write by itself, with
a savepoint. Decisions are therefore pure: they may run twice.

**An error of SQLite itself** (a full disk, for example) fails the whole transaction, and every
write in it gets the error.

**Threads.** Statements run in the event loop, a few writes at a time (`_TOGETHER`), and the loop
serves reads in between. A writer thread halved the rate, because two threads compete for the
interpreter lock. Only calls that may wait for the disk or a lock run on a thread (COMMIT,
checkpoints, and BEGIN if another process is writing), and writes that would keep the loop busy:
those marked `large`, and those that raise OnThread once they know the size of the current document.

**The log.** SQLite copies the pages of its write-ahead log into the database at the commit that
makes the log longer than 16 MB. A page that several transactions have changed is copied once, and
the database is flushed to disk once. The log restarts from its beginning only at a moment when no
reader uses it. With shared snapshots some reader nearly always does, so the writer looks at the log
every 64 commits, and waits up to 50 ms for the readers if it is that long.
"""

import asyncio
import contextlib
import logging
import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from muster.storage.port.errors import (
    KeyTaken,
    StatementRejected,
    StorageError,
    copy_exception,
)
from muster.storage.port.resources import Write
from muster.storage.sqlite.connection import BUSY_SECONDS, begin, is_busy, translate
from muster.storage.sqlite.rows import OnThread, carry_out_all

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]
MAX_BATCH = 128
"""The most writes in one transaction."""
MAX_WAITING = 10_000
"""The most writes that wait."""
_TOGETHER = 16
"""The most writes that are stored together: reads wait for about a millisecond."""
_TURNS = 4
"""Turns of the event loop in which further writes may join a transaction before its COMMIT.

A request is a write only after two or three: its head, its body, and its decision.
"""
_COMMITS_BETWEEN = 64
"""Commits between two looks at the length of the write-ahead log."""
_LOG_PAGES = 4_000
"""The length of the log, in pages of 4 KiB, at which it is copied and readers are waited for.

With SQLite's usual 1,000, a POST took 9 % more processor time and a PATCH 12 %.
"""
_WAIT_FOR_READERS_MILLISECONDS = 50
_log = logging.getLogger(__name__)


class _Waiting:
    """A job, its result, and the future that its caller waits for.

    Attributes:
        write: The write that the job carries out, if it may share a batch.
    """

    __slots__ = ("answer", "error", "future", "job", "large", "write")

    def __init__(
        self,
        job: Job[Any],
        future: "asyncio.Future[Any]",
        large: bool,
        write: Write | None = None,
    ) -> None:
        self.job = job
        self.future = future
        self.large = large
        self.write = write
        self.answer: object = None
        self.error: BaseException | None = None

    def note(self, answer: object) -> None:
        """Note the result or the error of the job."""
        if isinstance(answer, Exception):
            self.error = answer
        else:
            self.answer = answer


class SqliteWriter:
    """Runs jobs on its own connection, in the order in which they arrive.

    Args:
        on_begin: Called before each transaction.
        on_commit: Called after each commit with the number of jobs.
        patience: The seconds to wait for other processes.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        on_begin: Callable[[], None],
        on_commit: Callable[[int], None],
        patience: float = BUSY_SECONDS,
    ) -> None:
        self._connection = connection
        connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        connection.execute("PRAGMA busy_timeout = 0")  # the event loop must not wait
        self._on_begin = on_begin
        self._on_commit = on_commit
        self._patience = patience
        self._waiting: deque[_Waiting] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="muster-commit")
        self._loop = asyncio.get_running_loop()
        self._running: asyncio.Task[None] | None = None
        self._commits = 0

    @property
    def waiting(self) -> int:
        """The number of jobs that wait."""
        return len(self._waiting)

    async def write(self, job: Job[T], large: bool = False, write: Write | None = None) -> T:
        """Run a job, and return its result after its transaction is committed.

        Args:
            job: Called with the connection, possibly twice. If it raises, its changes are undone
                and the error is raised here.
            large: The job takes long and runs on the thread.
            write: The write that the job carries out, if it may be carried out together with
                others instead.

        Raises:
            StorageError: Too many writes are waiting, or the engine cannot answer.
        """
        if len(self._waiting) >= MAX_WAITING:
            raise StorageError(
                f"Too many writes are waiting (at most {MAX_WAITING:,}). Retry later."
            )
        future: asyncio.Future[T] = self._loop.create_future()
        self._waiting.append(_Waiting(job, future, large, write))
        if self._running is None:
            self._running = self._loop.create_task(self._run())
        return await future

    async def close(self) -> None:
        """Finish the waiting jobs, and close the connection."""
        while self._running is not None:
            await asyncio.wait([self._running])
        self._thread.shutdown()
        self._connection.close()

    async def _run(self) -> None:
        """Run transactions while jobs wait."""
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
                await self._limit_log()
        finally:
            self._running = None

    async def _transaction(self, batch: list[_Waiting]) -> None:
        """Run one transaction; `batch` receives its jobs."""
        batch.append(self._waiting.popleft())
        # Ends this process's snapshot, so that the log can restart.
        self._on_begin()
        await self._begin()
        savepoints = False
        while True:
            alone = savepoints or batch[-1].write is None
            if not (await self._run_job(batch[-1], savepoints) if alone else self._store(batch)):
                savepoints = True
                await self._restart_with_savepoints(batch)
            # Serve reads between two runs, and let the requests that arrived meanwhile join.
            for _ in range(_TURNS):
                await asyncio.sleep(0)
                if self._waiting:
                    break
            if not self._waiting or len(batch) >= MAX_BATCH:
                break
            batch.append(self._waiting.popleft())
        await self._execute("COMMIT")
        self._on_commit(len(batch))

    async def _limit_log(self) -> None:
        """Restart a write-ahead log that has grown long."""
        self._commits += 1
        if self._commits % _COMMITS_BETWEEN == 0:
            with contextlib.suppress(sqlite3.DatabaseError):  # the next round tries again
                await self._loop.run_in_executor(self._thread, _restart_log, self._connection)

    async def _begin(self) -> None:
        """Begin a transaction; if another process is writing, wait on the thread."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not is_busy(error):
                raise
            await self._loop.run_in_executor(self._thread, begin, self._connection, self._patience)

    async def _execute(self, statement: str) -> None:
        await self._loop.run_in_executor(self._thread, self._connection.execute, statement)

    async def _run_job(self, waiting: _Waiting, savepoint: bool) -> bool:
        """Run one job.

        Errors of SQLite propagate and undo the whole transaction; any other error undoes this job.

        Returns:
            False if the job failed and its changes remain, because it had no savepoint.
        """
        savepoint = savepoint or waiting.large
        # A job that fails without having changed a row needs no undoing; `total_changes` tells.
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
        except sqlite3.DatabaseError as error:
            rejected = translate(error)
            if not isinstance(rejected, StatementRejected):
                raise
            # The statement of this job is wrong; those of its neighbours are not.
            waiting.error = rejected
            if not savepoint:
                return self._connection.total_changes == before
            self._connection.execute("ROLLBACK TO job")
        except OnThread as error:
            waiting.job, waiting.large = error.job, True
            if savepoint:
                self._connection.execute("RELEASE job")
            return await self._run_job(waiting, savepoint)
        except Exception as error:
            waiting.error = error
            if not savepoint:
                return self._connection.total_changes == before
            self._connection.execute("ROLLBACK TO job")
        if savepoint:
            self._connection.execute("RELEASE job")
        return True

    def _store(self, batch: list[_Waiting]) -> bool:
        """Carry out the last write of a transaction, together with those that wait after it.

        Returns:
            False if this failed and changes remain; `batch` has all of them.
        """
        start = len(batch) - 1
        room = min(_TOGETHER, MAX_BATCH - start)
        writes = [write for waiting in batch[start:] if (write := waiting.write) is not None]
        while self._waiting and len(writes) < room:
            write = self._waiting[0].write
            if write is None or write.workspace != writes[0].workspace:
                break
            writes.append(write)
            batch.append(self._waiting.popleft())
        try:
            answers = carry_out_all(self._connection, writes)
        except sqlite3.DatabaseError as error:
            if not isinstance(translate(error), StatementRejected):
                raise
            return False
        except KeyTaken:
            return False
        for waiting, answer in zip(batch[start:], answers, strict=False):
            waiting.note(answer)
        if not answers:
            batch[start].write = None  # it takes long, and runs alone
        self._waiting.extendleft(reversed(batch[start + len(answers) :]))
        del batch[start + len(answers) :]
        return True

    async def _restart_with_savepoints(self, batch: list[_Waiting]) -> None:
        """Roll the transaction back, and run its jobs again, each under a savepoint."""
        await self._execute("ROLLBACK")
        await self._begin()
        # All jobs run again, the failed one included: decided on a different state, it may succeed.
        for waiting in batch:
            waiting.answer = waiting.error = None
            await self._run_job(waiting, savepoint=True)

    def _fail(self, batch: list[_Waiting], error: StorageError, cause: BaseException) -> None:
        _log.error("%d writes were undone: %s (%r)", len(batch), error, cause)
        error.__cause__ = cause
        for waiting in batch:
            waiting.error = copy_exception(error)
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.DatabaseError:
                _log.exception("rollback failed")


def _restart_log(connection: sqlite3.Connection) -> None:
    """Checkpoint the log; if it is long, wait for its readers so that it restarts."""
    pages = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]
    if pages < _LOG_PAGES:
        return
    usual = connection.execute("PRAGMA busy_timeout").fetchone()[0]
    connection.execute(f"PRAGMA busy_timeout = {_WAIT_FOR_READERS_MILLISECONDS}")
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

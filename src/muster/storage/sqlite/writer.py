"""One thread that writes: those waiting together share a transaction, a savepoint each, answered after its commit."""

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from typing import TypeVar

from muster.storage.port import StorageError
from muster.storage.sqlite.connection import translate

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]
MAX_BATCH = 128
MAX_WAITING = 10_000
_log = logging.getLogger(__name__)


class _Waiting:
    """A job, and the future that waits for what it answers."""

    __slots__ = ("answer", "error", "future", "job")

    def __init__(self, job: Job[object], future: "asyncio.Future[object]") -> None:
        self.job = job
        self.future = future
        self.answer: object = None
        self.error: BaseException | None = None


class Writer:
    """Runs jobs on its own connection, in the order in which they come."""

    def __init__(self, connection: sqlite3.Connection, loop: asyncio.AbstractEventLoop) -> None:
        self._connection = connection
        self._loop = loop
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="muster-writer", daemon=True)
        self._thread.start()

    async def write(self, job: Job[T]) -> T:
        """What the job answers, once its transaction is committed. Raises what it raises, its own changes undone."""
        if self._queue.qsize() >= MAX_WAITING:
            raise StorageError("too many writes are waiting")
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(_Waiting(job, future))  # type: ignore[arg-type]
        return await future

    async def close(self) -> None:
        """Finish what waits, and close the connection."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        open_ = True
        while open_:
            batch, open_ = self._next_batch()
            if batch:
                self._commit(batch)
                self._loop.call_soon_threadsafe(_answer, batch)
        self._connection.close()

    def _next_batch(self) -> tuple[list[_Waiting], bool]:
        batch: list[_Waiting] = []
        waiting = self._queue.get()
        while waiting is not None:
            batch.append(waiting)
            if len(batch) == MAX_BATCH:
                return batch, True
            try:
                waiting = self._queue.get_nowait()
            except queue.Empty:
                return batch, True
        return batch, False

    def _commit(self, batch: list[_Waiting]) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for waiting in batch:
                self._attempt(waiting)
            self._connection.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            self._fail(batch, translate(error), error)
        except BaseException as error:
            _log.exception("the writer failed")
            self._fail(batch, StorageError("the database cannot answer"), error)

    def _attempt(self, waiting: _Waiting) -> None:
        """Run one job under a savepoint; an engine's error undoes the whole transaction, any other this job alone."""
        self._connection.execute("SAVEPOINT job")
        try:
            waiting.answer = waiting.job(self._connection)
        except sqlite3.DatabaseError:
            raise
        except Exception as error:
            waiting.error = error
            self._connection.execute("ROLLBACK TO job")
        self._connection.execute("RELEASE job")

    def _fail(self, batch: list[_Waiting], error: StorageError, cause: BaseException) -> None:
        _log.error("%d writes were undone: %s (%r)", len(batch), error, cause)
        for waiting in batch:
            waiting.error = error
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.DatabaseError:
                _log.exception("rollback failed")


def _answer(batch: list[_Waiting]) -> None:
    for waiting in batch:
        if waiting.future.done():
            continue
        if waiting.error is not None:
            waiting.future.set_exception(waiting.error)
        else:
            waiting.future.set_result(waiting.answer)

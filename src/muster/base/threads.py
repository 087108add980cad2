"""Threads for long computations beside the event loop."""

import asyncio
import os
import sys
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

_URGENT_IN_A_ROW = 3
"""After so many urgent pieces in a row that passed over others, one of the others runs."""
_Work = tuple["Future[Any]", Callable[..., Any], tuple[Any, ...]]


def lower_priority(niceness: int) -> None:
    """Let Linux schedule other threads before this one and those that it starts."""
    if sys.platform == "linux":  # other systems give priorities to whole processes
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)


class FairThread:
    """One thread whose work is shared out fairly.

    Work of a lower rank goes first. After three such pieces in a row that passed over work of other
    ranks, one piece of the highest rank number runs, so that no rank starves. Within a rank the
    callers take turns, each with its own work in order: a thousand pieces of one caller delay
    another caller by one piece.
    """

    def __init__(self, name: str, niceness: int) -> None:
        self._name = name
        self._niceness = niceness
        self._ranks: dict[int, OrderedDict[object, deque[_Work]]] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._passed_over = 0

    def submit(
        self, work: Callable[..., Any], *arguments: Any, rank: int = 0, caller: object = None
    ) -> "Future[Any]":
        """Queue work, and return its future result.

        Args:
            rank: Lower ranks go first.
            caller: Takes turns with other callers of the same rank.
        """
        future: Future[Any] = Future()
        with self._changed:
            self._ranks.setdefault(rank, OrderedDict()).setdefault(caller, deque()).append(
                (future, work, arguments)
            )
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify()
        return future

    def _run(self) -> None:
        lower_priority(self._niceness)
        while True:
            with self._changed:
                while not self._ranks:
                    self._changed.wait()
                future, work, arguments = self._next()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work(*arguments))
                except BaseException as error:  # the caller that waits raises it
                    future.set_exception(error)
            del future, work, arguments

    def _next(self) -> _Work:
        """Take the next piece of work. Called with the lock held."""
        first, last = min(self._ranks), max(self._ranks)
        if first != last and self._passed_over >= _URGENT_IN_A_ROW:
            first, self._passed_over = last, 0
        elif first != last:
            self._passed_over += 1
        callers = self._ranks[first]
        caller, waiting = callers.popitem(last=False)
        taken = waiting.popleft()
        if waiting:
            callers[caller] = waiting  # at the end, after the other callers
        elif not callers:
            del self._ranks[first]
        return taken


_NICE = 5
"""The niceness of the thread for `compute`."""
_computing = FairThread("muster-compute", _NICE)


async def compute(caller: object, work: Callable[[], T]) -> T:
    """Run long work on a thread, one piece at a time, and return its result.

    Args:
        caller: Takes turns with other callers.
    """
    result: T = await asyncio.wrap_future(_computing.submit(work, caller=caller))
    return result

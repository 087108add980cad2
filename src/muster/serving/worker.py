"""The application in one of Granian's worker processes."""

import asyncio
import gc
import os
import signal
from collections.abc import Callable

from muster.app import Muster
from muster.config import Settings
from muster.console.web import PageRoute as PageRoute
from muster.http.wire import rsgi

_ORPHAN_SECONDS = 1.0


_COLLECTED_AFTER = 50_000
"""New objects after which the garbage collector looks for cycles.

It is more than all requests in progress create.
"""


class RsgiWorker:
    """The application as Granian runs it in each worker process.

    Args:
        stopping: Tells whether the server is stopping.
        parent: The id of the process that forks the workers, which may be gone already.
    """

    def __init__(self, settings: Settings, stopping: Callable[[], bool], parent: int) -> None:
        self._app = Muster(settings, stopping)
        self._parent = parent
        self.__rsgi__ = rsgi.application(self._app.service)

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.run_until_complete(self._app.start())
        gc.freeze()  # everything loaded so far stays, so no collection examines it again
        gc.set_threshold(_COLLECTED_AFTER)  # requests leave no cycles behind
        loop.call_later(_ORPHAN_SECONDS, self._end_if_orphaned, loop)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.run_until_complete(self._app.close())

    def _end_if_orphaned(self, loop: asyncio.AbstractEventLoop) -> None:
        """Exit if the parent was killed, so that the port is freed."""
        if os.getppid() != self._parent:
            os.kill(os.getpid(), signal.SIGTERM)
            return
        loop.call_later(_ORPHAN_SECONDS, self._end_if_orphaned, loop)

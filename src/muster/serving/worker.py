"""The service in one of Granian's worker processes."""

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
"""How many objects more than before there are when a worker looks for circles: more than all requests in flight have."""


class RsgiWorker:
    """The service as Granian runs it in each worker process. parent: the one that makes them, which may be gone by now."""

    def __init__(self, settings: Settings, stopping: Callable[[], bool], parent: int) -> None:
        self._app = Muster(settings, stopping)
        self._parent = parent
        self.__rsgi__ = rsgi.application(self._app.service)

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.run_until_complete(self._app.start())
        gc.freeze()  # what is loaded by now stays: no collection need look at it again
        gc.set_threshold(_COLLECTED_AFTER)  # a request leaves nothing behind that is in a circle
        loop.call_later(_ORPHAN_SECONDS, self._end_if_orphaned, loop)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.run_until_complete(self._app.close())

    def _end_if_orphaned(self, loop: asyncio.AbstractEventLoop) -> None:
        """A worker whose parent was killed lets go of the port."""
        if os.getppid() != self._parent:
            os.kill(os.getpid(), signal.SIGTERM)
            return
        loop.call_later(_ORPHAN_SECONDS, self._end_if_orphaned, loop)

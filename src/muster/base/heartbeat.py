"""Watches the event loop: says when one callback kept everybody else waiting.

Measured in the processor time of the loop's own thread, so that a busy machine does not look like a busy loop.
"""

import asyncio
import logging
import time

STALL_SECONDS = 0.5
_EVERY_SECONDS = 0.05
_log = logging.getLogger(__name__)


class Heartbeat:
    """stalls: how often the loop stood still for longer than STALL_SECONDS since somebody last asked."""

    def __init__(self) -> None:
        self._stalls = 0

    async def run(self) -> None:
        """Watch until cancelled."""
        before = time.thread_time()
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            now = time.thread_time()
            if now - before > STALL_SECONDS:
                self._stalls += 1
                _log.warning(
                    "the event loop stood still for %.1f s of processor time", now - before
                )
            before = now

    def stalls(self) -> int:
        """Return how often the loop stood still since the last call."""
        stalls, self._stalls = self._stalls, 0
        return stalls

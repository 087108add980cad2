"""Notices when one callback keeps the event loop from serving others.

It measures the processor time of the loop's own thread, so that a busy machine does not look like a
busy loop.
"""

import asyncio
import logging
import time

STALL_SECONDS = 0.5
"""Seconds of processor time beyond which a callback is a stall."""
_EVERY_SECONDS = 0.05
"""Seconds between two measurements."""
_log = logging.getLogger(__name__)


class Heartbeat:
    """Counts the stalls of an event loop."""

    def __init__(self) -> None:
        self._stalls = 0

    async def run(self) -> None:
        """Measure until cancelled."""
        before = time.thread_time()
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            now = time.thread_time()
            if now - before > STALL_SECONDS:
                self._stalls += 1
                _log.warning("the event loop stalled for %.1f s of processor time", now - before)
            before = now

    def stalls(self) -> int:
        """Return the number of stalls since the last call."""
        stalls, self._stalls = self._stalls, 0
        return stalls

"""Divides long work on the event loop into turns."""

import asyncio

TURN_BYTES = 65_536
"""Bytes of documents handled in one turn: about a millisecond of work."""


class LoopTurns:
    """Gives other requests a turn whenever enough documents have been handled."""

    def __init__(self) -> None:
        self._handled = 0

    async def handled(self, size: int) -> None:
        """Count a handled document, and give up the event loop if a turn is used up.

        Args:
            size: Its length in bytes.
        """
        self._handled += max(size, 1_000)  # a small document costs more than its bytes
        if self._handled >= TURN_BYTES:
            self._handled = 0
            await asyncio.sleep(0)

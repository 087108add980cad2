"""Notices changes to keys, settings and items by LISTEN, and by polling.

A process that changes one of them increments the epoch in the database and sends a NOTIFY in the
same transaction. Each process listens on a connection of its own. A message can be lost with the
connection, so the epoch is also read every half second, and each loss and return of the connection
counts as a change: whatever was cached may be outdated.
"""

import asyncio
import contextlib
import logging
from typing import Any

from muster.storage.port.errors import StorageError
from muster.storage.postgres.connection import Connection, connect, translated

CHANNEL = "muster_epoch"
_ASK_SECONDS = 0.5
_PATIENCE_SECONDS = 2.0
_log = logging.getLogger(__name__)


class PostgresEpoch:
    """A local number that changes whenever something cached may have changed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._value = 0
        self._seen: int | None = None
        self._task: asyncio.Task[None] | None = None

    def value(self) -> int:
        """Return the current number."""
        return self._value

    def start(self) -> None:
        """Begin to listen, in a task of its own."""
        self._task = asyncio.create_task(self._listen())

    def bump(self, *_: Any) -> None:
        """Change the number, so that everything cached is read again."""
        self._value += 1

    async def close(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _listen(self) -> None:
        while True:
            try:
                await self._follow()
            except (StorageError, TimeoutError) as error:
                _log.warning("cannot listen for changes to keys and settings: %s", error)
            except Exception:  # a defect: revoked keys must stop working all the same
                _log.exception("cannot listen for changes to keys and settings")
            self.bump()
            await asyncio.sleep(_ASK_SECONDS)

    async def _follow(self) -> None:
        """Listen and poll until the connection is lost."""
        connection = await connect(self._url)
        try:
            with translated():
                await connection.add_listener(CHANNEL, self.bump)
                self.bump()
                while True:
                    await self._ask(connection)
                    await asyncio.sleep(_ASK_SECONDS)
        finally:
            connection.terminate()

    async def _ask(self, connection: Connection) -> None:
        epoch = await connection.fetchval(
            "SELECT epoch FROM installation WHERE id = 1", timeout=_PATIENCE_SECONDS
        )
        if epoch != self._seen:
            self._seen = epoch
            self.bump()

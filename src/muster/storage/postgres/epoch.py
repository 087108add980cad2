"""The epoch on PostgreSQL: replicas notify each other of changed keys and settings.

A notification may be lost, so the epoch is also read from the database every half second. While the
server cannot be reached, everything cached counts as stale.
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
    """A number that changes whenever keys or settings may have changed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._value = 0
        self._seen: int | None = None
        self._task: asyncio.Task[None] | None = None

    def value(self) -> int:
        return self._value

    def start(self) -> None:
        self._task = asyncio.create_task(self._listen())

    def bump(self, *_: Any) -> None:
        """Declare everything cached stale."""
        self._value += 1

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _listen(self) -> None:
        while True:
            try:
                await self._follow()
            except (StorageError, TimeoutError) as error:
                _log.warning("keys and settings are not followed for now: %s", error)
            except Exception:  # a defect of muster: revoked keys must still stop
                _log.exception("keys and settings are not followed for now")
            self.bump()
            await asyncio.sleep(_ASK_SECONDS)

    async def _follow(self) -> None:
        """Listen and ask until the connection is lost."""
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

"""Sending one message to a URL of a stranger's choice: to no private address, with no redirect followed, within a time."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

from muster.base.outbound import FAILURES, pool

_SECONDS = 15.0
_READ = 4096


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of sending. status: of the answer, None where there was none; error: why not."""

    status: int | None
    error: str | None
    milliseconds: int

    @property
    def arrived(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class Sender:
    """Sends messages. private: also to private addresses, and without TLS."""

    def __init__(self, private: bool) -> None:
        self.private = private
        self._pool = pool(private)

    async def post(
        self, url: str, headers: Mapping[bytes | str, bytes | str], body: bytes
    ) -> Answer:
        """POST a body; it never raises for what the other side does."""
        started = time.monotonic()
        status, error = None, None
        try:
            async with (
                asyncio.timeout(_SECONDS),
                self._pool.stream("POST", url, headers=headers, content=body) as response,
            ):
                status = response.status
                async for _ in response.aiter_stream():
                    break  # what it says is of no interest, and may be without end
        except TimeoutError:
            error = f"no answer within {_SECONDS:g} seconds"
        except FAILURES as failed:
            error = str(failed) or type(failed).__name__
        return Answer(
            status, error if status is None else None, int((time.monotonic() - started) * 1000)
        )

    async def close(self) -> None:
        await self._pool.aclose()

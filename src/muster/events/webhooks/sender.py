"""Sends messages to untrusted URLs: no private addresses, redirects or endless waits."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

from muster.base.outbound import FAILURES, pool

_SECONDS = 15.0
_READ = 4096


@dataclass(frozen=True, slots=True)
class SendResult:
    """The outcome of a request.

    Attributes:
        status: The HTTP status; None if no response arrived.
        error: The reason why none arrived; None if one did.
        milliseconds: The duration.
    """

    status: int | None
    error: str | None
    milliseconds: int

    @property
    def arrived(self) -> bool:
        """Whether the receiver accepted the message, with a 2xx status."""
        return self.status is not None and 200 <= self.status < 300


class Sender:
    """Sends messages over a pool of guarded connections.

    Args:
        private: Whether to allow private addresses and plain HTTP.
    """

    def __init__(self, private: bool) -> None:
        self.private = private
        self._pool = pool(private)

    async def post(
        self, url: str, headers: Mapping[bytes | str, bytes | str], body: bytes
    ) -> SendResult:
        """POST a body; failures are returned, never raised."""
        started = time.monotonic()
        status, error = None, None
        try:
            async with (
                asyncio.timeout(_SECONDS),
                self._pool.stream("POST", url, headers=headers, content=body) as response,
            ):
                status = response.status
                async for _ in response.aiter_stream():
                    break  # the body is ignored, and may be endless
        except TimeoutError:
            error = f"no response within {_SECONDS:g} seconds"
        except FAILURES as failed:
            error = str(failed) or type(failed).__name__
        return SendResult(
            status, error if status is None else None, int((time.monotonic() - started) * 1000)
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.aclose()

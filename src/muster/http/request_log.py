"""One JSON line a request: who, what, how it ended, how long it took. Never a token, a query, a password or a body."""

import asyncio
import sys
from datetime import UTC, datetime
from typing import BinaryIO

import orjson

from muster.http.message import Request

_FLUSH_SECONDS = 0.1
_FLUSH_LINES = 500
_SHOWN = 300


class RequestLog:
    """Gathers lines and writes them together, at the latest after a tenth of a second."""

    def __init__(self, stream: BinaryIO | None = None) -> None:
        self._stream = stream or sys.stderr.buffer
        self._lines: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, request: Request, status: int, seconds: float, size: int, client: str) -> None:
        """Note one answered request."""
        self._lines.append(
            orjson.dumps(
                {
                    "time": datetime.now(UTC),
                    "request_id": request.id,
                    "method": request.method[:20],
                    "path": request.path[:_SHOWN],
                    "operation": request.operation,
                    "status": status,
                    "ms": int(seconds * 1_000_000) / 1000,
                    "bytes": size,
                    "workspace": request.workspace,
                    "key": request.key,
                    "client": client,
                },
                option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE,
            )
        )
        if len(self._lines) >= _FLUSH_LINES:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Write what has gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lines, self._lines = self._lines, []
        if lines:
            self._stream.write(b"".join(lines))
            self._stream.flush()

"""One JSON line a request: who, what, how it ended, how long it took. Never a token, a query, a password or a body."""

import asyncio
import sys
import time
from typing import BinaryIO

import orjson

from muster.http.message import Request

_FLUSH_SECONDS = 0.1
_FLUSH_LINES = 64
_SHOWN = 300


class RequestLog:
    """Gathers lines and writes them together, at the latest after a tenth of a second."""

    def __init__(self, stream: BinaryIO | None = None) -> None:
        self._stream = stream or sys.stderr.buffer
        self._lines: list[str] = []
        self._timer: asyncio.TimerHandle | None = None
        self._second = -1
        self._clock = ""

    def add(self, request: Request, status: int, seconds: float, size: int, client: str) -> None:
        """Note one answered request."""
        now = time.time()
        if int(now) != self._second:
            self._second = int(now)
            self._clock = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        micro = int(now % 1 * 1_000_000)
        self._lines.append(
            f'{{"time":"{self._clock}.{micro:06}Z","request_id":"{request.id}","method":"{request.method}",'
            f'"path":{_json(request.path)},"operation":"{request.operation}","status":{status},'
            f'"ms":{seconds * 1000:.3f},"bytes":{size},"workspace":"{request.workspace}","key":"{request.key}",'
            f'"client":{_json(client)}}}\n'
        )
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self.flush)
        elif len(self._lines) >= _FLUSH_LINES:
            self.flush()

    def flush(self) -> None:
        """Write what has gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lines, self._lines = self._lines, []
        if lines:
            self._stream.write("".join(lines).encode())
            self._stream.flush()


def _json(text: str) -> str:
    """A string as JSON, not longer than a line should be."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text and len(text) <= _SHOWN:
        return f'"{text}"'
    return orjson.dumps(text[:_SHOWN].encode("utf-8", "replace").decode()).decode()

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

_Answered = tuple[float, str, str, str, str, int, float, int, str, str, str]
"""A request, as _line reads it."""


class RequestLog:
    """Gathers requests and writes their lines together, at the latest after a tenth of a second.

    The lines are made together too: in one go they cost half of what each costs between two requests.
    """

    def __init__(self, stream: BinaryIO | None = None) -> None:
        self._stream = stream or sys.stderr.buffer
        self._answered: list[_Answered] = []
        self._timer: asyncio.TimerHandle | None = None
        self._second = -1
        self._clock = ""

    def add(self, request: Request, status: int, seconds: float, size: int) -> None:
        """Note one answered request."""
        who = (request.workspace, request.key, request.address)
        self._answered.append(
            (time.time(), request.id, request.method, request.path, request.operation, status, seconds, size, *who)
        )
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self.flush)
        elif len(self._answered) >= _FLUSH_LINES:
            self.flush()

    def _line(self, answered: "_Answered") -> str:
        now, request_id, method, path, operation, status, seconds, size, workspace, key, client = answered
        if int(now) != self._second:
            self._second = int(now)
            self._clock = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        micro = int(now % 1 * 1_000_000)
        return (
            f'{{"time":"{self._clock}.{micro:06}Z","request_id":"{request_id}","method":"{method}",'
            f'"path":{_json(path)},"operation":"{operation}","status":{status},'
            f'"ms":{seconds * 1000:.3f},"bytes":{size},"workspace":"{workspace}","key":"{key}",'
            f'"client":{_json(client)}}}\n'
        )

    def flush(self) -> None:
        """Write what has gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        answered, self._answered = self._answered, []
        if answered:
            self._stream.write("".join(map(self._line, answered)).encode())
            self._stream.flush()


def _json(text: str) -> str:
    """A string as JSON, not longer than a line should be."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text and len(text) <= _SHOWN:
        return f'"{text}"'
    return orjson.dumps(text[:_SHOWN].encode("utf-8", "replace").decode()).decode()

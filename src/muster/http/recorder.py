"""Keeps requests for the administrators to look at: written behind, in batches, bounded, with secrets masked."""

import asyncio
import itertools
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from muster.directory.documents import timestamp
from muster.http.message import Request, Response
from muster.http.origin import SCIM_ROOT
from muster.scim.values import Json
from muster.storage.port import Workspace
from muster.storage.requests import Kept, Requests, number_of
from muster.storage.rounds import going_on

_FLUSH_SECONDS = 0.5
_WAITING = 2000
"""How many requests wait to be written at the most; those that come then are not kept, and counted as such."""
_READS = 200
"""How many of those may be reads: to keep more than these in half a second would cost the reads themselves too much."""
_BATCH = 200
_TRIM_SECONDS = 60
_SHOWN = 16_000
_SECRETS = frozenset({"password", "token", "secret", "authorization"})
_NAMES = (*(name.encode() for name in sorted(_SECRETS)), b"\\u")
MASK = "•••"


@dataclass(frozen=True, slots=True)
class Retention:
    """How long requests are kept where the workspace does not say so itself, and how many of one. A day is 24 hours."""

    days: int
    rows: int


@dataclass(slots=True)
class _Noted:
    request: Request
    status: int
    body: bytes
    location: str
    seconds: float
    moment: float
    number: int


class Recorder:
    """Gathers requests and keeps them, at the latest after half a second."""

    def __init__(self, requests: Requests, retention: Retention) -> None:
        self._requests = requests
        self._retention = retention
        self._waiting: deque[_Noted] = deque()
        self._numbers = itertools.count()
        self._trimmed: dict[int, float] = {}
        self._reads = 0
        self._lost = 0
        self._now = timestamp(datetime.now(UTC))

    def note(self, request: Request, response: Response, seconds: float) -> None:
        """Keep a request: a write or a refusal under /scim/v2, and a read while the workspace wants that."""
        status = response.status
        read = request.method in ("GET", "HEAD") and status < 400
        if (read and not self._records_reads(request)) or not request.path.startswith(SCIM_ROOT):
            return
        if len(self._waiting) >= _WAITING or (read and self._reads >= _READS):
            self._lost += 1
            return
        self._reads += read
        location = next((value for name, value in response.headers if name == "location"), "")
        answer = b"" if response.stream is not None else response.body
        now = time.time()
        number = number_of(now, next(self._numbers))
        self._waiting.append(_Noted(request, status, answer, location, seconds, now, number))

    async def run(self) -> None:
        """Write what has gathered, again and again, as long as this is not cancelled."""
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            with going_on("keeping requests"):  # what could not be written is let go of: requests are no audit trail
                await self.flush()

    def lost(self) -> int:
        """How many requests were not kept, for there were too many, since this was last asked for."""
        lost, self._lost = self._lost, 0
        return lost

    async def flush(self) -> None:
        """Write what has gathered."""
        self._reads = 0
        self._now = timestamp(datetime.now(UTC))
        while self._waiting:
            taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), _BATCH))]
            by_workspace: dict[int, list[_Noted]] = {}
            for noted in taken:
                by_workspace.setdefault(noted.request.grant.workspace.id, []).append(noted)
            for workspace_id, some in by_workspace.items():
                await self._requests.keep(workspace_id, [self._kept(noted) for noted in some])
                await self._trim(some[-1].request.grant.workspace)

    def _records_reads(self, request: Request) -> bool:
        """Whether the workspace wants its reads kept, to half a second: a look at the clock at every read would cost too much."""
        until: str | None = request.grant.workspace.record_reads
        return until is not None and until > self._now

    async def _trim(self, workspace: Workspace) -> None:
        """Let go of what is too old or too much, once in a while."""
        now = time.time()
        if now - self._trimmed.get(workspace.id, 0.0) > _TRIM_SECONDS:
            self._trimmed[workspace.id] = now
            days = self._retention.days if workspace.requests_days is None else workspace.requests_days
            await self._requests.trim(workspace.id, self._retention.rows, number_of(now - days * 86_400))

    def _kept(self, noted: _Noted) -> Kept:
        request = noted.request
        path = request.path[len(SCIM_ROOT) :]
        place = noted.location or path
        return Kept(
            noted.number,
            timestamp(datetime.fromtimestamp(noted.moment, UTC)),
            request.id,
            request.key,
            request.operation,
            request.method,
            path[:500],
            request.query[:2000],
            noted.status,
            int(noted.seconds * 1000),
            request.address,
            (request.header("user-agent") or "")[:200],
            " ".join(dict.fromkeys(request.seen)),
            place.rstrip("/").rpartition("/")[2][:100] if place.count("/") > 1 else "",
            masked(request.body),
            masked(noted.body),
        )


def masked(body: bytes) -> str:
    """A body to be kept: JSON with its secrets masked, what is none as text, and no more of it than is of use.

    It is parsed only where something in it may be the name of a secret, which may be written with escapes.
    """
    lowered = body.lower()
    if not any(name in lowered for name in _NAMES):
        return _short(body.decode("utf-8", "replace").replace("\0", "�"))
    try:
        return _short(orjson.dumps(_masked(orjson.loads(body))).decode())
    except orjson.JSONDecodeError:
        return f"{MASK} what is no JSON, and may have a secret in it"


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}\n… {len(text) - _SHOWN} characters more"


def _masked(value: Json) -> Any:
    if isinstance(value, list):
        return [_masked(item) for item in value]
    if not isinstance(value, dict):
        return value
    shown = {key: MASK if _is_secret(key) and item is not None else _masked(item) for key, item in value.items()}
    path = value.get("path")
    if "value" in shown and isinstance(path, str) and _is_secret(path):
        shown["value"] = MASK
    return shown


def _is_secret(name: str) -> bool:
    """Whether a key, or the end of a path, is that of a secret."""
    return name.lower().rpartition(":")[2].rpartition(".")[2].strip() in _SECRETS

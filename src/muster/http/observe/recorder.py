"""Keeps requests for the administrators to look at: written behind, in batches, bounded, with secrets masked."""

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from muster.base import clock
from muster.base.clock import timestamp
from muster.http.wire.base_url import SCIM_ROOT
from muster.http.wire.message import Request, Response
from muster.scim.masking import MASK, Masker, Unreadable
from muster.storage.background import log_and_continue
from muster.storage.port.accounts import Workspace
from muster.storage.port.errors import StorageError
from muster.storage.records.requests import RecordedRequest, RequestStore, number_of

_FLUSH_SECONDS = 0.5
_WAITING = 2000
"""How many requests wait to be written at the most; those that come then are not kept, and counted as such."""
_READS = 200
"""How many of those may be reads: to keep more than these in half a second would cost the reads themselves too much."""
_BATCH = 200
_TRIM_SECONDS = 60
_SHOWN = 16_000
_SEARCHED = 128_000
"""The largest body, in bytes, that is searched for secrets; a larger one that may hold some is not kept."""
_HELD = 64_000_000
"""The bytes of bodies and answers that wait to be written at most; beyond that, requests are kept without them."""
_LOOK_TICKS = 4
"""How many flushes are between one look for the refusals of other processes and the next."""
_OVERLAP_SECONDS = 5
"""How far back a look reaches beyond the one before: a request is kept a moment after it is answered."""
_REMEMBERED_SECONDS = 3600
"""How long after a refusal by another process a success is kept, at most."""
_MAX_REFUSED = 10_000
_TRIES = 5
"""How many requests in a row the storage may refuse before the rest of a batch is given up."""
_log = logging.getLogger(__name__)


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
    answer: bytes
    location: str
    seconds: float
    moment: float
    number: int


_Read = tuple[Request, int, float, float]
"""A successful read: request, status, how long it took, and a time before it, in seconds since 1970."""


class Recorder:
    """Gathers requests and keeps them, at the latest after half a second."""

    def __init__(self, requests: RequestStore, retention: Retention) -> None:
        self._requests = requests
        self._retention = retention
        self._waiting: deque[_Noted] = deque()
        self._numbers = itertools.count()
        self._trimmed: dict[int, float] = {}
        self._reads = 0
        self._bytes = 0
        self._lost = 0
        self._now = timestamp()
        self._slot = clock.seconds()
        self._refused: set[str] = set()
        """Keys whose latest request that is kept was refused: their next success is kept, even if it is a read."""
        self._unkept: dict[str, _Read] = {}
        """The latest successful read of each key that was not kept."""
        self._looked: dict[int, float] = {}
        """When the refusals of a workspace were last looked for, in seconds since 1970."""

    def note(self, request: Request, response: Response, seconds: float) -> None:
        """Keep a request under /scim/v2.

        Writes and refusals are kept, the first success of a key after a refusal, and reads while the workspace wants that.
        """
        status = response.status
        read = request.method in ("GET", "HEAD") and status < 400
        if read and request.key not in self._refused and not self._records_reads(request):
            self._unkept[request.key] = (request, status, seconds, self._slot)
            return
        if not request.path.startswith(SCIM_ROOT):
            return
        (self._refused.discard if status < 400 else self._refused.add)(request.key)
        self._keep_later(request, response, seconds, read)

    def _keep_later(self, request: Request, response: Response, seconds: float, read: bool) -> None:
        status = response.status
        if len(self._waiting) >= _WAITING or (read and self._reads >= _READS):
            self._lost += 1
            return
        self._reads += read
        location = next((value for name, value in response.headers if name == "location"), "")
        body, answer = request.body, b"" if response.stream is not None else response.body
        self._bytes += len(body) + len(answer)
        if self._bytes > _HELD:
            self._bytes -= len(body) + len(answer)
            body = answer = b""
        request.body = b""  # the request waits with its record, and its body would not be counted
        now = clock.seconds()
        number = number_of(now, next(self._numbers))
        self._waiting.append(_Noted(request, status, body, answer, location, seconds, now, number))

    async def run(self) -> None:
        """Write what has gathered, again and again, as long as this is not cancelled."""
        ticks = itertools.count(1)
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            with log_and_continue("keeping requests"):
                await self.flush()
            if next(ticks) % _LOOK_TICKS == 0:
                with log_and_continue("looking for refusals"):
                    await self.look()

    async def look(self) -> None:
        """Find the keys that another process has refused since, and keep their latest read here if it succeeded after that."""
        unkept = {
            key: read for key, read in self._unkept.items() if read[0].path.startswith(SCIM_ROOT)
        }
        self._unkept = {}
        for workspace_id in {read[0].grant.workspace.id for read in unkept.values()}:
            now = clock.seconds()
            since = max(
                self._looked.get(workspace_id, 0.0) - _OVERLAP_SECONDS, now - _REMEMBERED_SECONDS
            )
            self._looked[workspace_id] = now
            for key, number in await self._requests.refused_since(workspace_id, number_of(since)):
                request, status, seconds, slot = unkept.get(key, (None, 0, 0.0, 0.0))
                if request is None or number_of(slot) < number:
                    self._refused.add(key)
                else:
                    self._refused.discard(key)
                    self._keep_later(request, Response(status), seconds, True)
        if len(self._refused) > _MAX_REFUSED:
            self._refused.clear()

    def lost(self) -> int:
        """The number of requests that were not kept since the last call: too many waited, or writing them failed."""
        lost, self._lost = self._lost, 0
        return lost

    async def flush(self) -> None:
        """Write what has gathered. A request that cannot be kept takes no other with it."""
        self._reads = 0
        self._slot = clock.seconds()
        self._now = timestamp()
        while self._waiting:
            taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), _BATCH))]
            by_workspace: dict[int, list[RecordedRequest]] = {}
            workspaces: dict[int, Workspace] = {}
            for noted in taken:
                kept = await self._prepare(noted)
                if kept is not None:
                    workspace: Workspace = noted.request.grant.workspace
                    workspaces[workspace.id] = workspace
                    by_workspace.setdefault(workspace.id, []).append(kept)
            for workspace_id, some in by_workspace.items():
                await self._keep(workspace_id, some)
                with log_and_continue("trimming requests"):
                    await self._trim(workspaces[workspace_id])

    async def _prepare(self, noted: _Noted) -> RecordedRequest | None:
        """A request as it is kept; None, counted as lost, if an error of ours prevents that."""
        size = len(noted.body) + len(noted.answer)
        self._bytes -= size
        if size > _SHOWN:
            await asyncio.sleep(
                0
            )  # searching a large body takes milliseconds: let requests be answered in between
        try:
            return _kept(noted)
        except Exception as error:
            self._lost += 1
            _log.error("request %s is not kept: %s", noted.request.id, type(error).__name__)
            return None

    async def _keep(self, workspace_id: int, some: Sequence[RecordedRequest]) -> None:
        """Write requests together; if that fails, one by one, so that only those are lost that cannot be written."""
        try:
            await self._requests.keep(workspace_id, some)
            return
        except Exception as error:
            if len(some) == 1:
                self._give_up(some, error)
                return
        refused = 0
        for n, kept in enumerate(some):
            try:
                await self._requests.keep(workspace_id, [kept])
                refused = 0
            except Exception as error:
                refused += 1
                if refused == _TRIES and isinstance(error, StorageError):
                    self._give_up(some[n:], error)  # the storage fails, not one record
                    return
                self._give_up([kept], error)

    def _give_up(self, some: Sequence[RecordedRequest], error: Exception) -> None:
        self._lost += len(some)
        for kept in some:
            _log.error(
                "request %s is not kept: %s", kept.request_id, type(error).__name__
            )  # its message may quote a secret

    def _records_reads(self, request: Request) -> bool:
        """Whether the workspace wants its reads kept, to half a second: a look at the clock at every read would cost too much."""
        until: str | None = request.grant.workspace.record_reads
        return until is not None and until > self._now

    async def _trim(self, workspace: Workspace) -> None:
        """Let go of what is too old or too much, once in a while."""
        now = clock.seconds()
        if now - self._trimmed.get(workspace.id, 0.0) > _TRIM_SECONDS:
            self._trimmed[workspace.id] = now
            days = (
                self._retention.days if workspace.requests_days is None else workspace.requests_days
            )
            await self._requests.trim(
                workspace.id, self._retention.rows, number_of(now - days * 86_400)
            )


def _kept(noted: _Noted) -> RecordedRequest:
    """A request as it is kept, with its secrets masked."""
    request = noted.request
    path = request.path[len(SCIM_ROOT) :]
    masker = Masker(request.grant.registry, path)
    query = masker.query(request.query)
    accepted = noted.status < 400 and request.operation != "bulk"
    body = _body(masker, noted.body, accepted)
    path = masker.path(path)
    place = noted.location or path
    return RecordedRequest(
        noted.number,
        timestamp(datetime.fromtimestamp(noted.moment, UTC)),
        request.id,
        request.key,
        request.operation,
        request.method,
        _storable(path)[:500],
        _storable(query)[:2000],
        noted.status,
        int(noted.seconds * 1000),
        _storable(request.address),
        _storable(request.header("user-agent") or "")[:200],
        " ".join(dict.fromkeys(request.seen)),
        _storable(place.rstrip("/").rpartition("/")[2])[:100] if place.count("/") > 1 else "",
        _storable(_short(body)),
        _storable(_short(_answer(masker, noted.answer, accepted))),
    )


def _body(masker: Masker, raw: bytes, accepted: bool) -> str:
    """A request's body with its secrets masked.

    An accepted body is JSON, and is parsed only if a name of a secret may be in it. One that cannot be read may hold a secret
    anywhere, so that nothing of it is kept.
    """
    text = raw.decode("utf-8", "replace")
    if not raw or (accepted and not masker.suspects(text)):
        return text
    if len(raw) > _SEARCHED:
        masker.masked = True
        return f"{MASK} {len(raw):,} bytes, too large to be searched for secrets"
    try:
        return orjson.dumps(masker.message(raw)).decode()
    except Unreadable:
        return f"{MASK} {len(raw):,} bytes that are not a JSON object nested at most 64 deep"


def _answer(masker: Masker, raw: bytes, accepted: bool) -> str:
    """An answer without the secrets of its request, which the details of errors may quote."""
    if accepted or not masker.masked or not raw:
        return raw.decode("utf-8", "replace")
    try:
        return orjson.dumps(masker.answer(raw)).decode()
    except Unreadable:
        return f"{MASK} {len(raw):,} bytes"


def _storable(text: str) -> str:
    """A text that every engine can store: without NUL and lone surrogates."""
    return text.encode("utf-8", "replace").decode().replace("\0", "�")


def _short(text: str) -> str:
    return (
        text if len(text) <= _SHOWN else f"{text[:_SHOWN]}\n… {len(text) - _SHOWN} characters more"
    )

"""Records requests for administrators, in batches and with secrets masked."""

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
"""The most requests waiting to be written; further ones are dropped and counted as lost."""
_READS = 200
"""The most waiting reads; recording more per half second would slow the reads down."""
_BATCH = 200
_TRIM_SECONDS = 60
_SHOWN = 16_000
_SEARCHED = 128_000
"""The largest body, in bytes, to search for secrets; larger ones with secrets are not kept."""
_HELD = 64_000_000
"""The most bytes of waiting bodies; beyond it, requests are recorded without bodies."""
_LOOK_TICKS = 4
"""The number of flushes between two searches for errors recorded by other processes."""
_OVERLAP_SECONDS = 5
"""The overlap of two searches: requests are recorded a moment after they are answered."""
_REMEMBERED_SECONDS = 3600
"""The longest time after an error in another process for which a success is recorded."""
_MAX_UNKEPT = 200
"""The most keys in a search for errors in other processes; the others come in a later one."""
_MAX_REFUSED, _MAX_LOOKED = 10_000, 20_000
_TRIES = 5
"""The consecutive storage failures after which the rest of a batch is dropped."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Retention:
    """The default retention of requests.

    Attributes:
        days: The age in days of 24 hours after which requests are deleted.
        rows: The most requests of one workspace.
    """

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
"""A successful read: request, status, duration, and a time before it (Unix seconds)."""


class Recorder:
    """Collects requests and writes them within half a second."""

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
        """Keys whose latest recorded request failed; their next success is recorded."""
        self._unkept: dict[str, _Read] = {}
        """The latest unrecorded successful read of each key."""
        self._looked: dict[int, float] = {}
        """The time (Unix seconds) of the last search for errors in each workspace."""

    def note(self, request: Request, response: Response, seconds: float) -> None:
        """Record a request under /scim/v2, if it is to be recorded.

        Recorded are writes and errors, the first success of a key after an error, and all reads
        while the workspace has turned that on.
        """
        status = response.status
        read = request.method in ("GET", "HEAD") and status < 400
        if read and request.key not in self._refused and not self._records_reads(request):
            if len(self._unkept) < _MAX_UNKEPT or request.key in self._unkept:
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
        request.body = b""  # the waiting request must not hold an uncounted body
        now = clock.seconds()
        number = number_of(now, next(self._numbers))
        self._waiting.append(_Noted(request, status, body, answer, location, seconds, now, number))

    async def run(self) -> None:
        """Write the collected requests every half second, until cancelled."""
        ticks = itertools.count(1)
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            with log_and_continue("flush request log"):
                await self.flush()
            if next(ticks) % _LOOK_TICKS == 0:
                with log_and_continue("find errors recorded by other processes"):
                    await self.look()

    async def look(self) -> None:
        """Find keys that failed in other processes; record their later successful reads."""
        unkept = {
            key: read for key, read in self._unkept.items() if read[0].path.startswith(SCIM_ROOT)
        }
        self._unkept = {}
        now = clock.seconds()
        if len(self._looked) > _MAX_LOOKED:
            self._looked.clear()
        for workspace_id in {read[0].grant.workspace.id for read in unkept.values()}:
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
                    self._keep_later(request, Response(status), seconds, read=True)
        if len(self._refused) > _MAX_REFUSED:
            self._refused.clear()

    def lost(self) -> int:
        """Return the number of requests lost since the last call."""
        lost, self._lost = self._lost, 0
        return lost

    async def flush(self) -> None:
        """Write the collected requests; one's failure does not affect the others."""
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
                with log_and_continue("delete old recorded requests"):
                    await self._trim(workspaces[workspace_id])

    async def _prepare(self, noted: _Noted) -> RecordedRequest | None:
        """Prepare a request for storage.

        Returns:
            None if an internal error prevents it; the request is then counted as lost.
        """
        size = len(noted.body) + len(noted.answer)
        self._bytes -= size
        if size > _SHOWN:
            await asyncio.sleep(
                0
            )  # masking a large body takes milliseconds: answer other requests in between
        try:
            return _kept(noted)
        except Exception as error:
            self._lost += 1
            _log.error("request %s was not recorded: %s", noted.request.id, type(error).__name__)
            return None

    async def _keep(self, workspace_id: int, some: Sequence[RecordedRequest]) -> None:
        """Write requests together, or one by one if that fails, to lose only bad ones."""
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
                    self._give_up(some[n:], error)  # the storage is failing, not a single record
                    return
                self._give_up([kept], error)

    def _give_up(self, some: Sequence[RecordedRequest], error: Exception) -> None:
        self._lost += len(some)
        for kept in some:
            _log.error(
                "request %s was not recorded: %s", kept.request_id, type(error).__name__
            )  # the message could contain a secret

    def _records_reads(self, request: Request) -> bool:
        """Return whether the connection or its workspace records reads, to within half a second.

        Reading the clock at every read would cost too much.
        """
        workspace: Workspace = request.grant.through
        until = workspace.record_reads
        if until is None or until <= self._now:
            return False
        return workspace.record_reads_key in (None, request.key)

    async def _trim(self, workspace: Workspace) -> None:
        """Delete old and excess requests, once in a while."""
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
    """Return a request as stored, with secrets masked."""
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
    """Return the body of a request with secrets masked.

    The body of an accepted request is JSON; it is parsed only if the name of a secret attribute may
    occur in it. A malformed body could contain a secret anywhere, so none of it is kept.
    """
    text = raw.decode("utf-8", "replace")
    if not raw or (accepted and not masker.suspects(text)):
        return text
    if len(raw) > _SEARCHED:
        masker.masked = True
        return f"{MASK} {len(raw):,} bytes, too large to search for secrets"
    try:
        return orjson.dumps(masker.message(raw)).decode()
    except Unreadable:
        return f"{MASK} {len(raw):,} bytes that are not a JSON object nested at most 64 deep"


def _answer(masker: Masker, raw: bytes, accepted: bool) -> str:
    """Return a response with the request's secrets masked: errors may quote them."""
    if accepted or not masker.masked or not raw:
        return raw.decode("utf-8", "replace")
    try:
        return orjson.dumps(masker.answer(raw)).decode()
    except Unreadable:
        return f"{MASK} {len(raw):,} bytes"


def _storable(text: str) -> str:
    """Remove NUL and lone surrogates, which not every engine can store."""
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    return text.replace("\0", "�")


def _short(text: str) -> str:
    return (
        text if len(text) <= _SHOWN else f"{text[:_SHOWN]}\n… {len(text) - _SHOWN} characters more"
    )

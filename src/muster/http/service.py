"""The whole HTTP service: request id, key, rate limit, route, errors, log. What the server interfaces call."""

import asyncio
import contextlib
import itertools
import logging
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass

from muster.access.keys import Grant, Keys
from muster.access.permissions import SCIM, allows
from muster.access.rate_limit import RateLimiter
from muster.http.management.router import API_FOLDER, Api
from muster.http.observe.metrics import Metrics
from muster.http.observe.recorder import Recorder
from muster.http.observe.request_log import RequestLog
from muster.http.scim.resources import Scim
from muster.http.wire.admission import Budget, Waits, network_of
from muster.http.wire.base_url import SCIM_ROOT, BaseUrl
from muster.http.wire.errors import (
    Unauthorized,
    problem_of,
    scim_error,
    too_many_requests,
)
from muster.http.wire.message import MAX_HEADER, MAX_HEADER_BYTES, MAX_HEADERS, Request, Response
from muster.http.wire.router import Route, Router
from muster.scim.errors import ScimError, forbidden
from muster.storage.port.errors import StatementRejected, StorageError

_log = logging.getLogger(__name__)
_SLASHES = re.compile("//+")
_SESSIONS, _OF_ONE = 400, 32
"""How many requests with a session are in flight at a time, in all and of one administrator."""
_STREAMS, _STREAMS_OF_ONE = 200, 25
"""How many answers are sent in pieces at a time, in all and to one workspace or administrator."""
_ATTRIBUTED = 10
"""How many requests without a valid key are attributed to a workspace within a second, at most."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
Handler = Callable[[Request], Awaitable[Response]]
Site = Handler
"""Answers every path that no other part of the service does: the console."""


@dataclass(frozen=True, slots=True)
class OpenRoute(Route):
    """A page that needs neither a key nor a session."""

    handler: Handler


@dataclass(frozen=True, slots=True)
class Load:
    """What a process takes on. max_in_flight: requests with a key at a time.

    stopping: whether the server is about to stop, and connections are to be closed once they are answered. max_anonymous,
    max_anonymous_by_address: requests without a key or a session at a time. form_seconds: how long a form may take to come.
    """

    max_in_flight: int
    stopping: Callable[[], bool]
    max_anonymous: int = 200
    max_anonymous_by_address: int = 32
    form_seconds: float = 10.0

    def anonymous(self) -> Budget:
        """The budget of requests without a key or a session."""
        return Budget(
            self.max_anonymous,
            self.max_anonymous_by_address,
            f"{self.max_anonymous} requests without a key or a session are in flight (MUSTER_MAX_ANONYMOUS)",
            f"{self.max_anonymous_by_address} requests without a key or a session are in flight from this address"
            " (MUSTER_MAX_ANONYMOUS_BY_ADDRESS)",
        )


class Service:
    """Answers every request.

    Args:
        pages: The pages that need neither a key nor a session.
        site: Answers every other path outside /scim/v2 and /api/v1.
    """

    def __init__(
        self,
        keys: Keys,
        limiter: RateLimiter,
        scim: Scim,
        api: Api,
        origin: BaseUrl,
        pages: Iterable[OpenRoute],
        log: RequestLog | None,
        metrics: Metrics | None,
        load: Load,
        recorder: Recorder | None,
        site: Site,
    ) -> None:
        self._keys = keys
        self._limiter = limiter
        self._scim = scim
        self._api = api
        self._origin = origin
        self._prefix = f"{origin.fixed_prefix}/" if origin.fixed_prefix else ""
        self._pages = Router(pages)
        self._log = log
        self._metrics = metrics
        self.load = load
        self._recorder = recorder
        self._site = site
        self.in_flight = 0
        self._unkeyed = 0
        self._attributed = (0, 0)
        """A second, and how many requests without a valid key were looked up within it."""
        self._waits = Waits()
        self.anonymous = load.anonymous()
        self.sessions = Budget(
            _SESSIONS,
            _OF_ONE,
            f"{_SESSIONS} requests of the console are in flight",
            f"{_OF_ONE} requests of yours are in flight",
        )
        self.streams = Budget(
            _STREAMS,
            _STREAMS_OF_ONE,
            f"{_STREAMS} answers are being sent in pieces",
            f"{_STREAMS_OF_ONE} answers of this workspace or administrator are being sent in pieces",
        )
        self._id_prefix = f"{secrets.token_hex(6)}-"
        self._numbers = itertools.count(1)
        self.used: set[tuple[int, str]] = set()
        """The keys that were used since whoever keeps that last looked."""

    async def answer(self, request: Request) -> Response:
        """The answer to a request; it never raises."""
        started = time.perf_counter()
        if "//" in request.path:
            request.path = _SLASHES.sub("/", request.path)
        if self._prefix and f"{request.path}/".startswith(
            self._prefix
        ):  # a proxy that leaves the path of the public URL there
            request.path = request.path[len(self._prefix) - 1 :] or "/"
        given = request.header("x-request-id")
        request.id = (
            given
            if given is not None and _REQUEST_ID.fullmatch(given)
            else f"{self._id_prefix}{next(self._numbers):x}"
        )
        request.address = self._origin.client(request)
        self.in_flight += 1
        try:
            response = await self._route(request)
        except Exception as error:
            response = self._failed(request, error)
            if isinstance(error, Unauthorized) and self._recorder is not None and _is_scim(request):
                await self._attribute(request)
        finally:
            self.in_flight -= 1
        if response.stream is not None:
            response = self._streamed(request, response, response.stream)
        if self.load.stopping():
            response.headers.append(("connection", "close"))
        response.headers.append(("x-request-id", request.id))
        seconds = time.perf_counter() - started
        if self._metrics is not None:
            self._metrics.observe(request.operation, response.status, request.workspace, seconds)
        if request.grant is not None and self._recorder is not None:
            self._recorder.note(request, response, seconds)
        if self._log is not None:
            self._log.add(request, response.status, seconds, len(response.body))
        return response

    async def _attribute(self, request: Request) -> None:
        """Find the workspace that a request without a valid key is meant for, so that it is kept there."""
        second = int(time.monotonic())
        self._attributed = (second, self._attributed[1] + 1 if self._attributed[0] == second else 1)
        if self._attributed[1] > _ATTRIBUTED:
            return
        token = (request.header("authorization") or "").partition(" ")[2].strip()
        with contextlib.suppress(StorageError):
            grant = await self._keys.meant(token)
            if grant is not None:
                request.workspace, request.key, request.grant = (
                    grant.workspace.name,
                    grant.key.id,
                    grant,
                )

    def _streamed(
        self, request: Request, response: Response, stream: AsyncIterator[bytes]
    ) -> Response:
        """An answer in pieces, in a place of its own until it is sent; or the error that there is no place."""
        caller = (
            str(request.grant.workspace.id)
            if request.grant is not None
            else request.administrator or request.address
        )
        try:
            response.seat = self.streams.enter(caller)
        except StorageError as error:
            return self._failed(request, error)
        response.stream = self._streaming(request, stream)
        return response

    async def _streaming(
        self, request: Request, stream: AsyncIterator[bytes]
    ) -> AsyncIterator[bytes]:
        """A body in pieces."""
        try:
            async for piece in stream:
                yield piece
        except StorageError as error:
            _log.error("request %s was cut short: %s", request.id, error)
            raise

    def _failed(self, request: Request, error: Exception) -> Response:
        """The answer to a request that an exception ended; what is no one's mistake but ours shows nothing of its inside."""
        if isinstance(error, ScimError):
            return self._error(request, error)
        if isinstance(error, StorageError) and not isinstance(error, StatementRejected):
            _log.error("request %s: %s", request.id, error)
            response = self._error(request, ScimError(error.status, str(error)))
            if error.retry_after is not None:
                response.headers.append(("retry-after", str(error.retry_after)))
            return response
        _log.error("request %s failed", request.id, exc_info=error)
        return self._error(
            request,
            ScimError(500, f"an error of ours: it is logged under the request id {request.id}"),
        )

    def _error(self, request: Request, error: ScimError) -> Response:
        if _is_scim(request):
            return scim_error(request, error)
        return problem_of(error)

    def _route(self, request: Request) -> Awaitable[Response]:
        """What answers a request, to be awaited. Raises ScimError and StorageError.

        Nearly every request has a key that is known, and quota at hand: it waits for nothing here.
        """
        scim = _is_scim(request)
        if not scim and not request.path.startswith(API_FOLDER):
            return self._answer_page(request)
        if request.too_long:
            raise _too_long()
        token = _bearer(request)
        if self.in_flight - self._unkeyed > self.load.max_in_flight:
            return self._answer_crowded(request, token, scim)
        grant = self._keys.known(token)
        if grant is None or not self._limiter.spend(grant.place, grant.limit):
            return self._answer_unknown(request, token, scim)
        return self._answer_key(request, grant, scim)

    async def _answer_crowded(self, request: Request, token: str, scim: bool) -> Response:
        """The answer where no place is free: in one that another workspace gives up, or StorageError."""
        grant = await self._keys.check(token)
        if grant is None:
            raise Unauthorized("the API key is not valid", "invalid_token")
        if not self._waits.give_way(grant.workspace.id):
            request.workspace, request.key, request.grant = (
                grant.workspace.name,
                grant.key.id,
                grant,
            )
            raise StorageError(self._crowded())
        return await self._answer_unknown(request, token, scim)

    def _crowded(self) -> str:
        return f"too many requests are in flight: {self.load.max_in_flight} at a time (MUSTER_MAX_IN_FLIGHT)"

    @property
    def budgets(self) -> dict[str, Budget]:
        """The budgets beside that of requests with a key, by the name that the metrics have for them."""
        return {"anonymous": self.anonymous, "session": self.sessions, "stream": self.streams}

    def overloaded(self) -> str | None:
        """Why requests with a key are refused at this moment, if they are."""
        return (
            self._crowded() if self.in_flight - self._unkeyed >= self.load.max_in_flight else None
        )

    def degraded(self) -> list[str]:
        """What else is refused at this moment."""
        return [text for budget in self.budgets.values() if (text := budget.full)]

    async def _answer_unknown(self, request: Request, token: str, scim: bool) -> Response:
        """The answer where the key has to be looked up, or more of its quota leased."""
        grant = await self._keys.check(token)
        if grant is None:
            raise Unauthorized("the API key is not valid", "invalid_token")
        request.workspace, request.key, request.grant = grant.workspace.name, grant.key.id, grant
        wait = await self._limiter.take(grant.place, grant.limit, self._keys.epoch)
        if wait is not None:
            return too_many_requests(request, self._limiter.limit(grant.limit), wait)
        return await self._answer_key(request, grant, scim)

    def _answer_key(self, request: Request, grant: Grant, scim: bool) -> Awaitable[Response]:
        """The answer to a request with a key: SCIM, or the management API. Raises ScimError."""
        request.workspace, request.key, request.grant = grant.workspace.name, grant.key.id, grant
        request.waits = self._waits
        self.used.add(grant.place)
        if not grant.admits(request.address):
            return self._turn_away(request, grant)
        if not scim:
            return self._api.answer(request, grant)
        if not allows(grant.permissions, SCIM):
            raise forbidden(f"the API key lacks the permission {SCIM!r}")
        return self._scim.answer(request, grant)

    async def _turn_away(self, request: Request, grant: Grant) -> Response:
        try:
            await self._keys.turned_away(grant, request.id, request.address)
        except StorageError as error:
            _log.warning("request %s: its refusal is not in the audit log: %s", request.id, error)
        raise forbidden(f"the workspace takes no requests from {request.address}")

    async def _answer_page(self, request: Request) -> Response:
        """The answer to a request without a key. It never counts among those with one."""
        self._unkeyed += 1
        try:
            if request.too_long:
                raise _too_long()
            found = self._pages.match(request.method, request.path)
            if found is None:
                return await self._answer_site(request)
            request.operation = "page"
            return await found.route.handler(request)
        finally:
            self._unkeyed -= 1

    async def _answer_site(self, request: Request) -> Response:
        """The answer of the console, within a place for those without a session until there proves to be one."""
        request.operation = "console"
        seat = self.anonymous.enter(network_of(request.address))
        request.read = _within(request.read, self.load.form_seconds)

        def signed_in(administrator: str) -> None:
            request.administrator = administrator
            seat.move(self.sessions, administrator)

        request.signed_in = signed_in
        try:
            return await self._site(request)
        finally:
            seat.leave()


def _within(
    read: Callable[[int], Awaitable[bytes]], seconds: float
) -> Callable[[int], Awaitable[bytes]]:
    """A read of a form that ends after so many seconds with ScimError 408."""

    async def bounded(limit: int) -> bytes:
        try:
            async with asyncio.timeout(seconds):
                return await read(limit)
        except TimeoutError:
            raise ScimError(
                408, f"the form did not come within {seconds:g} seconds (MUSTER_FORM_SECONDS)"
            ) from None

    return bounded


def _too_long() -> ScimError:
    return ScimError(
        431, f"the headers are longer than {MAX_HEADER_BYTES:,} bytes, or more than {MAX_HEADERS}"
    )


def _bearer(request: Request) -> str:
    """The request's token. Raises Unauthorized."""
    authorization = request.header("authorization")
    if authorization is None:
        raise Unauthorized("an API key is needed: Authorization: Bearer <key>")
    if len(authorization) > MAX_HEADER:
        raise Unauthorized(f"Authorization is longer than {MAX_HEADER:,} bytes", "invalid_request")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthorized("the Authorization must be of the form Bearer <key>", "invalid_request")
    return token.strip()


def _is_scim(request: Request) -> bool:
    return request.path.startswith(_SCIM_FOLDER) or request.path == SCIM_ROOT


_SCIM_FOLDER = f"{SCIM_ROOT}/"

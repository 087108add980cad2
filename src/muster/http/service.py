"""The HTTP service: request ids, keys, rate limits, routing, errors and logging."""

import asyncio
import contextlib
import itertools
import logging
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass

from muster.access.connections import BY_GUARD, Connection, Pause
from muster.access.keys import Grant, Keys
from muster.access.lifecycle import CLOSED_SECONDS, closed_because
from muster.access.permissions import READ, SCIM, allows
from muster.access.platform_keys import PREFIX as PLATFORM_PREFIX
from muster.access.platform_keys import PlatformKeys
from muster.access.rate_limit import RateLimiter
from muster.directory.guard.enforcement import PAUSED_SECONDS
from muster.http.management.router import API_FOLDER, Api
from muster.http.observe.metrics import Metrics
from muster.http.observe.recorder import Recorder
from muster.http.observe.request_log import RequestLog
from muster.http.observe.usage import UsageCounter
from muster.http.platform.router import PLATFORM_ROOT, PlatformApi
from muster.http.scim.resources import Scim, needed_permission
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
from muster.scim.errors import ScimError, TryLater, forbidden
from muster.storage.port.errors import StatementRejected, StorageError

_log = logging.getLogger(__name__)
_SLASHES = re.compile("//+")
_SESSIONS, _OF_ONE = 400, 32
"""The most requests with a session in progress, in total and per administrator."""
_STREAMS, _STREAMS_OF_ONE = 200, 25
"""The most streamed responses, in total and per workspace or administrator."""
_ATTRIBUTED = 10
"""The most requests per second without a valid key that are attributed to a workspace."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
Handler = Callable[[Request], Awaitable[Response]]
Site = Handler
"""The console: answers every path that no other part of the service answers."""


@dataclass(frozen=True, slots=True)
class OpenRoute(Route):
    """A page that requires neither a key nor a session."""

    handler: Handler


@dataclass(frozen=True, slots=True)
class Load:
    """The load limits of a process.

    Attributes:
        max_in_flight: The most requests with a key in progress.
        stopping: Whether the server is stopping, so that connections are closed after a response.
        max_anonymous: The most requests without a key or session in progress.
        max_anonymous_by_address: The most of these from one address.
        form_seconds: The time for a form to arrive.
    """

    max_in_flight: int
    stopping: Callable[[], bool]
    max_anonymous: int = 200
    max_anonymous_by_address: int = 32
    form_seconds: float = 10.0

    def checks(self) -> Budget:
        """Return the budget of requests whose session is being looked up."""
        return Budget(
            self.max_anonymous,
            self.max_anonymous_by_address,
            f"the sessions of {self.max_anonymous} requests are being checked"
            " (MUSTER_MAX_ANONYMOUS)",
            f"the sessions of {self.max_anonymous_by_address} requests from this address are being"
            " checked (MUSTER_MAX_ANONYMOUS_BY_ADDRESS)",
        )

    def anonymous(self) -> Budget:
        """Return the budget of requests without a key or session."""
        return Budget(
            self.max_anonymous,
            self.max_anonymous_by_address,
            f"{self.max_anonymous} requests without a key or a session are in flight"
            " (MUSTER_MAX_ANONYMOUS)",
            f"{self.max_anonymous_by_address} requests without a key or a session are in flight"
            " from this address"
            " (MUSTER_MAX_ANONYMOUS_BY_ADDRESS)",
        )


@dataclass(frozen=True, slots=True)
class Entrances:
    """The parts that answer requests, by path.

    Attributes:
        scim: Answers /scim/v2.
        api: Answers /api/v1.
        platform: Answers /api/v1/platform.
        platform_keys: Checks the credentials of the platform API.
        pages: The pages that require neither a key nor a session.
        site: Answers every other path.
    """

    scim: Scim
    api: Api
    pages: Iterable[OpenRoute]
    site: Site
    platform: PlatformApi
    platform_keys: PlatformKeys


@dataclass(frozen=True, slots=True)
class Observers:
    """The parts that are told of each answer; None for those that are off."""

    log: RequestLog | None = None
    metrics: Metrics | None = None
    recorder: Recorder | None = None
    usage: UsageCounter | None = None


class Service:
    """Answers every request."""

    def __init__(
        self,
        keys: Keys,
        limiter: RateLimiter,
        origin: BaseUrl,
        load: Load,
        entrances: Entrances,
        observers: Observers,
    ) -> None:
        self._keys = keys
        self._limiter = limiter
        self._scim = entrances.scim
        self._api = entrances.api
        self._platform = entrances.platform
        self._platform_keys = entrances.platform_keys
        self._pages = Router(entrances.pages)
        self._site = entrances.site
        self._origin = origin
        self._prefix = f"{origin.fixed_prefix}/" if origin.fixed_prefix else ""
        self._log = observers.log
        self._metrics = observers.metrics
        self._recorder = observers.recorder
        self._usage = observers.usage
        self.load = load
        self.in_flight = 0
        self._unkeyed = 0
        self._attributed = (0, 0)
        """The current second, and the requests without a valid key looked up in it."""
        self._waits = Waits()
        self.checks, self.anonymous = load.checks(), load.anonymous()
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
            f"{_STREAMS_OF_ONE} answers of this workspace or administrator are being sent in"
            " pieces",
        )
        self._id_prefix = f"{secrets.token_hex(6)}-"
        self._numbers = itertools.count(1)
        self.used: set[tuple[int, str]] = set()
        """The keys used since their last use was last stored."""
        self.platform_keys_used: set[str] = set()
        """The ids of the platform keys used since then."""

    async def answer(self, request: Request) -> Response:
        """Answer a request; it never raises."""
        started = time.perf_counter()
        if "//" in request.path:
            request.path = _SLASHES.sub("/", request.path)
        if self._prefix and f"{request.path}/".startswith(
            self._prefix
        ):  # the proxy does not strip the path of the public URL
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
            routed = self._route(request)
            response = routed if isinstance(routed, Response) else await routed
        except Exception as error:
            response = self._failed(request, error)
            if isinstance(error, Unauthorized) and request.grant is None and _is_scim(request):
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
            place = request.workspace if request.grant is None else request.grant.counted_as
            self._metrics.observe(request.operation, response.status, place, seconds)
        if request.grant is not None:
            if self._recorder is not None:
                self._recorder.note(request, response, seconds)
            if self._usage is not None:
                self._usage.note(request.grant, response.status)
        if self._log is not None:
            self._log.add(request, response.status, seconds, len(response.body))
        return response

    async def _attribute(self, request: Request) -> None:
        """Find the workspace of a request without a valid key, to record it there."""
        if self._recorder is None:
            return
        second = int(time.monotonic())
        self._attributed = (second, self._attributed[1] + 1 if self._attributed[0] == second else 1)
        if self._attributed[1] > _ATTRIBUTED:
            return
        token = (request.header("authorization") or "").partition(" ")[2].strip()
        with contextlib.suppress(StorageError):
            grant = await self._keys.meant(token)
            request.workspace, request.key, request.grant = (
                grant.workspace.name,
                grant.key.id,
                grant,
            )
            if not grant.key.id:
                request.query = ""  # it may name people, and nobody knows who sent it

    def _streamed(
        self, request: Request, response: Response, stream: AsyncIterator[bytes]
    ) -> Response:
        """Return a streamed response that holds a place until it is sent, or the error."""
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
        """Yield the chunks of a body and log an interruption."""
        try:
            async for piece in stream:
                yield piece
        except StorageError as error:
            _log.error("request %s was cut short: %s", request.id, error)
            raise
        except Exception:
            _log.exception("request %s was cut short", request.id)
            raise

    def _failed(self, request: Request, error: Exception) -> Response:
        """Return the response for an exception; internal errors reveal no details."""
        if isinstance(error, ScimError):
            response = self._error(request, error)
            if isinstance(error, TryLater):
                response.headers.append(("retry-after", str(error.retry_after)))
            return response
        if isinstance(error, StorageError) and not isinstance(error, StatementRejected):
            _log.error("request %s: %s", request.id, error)
            response = self._error(request, ScimError(error.status, str(error)))
            if error.retry_after is not None:
                response.headers.append(("retry-after", str(error.retry_after)))
            return response
        _log.error("request %s failed", request.id, exc_info=error)
        return self._error(
            request,
            ScimError(500, f"Internal error. Quote request id {request.id} when you report it."),
        )

    def _error(self, request: Request, error: ScimError) -> Response:
        if _is_scim(request):
            return scim_error(request, error)
        return problem_of(error)

    def _route(self, request: Request) -> Response | Awaitable[Response]:
        """Dispatch a request. Returns the response, or an awaitable of it.

        Nearly every request has a cached key and a leased token, and waits for nothing here.

        Raises:
            ScimError, StorageError: The error to answer.
        """
        scim = _is_scim(request)
        if not scim and not request.path.startswith(API_FOLDER):
            return self._answer_page(request)
        if request.too_long:
            raise _too_long()
        token = _bearer(request)
        if _is_platform(request):
            return self._answer_platform(request, token)
        if self.in_flight - self._unkeyed > self.load.max_in_flight:
            return self._answer_crowded(request, token, scim)
        grant = self._keys.known(token)
        if grant is None or not self._limiter.spend(grant.place, grant.limit):
            return self._answer_unknown(request, token, scim)
        return self._answer_key(request, grant, scim)

    async def _answer_platform(self, request: Request, token: str) -> Response:
        """Answer a request to the platform API.

        Raises:
            ScimError: 401 if the token is no platform key, and the error to answer.
        """
        if self.in_flight - self._unkeyed > self.load.max_in_flight:
            raise StorageError(self._crowded())
        key = await self._platform_keys.check(token)
        if key is None:
            raise Unauthorized(
                "This is no active platform key. The platform API takes no other credentials."
                " Create one with: muster keys create --platform --name NAME",
                "invalid_token",
            )
        request.key, request.waits = key.id, self._waits
        self.platform_keys_used.add(key.id)
        if not self._limiter.spend(key.place, None):
            wait = await self._limiter.take(key.place, None, self._platform_keys.epoch)
            if wait is not None:
                return too_many_requests(request, self._limiter.limit(None), wait)
        return await self._platform.answer(request, key)

    async def _answer_crowded(self, request: Request, token: str, scim: bool) -> Response:
        """Answer a request if all places are taken, in one that another workspace gives up.

        Raises:
            StorageError: No workspace gives up a place.
        """
        grant = await self._keys.check(token)
        if grant is None:
            raise _not_a_key(token)
        if not self._waits.give_way(grant.workspace.id):
            request.workspace, request.key, request.grant = (
                grant.workspace.name,
                grant.key.id,
                grant,
            )
            raise StorageError(self._crowded())
        return await self._answer_unknown(request, token, scim)

    def _crowded(self) -> str:
        return (
            f"too many requests are in flight: {self.load.max_in_flight} at a time"
            " (MUSTER_MAX_IN_FLIGHT)"
        )

    @property
    def budgets(self) -> dict[str, Budget]:
        """Return the budgets of requests without a key, by their names in the metrics."""
        return {
            "check": self.checks,
            "anonymous": self.anonymous,
            "session": self.sessions,
            "stream": self.streams,
        }

    def overloaded(self) -> str | None:
        """Return the reason why requests with a key are rejected now, or None."""
        return (
            self._crowded() if self.in_flight - self._unkeyed >= self.load.max_in_flight else None
        )

    def degraded(self) -> list[str]:
        """Return the reasons why other requests are rejected now."""
        return [text for budget in self.budgets.values() if (text := budget.full)]

    async def _answer_unknown(self, request: Request, token: str, scim: bool) -> Response:
        """Answer a request whose key must be looked up, or needs another lease."""
        grant = await self._keys.check(token)
        if grant is None:
            raise _not_a_key(token)
        request.workspace, request.key, request.grant = grant.workspace.name, grant.key.id, grant
        wait = await self._limiter.take(grant.place, grant.limit, self._keys.epoch)
        if wait is not None:
            return too_many_requests(request, self._limiter.limit(grant.limit), wait)
        routed = self._answer_key(request, grant, scim)
        return routed if isinstance(routed, Response) else await routed

    def _answer_key(
        self, request: Request, grant: Grant, scim: bool
    ) -> Response | Awaitable[Response]:
        """Answer a request with a key: SCIM or the management API.

        Raises:
            ScimError: The error to answer.
        """
        request.workspace, request.key, request.grant = grant.workspace.name, grant.key.id, grant
        request.waits = self._waits
        self.used.add(grant.place)
        if grant.networks and not grant.admits(request.address):
            return self._turn_away(request, grant)
        if grant.workspace.suspended is not None or grant.workspace.deleted is not None:
            return _answer_closed(request, grant, scim)
        if not scim:
            if grant.opens_scim_alone:
                raise forbidden(
                    "An access token of OAuth opens SCIM alone. Use an API key for /api/v1."
                )
            return self._api.answer(request, grant)
        if (pause := grant.connection.pause) is not None:  # before 401, which would end the sync
            raise _paused(grant.connection, pause)
        if grant.refusal is not None:
            raise Unauthorized(grant.refusal, "invalid_token")
        if not allows(grant.permissions, SCIM):
            reads = needed_permission(request) == READ
            if not reads or not allows(grant.permissions, READ):
                enough = f' or "{READ}"' if reads else ""
                raise forbidden(
                    f'This API key does not have the permission "{SCIM}"{enough}. Use a key that'
                    " has it."
                )
        return self._scim.answer(request, grant)

    async def _turn_away(self, request: Request, grant: Grant) -> Response:
        try:
            await self._keys.turned_away(grant, request.id, request.address)
        except StorageError as error:
            _log.warning(
                "request %s: cannot record its rejection in the audit log: %s", request.id, error
            )
        raise forbidden(
            f"The workspace takes no requests from {request.address}: see its IP allowlist."
        )

    async def _answer_page(self, request: Request) -> Response:
        """Answer a request without a key, outside the budget of requests with a key."""
        self._unkeyed += 1
        try:
            if request.too_long:
                raise _too_long()
            found = self._pages.match(request.method, request.path)
            if found is None:
                return await self._answer_site(request)
            request.operation = "page"
            if request.method != "POST":
                return await found.route.handler(request)
            # It reads a body of somebody without a key, who may send it as slowly as they like.
            seat = self.anonymous.enter(network_of(request.address))
            request.read = _within(request.read, self.load.form_seconds)
            try:
                return await found.route.handler(request)
            finally:
                seat.leave()
        finally:
            self._unkeyed -= 1

    async def _answer_site(self, request: Request) -> Response:
        """Answer a request to the console.

        Its place until its session is checked is one that no slow client can hold: the check reads
        the database, and nothing from the client. Slow forms without a session therefore never
        keep out an administrator at the same address.
        """
        request.operation = "console"
        network = network_of(request.address)
        seat = self.checks.enter(network)
        request.read = _within(request.read, self.load.form_seconds)

        def signed_in(administrator: str) -> None:
            request.administrator = administrator
            seat.move(self.sessions, administrator)

        def signed_out() -> None:
            seat.move(self.anonymous, network)

        request.signed_in, request.signed_out = signed_in, signed_out
        try:
            return await self._site(request)
        finally:
            seat.leave()


_USUAL_FORM = 1_000_000
"""The size in bytes up to which a form has the usual time to arrive."""


async def _answer_closed(request: Request, grant: Grant, scim: bool) -> Response:
    """Answer a request with a key of a workspace that is suspended or deleted.

    The status is never 401, 403 or 404, because Entra ID then suspends its whole sync.
    """
    detail = f"{closed_because(grant.workspace)} Nothing was read or changed. Try again later."
    error = ScimError(503, detail)
    response = scim_error(request, error) if scim else problem_of(error)
    response.headers.append(("retry-after", str(CLOSED_SECONDS)))
    return response


def _not_a_key(token: str) -> Unauthorized:
    """Return the error for a token that is no API key of a workspace."""
    if token.startswith(PLATFORM_PREFIX):
        detail = "A platform key opens /api/v1/platform alone. Use an API key of a workspace here."
        return Unauthorized(detail, "invalid_token")
    return Unauthorized(
        "The API key is invalid, expired or revoked. Use an active key.", "invalid_token"
    )


def _paused(connection: Connection, pause: Pause) -> TryLater:
    """Return the error for a SCIM request of a paused connection, whose client tries again later.

    It is 503, or 429 if the guard paused the connection. It is never 401, 403 or 404, because
    Entra ID then suspends its whole sync.
    """
    by_guard = pause.by == BY_GUARD
    who = "the deprovisioning guard" if by_guard else "an administrator"
    reason = f": {pause.reason}" if pause.reason else ""
    detail = (
        f"The connection {connection.name!r} was paused by {who} at {pause.since}{reason}. Nothing"
        " was read or changed. An administrator can resume it; send the request again then."
    )
    return TryLater(429 if by_guard else 503, detail, PAUSED_SECONDS)


def _within(
    read: Callable[[int], Awaitable[bytes]], seconds: float
) -> Callable[[int], Awaitable[bytes]]:
    """Limit the time to read a form; afterwards it raises ScimError 408.

    A form with a file may take as many times longer as it may be larger than a megabyte.
    """

    async def bounded(limit: int) -> bytes:
        allowed = seconds * max(1.0, limit / _USUAL_FORM)
        try:
            async with asyncio.timeout(allowed):
                return await read(limit)
        except TimeoutError:
            raise ScimError(
                408, f"The form did not arrive within {allowed:g} seconds (MUSTER_FORM_SECONDS)."
            ) from None

    return bounded


def _too_long() -> ScimError:
    return ScimError(
        431, f"the headers are longer than {MAX_HEADER_BYTES:,} bytes, or more than {MAX_HEADERS}"
    )


def _bearer(request: Request) -> str:
    """Return the bearer token of a request.

    Raises:
        Unauthorized: It is missing or malformed.
    """
    authorization = request.header("authorization")
    if authorization is None:
        raise Unauthorized("An API key is required. Send the header Authorization: Bearer <key>.")
    if len(authorization) > MAX_HEADER:
        raise Unauthorized(f"Authorization is longer than {MAX_HEADER:,} bytes", "invalid_request")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthorized("Authorization: expected the form Bearer <key>", "invalid_request")
    token = token.strip()
    if token[:7].lower() == "bearer ":
        raise Unauthorized(
            "Authorization: the word Bearer comes twice. Enter the key in the client without it.",
            "invalid_request",
        )
    return token


def _is_scim(request: Request) -> bool:
    return request.path.startswith(_SCIM_FOLDER) or request.path == SCIM_ROOT


_SCIM_FOLDER = f"{SCIM_ROOT}/"


def _is_platform(request: Request) -> bool:
    return request.path.startswith(_PLATFORM_FOLDER) or request.path == PLATFORM_ROOT


_PLATFORM_FOLDER = f"{PLATFORM_ROOT}/"

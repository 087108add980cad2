"""The whole HTTP service: request id, key, rate limit, route, errors, log. What the server interfaces call."""

import itertools
import logging
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

from muster.access.keys import Keys
from muster.access.limits import RateLimiter
from muster.access.permissions import SCIM, allows
from muster.http.api.router import API_FOLDER, Api
from muster.http.errors import MethodNotAllowed, Unauthorized, error_headers, problem, scim_error, too_many_requests
from muster.http.message import Request, Response
from muster.http.metrics import Metrics
from muster.http.origin import SCIM_ROOT, Origin
from muster.http.recorder import Recorder
from muster.http.request_log import RequestLog
from muster.http.scim import Scim
from muster.scim.errors import ScimError, forbidden
from muster.storage.port import StorageError

_log = logging.getLogger(__name__)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
Page = Callable[[Request], Awaitable[Response]]
Site = Page
"""What answers every path that is nothing else's: the console."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a process takes on. max_in_flight: requests at a time.

    stopping: whether the server is about to stop, and connections are to be closed once they are answered.
    """

    max_in_flight: int
    stopping: Callable[[], bool]


class Service:
    """Answers every request. pages: what lies outside /scim/v2, by path; a path that ends in a slash stands for all under it."""

    def __init__(
        self,
        keys: Keys,
        limiter: RateLimiter,
        scim: Scim,
        api: Api,
        origin: Origin,
        pages: dict[str, Page],
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
        self._pages = pages
        self._log = log
        self._metrics = metrics
        self.load = load
        self._recorder = recorder
        self._site = site
        self.in_flight = 0
        self._id_prefix = f"{secrets.token_hex(6)}-"
        self._numbers = itertools.count(1)
        self.used: set[tuple[int, str]] = set()
        """The keys that were used since whoever keeps that last looked."""

    async def answer(self, request: Request) -> Response:
        """The answer to a request; it never raises."""
        started = time.perf_counter()
        given = request.header("x-request-id")
        request.id = given if given is not None and _REQUEST_ID.fullmatch(given) else f"{self._id_prefix}{next(self._numbers):x}"
        self.in_flight += 1
        try:
            scim = _is_scim(request)
            if not scim and not request.path.startswith(API_FOLDER):
                response = await self._answer_page(request)
            elif self.in_flight > self.load.max_in_flight:
                raise StorageError("too many requests are in flight")
            else:
                response = await self._answer_key(request, scim)
        except Exception as error:
            response = self._failed(request, error)
        finally:
            self.in_flight -= 1
        if response.stream is not None:
            response.stream = self._streaming(request, response.stream)
        if self.load.stopping():
            response.headers.append(("connection", "close"))
        response.headers.append(("x-request-id", request.id))
        seconds = time.perf_counter() - started
        if self._metrics is not None:
            self._metrics.observe(request.operation, response.status, request.workspace, seconds)
        if request.grant is not None and self._recorder is not None:
            self._recorder.note(request, response, seconds)
        if self._log is not None:
            self._log.add(request, response.status, seconds, len(response.body), self._origin.client(request))
        return response

    async def _streaming(self, request: Request, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """A body in pieces, in flight until it is sent."""
        self.in_flight += 1
        try:
            async for piece in stream:
                yield piece
        except StorageError as error:
            _log.error("request %s was cut short: %s", request.id, error)
            raise
        finally:
            self.in_flight -= 1

    def _failed(self, request: Request, error: Exception) -> Response:
        """The answer to a request that an exception ended; what is no one's mistake but ours shows nothing of its inside."""
        if isinstance(error, ScimError):
            return self._error(request, error)
        if isinstance(error, StorageError):
            _log.error("request %s: %s", request.id, error)
            response = self._error(request, ScimError(error.status, str(error)))
            if error.retry_after is not None:
                response.headers.append(("retry-after", str(error.retry_after)))
            return response
        _log.error("request %s failed", request.id, exc_info=error)
        return self._error(request, ScimError(500, f"an error of ours: it is logged under the request id {request.id}"))

    def _error(self, request: Request, error: ScimError) -> Response:
        if _is_scim(request):
            return scim_error(request, error)
        return problem(error.status, HTTPStatus(error.status).phrase, error.detail, error_headers(error))

    async def _answer_key(self, request: Request, scim: bool) -> Response:
        """The answer to a request that needs a key: SCIM, or the management REST."""
        token = _bearer(request)
        grant = self._keys.known(token) or await self._keys.check(token)
        if grant is None:
            raise Unauthorized("the API key is not valid", "invalid_token")
        key = grant.key
        request.workspace, request.key, request.grant = grant.workspace.name, key.id, grant
        limit = grant.workspace.rate_limit if key.rate_limit is None else key.rate_limit
        if not self._limiter.spend(key.workspace, key.id, limit):
            wait = await self._limiter.take(key.workspace, key.id, limit, self._keys.epoch)
            if wait is not None:
                return too_many_requests(request, wait)
        self.used.add((key.workspace, key.id))
        address = self._origin.client(request)
        if not grant.admits(address):
            await self._keys.turned_away(grant, request.id, address)
            raise forbidden(f"the workspace takes no requests from {address}")
        if not scim:
            return await self._api.answer(request, grant, address)
        if not allows(grant.permissions, SCIM):
            raise forbidden(f"the API key lacks the permission {SCIM!r}")
        return await self._scim.answer(request, grant, address)

    async def _answer_page(self, request: Request) -> Response:
        folder = request.path.rpartition("/")[0]
        page = self._pages.get(request.path) or (self._pages.get(f"{folder}/") if folder else None)
        if page is None:
            request.operation = "console"
            return await self._site(request)
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed(request.method, ("GET",))
        request.operation = "page"
        return await page(request)


def _bearer(request: Request) -> str:
    """The request's token. Raises Unauthorized."""
    authorization = request.header("authorization")
    if authorization is None:
        raise Unauthorized("an API key is needed: Authorization: Bearer <key>")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthorized("the Authorization must be of the form Bearer <key>", "invalid_request")
    return token.strip()


def _is_scim(request: Request) -> bool:
    return request.path.startswith(_SCIM_FOLDER) or request.path == SCIM_ROOT


_SCIM_FOLDER = f"{SCIM_ROOT}/"

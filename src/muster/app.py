"""The composition root: the one file that knows every room."""

import asyncio
import contextlib
import gc
import itertools
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from muster import tracing
from muster.access.administrators import Administrators
from muster.access.connectors import Connectors
from muster.access.keys import Keys
from muster.access.limits import RateLimiter
from muster.access.openid import OpenId
from muster.config import Settings, is_postgres, sqlite_path
from muster.console.pages.audit import AuditPages
from muster.console.pages.connector import ConnectorPages
from muster.console.pages.directory import DirectoryPages
from muster.console.pages.entry import Entry
from muster.console.pages.extensions import DangerPages, RoleMappingPages, SchemaPages, WebhookPages
from muster.console.pages.guard import GuardPages
from muster.console.pages.keys import KeyPages
from muster.console.pages.overview import Overview
from muster.console.pages.requests import RequestPages
from muster.console.pages.resource import ResourcePages
from muster.console.pages.settings import SettingsPages
from muster.console.pages.undo import UndoPages
from muster.console.site import Site
from muster.console.web import Route as PageRoute
from muster.custom.indexer import Indexer
from muster.custom.schemas import CustomSchemas
from muster.directory.credentials import Credentials
from muster.directory.guard import GuardDesk
from muster.directory.rollback import Rollback
from muster.directory.service import Directory
from muster.directory.undo import Undo
from muster.heartbeat import Heartbeat
from muster.http import asgi, docs, health, rsgi
from muster.http.api.connector import ConnectorRoutes
from muster.http.api.feed import FeedRoutes
from muster.http.api.guard import GuardRoutes
from muster.http.api.insight import InsightRoutes
from muster.http.api.passwords import PasswordRoutes
from muster.http.api.roles import RoleRoutes
from muster.http.api.router import Api, Route
from muster.http.api.schemas import SchemaRoutes
from muster.http.api.settings import SettingsRoutes
from muster.http.api.undo import UndoRoutes
from muster.http.api.webhooks import WebhookRoutes
from muster.http.cursors import Cursors
from muster.http.metrics import Metrics
from muster.http.openapi import openapi_document
from muster.http.origin import Origin
from muster.http.recorder import Recorder, Retention
from muster.http.request_log import RequestLog
from muster.http.scim import Scim
from muster.http.service import Load, Page, Service
from muster.http.tokens import Tokens
from muster.overview import Lookout
from muster.scim.discovery import Limits
from muster.scim.schema import Registry
from muster.storage.leases import Leases
from muster.storage.port import Conflict, Storage
from muster.storage.requests import Requests
from muster.storage.rounds import going_on
from muster.storage.sqlite import SqliteStorage
from muster.storage.webhooks import WebhookStates
from muster.upkeep.trimmer import Trimmer
from muster.webhooks.deliverer import Deliverer
from muster.webhooks.endpoints import Webhooks
from muster.webhooks.sender import Sender

DEFAULT_WORKSPACE = "default"
_TOUCH_SECONDS = 30.0
_SIZE_SECONDS = 60
_ORPHAN_SECONDS = 1.0
_COLLECTED_AFTER = 50_000
"""How many objects more than before there are when a worker looks for circles: more than all requests in flight have."""
_DOCUMENTS = 50
"""How many OpenAPI documents are kept, of workspaces with resource types of their own."""


def open_storage(settings: Settings) -> Storage:
    """The engine that the database URL names."""
    page_bytes = max(settings.max_page_bytes, 2 * settings.max_body)  # one resource is a page at least
    if is_postgres(settings.database):
        from muster.storage.postgres import PostgresStorage

        return PostgresStorage(settings.database, settings.pool_size, settings.scan_seconds, page_bytes)
    return SqliteStorage(sqlite_path(settings.database), settings.scan_seconds, page_bytes)


async def ensure_workspace(storage: Storage, settings: Settings) -> None:
    """Make the workspace `default` where it is not there yet."""
    if await storage.find_workspace(DEFAULT_WORKSPACE) is None:
        with contextlib.suppress(Conflict):  # another process was first
            await storage.add_workspace(DEFAULT_WORKSPACE, settings.contract, False, datetime.now(UTC).isoformat())


class Muster:
    """The service in one process: an ASGI application, and the same over RSGI.

    Started by the server's lifespan, by `async with app.lifespan()`, or at the first request.
    """

    def __init__(self, settings: Settings, stopping: Callable[[], bool] = lambda: False) -> None:
        self.settings = settings
        self._stopping = stopping
        self._traces = tracing.begin() if tracing.wanted(os.environ) else None
        self.storage = self._open_storage()
        self.keys = Keys(self.storage, rate_limit=settings.rate_limit, ceiling=settings.ceiling)
        self.administrators = Administrators(self.storage)
        self._openid = OpenId(settings.webhooks_private)
        self._connectors = Connectors(self.storage, self.administrators, self._openid)
        self._recorder: Recorder | None = None
        self._limiter = RateLimiter(self.storage, settings.rate_limit)
        self._origin = Origin(settings.base_url, settings.trusted_proxies)
        self._log = RequestLog() if settings.request_log else None
        self._metrics = Metrics() if settings.metrics else None
        self.service = self._make_service()
        self._heartbeat = Heartbeat()
        self._starting = asyncio.Lock()
        self._started = False
        self._tasks: list[asyncio.Task[None]] = []

    def _open_storage(self) -> Storage:
        storage = open_storage(self.settings)
        if self._traces is None:
            return storage
        system = "postgresql" if is_postgres(self.settings.database) else "sqlite"
        return tracing.traced_storage(storage, self._traces.get_tracer("muster"), system)

    def _make_service(self) -> Service:
        settings, storage = self.settings, self.storage
        limits = Limits(
            settings.max_results,
            max_body=settings.max_body,
            cursor_seconds=settings.cursor_seconds,
            body_seconds=settings.body_seconds,
            max_elements=settings.max_elements,
            max_values=settings.max_values,
            max_comparisons=settings.max_comparisons,
        )
        directory = Directory(storage)
        cursors = Cursors(storage, settings.cursor_seconds)
        scim = Scim(directory, self._origin, limits, cursors)
        api = Api(self._routes(directory), limits)

        @lru_cache(maxsize=_DOCUMENTS)
        def document(registry: Registry) -> dict[str, Any]:
            return openapi_document(limits, registry, api.routes)

        pages: dict[str, Page] = {
            "/healthz": health.healthz,
            "/readyz": health.readyz(storage, self._stopping, lambda: self.service),
            "/openapi.json": docs.openapi(document, self._origin, self.keys),
            "/docs": docs.page,
            "/docs/": docs.asset,
        }
        if self._metrics is not None:
            pages["/metrics"] = self._metrics.response
            storage.on_commit = self._metrics.committed
        anonymous = (settings.max_anonymous, settings.max_anonymous_by_address)
        load = Load(settings.max_in_flight, self._stopping, *anonymous, settings.form_seconds)
        requests = Requests(storage)
        if settings.requests_kept:
            self._recorder = Recorder(requests, Retention(settings.requests_days, settings.requests_kept))
        site = Site(storage, self.administrators, self._origin, self._console(directory, requests, cursors))
        log, metrics = self._log, self._metrics
        kind = Service if self._traces is None else tracing.traced_service(self._traces.get_tracer("muster"))
        return kind(self.keys, self._limiter, scim, api, self._origin, pages, log, metrics, load, self._recorder, site)

    def _console(self, directory: Directory, requests: Requests, cursors: Cursors) -> Iterator[PageRoute]:
        """The pages of the console."""
        storage = self.storage
        yield from Entry(self.administrators, self._connectors)
        yield from ConnectorPages(storage, self._connectors, self._openid)
        yield from Overview(Lookout(storage, directory))
        yield from KeyPages(storage, self.keys)
        yield from DirectoryPages(directory, cursors)
        yield from ResourcePages(storage, directory, Undo(storage))
        yield from UndoPages(storage, Rollback(storage))
        yield from RequestPages(storage, requests)
        yield from GuardPages(storage, GuardDesk(storage, directory))
        yield from RoleMappingPages(storage)
        yield from WebhookPages(storage, self._webhooks, WebhookStates(storage))
        yield from SchemaPages(CustomSchemas(storage))
        yield from DangerPages(storage)
        yield from SettingsPages(storage, storage, self.administrators, requests, self.settings.ceiling)
        yield from AuditPages(storage)

    def _routes(self, directory: Directory) -> Iterator[Route]:
        """What there is under /api/v1, and what goes on in the background for it."""
        storage, private = self.storage, self.settings.webhooks_private
        states, tokens, leases = WebhookStates(storage), Tokens(storage), Leases(storage)
        self._webhooks = webhooks = Webhooks(storage, states, private)
        self._deliverer = Deliverer(storage, webhooks, states, Sender(private), leases)
        self._indexer = Indexer(storage, leases)
        yield from SettingsRoutes(storage, self.keys, directory)
        yield from RoleRoutes(storage, directory)
        yield from ConnectorRoutes(self._connectors)
        yield from GuardRoutes(GuardDesk(storage, directory))
        yield from PasswordRoutes(Credentials(storage, directory))
        yield from SchemaRoutes(CustomSchemas(storage))
        yield from InsightRoutes(storage, Lookout(storage, directory), Undo(storage), tokens)
        yield from UndoRoutes(storage, Rollback(storage), tokens)
        yield from FeedRoutes(storage, tokens)
        yield from WebhookRoutes(storage, webhooks, states, self._deliverer, tokens)

    async def start(self) -> None:
        """Migrate and open the database. Raises StorageError."""
        async with self._starting:
            if self._started:
                return
            await self.storage.migrate()
            await self.storage.start()
            await ensure_workspace(self.storage, self.settings)
            self._tasks.append(asyncio.create_task(self._heartbeat.run()))
            self._tasks.append(asyncio.create_task(self._keep_last_used()))
            self._tasks.append(asyncio.create_task(self._deliverer.run()))
            self._tasks.append(asyncio.create_task(self._indexer.run()))
            trimmer = Trimmer(self.storage, Leases(self.storage), self.settings.changes_days)
            self._tasks.append(asyncio.create_task(trimmer.run()))
            if self._recorder is not None:
                self._tasks.append(asyncio.create_task(self._recorder.run()))
            if self._metrics is not None:
                self._tasks.append(asyncio.create_task(self._tell(self._metrics)))
            self._started = True

    async def close(self) -> None:
        """Finish what waits to be written, and close the database."""
        if not self._started:
            return
        for task in self._tasks:
            task.cancel()
        for name, step in self._closing_steps():
            with going_on(name):  # a full disk, or any other error, ends no more than its own step
                await step()
        self._started = False

    def _closing_steps(self) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
        """What is done to close, in order, with its name for the log."""
        yield "stopping webhooks", self._deliverer.close
        if self._recorder is not None:
            yield "flushing kept requests", self._recorder.flush
        yield "flushing when keys were used", self._touch
        yield "flushing the request log", self._flush_log
        yield "closing the database", self.storage.close
        if (traces := self._traces) is not None:
            yield "flushing traces", lambda: asyncio.to_thread(traces.shutdown)

    async def _flush_log(self) -> None:
        if self._log is not None:
            self._log.flush()

    @contextlib.asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Started within, closed after: for an application that this one is mounted in."""
        await self.start()
        try:
            yield
        finally:
            await self.close()

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """ASGI 3.0: lifespan and http."""
        if scope["type"] == "lifespan":
            await self._serve_lifespan(receive, send)
        elif scope["type"] == "http":
            if not self._started:
                await self.start()
            await asgi.answer(self.service, scope, receive, send)
        else:
            raise ValueError(f"muster does not speak {scope['type']}")

    async def _serve_lifespan(self, receive: asgi.Receive, send: asgi.Send) -> None:
        await receive()
        try:
            await self.start()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _keep_last_used(self) -> None:
        while True:
            await asyncio.sleep(_TOUCH_SECONDS)
            with going_on("keeping when keys were used"):
                await self._touch()

    async def _tell(self, metrics: Metrics) -> None:
        """Keep the gauges of /metrics up to date."""
        for second in itertools.count():
            with going_on("telling the metrics"):
                unrecorded = 0 if self._recorder is None else self._recorder.lost()
                metrics.tell(self.service.in_flight, self.storage.pressure(), unrecorded)
                metrics.tell_waiting(self.service.budgets, self._heartbeat.stalls())
                if second % _SIZE_SECONDS == 0:
                    metrics.tell_size(await self.storage.size())
            await asyncio.sleep(1)

    async def _touch(self) -> None:
        used = set(self.service.used)
        if used:
            self.service.used.clear()
            now = datetime.now(UTC).isoformat(timespec="seconds")
            await self.storage.touch_keys(dict.fromkeys(used, now))


class RsgiMuster:
    """The service as Granian runs it in each worker process. parent: the one that makes them, which may be gone by now."""

    def __init__(self, settings: Settings, stopping: Callable[[], bool], parent: int) -> None:
        self._app = Muster(settings, stopping)
        self._parent = parent
        self.__rsgi__ = rsgi.application(self._app.service)

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.run_until_complete(self._app.start())
        gc.freeze()  # what is loaded by now stays: no collection need look at it again
        gc.set_threshold(_COLLECTED_AFTER)  # a request leaves nothing behind that is in a circle
        loop.call_later(_ORPHAN_SECONDS, self._end_if_orphaned, loop)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.run_until_complete(self._app.close())

    def _end_if_orphaned(self, loop: asyncio.AbstractEventLoop) -> None:
        """A worker whose parent was killed lets go of the port."""
        if os.getppid() != self._parent:
            os.kill(os.getpid(), signal.SIGTERM)
            return
        loop.call_later(_ORPHAN_SECONDS, self._end_if_orphaned, loop)


def create_app(settings: Settings | None = None) -> Muster:
    """The ASGI application. settings: from the environment and muster.toml where none are given."""
    return Muster(settings or Settings())

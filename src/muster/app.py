"""The composition root: builds every part of the service and connects them."""

import asyncio
import contextlib
import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import lru_cache
from typing import Any

from muster.access.administrators import Administrators
from muster.access.connectors import Connectors
from muster.access.keys import Keys
from muster.access.openid import OpenId
from muster.access.rate_limit import RateLimiter
from muster.base import clock
from muster.base.heartbeat import Heartbeat
from muster.config import Settings, is_postgres
from muster.console.pages.audit import AuditPages
from muster.console.pages.connector import ConnectorPages
from muster.console.pages.danger import DangerPages
from muster.console.pages.directory import DirectoryPages
from muster.console.pages.guard import GuardPages
from muster.console.pages.keys import KeyPages
from muster.console.pages.overview import OverviewPages
from muster.console.pages.requests import RequestPages
from muster.console.pages.resource import ResourcePages
from muster.console.pages.role_mappings import RoleMappingPages
from muster.console.pages.rollback import UndoPages
from muster.console.pages.schemas import SchemaPages
from muster.console.pages.settings import SettingsPages
from muster.console.pages.sign_in import SignInPages
from muster.console.pages.webhooks import WebhookPages
from muster.console.site import Site
from muster.console.web import PageRoute as PageRoute
from muster.directory.credentials import Credentials
from muster.directory.guard.desk import GuardDesk
from muster.directory.history.restore import Restorer
from muster.directory.history.rollback import Rollback
from muster.directory.service import Directory
from muster.events.webhooks.deliverer import Deliverer
from muster.events.webhooks.endpoints import Webhooks
from muster.events.webhooks.sender import Sender
from muster.extensions.indexer import Indexer
from muster.extensions.schemas import CustomSchemas
from muster.http.management.connector import ConnectorRoutes
from muster.http.management.doctor import DoctorRoutes
from muster.http.management.feed import FeedRoutes
from muster.http.management.guard import GuardRoutes
from muster.http.management.history import HistoryRoutes
from muster.http.management.keys import KeyRoutes
from muster.http.management.overview import OverviewRoutes
from muster.http.management.passwords import PasswordRoutes
from muster.http.management.requests import RequestRoutes
from muster.http.management.roles import RoleRoutes
from muster.http.management.rollback import UndoRoutes
from muster.http.management.router import Api, ApiRoute
from muster.http.management.schemas import SchemaRoutes
from muster.http.management.settings import SettingsRoutes
from muster.http.management.tokens import Tokens
from muster.http.management.webhooks import WebhookRoutes
from muster.http.management.wipe import WipeRoutes
from muster.http.observe import health, tracing
from muster.http.observe.metrics import Metrics
from muster.http.observe.recorder import Recorder, Retention
from muster.http.observe.request_log import RequestLog
from muster.http.openapi import docs, openapi_document
from muster.http.scim.cursors import Cursors
from muster.http.scim.resources import Scim
from muster.http.service import Load, OpenRoute, Service
from muster.http.wire import asgi
from muster.http.wire.base_url import SCIM_ROOT, BaseUrl
from muster.insight.overview import Overview
from muster.scim.schema.discovery import Limits
from muster.scim.schema.model import Registry
from muster.storage.background import log_and_continue
from muster.storage.engines import ensure_workspace, open_storage
from muster.storage.port.engine import Storage
from muster.storage.port.errors import StorageError
from muster.storage.records.leases import Leases
from muster.storage.records.requests import RequestStore
from muster.storage.records.webhooks import WebhookStates
from muster.upkeep.trimmer import Trimmer

_TOUCH_SECONDS = 30.0


_SIZE_SECONDS = 60


_DOCUMENTS = 50
"""How many OpenAPI documents are kept, of workspaces with resource types of their own."""


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
        self._origin = BaseUrl(settings.base_url, settings.trusted_proxies)
        self._log = RequestLog() if settings.request_log else None
        self._metrics = Metrics(settings.metrics_token) if settings.metrics else None
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
        api = Api(self._routes(directory), limits, self._origin)

        @lru_cache(maxsize=_DOCUMENTS)
        def document(registry: Registry) -> dict[str, Any]:
            return openapi_document(limits, registry, api.routes)

        ready = health.readyz(storage, self._stopping, lambda: self.service)
        pages = [
            OpenRoute("GET", "/healthz", health.healthz),
            OpenRoute("GET", "/readyz", ready),
            OpenRoute("GET", "/openapi.json", docs.openapi(document, self._origin, self.keys)),
            OpenRoute("GET", "/docs", docs.page),
            OpenRoute("GET", "/docs/{file}", docs.asset),
        ]
        if self._metrics is not None:
            pages.append(OpenRoute("GET", "/metrics", self._metrics.response))
            storage.on_commit = self._metrics.committed
        anonymous = (settings.max_anonymous, settings.max_anonymous_by_address)
        load = Load(settings.max_in_flight, self._stopping, *anonymous, settings.form_seconds)
        requests = RequestStore(storage)
        if settings.requests_kept:
            self._recorder = Recorder(
                requests, Retention(settings.requests_days, settings.requests_kept)
            )
        site = Site(
            storage, self.administrators, self._origin, self._console(directory, requests, cursors)
        )
        log, metrics = self._log, self._metrics
        kind = (
            Service
            if self._traces is None
            else tracing.traced_service(self._traces.get_tracer("muster"))
        )
        return kind(
            self.keys,
            self._limiter,
            scim,
            api,
            self._origin,
            pages,
            log,
            metrics,
            load,
            self._recorder,
            site,
        )

    def _console(
        self, directory: Directory, requests: RequestStore, cursors: Cursors
    ) -> Iterator[PageRoute]:
        """The pages of the console."""
        storage = self.storage
        yield from SignInPages(self.administrators, self._connectors)
        yield from ConnectorPages(storage, self._connectors, self._openid)
        yield from OverviewPages(Overview(storage, directory))
        yield from KeyPages(storage, self.keys)
        yield from DirectoryPages(directory, cursors)
        yield from ResourcePages(storage, directory, Restorer(storage))
        yield from UndoPages(storage, Rollback(storage))
        yield from RequestPages(storage, requests)
        yield from GuardPages(storage, GuardDesk(storage, directory))
        yield from RoleMappingPages(storage)
        yield from WebhookPages(storage, self._webhooks, WebhookStates(storage))
        yield from SchemaPages(CustomSchemas(storage))
        yield from DangerPages(storage)
        yield from SettingsPages(
            storage, storage, self.administrators, requests, self.settings.ceiling
        )
        yield from AuditPages(storage)

    def _routes(self, directory: Directory) -> Iterator[ApiRoute]:
        """What there is under /api/v1, and what goes on in the background for it."""
        storage, private = self.storage, self.settings.webhooks_private
        states, tokens, leases = WebhookStates(storage), Tokens(storage), Leases(storage)
        self._webhooks = webhooks = Webhooks(storage, states, private)
        base = self.settings.base_url + SCIM_ROOT if self.settings.base_url else ""
        self._deliverer = Deliverer(storage, webhooks, states, Sender(private), leases, base)
        self._indexer = Indexer(storage, leases)
        yield from SettingsRoutes(storage, self.keys.ceiling)
        yield from KeyRoutes(storage, self.keys, directory)
        yield from WipeRoutes(storage)
        yield from RoleRoutes(storage, directory)
        yield from ConnectorRoutes(self._connectors)
        yield from GuardRoutes(GuardDesk(storage, directory))
        yield from PasswordRoutes(Credentials(storage, directory))
        yield from SchemaRoutes(CustomSchemas(storage))
        yield from OverviewRoutes(Overview(storage, directory))
        yield from RequestRoutes(RequestStore(storage))
        yield from DoctorRoutes(storage)
        yield from HistoryRoutes(storage, Restorer(storage), tokens)
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
            with log_and_continue(
                name
            ):  # a full disk, or any other error, ends no more than its own step
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
            with log_and_continue("keeping when keys were used"):
                await self._touch()

    async def _tell(self, metrics: Metrics) -> None:
        """Keep the gauges of /metrics up to date."""
        for second in itertools.count():
            with log_and_continue("telling the metrics"):
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
            now = clock.now().isoformat(timespec="seconds")
            try:
                await self.storage.touch_keys(dict.fromkeys(used, now))
            except StorageError:
                self.service.used |= used  # for the next time
                raise


def create_app(settings: Settings | None = None) -> Muster:
    """The ASGI application. settings: from the environment and muster.toml where none are given."""
    return Muster(settings or Settings())

"""The composition root: builds each part of the application once and connects them."""

import asyncio
import contextlib
import functools
import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from muster.access.administrators import Administrators
from muster.access.audit_notes import Administrator
from muster.access.brands import Brands
from muster.access.connections import BY_GUARD, DEFAULT, Connections
from muster.access.connectors import Connectors
from muster.access.invitations import Invitations
from muster.access.keys import Keys
from muster.access.oauth.bearers import Bearers
from muster.access.oauth.clients import OAuthClients
from muster.access.oauth.key_sets import KeySets
from muster.access.oauth.server import TokenServer
from muster.access.oauth.tokens import AccessTokens
from muster.access.oauth.trusts import Trusts
from muster.access.openid import OpenId
from muster.access.origins import CredentialOrigins
from muster.access.passkeys import Passkeys
from muster.access.platform_keys import PlatformKeys
from muster.access.protection import Protection, protected_users
from muster.access.rate_limit import RateLimiter
from muster.access.registries import Registries
from muster.access.role_mappings import RoleMappings
from muster.access.roles import Roles
from muster.access.settings import WorkspaceSettings
from muster.access.setup_links import SetupLinks
from muster.base import clock
from muster.base.brand import Brand, read_logo
from muster.base.clock import timestamp
from muster.base.heartbeat import Heartbeat
from muster.config import Settings, is_postgres
from muster.console.live_check import LiveCheck
from muster.console.pages.account import AccountPages
from muster.console.pages.administrators import AdministratorPages
from muster.console.pages.audit import AuditPages
from muster.console.pages.brand import BrandPages
from muster.console.pages.connect import ConnectPages
from muster.console.pages.connections import ConnectionPages
from muster.console.pages.connector import ConnectorPages
from muster.console.pages.danger import DangerPages
from muster.console.pages.directory import DirectoryPages
from muster.console.pages.doctor import DoctorPages
from muster.console.pages.edit import EditPages
from muster.console.pages.guard import GuardPages
from muster.console.pages.imports import ImportPages
from muster.console.pages.keys import KeyPages
from muster.console.pages.overview import OverviewPages
from muster.console.pages.palette import PalettePages
from muster.console.pages.platform_keys import PlatformKeyPages
from muster.console.pages.preferences import PreferencePages
from muster.console.pages.protection import ProtectionPages
from muster.console.pages.requests import RequestPages
from muster.console.pages.resource import ResourcePages
from muster.console.pages.resource_types import ResourceTypeEditorPages
from muster.console.pages.role_mappings import RoleMappingPages
from muster.console.pages.roles import RolePages
from muster.console.pages.rollback import RollbackPages
from muster.console.pages.schema_editor import SchemaEditorPages
from muster.console.pages.schemas import SchemaPages
from muster.console.pages.selection import SelectionPages
from muster.console.pages.settings import SettingsPages
from muster.console.pages.setup import SetupPages, SetupParts
from muster.console.pages.setup_links import SetupLinkPages
from muster.console.pages.sign_in import SignInPages
from muster.console.pages.webhooks import WebhookPages
from muster.console.pages.workspaces import WorkspacePages
from muster.console.site import Site
from muster.console.web import PageRoute as PageRoute
from muster.custom_schemas.indexer import Indexer
from muster.custom_schemas.schemas import CustomSchemas
from muster.directory.caller import Caller
from muster.directory.credentials import Credentials
from muster.directory.guard.desk import GuardDesk
from muster.directory.history.past import Past
from muster.directory.history.restore import Restorer
from muster.directory.history.rollback import Rollback
from muster.directory.search.outliner import Outliner
from muster.directory.service import Directory
from muster.events.webhooks.deliverer import Deliverer
from muster.events.webhooks.endpoints import Webhooks
from muster.events.webhooks.sender import Sender
from muster.http.guide.pages import Guide
from muster.http.guide.pages import paths as guide_paths
from muster.http.management.allowlist import AllowlistRoutes
from muster.http.management.connections import ConnectionRoutes
from muster.http.management.connector import ConnectorRoutes
from muster.http.management.doctor import DoctorRoutes
from muster.http.management.feed import FeedRoutes
from muster.http.management.guard import GuardRoutes
from muster.http.management.history import HistoryRoutes
from muster.http.management.keys import KeyRoutes
from muster.http.management.oauth import CredentialRoutes
from muster.http.management.overview import OverviewRoutes
from muster.http.management.passwords import PasswordRoutes
from muster.http.management.protection import ProtectionRoutes
from muster.http.management.requests import RequestRoutes
from muster.http.management.roles import RoleRoutes
from muster.http.management.rollback import UndoRoutes
from muster.http.management.router import AnyOperation, Api, ApiRoute
from muster.http.management.schemas import SchemaRoutes
from muster.http.management.settings import SettingsRoutes
from muster.http.management.setup_links import SetupLinkRoutes
from muster.http.management.tokens import Tokens
from muster.http.management.webhooks import WebhookRoutes
from muster.http.management.wipe import WipeRoutes
from muster.http.oauth import OAuthPages
from muster.http.observe import health, tracing
from muster.http.observe.metrics import Metrics
from muster.http.observe.recorder import Recorder, Retention
from muster.http.observe.request_log import RequestLog
from muster.http.observe.usage import UsageCounter
from muster.http.openapi import docs, openapi_document
from muster.http.platform.brand import BrandRoutes
from muster.http.platform.feed import PlatformFeedRoutes
from muster.http.platform.invitations import InvitationRoutes
from muster.http.platform.router import PlatformApi, PlatformRoute
from muster.http.platform.usage import UsageRoutes
from muster.http.platform.within import WithinRoutes
from muster.http.platform.workspaces import WorkspaceRoutes
from muster.http.scim.answer_cache import MIB, AnswerCache
from muster.http.scim.cursors import Cursors
from muster.http.scim.resources import Scim
from muster.http.service import Entrances, Load, Observers, OpenRoute, Service
from muster.http.wire import asgi
from muster.http.wire.base_url import SCIM_ROOT, BaseUrl
from muster.imports.runner import Importing
from muster.imports.store import ImportStore
from muster.insight.access_story import AccessStory
from muster.insight.active_users import ActiveUserCounts
from muster.insight.alerts import Alerts
from muster.insight.checklist import Checklist
from muster.insight.overview import Overview
from muster.insight.reactivations import Reactivations
from muster.insight.resolutions import Doctor
from muster.insight.role_preview import RolePreview
from muster.scim.schema.discovery import Limits
from muster.scim.schema.model import Registry
from muster.storage.background import log_and_continue
from muster.storage.engines import ensure_workspace, open_storage
from muster.storage.port.engine import Storage
from muster.storage.port.errors import Outdated, SecretsLocked, StorageError
from muster.storage.records.leases import Leases
from muster.storage.records.requests import RequestStore
from muster.storage.records.usage import UsageStore
from muster.storage.records.webhooks import WebhookStates
from muster.upkeep.eraser import Eraser
from muster.upkeep.trimmer import Trimmer

_TOUCH_SECONDS = 30.0
_SIZE_SECONDS = 60
_DOCUMENTS = 50
"""How many OpenAPI documents are cached: one for each set of resource types."""
_Job = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The services behind the APIs and the console, which share them."""

    active_users: ActiveUserCounts
    brands: Brands
    access_tokens: AccessTokens
    administrators: Administrators
    checklist: Checklist
    connections: Connections
    connectors: Connectors
    credentials: Credentials
    cursors: Cursors
    deliverer: Deliverer
    desk: GuardDesk
    directory: Directory
    doctor: Doctor
    importing: Importing
    imports: ImportStore
    invitations: Invitations
    keys: Keys
    leases: Leases
    mappings: RoleMappings
    oauth_clients: OAuthClients
    openid: OpenId
    origins: CredentialOrigins
    overview: Overview
    passkeys: Passkeys
    past: Past
    platform_keys: PlatformKeys
    protection: Protection
    reactivations: Reactivations
    registries: Registries
    requests: RequestStore
    restorer: Restorer
    setup_links: SetupLinks
    role_preview: RolePreview
    roles: Roles
    rollback: Rollback
    schemas: CustomSchemas
    storage: Storage
    token_server: TokenServer
    tokens: Tokens
    trusts: Trusts
    usage: UsageStore
    webhook_states: WebhookStates
    webhooks: Webhooks
    workspace_settings: WorkspaceSettings


def build_services(storage: Storage, settings: Settings) -> Services:
    """Build the services over a storage."""
    connections = Connections(storage, settings.ceiling)
    directory = Directory(storage, functools.partial(_pause_for_guard, connections))
    requests, leases = RequestStore(storage), Leases(storage)
    registries = Registries(storage)
    administrators, openid = Administrators(storage), OpenId(settings.webhooks_private)
    mappings = RoleMappings(storage)
    desk, states = GuardDesk(storage, directory), WebhookStates(storage)
    webhooks = Webhooks(storage, registries, states, settings.webhooks_private)
    imports = ImportStore(storage)
    base = settings.base_url + SCIM_ROOT if settings.base_url else ""
    sender = Sender(settings.webhooks_private)
    active_users, checklist = ActiveUserCounts(storage), Checklist(storage, administrators)
    doctor = Doctor(storage)
    reactivations = Reactivations(storage)
    alerts = Alerts(desk, doctor, webhooks, reactivations, connections)
    key_sets = KeySets(openid.document)
    access_tokens = AccessTokens(storage.signing_secret, settings.base_url)
    oauth_clients, trusts = OAuthClients(storage), Trusts(storage, key_sets)
    bearers = Bearers(access_tokens, oauth_clients, trusts)
    return Services(
        access_tokens=access_tokens,
        active_users=active_users,
        brands=Brands(storage, _brand(settings)),
        administrators=administrators,
        checklist=checklist,
        connections=connections,
        connectors=Connectors(storage, administrators, openid),
        credentials=Credentials(storage, directory),
        cursors=Cursors(storage, settings.cursor_seconds),
        deliverer=Deliverer(storage, webhooks, states, sender, leases, base),
        desk=desk,
        directory=directory,
        doctor=doctor,
        importing=Importing(
            storage,
            imports,
            leases,
            registries.of,
            functools.partial(protected_users, storage),
            administrators.permissions_of,
        ),
        imports=imports,
        invitations=Invitations(storage, administrators),
        keys=Keys(storage, settings.rate_limit, settings.ceiling, registries, bearers),
        leases=leases,
        mappings=mappings,
        oauth_clients=oauth_clients,
        openid=openid,
        origins=CredentialOrigins(storage),
        overview=Overview(storage, directory, alerts, checklist, active_users),
        passkeys=Passkeys(storage, administrators),
        past=Past(storage),
        platform_keys=PlatformKeys(storage),
        protection=Protection(storage),
        reactivations=reactivations,
        registries=registries,
        requests=requests,
        restorer=Restorer(storage),
        setup_links=SetupLinks(storage, connections),
        role_preview=RolePreview(directory, mappings),
        roles=Roles(storage),
        rollback=Rollback(storage),
        schemas=CustomSchemas(storage),
        storage=storage,
        token_server=TokenServer(storage, oauth_clients, trusts, key_sets, access_tokens),
        tokens=Tokens(storage),
        trusts=trusts,
        usage=UsageStore(storage),
        webhook_states=states,
        webhooks=webhooks,
        workspace_settings=WorkspaceSettings(storage, settings.ceiling),
    )


def _brand(settings: Settings) -> Brand:
    """Return the brand of the settings."""
    logo = read_logo(settings.brand_logo) if settings.brand_logo else None
    return Brand(settings.brand_name, logo, settings.brand_accent)


async def _pause_for_guard(connections: Connections, caller: Caller, reason: str) -> None:
    """Pause the connection of a caller whose change is beyond the guard's limit."""
    by = Administrator(caller.workspace, caller.origin(timestamp()), ())
    with contextlib.suppress(Outdated):  # other requests of the connection are pausing it
        await connections.pause(by, caller.connection or DEFAULT, reason, BY_GUARD)


def management_routes(services: Services) -> list[ApiRoute]:
    """Return the operations under /api/v1, in the order of the OpenAPI document."""
    s, storage, tokens = services, services.storage, services.tokens
    return [
        *SettingsRoutes(s.workspace_settings),
        *AllowlistRoutes(s.connections),
        *ConnectionRoutes(s.connections, s.roles),
        *SetupLinkRoutes(s.setup_links),
        *CredentialRoutes(s.connections, s.oauth_clients, s.trusts, s.openid.private),
        *KeyRoutes(storage, s.keys, s.roles, s.directory, s.connections),
        *WipeRoutes(storage, s.connections),
        *RoleRoutes(s.roles, s.mappings, s.directory, s.role_preview),
        *ConnectorRoutes(s.connectors),
        *GuardRoutes(s.desk, s.origins),
        *ProtectionRoutes(s.protection, s.directory),
        *PasswordRoutes(s.credentials),
        *SchemaRoutes(s.schemas),
        *OverviewRoutes(s.overview),
        *RequestRoutes(s.requests, s.directory, s.connections, s.origins),
        *DoctorRoutes(s.doctor, s.connections, s.origins),
        *HistoryRoutes(storage, s.past, s.restorer, tokens),
        *UndoRoutes(storage, s.rollback, tokens, s.connections, s.origins),
        *FeedRoutes(storage, tokens, s.connections, s.origins),
        *WebhookRoutes(storage, s.webhooks, s.webhook_states, s.deliverer, tokens),
    ]


def platform_routes(
    services: Services, management: Sequence[ApiRoute], origin: BaseUrl
) -> list[PlatformRoute]:
    """Return the operations under /api/v1/platform, in the order of the OpenAPI document."""
    s, storage = services, services.storage
    return [
        *WorkspaceRoutes(storage, s.workspace_settings),
        *WithinRoutes(management, s.registries),
        *InvitationRoutes(s.invitations, origin),
        *UsageRoutes(storage, s.usage),
        *PlatformFeedRoutes(storage, s.tokens, s.origins),
        *BrandRoutes(s.brands),
    ]


def console_pages(services: Services) -> list[PageRoute]:
    """Return the pages and forms of the console."""
    s, storage, tokens = services, services.storage, services.tokens
    story = AccessStory(s.requests, s.desk)
    return [
        *SignInPages(storage, s.administrators, s.invitations, s.passkeys, s.connectors),
        *AccountPages(s.administrators, s.passkeys),
        *ConnectorPages(storage, s.connectors, s.openid),
        *PreferencePages(),
        *WorkspacePages(storage),
        *PlatformKeyPages(s.platform_keys),
        *BrandPages(s.brands),
        *PalettePages(s.directory, s.requests, story),
        *OverviewPages(s.overview, s.checklist),
        *KeyPages(storage, s.keys, s.roles, s.connections),
        *DirectoryPages(storage, s.directory, s.cursors, tokens, story),
        *EditPages(s.directory, s.reactivations),
        *SelectionPages(s.directory, s.reactivations, s.protection),
        *ImportPages(s.imports, s.importing),
        *ResourcePages(
            *(storage, s.directory, s.past, s.restorer, s.mappings, tokens, story, s.reactivations)
        ),
        *RollbackPages(storage, s.rollback, tokens),
        *RequestPages(
            *(storage, s.directory, s.requests, s.workspace_settings, s.connections, s.origins)
        ),
        *DoctorPages(storage, s.doctor, s.connections, s.origins),
        *GuardPages(storage, s.desk, s.connections, s.origins),
        *RolePages(storage, s.roles, s.administrators),
        *RoleMappingPages(s.mappings, s.role_preview),
        *ProtectionPages(storage, s.directory, s.protection),
        *WebhookPages(storage, s.webhooks, s.webhook_states, s.deliverer),
        *SchemaPages(s.schemas),
        *SchemaEditorPages(s.schemas),
        *ResourceTypeEditorPages(s.schemas),
        *DangerPages(storage),
        *SettingsPages(s.workspace_settings),
        *SetupPages(
            SetupParts(
                storage,
                s.setup_links,
                s.keys,
                s.oauth_clients,
                s.trusts,
                s.registries,
                s.workspace_settings,
                LiveCheck(s.requests),
                s.brands,
            )
        ),
        *SetupLinkPages(s.setup_links, s.connections),
        *ConnectPages(storage, s.requests, s.keys, s.workspace_settings),
        *ConnectionPages(
            *(storage, s.connections, s.origins, s.keys, s.oauth_clients, s.trusts, s.requests),
            s.openid.private,
        ),
        *AdministratorPages(storage, s.administrators, s.invitations, s.passkeys),
        *AuditPages(storage, tokens, s.connections, s.origins),
    ]


class Muster:
    """The application in one process, over ASGI and RSGI.

    It is started by the server's lifespan, by `async with app.lifespan()`, or by the first request.

    Args:
        stopping: Whether the server is about to stop; connections are closed once answered.
    """

    def __init__(self, settings: Settings, stopping: Callable[[], bool] = lambda: False) -> None:
        self.settings = settings
        self._stopping = stopping
        self._traces = tracing.begin() if tracing.wanted(os.environ) else None
        self.storage = self._open_storage()
        self.services = build_services(self.storage, settings)
        self.keys, self.administrators = self.services.keys, self.services.administrators
        self._base_url = BaseUrl(settings.base_url, settings.trusted_proxies)
        self._limits = _limits(settings)
        self._log = RequestLog() if settings.request_log else None
        self._metrics = Metrics(settings.metrics_token) if settings.metrics else None
        if self._metrics is not None:
            self.storage.on_commit = self._metrics.committed
        self._answers = AnswerCache(self.storage, settings.answer_cache_mib * MIB)
        self._recorder = self._build_recorder()
        self._usage = UsageCounter(self.services.usage)
        self._heartbeat = Heartbeat()
        self.service = self._build_service()
        self._jobs = self._background_jobs()
        self._tasks: list[asyncio.Task[None]] = []
        self._starting = asyncio.Lock()
        self._started = False

    def _open_storage(self) -> Storage:
        storage = open_storage(self.settings)
        if self._traces is None:
            return storage
        system = "postgresql" if is_postgres(self.settings.database) else "sqlite"
        return tracing.traced_storage(storage, self._traces.get_tracer("muster"), system)

    def _build_recorder(self) -> Recorder | None:
        days, rows = self.settings.requests_days, self.settings.requests_kept
        return Recorder(self.services.requests, Retention(days, rows)) if rows else None

    def _build_service(self) -> Service:
        services, base_url, limits = self.services, self._base_url, self._limits
        api = Api(management_routes(services), limits, base_url)
        operations = platform_routes(services, api.routes, base_url)
        platform = PlatformApi(self.storage, operations, limits, base_url)
        traces = self._traces
        kind = Service if traces is None else tracing.traced_service(traces.get_tracer("muster"))
        site = Site(
            self.storage,
            self.administrators,
            services.registries,
            base_url,
            console_pages(services),
        )
        return kind(
            keys=self.keys,
            limiter=RateLimiter(self.storage, self.settings.rate_limit),
            origin=base_url,
            load=_load(self.settings, self._stopping),
            entrances=Entrances(
                scim=Scim(services.directory, base_url, limits, services.cursors, self._answers),
                api=api,
                pages=self._open_pages([*api.routes, *platform.routes]),
                site=site,
                platform=platform,
                platform_keys=services.platform_keys,
            ),
            observers=Observers(self._log, self._metrics, self._recorder, self._usage),
        )

    def _open_pages(self, operations: Sequence[AnyOperation]) -> list[OpenRoute]:
        """Return the pages that need neither a key nor a session."""

        @lru_cache(maxsize=_DOCUMENTS)
        def document(registry: Registry) -> dict[str, Any]:
            return openapi_document(self._limits, registry, operations)

        ready = health.readyz(self.storage, self._stopping, lambda: self.service)
        guide = Guide()
        pages = [
            *OAuthPages(self.services.token_server, self.services.access_tokens, self._base_url),
            OpenRoute("GET", "/healthz", health.healthz),
            OpenRoute("GET", "/readyz", ready),
            OpenRoute("GET", "/openapi.json", docs.openapi(document, self._base_url, self.keys)),
            OpenRoute("GET", "/docs", docs.page),
            OpenRoute("GET", "/docs/{file}", docs.asset),
            *(OpenRoute("GET", path, guide.answer) for path in guide_paths()),
        ]
        if self._metrics is not None:
            pages.append(OpenRoute("GET", "/metrics", self._metrics.response))
        return pages

    def _background_jobs(self) -> list[_Job]:
        """Return the jobs that run beside the requests until the application is closed."""
        leases = self.services.leases
        jobs: list[_Job] = [
            self._heartbeat.run,
            self._record_key_use,
            self.services.deliverer.run,
            self.services.importing.run,
            Indexer(self.storage, self.services.registries, leases).run,
            Outliner(self.storage, self.services.registries.of, leases).run,
            Trimmer(self.storage, leases, self.settings.changes_days).run,
            Eraser(self.storage, leases, self.administrators).run,
        ]
        if self._recorder is not None:
            jobs.append(self._recorder.run)
        if self._metrics is not None:
            jobs.append(functools.partial(self._update_gauges, self._metrics))
        return jobs

    async def start(self) -> None:
        """Migrate and open the database, and start the background jobs. Raises StorageError."""
        async with self._starting:
            if self._started:
                return
            await self.storage.migrate()
            await self.storage.start()
            try:
                await self.storage.signing_secret()
            except SecretsLocked:
                await self.storage.close()
                raise
            await ensure_workspace(self.storage, self.settings)
            self._tasks = [asyncio.create_task(job()) for job in self._jobs]
            self._started = True

    async def close(self) -> None:
        """Write all that is waiting to be written, and close the database."""
        if not self._started:
            return
        for task in self._tasks:
            task.cancel()
        for name, step in self._closing_steps():
            # A full disk, or any other error, ends only its own step.
            with log_and_continue(name):
                await step()
        self._started = False

    def _closing_steps(self) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        """Return the steps of closing in their order, with their names for the log."""
        steps: list[tuple[str, Callable[[], Awaitable[None]]]] = [
            ("stopping webhooks", self.services.deliverer.close),
            ("stopping imports", self.services.importing.close),
        ]
        if self._recorder is not None:
            steps.append(("flushing kept requests", self._recorder.flush))
        steps += [
            ("stopping counts", self.services.active_users.close),
            ("flushing when keys were used", self._touch),
            ("flushing the counts of requests", self._usage.flush),
            ("flushing the request log", self._flush_log),
            ("closing the database", self.storage.close),
        ]
        if self._traces is not None:
            shutdown = self._traces.shutdown
            steps.append(("flushing traces", lambda: asyncio.to_thread(shutdown)))
        return steps

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

    async def _record_key_use(self) -> None:
        while True:
            await asyncio.sleep(_TOUCH_SECONDS)
            with log_and_continue("keeping when keys were used"):
                await self._touch()
            with log_and_continue("counting requests"):
                await self._usage.flush()

    async def _update_gauges(self, metrics: Metrics) -> None:
        """Keep the gauges of /metrics up to date."""
        for second in itertools.count():
            with log_and_continue("telling the metrics"):
                unrecorded = 0 if self._recorder is None else self._recorder.lost()
                metrics.tell(self.service.in_flight, self.storage.pressure(), unrecorded)
                metrics.tell_waiting(self.service.budgets, self._heartbeat.stalls())
                metrics.tell_answers(self._answers)
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
        await self._touch_platform_keys()

    async def _touch_platform_keys(self) -> None:
        used = set(self.service.platform_keys_used)
        if used:
            self.service.platform_keys_used.clear()
            await self.services.platform_keys.touch(used)


def _limits(settings: Settings) -> Limits:
    return Limits(
        settings.max_results,
        max_body=settings.max_body,
        cursor_seconds=settings.cursor_seconds,
        body_seconds=settings.body_seconds,
        max_elements=settings.max_elements,
        max_values=settings.max_values,
        max_comparisons=settings.max_comparisons,
    )


def _load(settings: Settings, stopping: Callable[[], bool]) -> Load:
    return Load(
        settings.max_in_flight,
        stopping,
        max_anonymous=settings.max_anonymous,
        max_anonymous_by_address=settings.max_anonymous_by_address,
        form_seconds=settings.form_seconds,
    )


def create_app(settings: Settings | None = None) -> Muster:
    """Return the application.

    Args:
        settings: None to read them from the environment and muster.toml.
    """
    return Muster(settings or Settings())

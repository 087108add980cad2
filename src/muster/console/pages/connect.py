"""The set-up guide for each identity provider, with its key and a live check of its requests."""

from collections.abc import Iterator, Sequence
from itertools import count
from urllib.parse import urlsplit

from muster.access.connections import DEFAULT
from muster.access.keys import KeyOptions, Keys
from muster.access.permissions import SCIM, SETTINGS
from muster.access.roles import check_permissions
from muster.access.settings import WorkspaceSettings
from muster.base import clock
from muster.base.clock import timestamp
from muster.console.live_check import CHECKED, LATEST, Attempt, LiveCheck
from muster.console.providers import PROVIDERS, Provider, of_provider, recognise
from muster.console.web import PageRoute, Visit
from muster.http.wire.base_url import SCIM_ROOT, is_loopback
from muster.http.wire.message import Response
from muster.insight.credentials import KEY, CallerCredential, credentials_of
from muster.insight.people import subjects
from muster.scim.dialects import QUIRKS
from muster.scim.errors import ScimError, invalid_value, not_found
from muster.storage.port.accounts import KeyRecord
from muster.storage.port.engine import Storage
from muster.storage.port.items import INSTALLATION
from muster.storage.records.requests import (
    RecordedRequest,
    RequestFilter,
    RequestStore,
)

_RECENT = 200
"""The number of requests that are searched."""
_MAX_NAME = 200


class ConnectPages:
    """The page that shows how to connect an identity provider."""

    def __init__(
        self, storage: Storage, requests: RequestStore, keys: Keys, settings: WorkspaceSettings
    ) -> None:
        self._storage = storage
        self._requests = requests
        self._live = LiveCheck(requests)
        self._keys = keys
        self._settings = settings

    def __iter__(self) -> Iterator[PageRoute]:
        root = "/w/{workspace}/connect"
        yield PageRoute("GET", root, SCIM, self.show)
        yield PageRoute("GET", f"{root}/{{provider}}", SCIM, self.show)
        yield PageRoute("POST", f"{root}/{{provider}}/key", SETTINGS, self.create, (SCIM,))
        yield PageRoute("POST", f"{root}/{{provider}}/check", SETTINGS, self.check, (SCIM,))

    async def show(self, visit: Visit, status: int = 200, error: str = "") -> Response:
        """Show the steps to connect a client, and its latest requests."""
        chosen, provider = _provider(visit)
        keys = {key.id: key for key in await self._storage.keys(visit.there().id)}
        credentials = await credentials_of(self._storage, visit.there().id)
        key = _named(credentials, visit.text("key"))
        found = [] if key else await self._found(visit, chosen, credentials)
        latest = await self._latest(visit, chosen, keys, key)
        named = [(item, item.name, "") for item in credentials]
        own = [key] if key else of_provider(chosen, named)
        base = visit.base.base(visit.request) + SCIM_ROOT
        partial = visit.request.header("hx-request") == "true"
        return visit.render(
            "connect_check.html" if partial else "connect.html",
            status,
            providers=PROVIDERS,
            chosen=chosen,
            provider=provider,
            base=base,
            token_url=visit.base.base(visit.request) + "/oauth/token",
            local=is_loopback(urlsplit(base).hostname or ""),
            name=visit.text("name") if error else _free_name(provider.title, credentials),
            token=visit.flashed.get("token", ""),
            said=visit.flashed.get("said", ""),
            error=error,
            key=key,
            found=found,
            active=_others(credentials, found),
            recording=_recording(visit, key),
            latest=latest,
            attempts=await self._attempts(visit, keys),
            people=await subjects(
                self._storage, visit.there().id, visit.caller.registry.types, latest
            ),
            quirks=QUIRKS,
            keys={key_id: item.name for key_id, item in keys.items()},
            used=sorted((item.last_used, item.name) for item in own if item.last_used),
        )

    async def _latest(
        self, visit: Visit, chosen: str, keys: dict[str, KeyRecord], key: CallerCredential | None
    ) -> list[RecordedRequest]:
        """Return the latest requests of a key, or else those that the provider may have sent."""
        workspace = visit.there().id
        if key is not None:
            return await self._live.latest(workspace, key.id)
        recent = await self._requests.find(workspace, RequestFilter(limit=_RECENT))
        named = [
            (kept, keys[kept.key_id].name if kept.key_id in keys else "", kept.agent)
            for kept in recent
        ]
        return of_provider(chosen, named)[:LATEST]

    async def _found(
        self, visit: Visit, chosen: str, credentials: Sequence[CallerCredential]
    ) -> list[CallerCredential]:
        """Return the working credentials that were made for a provider, the latest first."""
        found = [item for item in reversed(credentials) if _works(item) and _is_for(chosen, item)]
        for at, item in enumerate(found):
            latest = await self._live.latest(visit.there().id, item.id) if item.kind != KEY else ()
            if latest:
                found[at] = item._replace(last_used=latest[0].time)
        return found

    async def _attempts(self, visit: Visit, keys: dict[str, KeyRecord]) -> list[Attempt]:
        """Return the latest requests without a valid key.

        Those whose key names no workspace are shown to administrators of the installation alone:
        they may have been meant for another workspace.
        """
        everywhere = visit.session is not None and visit.session.admin.everywhere
        others = (INSTALLATION,) if everywhere else ()
        return await self._live.attempts(visit.there().id, keys, others)

    async def create(self, visit: Visit) -> Response:
        """Create a key for a provider, show it once, and record its reads for a while."""
        chosen, _ = _provider(visit)
        by, name = visit.administrator, visit.text("name")
        try:
            if not 0 < len(name) <= _MAX_NAME:
                raise invalid_value("name: enter a name of 1 to 200 characters")
            options = KeyOptions(check_permissions(by.permissions, [SCIM], ()))
            token, key = await self._keys.create_named(by.workspace, name, options, by)
        except ScimError as failed:
            return await self.show(visit, failed.status, failed.detail)
        await self._record(visit, key.id)
        return await visit.redirect_with(
            f"./connect/{chosen}", {"key": key.id}, token=token, said=f'Key "{name}" was created.'
        )

    async def check(self, visit: Visit) -> Response:
        """Follow an existing key, and record its reads for a while."""
        chosen, _ = _provider(visit)
        key = _named(await credentials_of(self._storage, visit.there().id), visit.text("key"))
        if key is None:
            raise not_found("This key does not exist. Choose another one.")
        await self._record(visit, key.id)
        return await visit.redirect_with(
            f"./connect/{chosen}",
            {"key": key.id},
            said=f'The reads of "{key.name}" are recorded for 15 minutes.',
        )

    async def _record(self, visit: Visit, key: str) -> None:
        until = timestamp(clock.now() + CHECKED)
        await self._settings.record_reads(visit.administrator, until, key)


def _provider(visit: Visit) -> tuple[str, Provider]:
    name = visit.names.get("provider", "okta")
    if name not in PROVIDERS:
        raise not_found("No guide for this client. Choose “Other”.")
    return name, PROVIDERS[name]


def _named(credentials: Sequence[CallerCredential], identifier: str) -> CallerCredential | None:
    """Return the credential with an id, or None."""
    return next((item for item in credentials if item.id == identifier), None)


def _works(credential: CallerCredential) -> bool:
    return credential.active and credential.provisions


def _is_for(chosen: str, credential: CallerCredential) -> bool:
    """Tell whether a credential was made for a provider.

    It belongs to a connection of the provider, or is named after it. The default connection is that
    of any client until an administrator names its provider.
    """
    name, connection = credential.name, credential.connection
    if recognise(name, "") == chosen or name.lower() == PROVIDERS[chosen].title.lower():
        return True
    return connection.provider == chosen and (connection.id, chosen) != (DEFAULT, "other")


def _free_name(title: str, credentials: Sequence[CallerCredential]) -> str:
    """Return a name for a new key that no active one has, such as "Okta 2"."""
    taken = {item.name.lower() for item in credentials if item.active}
    names = (title if number == 1 else f"{title} {number}" for number in count(1))
    return next(name for name in names if name.lower() not in taken)


def _others(
    credentials: Sequence[CallerCredential], found: Sequence[CallerCredential]
) -> list[CallerCredential]:
    """Return the working credentials that are not among those of the provider."""
    ids = {item.id for item in found}
    return [item for item in credentials if _works(item) and item.id not in ids]


def _recording(visit: Visit, key: CallerCredential | None) -> str:
    """Return the time until which the reads of a key are recorded; empty if they are not."""
    workspace = visit.there()
    until = workspace.record_reads
    followed = workspace.record_reads_key in (None, key.id if key else None)
    return until if until is not None and until > timestamp() and followed else ""

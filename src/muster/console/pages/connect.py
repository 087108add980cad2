"""The set-up guide for each identity provider, with a live check of its requests."""

from collections.abc import Iterator

from muster.access.permissions import SCIM
from muster.console.providers import PROVIDERS, of_provider
from muster.console.web import PageRoute, Visit
from muster.http.wire.base_url import SCIM_ROOT
from muster.http.wire.message import Response
from muster.insight.people import subjects
from muster.scim.errors import not_found
from muster.storage.port.accounts import KeyRecord
from muster.storage.port.engine import Storage
from muster.storage.records.requests import RequestFilter, RequestStore

_RECENT, _LATEST = 200, 5
"""The number of requests that are searched, and of those that are shown."""


class ConnectPages:
    """The page that shows how to connect an identity provider."""

    def __init__(self, storage: Storage, requests: RequestStore) -> None:
        self._storage = storage
        self._requests = requests

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", "/w/{workspace}/connect", SCIM, self.show)
        yield PageRoute("GET", "/w/{workspace}/connect/{provider}", SCIM, self.show)

    async def show(self, visit: Visit) -> Response:
        """Show the steps to connect a client, and its latest requests."""
        name = visit.names.get("provider", "okta")
        if name not in PROVIDERS:
            raise not_found("No guide for this client. Choose “Other”.")
        provider = PROVIDERS[name]
        keys = {key.id: key for key in await self._storage.keys(visit.there().id)}
        recent = await self._requests.find(visit.there().id, RequestFilter(limit=_RECENT))
        latest = of_provider(
            name, [(kept, _key_name(keys, kept.key_id), kept.agent) for kept in recent]
        )[:_LATEST]
        own = of_provider(name, [(key, key.name, "") for key in keys.values()])
        used = sorted((key.last_used, key.name) for key in own if key.last_used)
        partial = visit.request.header("hx-request") == "true"
        base = visit.base.base(visit.request) + SCIM_ROOT
        values = {
            "client": provider.title,
            "steps": provider.steps,
            "mapping": provider.mapping,
            "chosen": name,
            "base": base,
        }
        types = visit.caller.registry.types
        people = await subjects(self._storage, visit.there().id, types, latest)
        names = {key_id: key.name for key_id, key in keys.items()}
        template = "connect_check.html" if partial else "connect.html"
        return visit.render(
            template,
            providers=PROVIDERS,
            latest=latest,
            people=people,
            keys=names,
            used=used,
            **values,
        )


def _key_name(keys: dict[str, KeyRecord], key_id: str) -> str:
    return keys[key_id].name if key_id in keys else ""

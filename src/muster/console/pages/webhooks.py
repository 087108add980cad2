"""Webhooks in the console."""

from collections.abc import Iterator

from muster.access.permissions import SCIM, SETTINGS
from muster.console.pages.schemas import _ROOT
from muster.console.web import PageRoute, Visit
from muster.events.webhooks.endpoints import Webhook, Webhooks
from muster.http.wire.message import Response
from muster.scim.errors import ScimError
from muster.scim.values import Json
from muster.storage.port.engine import Storage
from muster.storage.records.webhooks import WebhookStates

_DELIVERIES = 20


class WebhookPages:
    """The page that lists, adds and changes webhooks."""

    def __init__(self, storage: Storage, webhooks: Webhooks, states: WebhookStates) -> None:
        self._storage = storage
        self._webhooks = webhooks
        self._states = states

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", f"{_ROOT}/webhooks", SETTINGS, self.show)
        yield PageRoute("POST", f"{_ROOT}/webhooks", SETTINGS, self.create, (SCIM,))
        yield PageRoute("POST", f"{_ROOT}/webhooks/{{id}}/switch", SETTINGS, self.switch, (SCIM,))
        yield PageRoute("POST", f"{_ROOT}/webhooks/{{id}}/rotate", SETTINGS, self.rotate, (SCIM,))
        yield PageRoute("POST", f"{_ROOT}/webhooks/{{id}}/remove", SETTINGS, self.remove)

    async def show(self, visit: Visit, status: int = 200, error: str = "") -> Response:
        workspace = visit.there().id
        latest = await self._storage.latest_change(workspace)
        rows = []
        for webhook in await self._webhooks.all(workspace):
            state = await self._states.state(workspace, webhook.id)
            behind = state is not None and state.position < latest
            deliveries = await self._states.deliveries(workspace, webhook.id, _DELIVERIES)
            rows.append((webhook, behind, await self._webhooks.health(webhook), deliveries))
        given = {
            name: visit.text(name) if error else "" for name in ("url", "events", "description")
        }
        secret = visit.flashed.get("secret", "")
        return visit.render(
            "webhooks.html", status, rows=rows, error=error, secret=secret, given=given
        )

    async def create(self, visit: Visit) -> Response:
        raw: dict[str, Json] = {"url": visit.text("url"), "description": visit.text("description")}
        if visit.text("events"):
            raw["events"] = visit.text("events").split()
        try:
            position = await self._storage.latest_change(visit.there().id)
            made = await self._webhooks.create(visit.administrator, raw, position)
        except ScimError as error:
            return await self.show(visit, error.status, error.detail)
        return await visit.redirect_with("./webhooks", secret=await self._webhooks.secret(made))

    async def switch(self, visit: Visit) -> Response:
        webhook = await self._webhook(visit)
        await self._webhooks.change(
            visit.administrator, webhook, {"enabled": webhook.disabled is not None}
        )
        return visit.redirect("./webhooks")

    async def rotate(self, visit: Visit) -> Response:
        changed = await self._webhooks.rotate(visit.administrator, await self._webhook(visit))
        return await visit.redirect_with("./webhooks", secret=await self._webhooks.secret(changed))

    async def remove(self, visit: Visit) -> Response:
        await self._webhooks.delete(visit.administrator, await self._webhook(visit))
        return visit.redirect("./webhooks")

    async def _webhook(self, visit: Visit) -> Webhook:
        return await self._webhooks.get(visit.there().id, visit.names["id"])

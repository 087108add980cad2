"""/api/v1/webhooks."""

from collections.abc import Iterator
from typing import Any

from muster.access.permissions import SCIM, SETTINGS
from muster.directory.history.events import events
from muster.events.webhooks.deliverer import Deliverer
from muster.events.webhooks.endpoints import Webhook, Webhooks
from muster.http.management.bodies import Redelivery
from muster.http.management.router import ApiRoute, Call, created
from muster.http.management.tokens import Tokens
from muster.http.scim.search import integer
from muster.http.wire.message import Response, json_response
from muster.scim.errors import invalid_value, not_found
from muster.storage.port.engine import Storage
from muster.storage.records.webhooks import WebhookStates

_SHOWN, _MAX_SHOWN = 100, 1000
_READS = (SCIM,)
"""A webhook sends whole documents to its URL: whoever sets one up must be allowed to read them."""


class WebhookRoutes:
    """The operations on webhooks."""

    def __init__(
        self,
        storage: Storage,
        webhooks: Webhooks,
        states: WebhookStates,
        deliverer: Deliverer,
        tokens: Tokens,
    ) -> None:
        self._storage = storage
        self._webhooks = webhooks
        self._states = states
        self._deliverer = deliverer
        self._tokens = tokens

    def __iter__(self) -> Iterator[ApiRoute]:
        yield ApiRoute(
            "GET", "/webhooks", SETTINGS, self.find_webhooks, "The webhooks of the workspace"
        )
        yield ApiRoute(
            "POST",
            "/webhooks",
            SETTINGS,
            self.create_webhook,
            "Makes a webhook; its secret is told here",
            201,
            _READS,
        )
        yield ApiRoute(
            "GET",
            "/webhooks/{id}",
            SETTINGS,
            self.get_webhook,
            "A webhook, and how far it has come",
        )
        yield ApiRoute(
            "PATCH",
            "/webhooks/{id}",
            SETTINGS,
            self.update_webhook,
            "Changes what is given of a webhook",
            also=_READS,
        )
        yield ApiRoute(
            "DELETE", "/webhooks/{id}", SETTINGS, self.delete_webhook, "Removes a webhook", 204
        )
        yield ApiRoute(
            "POST",
            "/webhooks/{id}/rotate",
            SETTINGS,
            self.rotate_webhook,
            "Gives a webhook another secret",
            also=_READS,
        )
        yield ApiRoute(
            "GET",
            "/webhooks/{id}/deliveries",
            SETTINGS,
            self.find_deliveries,
            "What came of the latest attempts",
        )
        yield ApiRoute(
            "POST",
            "/webhooks/{id}/redeliver",
            SETTINGS,
            self.redeliver,
            "Sends one event again, or all from a place",
            also=_READS,
        )

    async def find_webhooks(self, call: Call) -> Response:
        found = await self._webhooks.all(call.workspace)
        return json_response(
            200,
            [webhook.shown() | (await self._webhooks.health(webhook)).shown() for webhook in found],
        )

    async def create_webhook(self, call: Call) -> Response:
        position = await self._storage.latest_change(call.workspace)
        made = await self._webhooks.create(call.administrator, await call.object(), position)
        return created(
            {**made.shown(), "secret": await self._webhooks.secret(made)}, "/webhooks", made.id
        )

    async def get_webhook(self, call: Call) -> Response:
        webhook = await self._webhook(call)
        state = await self._states.state(call.workspace, webhook.id)
        told: dict[str, Any] = {}
        if state is not None:
            latest = await self._storage.latest_change(call.workspace)
            told = {
                "cursor": await self._tokens.write(call.workspace, state.position),
                "upToDate": state.position >= latest,
                "attempts": state.attempts,
            }
        return json_response(
            200, webhook.shown() | told | (await self._webhooks.health(webhook)).shown()
        )

    async def update_webhook(self, call: Call) -> Response:
        changed = await self._webhooks.change(
            call.administrator, await self._webhook(call), await call.object()
        )
        return json_response(200, changed.shown())

    async def delete_webhook(self, call: Call) -> Response:
        await self._webhooks.delete(call.administrator, await self._webhook(call))
        return Response(204)

    async def rotate_webhook(self, call: Call) -> Response:
        changed = await self._webhooks.rotate(call.administrator, await self._webhook(call))
        return json_response(
            200, {**changed.shown(), "secret": await self._webhooks.secret(changed)}
        )

    async def find_deliveries(self, call: Call) -> Response:
        webhook = await self._webhook(call)
        limit = max(1, min(integer(call.request.parameters(), "limit", _SHOWN), _MAX_SHOWN))
        shown = [
            {
                "event": f"{await self._tokens.write(call.workspace, delivery.sequence)}.{delivery.part}",
                "type": delivery.event,
                "time": delivery.time,
                "attempt": delivery.attempt,
                "status": delivery.status,
                "error": delivery.error,
                "milliseconds": delivery.milliseconds,
            }
            for delivery in await self._states.deliveries(call.workspace, webhook.id, limit)
        ]
        return json_response(200, shown)

    async def redeliver(self, call: Call) -> Response:
        """Send one event again now, or all events after a cursor again, in order."""
        webhook, body = await self._webhook(call), await call.read(Redelivery)
        if body.event is not None and body.from_ is None:
            return await self._redeliver_one(call, webhook, body.event)
        if body.from_ is not None and body.event is None:
            position = (
                await self._tokens.read(call.workspace, body.from_, "from") if body.from_ else 0
            )
            await self._states.begin(call.workspace, webhook.id, position)
            return json_response(202, webhook.shown())
        raise invalid_value("name either event, the id of an event, or from, a cursor of the feed")

    async def _redeliver_one(self, call: Call, webhook: Webhook, event_id: str) -> Response:
        token, _, number = event_id.partition(".")
        sequence = await self._tokens.read(call.workspace, token, "event")
        for change in await self._storage.changes(
            call.workspace, sequence - 1, 1, with_before=True
        ):
            for part, event in enumerate(events(change, self._deliverer.base)):
                if change.sequence == sequence and str(part) == number:
                    answer = await self._deliverer.deliver(webhook, event, part, 1)
                    told = {
                        "status": answer.status,
                        "error": answer.error,
                        "milliseconds": answer.milliseconds,
                    }
                    return json_response(200, {"event": event_id, "type": event.type, **told})
        raise not_found(f"there is no event {event_id[:100]!r}")

    async def _webhook(self, call: Call) -> Webhook:
        return await self._webhooks.get(call.workspace, call.names["id"])

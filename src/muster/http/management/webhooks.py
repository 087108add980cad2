"""/api/v1/webhooks."""

from collections.abc import Iterator

from muster.access.permissions import SCIM, SETTINGS
from muster.directory.history.events import describe
from muster.events.reach import latest
from muster.events.webhooks.deliverer import TEST, Deliverer
from muster.events.webhooks.endpoints import Webhook, Webhooks
from muster.http.management.models.webhooks import (
    DeliveryAnswer,
    DeliveryList,
    EventTypeList,
    FindDeliveries,
    NewWebhook,
    Redelivery,
    RedeliveryAnswer,
    SecretRotation,
    TestDelivery,
    WebhookAnswer,
    WebhookChange,
    WebhookHealth,
    WebhookList,
    WebhookProgress,
    WebhookSecret,
)
from muster.http.management.pages import cut, read_cursor
from muster.http.management.router import ApiRoute, Call, created
from muster.http.management.tokens import Tokens
from muster.http.wire.errors import at
from muster.http.wire.message import Response, json_response
from muster.scim.errors import invalid_value, not_found
from muster.storage.port.engine import Storage
from muster.storage.records.webhooks import Delivery, WebhookStates

_READS = (SCIM,)
"""A webhook sends whole documents to its URL: its creator must be allowed to read them."""


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
            "GET",
            "/webhooks",
            SETTINGS,
            self.find_webhooks,
            "List webhooks and the state of their deliveries",
            answer=WebhookList,
        )
        yield ApiRoute(
            "POST",
            "/webhooks",
            SETTINGS,
            self.create_webhook,
            "Create a webhook; its secret is in the answer",
            201,
            _READS,
            body=NewWebhook,
            answer=WebhookSecret,
            errors=(409,),
        )
        yield ApiRoute(
            "GET",
            "/webhooks/event-types",
            SETTINGS,
            self.find_event_types,
            "List the types of events that webhooks can subscribe to",
            answer=EventTypeList,
        )
        yield ApiRoute(
            "GET",
            "/webhooks/{id}",
            SETTINGS,
            self.get_webhook,
            "Retrieve a webhook and its position in the feed",
            answer=WebhookProgress,
        )
        yield ApiRoute(
            "PATCH",
            "/webhooks/{id}",
            SETTINGS,
            self.update_webhook,
            "Change a webhook",
            also=_READS,
            body=WebhookChange,
            answer=WebhookAnswer,
            errors=(409,),
        )
        yield ApiRoute(
            "DELETE",
            "/webhooks/{id}",
            SETTINGS,
            self.delete_webhook,
            "Delete a webhook",
            204,
        )
        yield from self._delivery_routes()

    def _delivery_routes(self) -> Iterator[ApiRoute]:
        yield ApiRoute(
            "POST",
            "/webhooks/{id}/rotate",
            SETTINGS,
            self.rotate_webhook,
            "Replace the secret of a webhook",
            also=_READS,
            body=SecretRotation,
            body_optional=True,
            answer=WebhookSecret,
            errors=(409,),
        )
        yield ApiRoute(
            "POST",
            "/webhooks/{id}/test",
            SETTINGS,
            self.test_webhook,
            "Send a test event to a webhook",
            also=_READS,
            answer=TestDelivery,
        )
        yield ApiRoute(
            "GET",
            "/webhooks/{id}/deliveries",
            SETTINGS,
            self.find_deliveries,
            "List the latest deliveries of a webhook, newest first",
            query=FindDeliveries,
            answer=DeliveryList,
        )
        yield ApiRoute(
            "POST",
            "/webhooks/{id}/redeliver",
            SETTINGS,
            self.redeliver,
            "Send one event again, or all events after a position",
            also=_READS,
            body=Redelivery,
            answer=RedeliveryAnswer,
            answers={202: ("All events after the position are sent again.", WebhookAnswer)},
        )

    async def find_webhooks(self, call: Call) -> Response:
        found = await self._webhooks.all(call.workspace)
        answer: WebhookList = {
            "items": [await self._with_health(webhook) for webhook in found],
            "nextCursor": None,
        }
        return json_response(200, answer)

    async def _with_health(self, webhook: Webhook) -> WebhookHealth:
        health = await self._webhooks.health(webhook)
        return {
            **_answer(webhook),
            "failing": health.failure is not None,
            "failure": health.failure,
            "failingSince": health.since,
            "nextAttempt": health.next_attempt,
        }

    async def create_webhook(self, call: Call) -> Response:
        body = await call.read(NewWebhook)
        position = await latest(self._storage, call.workspace)

        def answer(made: Webhook, secret: str) -> Response:
            return created(_with_secret(made, secret), "/webhooks", made.id)

        made = await self._webhooks.create(
            *(call.administrator, body.given(), position),
            keep=lambda *made: call.keep(answer(*made)),
        )
        return answer(made, await self._webhooks.secret(made))

    async def find_event_types(self, call: Call) -> Response:
        found = await self._webhooks.types(call.administrator)
        answer: EventTypeList = {
            "items": [{"type": name, "description": describe(name)} for name in found],
            "nextCursor": None,
        }
        return json_response(200, answer)

    async def get_webhook(self, call: Call) -> Response:
        webhook = await self._webhook(call)
        state = await self._states.state(call.workspace, webhook.id)
        found = await self._with_health(webhook)
        if state is None:
            return json_response(200, found)
        answer: WebhookProgress = {
            **found,
            "cursor": await self._tokens.write(call.workspace, state.position),
            "upToDate": state.position >= await latest(self._storage, call.workspace),
            "attempts": state.attempts,
        }
        return json_response(200, answer)

    async def update_webhook(self, call: Call) -> Response:
        webhook, body = await self._webhook(call), await call.read(WebhookChange)
        changed = await self._webhooks.change(call.administrator, webhook, body.given())
        return json_response(200, _answer(changed))

    async def delete_webhook(self, call: Call) -> Response:
        await self._webhooks.delete(call.administrator, await self._webhook(call))
        return Response(204)

    async def rotate_webhook(self, call: Call) -> Response:
        webhook, body = await self._webhook(call), await call.read(SecretRotation, empty=True)

        def answer(changed: Webhook, secret: str) -> Response:
            return json_response(200, _with_secret(changed, secret))

        changed = await self._webhooks.rotate(
            *(call.administrator, webhook, body.overlap_seconds or 0),
            keep=lambda *made: call.keep(answer(*made)),
        )
        return answer(changed, await self._webhooks.secret(changed))

    async def find_deliveries(self, call: Call) -> Response:
        webhook = await self._webhook(call)
        query = call.query(FindDeliveries)
        before = int(read_cursor(query.cursor, (0,))[0]) if query.cursor else None
        found = await self._states.deliveries(call.workspace, webhook.id, query.limit + 1, before)
        shown, following = cut(found, lambda delivery: (delivery.number,), query.limit)
        answer: DeliveryList = {
            "items": [await self._delivery(call, delivery) for delivery in shown],
            "nextCursor": following,
        }
        return json_response(200, answer)

    async def _delivery(self, call: Call, delivery: Delivery) -> DeliveryAnswer:
        token = await self._tokens.write(call.workspace, delivery.sequence)
        return {
            "event": f"{token}.{delivery.part}",
            "type": delivery.event,
            "time": delivery.time,
            "attempt": delivery.attempt,
            "status": delivery.status,
            "error": delivery.error,
            "milliseconds": delivery.milliseconds,
        }

    async def redeliver(self, call: Call) -> Response:
        """Send one event again now, or all events after a cursor again, in order."""
        webhook, body = await self._webhook(call), await call.read(Redelivery)
        if body.event is not None and body.from_ is None:
            return await self._redeliver_one(call, webhook, body.event)
        if body.from_ is not None and body.event is None:
            with at("/from"):
                position = (
                    await self._tokens.read(call.workspace, body.from_, "from") if body.from_ else 0
                )
            await self._states.begin(call.workspace, webhook.id, position)
            return json_response(202, _answer(webhook))
        raise invalid_value(
            "body: expected either event, the id of an event, or from, a cursor of the feed"
        )

    async def _redeliver_one(self, call: Call, webhook: Webhook, event_id: str) -> Response:
        token, _, number = event_id.partition(".")
        with at("/event"):
            sequence = await self._tokens.read(call.workspace, token, "event")
        found = await self._deliverer.event(
            call.workspace, sequence, int(number) if number.isascii() and number.isdecimal() else -1
        )
        if found is None:
            raise not_found(f"there is no event {event_id[:100]!r}")
        result = await self._deliverer.deliver(webhook, found, int(number), 1)
        await self._webhooks.record(call.administrator, webhook, "redeliver", found.type)
        answer: RedeliveryAnswer = {
            "event": event_id,
            "type": found.type,
            "status": result.status,
            "error": result.error,
            "milliseconds": result.milliseconds,
        }
        return json_response(200, answer)

    async def test_webhook(self, call: Call) -> Response:
        webhook = await self._webhook(call)
        result = await self._deliverer.test(webhook)
        await self._webhooks.record(call.administrator, webhook, "test", TEST)
        answer: TestDelivery = {
            "type": TEST,
            "status": result.status,
            "error": result.error,
            "milliseconds": result.milliseconds,
        }
        return json_response(200, answer)

    async def _webhook(self, call: Call) -> Webhook:
        return await self._webhooks.get(call.workspace, call.names["id"])


def _with_secret(webhook: Webhook, secret: str) -> WebhookSecret:
    return {**_answer(webhook), "secret": secret}


def _answer(webhook: Webhook) -> WebhookAnswer:
    return {
        "id": webhook.id,
        "url": webhook.url,
        "events": list(webhook.events),
        "description": webhook.description,
        "created": webhook.created,
        "enabled": webhook.disabled is None,
        "disabled": webhook.disabled,
    }

"""Webhooks in the console: set up, tried, and their deliveries looked at and sent again."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from muster.access.permissions import SCIM, SETTINGS
from muster.base import clock
from muster.console.pages.schemas import _ROOT
from muster.console.stamps import check_unchanged, seen
from muster.console.web import PageRoute, Visit
from muster.directory.history.events import describe
from muster.events.webhooks.deliverer import TEST, Deliverer
from muster.events.webhooks.endpoints import Health, Webhook, Webhooks
from muster.events.webhooks.sender import SendResult
from muster.http.wire.message import Response
from muster.scim.errors import ScimError, not_found
from muster.scim.values import Json
from muster.storage.port.engine import Storage
from muster.storage.records.webhooks import Delivery, WebhookStates

_DELIVERIES = 20
_OVERLAPS = {"86400": 86400, "0": 0}
_MAX_DIGITS = 18


@dataclass(frozen=True, slots=True)
class WebhookState:
    """The state of a webhook in words.

    Attributes:
        kind: good, bad or waiting.
        text: The words.
        since: The time that follows them; None without one.
        retry: The words about the next attempt; empty without one.
    """

    kind: str
    text: str
    since: str | None = None
    retry: str = ""


class WebhookPages:
    """The pages that list, add, change and try webhooks, and show their deliveries."""

    def __init__(
        self, storage: Storage, webhooks: Webhooks, states: WebhookStates, deliverer: Deliverer
    ) -> None:
        self._storage = storage
        self._webhooks = webhooks
        self._states = states
        self._deliverer = deliverer

    def __iter__(self) -> Iterator[PageRoute]:
        root, one = f"{_ROOT}/webhooks", f"{_ROOT}/webhooks/{{id}}"
        yield PageRoute("GET", root, SETTINGS, self.show)
        yield PageRoute("POST", root, SETTINGS, self.create, (SCIM,))
        yield PageRoute("GET", one, SETTINGS, self.show_one)
        yield PageRoute("POST", one, SETTINGS, self.change, (SCIM,))
        yield PageRoute("POST", f"{one}/test", SETTINGS, self.test, (SCIM,))
        yield PageRoute("POST", f"{one}/switch", SETTINGS, self.switch, (SCIM,))
        yield PageRoute("POST", f"{one}/rotate", SETTINGS, self.rotate, (SCIM,))
        yield PageRoute("POST", f"{one}/remove", SETTINGS, self.remove)
        delivery = f"{one}/deliveries/{{number}}"
        yield PageRoute("GET", delivery, SETTINGS, self.show_delivery, (SCIM,))
        yield PageRoute("POST", f"{delivery}/redeliver", SETTINGS, self.redeliver, (SCIM,))

    async def show(self, visit: Visit, status: int = 200, error: str = "") -> Response:
        rows = [
            (webhook, await self._state(webhook))
            for webhook in await self._webhooks.all(visit.there().id)
        ]
        typed = {name: visit.text(name) for name in ("url", "description")} if error else {}
        return visit.render(
            "webhooks.html",
            status,
            rows=rows,
            error=error,
            said=visit.flashed.get("said", ""),
            given={"url": "", "description": "", **typed},
            **await self._choice(visit, _chosen(visit) if error else ["*"]),
        )

    async def show_one(self, visit: Visit, status: int = 200, error: str = "") -> Response:
        webhook = await self._webhook(visit)
        deliveries = await self._states.deliveries(visit.there().id, webhook.id, _DELIVERIES)
        given = {
            "url": visit.text("url") if error else webhook.url,
            "description": visit.text("description") if error else webhook.description,
        }
        overlaps = webhook.previous_until if len(webhook.editions()) > 1 else None
        return visit.render(
            "webhook.html",
            status,
            webhook=webhook,
            state=await self._state(webhook),
            deliveries=deliveries,
            overlaps=overlaps,
            error=error,
            given=given,
            seen=seen(visit, _editable(webhook), error),
            said=visit.flashed.get("said", ""),
            failed=visit.flashed.get("failed", ""),
            secret=visit.flashed.get("secret", ""),
            **await self._choice(visit, _chosen(visit) if error else list(webhook.events)),
        )

    async def _choice(self, visit: Visit, chosen: list[str]) -> dict[str, object]:
        """Return the event types to choose from, and the choice that the form shows."""
        types = await self._webhooks.types(visit.administrator)
        offered = {"*", *types}
        return {
            "types": [(event, describe(event)) for event in types],
            "chosen": chosen,
            "patterns": " ".join(pattern for pattern in chosen if pattern not in offered),
        }

    async def _state(self, webhook: Webhook) -> WebhookState:
        state = await self._states.state(webhook.workspace, webhook.id)
        latest = await self._storage.latest_change(webhook.workspace)
        behind = state is not None and state.position < latest
        return state_in_words(webhook, await self._webhooks.health(webhook), behind)

    async def create(self, visit: Visit) -> Response:
        try:
            position = await self._storage.latest_change(visit.there().id)
            made = await self._webhooks.create(visit.administrator, _raw(visit), position)
        except ScimError as error:
            return await self.show(visit, error.status, error.detail)
        secret = await self._webhooks.secret(made)
        return await visit.redirect_with(
            f"./webhooks/{made.id}", secret=secret, said="Webhook added."
        )

    async def change(self, visit: Visit) -> Response:
        webhook = await self._webhook(visit)
        try:
            check_unchanged(visit, _editable(webhook))
            await self._webhooks.change(visit.administrator, webhook, _raw(visit))
        except ScimError as error:
            return await self.show_one(visit, error.status, error.detail)
        return await visit.redirect_with(f"./webhooks/{webhook.id}", said="Webhook saved.")

    async def test(self, visit: Visit) -> Response:
        webhook = await self._webhook(visit)
        result = await self._deliverer.test(webhook)
        await self._webhooks.record(visit.administrator, webhook, "test", TEST)
        return await self._told(visit, webhook, "The test event", result)

    async def switch(self, visit: Visit) -> Response:
        webhook = await self._webhook(visit)
        # The button may be of a page that is out of date: it does what it says.
        resumes = visit.text("to", "on" if webhook.disabled is not None else "off") == "on"
        await self._webhooks.change(visit.administrator, webhook, {"enabled": resumes})
        said = "Deliveries resume where they stopped." if resumes else "Webhook paused."
        return await visit.redirect_with(f"./webhooks/{webhook.id}", said=said)

    async def rotate(self, visit: Visit) -> Response:
        overlap = _OVERLAPS.get(visit.text("overlap"), _OVERLAPS["86400"])
        changed = await self._webhooks.rotate(
            visit.administrator, await self._webhook(visit), overlap
        )
        secret = await self._webhooks.secret(changed)
        return await visit.redirect_with(
            f"./webhooks/{changed.id}", secret=secret, said="Signing secret rotated."
        )

    async def remove(self, visit: Visit) -> Response:
        await self._webhooks.delete(visit.administrator, await self._webhook(visit))
        return await visit.redirect_with("./webhooks", said="Webhook removed.")

    async def show_delivery(self, visit: Visit) -> Response:
        webhook = await self._webhook(visit)
        delivery = await self._delivery(visit, webhook)
        message = await self._deliverer.sent(webhook, delivery)
        body = "" if message is None else json.dumps(json.loads(message.body), indent=2)
        return visit.render(
            "delivery.html", webhook=webhook, delivery=delivery, message=message, body=body
        )

    async def redeliver(self, visit: Visit) -> Response:
        webhook = await self._webhook(visit)
        delivery = await self._delivery(visit, webhook)
        result = await self._deliverer.resend(webhook, delivery)
        if result is None:
            raise not_found("The change behind this event is no longer stored.")
        await self._webhooks.record(visit.administrator, webhook, "redeliver", delivery.event)
        return await self._told(visit, webhook, "The event", result)

    async def _told(
        self, visit: Visit, webhook: Webhook, what: str, result: SendResult
    ) -> Response:
        """Redirect to the page of the webhook, which says how an event was received."""
        took = f"({result.milliseconds:,} ms)"
        if result.arrived:
            told = {"said": f"{what} was delivered: status {result.status} {took}."}
        else:
            why = result.error or f"status {result.status}"
            told = {"failed": f"{what} was not accepted: {why} {took}."}
        return await visit.redirect_with(f"./webhooks/{webhook.id}", **told)

    async def _webhook(self, visit: Visit) -> Webhook:
        return await self._webhooks.get(visit.there().id, visit.names["id"])

    async def _delivery(self, visit: Visit, webhook: Webhook) -> Delivery:
        number, found = visit.names["number"], None
        if number.isascii() and number.isdigit() and len(number) <= _MAX_DIGITS:
            found = await self._states.delivery(webhook.workspace, webhook.id, int(number))
        if found is None:
            raise not_found("This delivery does not exist or is no longer stored.")
        return found


def state_in_words(webhook: Webhook, health: Health, behind: bool) -> WebhookState:
    """Describe the state of a webhook.

    Args:
        webhook: The webhook.
        health: The state of its deliveries.
        behind: Whether changes wait for delivery.
    """
    if webhook.disabled == "by an administrator":
        return WebhookState("waiting", "Paused by an administrator")
    if webhook.disabled is not None:
        return WebhookState("bad", f"Disabled: {webhook.disabled}")
    if health.failure is not None:
        times = "1 attempt" if health.attempts == 1 else f"{health.attempts:,} attempts"
        retry = f"{_until(health.next_attempt)} ({health.failure}, {times})"
        return WebhookState("bad", "Failing since", health.since, retry)
    return WebhookState("waiting", "Delivering") if behind else WebhookState("good", "Up to date")


def _until(time: str | None) -> str:
    """Return the wait for the next attempt in words, such as "retry in 30 s"."""
    wait = 0.0 if time is None else (datetime.fromisoformat(time) - clock.now()).total_seconds()
    if wait < 1:
        return "retrying now"
    for size, unit in ((3600, "h"), (60, "min")):
        if wait >= size:
            return f"retry in {wait / size:.0f} {unit}"
    return f"retry in {wait:.0f} s"


def _editable(webhook: Webhook) -> dict[str, Json]:
    """Return the values of a webhook that its form changes."""
    events: list[Json] = [*webhook.events]
    return {"url": webhook.url, "description": webhook.description, "events": events}


def _chosen(visit: Visit) -> list[str]:
    """Return the chosen event types and the typed patterns."""
    return [*visit.fields.get("events", []), *visit.text("patterns").split()]


def _raw(visit: Visit) -> dict[str, Json]:
    chosen: list[Json] = [*_chosen(visit)]
    url, description = visit.text("url"), visit.text("description")
    return {"url": url, "description": description, "events": chosen}

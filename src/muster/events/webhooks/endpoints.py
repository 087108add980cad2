"""The webhooks of a workspace: where to, which events, and the secret that they are signed with."""

import base64
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from muster.access.audit_notes import Administrator
from muster.access.registries import Registries
from muster.base.clock import timestamp
from muster.directory.history.events import event_types
from muster.scim.errors import ScimError, invalid_value, not_found
from muster.scim.values import Json
from muster.storage.port.accounts import Accounts
from muster.storage.port.items import Item
from muster.storage.records.webhooks import WebhookStates

WEBHOOK_KIND = "webhook"
_MAX_WEBHOOKS = 20
_MAX_URL = 2000


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook. events: patterns, as user.* or group.member_added. disabled: why nothing is sent, or None.

    edition: of the secret, which is made from it and the installation's, and kept nowhere.
    """

    workspace: int
    id: str
    url: str
    events: tuple[str, ...]
    description: str
    created: str
    edition: str
    disabled: str | None = None

    def wants(self, event: str) -> bool:
        """Whether events of a type are sent."""
        return any(_matches(pattern, event) for pattern in self.events)

    def shown(self) -> dict[str, Json]:
        """The webhook as JSON, without its secret."""
        return {
            "id": self.id,
            "url": self.url,
            "events": list(self.events),
            "description": self.description,
            "created": self.created,
            "enabled": self.disabled is None,
            "disabled": self.disabled,
        }

    def item(self) -> Item:
        """The webhook as it is kept."""
        body = {
            "url": self.url,
            "events": list(self.events),
            "description": self.description,
            "created": self.created,
            "edition": self.edition,
            "disabled": self.disabled,
        }
        return Item(self.workspace, WEBHOOK_KIND, self.id, body)


@dataclass(frozen=True, slots=True)
class Health:
    """How the deliveries of a webhook go.

    Attributes:
        failure: What the latest attempt came to, such as "status 500"; None if nothing fails.
        since: When the first of the failed attempts was made.
        next_attempt: When the next attempt is due.
        attempts: How many attempts at the same event have failed.
    """

    failure: str | None = None
    since: str | None = None
    next_attempt: str | None = None
    attempts: int = 0

    def shown(self) -> dict[str, Json]:
        """The health as JSON."""
        return {
            "failing": self.failure is not None,
            "failure": self.failure,
            "failingSince": self.since,
            "nextAttempt": self.next_attempt,
        }


class Webhooks:
    """Makes, changes and removes webhooks. private: they may be at private addresses, and without TLS."""

    def __init__(
        self, accounts: Accounts, registries: Registries, states: WebhookStates, private: bool
    ) -> None:
        self._accounts = accounts
        self._states = states
        self._private = private
        self._registries = registries

    async def all(self, workspace: int) -> Sequence[Webhook]:
        """The webhooks of a workspace, oldest first."""
        items = await self._accounts.items(workspace, WEBHOOK_KIND)
        found = [
            Webhook(workspace, item.id, **{**item.body, "events": tuple(item.body["events"])})
            for item in items
        ]
        return sorted(found, key=lambda webhook: (webhook.created, webhook.id))

    async def get(self, workspace: int, webhook_id: str) -> Webhook:
        """A webhook. Raises ScimError 404."""
        for webhook in await self.all(workspace):
            if webhook.id == webhook_id:
                return webhook
        raise not_found(f"there is no webhook {webhook_id[:100]!r}")

    async def secret(self, webhook: Webhook) -> str:
        """The secret that a webhook's messages are signed with, in the form of Standard Webhooks."""
        named = f"webhook {webhook.workspace} {webhook.id} {webhook.edition}".encode()
        made = hmac.digest(await self._accounts.signing_secret(), named, "sha256")
        return f"whsec_{base64.b64encode(made).decode()}"

    async def create(self, by: Administrator, raw: dict[str, Json], position: int) -> Webhook:
        """A new webhook, which is sent what comes after a place among the changes. Raises ScimError 400 and 409."""
        if len(await self.all(by.workspace.id)) >= _MAX_WEBHOOKS:
            raise ScimError(409, f"a workspace has at most {_MAX_WEBHOOKS} webhooks")
        given = self._read({"url": None, **raw}, await self._types(by))
        made = Webhook(
            by.workspace.id,
            secrets.token_hex(8),
            given["url"],
            ("*",),
            "",
            by.origin.time,
            secrets.token_hex(8),
        )
        made = replace(made, **given)
        await self._states.begin(made.workspace, made.id, position)
        await self._keep(by, made, "create", None)
        return made

    async def change(self, by: Administrator, webhook: Webhook, raw: dict[str, Json]) -> Webhook:
        """A webhook with what is given changed; `enabled: true` begins again where it was given up."""
        changed = replace(webhook, **self._read(raw, await self._types(by)))
        if changed.disabled is None and webhook.disabled is not None:
            state = await self._states.state(webhook.workspace, webhook.id)
            await self._states.begin(
                webhook.workspace, webhook.id, 0 if state is None else state.position
            )
        await self._keep(by, changed, "update", webhook)
        return changed

    async def rotate(self, by: Administrator, webhook: Webhook) -> Webhook:
        """A webhook with another secret."""
        changed = replace(webhook, edition=secrets.token_hex(8))
        await self._keep(by, changed, "rotate", webhook)
        return changed

    async def health(self, webhook: Webhook) -> Health:
        """How the deliveries of a webhook go."""
        state = await self._states.state(webhook.workspace, webhook.id)
        if state is None or state.failing_since is None or webhook.disabled is not None:
            return Health()
        deliveries = await self._states.deliveries(webhook.workspace, webhook.id, 1)
        last = "" if not deliveries else deliveries[0].error or f"status {deliveries[0].status}"
        return Health(
            last or "no answer", _moment(state.failing_since), _moment(state.due), state.attempts
        )

    async def delete(self, by: Administrator, webhook: Webhook) -> None:
        """Remove a webhook and all that is kept of it."""
        note = by.note("Webhook", webhook.id, "delete", url=audited_url(webhook.url))
        await self._accounts.administer([replace(webhook.item(), body=None)], [note])
        await self._states.forget(webhook.workspace, webhook.id)

    async def disable(self, by: Administrator, webhook: Webhook, why: str) -> None:
        """Send nothing more, and say why."""
        await self._keep(by, replace(webhook, disabled=why), "disable", webhook)

    async def _types(self, by: Administrator) -> list[str]:
        return event_types(await self._registries.of(by.workspace))

    async def _keep(
        self, by: Administrator, webhook: Webhook, action: str, before: Webhook | None
    ) -> None:
        told = {
            "url": audited_url(webhook.url),
            "events": list(webhook.events),
            "disabled": webhook.disabled,
        }
        note = by.note("Webhook", webhook.id, action, **told)
        await self._accounts.administer(
            [webhook.item()], [note], [] if before is None else [before.item()]
        )

    def _read(self, raw: dict[str, Json], types: Sequence[str]) -> dict[str, Any]:
        """What an administrator gives of a webhook. Raises ScimError that names it."""
        given: dict[str, Any] = {}
        for name, value in raw.items():
            match name:
                case "url":
                    given["url"] = self._url(value)
                case "events":
                    given["events"] = _patterns(value, types)
                case "description":
                    if not isinstance(value, str) or len(value) > _MAX_URL:
                        raise invalid_value(
                            f"description must be a string of at most {_MAX_URL} characters"
                        )
                    given["description"] = value
                case "enabled":
                    if not isinstance(value, bool):
                        raise invalid_value("enabled must be a boolean")
                    given["disabled"] = None if value else "by an administrator"
                case _:
                    raise invalid_value(
                        f"a webhook has no {name[:100]!r}; it has url, events, description and enabled"
                    )
        return given

    def _url(self, value: Json) -> str:
        schemes = ("https", "http") if self._private else ("https",)
        try:
            parts = (
                urlsplit(value)
                if isinstance(value, str) and len(value) <= _MAX_URL and value.isascii()
                else None
            )
            sound = (
                parts is not None
                and parts.scheme in schemes
                and parts.hostname
                and parts.port != 0
                and not parts.username
            )
        except ValueError:
            sound = False
        if not sound or not value.isprintable() or " " in value:
            raise invalid_value(
                f"url must be an absolute {' or '.join(schemes)} URL without a user"
            )
        return str(value)


def audited_url(url: str) -> str:
    """The URL of a webhook without the parts that may hold a secret: user, query and fragment."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _matches(pattern: str, event: str) -> bool:
    """Whether a pattern such as user.*, *.deleted or * includes an event type."""
    noun, _, action = event.partition(".")
    return pattern in ("*", "*.*", event, f"{noun}.*", f"*.{action}")


def _patterns(value: Json, types: Sequence[str]) -> tuple[str, ...]:
    """The patterns that an administrator gives. Raises ScimError if one of them includes no event type."""
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise invalid_value(
            "events must be an array of patterns such as user.*, group.member_added or *"
        )
    for pattern in value:
        if not any(_matches(pattern, event) for event in types):
            raise invalid_value(
                f"events: no event type matches {pattern[:100]!r}; the event types are {', '.join(types)}"
            )
    return tuple(dict.fromkeys(value))


def _moment(milliseconds: int) -> str:
    return timestamp(datetime.fromtimestamp(milliseconds / 1000, UTC))

"""The webhooks of a workspace: their URLs, event patterns and signing secrets."""

import base64
import hmac
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from muster.access.audit_notes import Administrator
from muster.access.kept_answers import Kept, keep_nothing
from muster.access.registries import Registries
from muster.base import clock
from muster.base.clock import timestamp
from muster.base.outbound import is_absolute_url
from muster.directory.history.events import event_types
from muster.scim.errors import ScimError, invalid_value, not_found
from muster.scim.values import Json
from muster.storage.port.accounts import Accounts
from muster.storage.port.items import INSTALLATION, Item
from muster.storage.records.webhooks import WebhookStates

WEBHOOK_KIND = "webhook"
_MAX_WEBHOOKS = 20
_MAX_DESCRIPTION = 2000
GAVE_UP = "no successful delivery"
"""The beginning of the reason for which muster itself disables a webhook."""
_NOTHING = Kept()
_LATEST = 50
"""The latest attempts among which the reason of a failure is looked for."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook.

    Attributes:
        workspace: The id of the workspace.
        id: The id of the webhook.
        url: The URL that receives the events.
        events: Patterns such as user.* or group.member_added.
        description: A text for administrators.
        created: The time of creation.
        edition: The random input from which the secret is derived. The secret is not stored.
        disabled: The reason why the webhook is disabled; None if it is enabled.
        previous: The edition of the secret that was replaced, while that secret signs too.
        previous_until: The time at which the replaced secret stops signing.
    """

    workspace: int
    id: str
    url: str
    events: tuple[str, ...]
    description: str
    created: str
    edition: str
    disabled: str | None = None
    previous: str | None = None
    previous_until: str | None = None

    def editions(self) -> list[str]:
        """Return the editions of the secrets that sign messages now, newest first."""
        overlaps = self.previous_until is not None and self.previous_until > timestamp()
        return [self.edition, self.previous] if overlaps and self.previous else [self.edition]

    def wants(self, event: str) -> bool:
        """Return whether the patterns include an event type."""
        return any(_matches(pattern, event) for pattern in self.events)

    def shown(self) -> dict[str, Json]:
        """Return the webhook as JSON, without its secret."""
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
        """Return the stored form."""
        body = {
            "url": self.url,
            "events": list(self.events),
            "description": self.description,
            "created": self.created,
            "edition": self.edition,
            "disabled": self.disabled,
        }
        if self.previous is not None:
            body |= {"previous": self.previous, "previous_until": self.previous_until}
        return Item(self.workspace, WEBHOOK_KIND, self.id, body)


@dataclass(frozen=True, slots=True)
class Health:
    """The state of a webhook's deliveries.

    Attributes:
        failure: The outcome of the latest attempt, such as "status 500"; None if it succeeded.
        since: The time of the first failed attempt.
        next_attempt: The time of the next attempt.
        attempts: The number of failed attempts for the same event.
    """

    failure: str | None = None
    since: str | None = None
    next_attempt: str | None = None
    attempts: int = 0

    def shown(self) -> dict[str, Json]:
        """Return the health as JSON."""
        return {
            "failing": self.failure is not None,
            "failure": self.failure,
            "failingSince": self.since,
            "nextAttempt": self.next_attempt,
        }


class Webhooks:
    """Creates, changes and removes webhooks.

    Args:
        accounts: The storage.
        states: The delivery state of each webhook.
        private: Whether to allow private addresses and plain HTTP.
    """

    def __init__(
        self, accounts: Accounts, registries: Registries, states: WebhookStates, private: bool
    ) -> None:
        self._accounts = accounts
        self._states = states
        self._private = private
        self._registries = registries

    async def all(self, workspace: int) -> Sequence[Webhook]:
        """Return the webhooks of a workspace, oldest first."""
        items = await self._accounts.items(workspace, WEBHOOK_KIND)
        return sorted(map(_webhook, items), key=lambda webhook: (webhook.created, webhook.id))

    async def enabled(self) -> set[tuple[int, str]]:
        """Return the workspace and id of each enabled webhook, also of the installation itself."""
        items = [
            *await self._accounts.items_of_workspaces(WEBHOOK_KIND),
            *await self._accounts.items(INSTALLATION, WEBHOOK_KIND),
        ]
        return {(item.workspace, item.id) for item in items if item.body["disabled"] is None}

    async def get(self, workspace: int, webhook_id: str) -> Webhook:
        """Return a webhook.

        Raises:
            ScimError: 404 if it does not exist.
        """
        item = await self._accounts.item(workspace, WEBHOOK_KIND, webhook_id)
        if item is None:
            raise not_found(f"Webhook {webhook_id[:100]!r} not found.")
        return _webhook(item)

    async def secret(self, webhook: Webhook) -> str:
        """Return the signing secret of a webhook in the format of Standard Webhooks."""
        return (await self.secrets(webhook))[0]

    async def secrets(self, webhook: Webhook) -> list[str]:
        """Return all secrets that sign the messages of a webhook now, newest first."""
        key, found = await self._accounts.signing_secret(), []
        for edition in webhook.editions():
            named = f"webhook {webhook.workspace} {webhook.id} {edition}".encode()
            made = hmac.digest(key, named, "sha256")
            found.append(f"whsec_{base64.b64encode(made).decode()}")
        return found

    async def create(
        self,
        by: Administrator,
        raw: dict[str, Json],
        position: int,
        keep: Callable[[Webhook, str], Kept] = keep_nothing,
    ) -> Webhook:
        """Create a webhook.

        Args:
            by: The administrator.
            raw: The attributes as JSON.
            position: The sequence number of the change after which deliveries start.
            keep: Returns the items to store in the same transaction, by the webhook and its secret.

        Raises:
            ScimError: 400 if an attribute is invalid; 409 if the workspace has too many webhooks.
        """
        if len(await self.all(by.workspace.id)) >= _MAX_WEBHOOKS:
            raise ScimError(409, f"A workspace can have at most {_MAX_WEBHOOKS} webhooks.")
        given = self._read({"url": None, **raw}, await self.types(by))
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
        await self._keep(by, made, "create", None, keep(made, await self.secret(made)))
        return made

    async def change(self, by: Administrator, webhook: Webhook, raw: dict[str, Json]) -> Webhook:
        """Change attributes of a webhook; enabling it resumes at the last position."""
        changed = replace(webhook, **self._read(raw, await self.types(by)))
        if changed.disabled is None and webhook.disabled is not None:
            state = await self._states.state(webhook.workspace, webhook.id)
            await self._states.begin(
                webhook.workspace, webhook.id, 0 if state is None else state.position
            )
        await self._keep(by, changed, "update", webhook)
        return changed

    async def rotate(
        self,
        by: Administrator,
        webhook: Webhook,
        overlap: int = 0,
        keep: Callable[[Webhook, str], Kept] = keep_nothing,
    ) -> Webhook:
        """Replace the signing secret of a webhook.

        Args:
            by: The administrator.
            webhook: The webhook.
            overlap: The seconds for which the old secret signs every message too, in a second
                signature (Standard Webhooks, "webhook-signature").
            keep: Returns the items to store with it, by the webhook and its new secret.
        """
        changed = replace(webhook, edition=secrets.token_hex(8), previous=None, previous_until=None)
        if overlap:
            until = timestamp(clock.now() + timedelta(seconds=overlap))
            changed = replace(changed, previous=webhook.edition, previous_until=until)
        kept = keep(changed, await self.secret(changed))
        await self._keep(by, changed, "rotate", webhook, kept)
        return changed

    async def health(self, webhook: Webhook) -> Health:
        """Return the state of a webhook's deliveries."""
        state = await self._states.state(webhook.workspace, webhook.id)
        if state is None or state.failing_since is None or webhook.disabled is not None:
            return Health()
        deliveries = await self._states.deliveries(webhook.workspace, webhook.id, _LATEST)
        failed = (item for item in deliveries if not item.arrived)
        last = next((item.error or f"status {item.status}" for item in failed), "no response")
        return Health(last, _moment(state.failing_since), _moment(state.due), state.attempts)

    async def delete(self, by: Administrator, webhook: Webhook) -> None:
        """Remove a webhook, its position and its delivery log."""
        note = by.note("Webhook", webhook.id, "delete", url=audited_url(webhook.url))
        await self._accounts.administer([replace(webhook.item(), body=None)], [note])
        await self._states.forget(webhook.workspace, webhook.id)

    async def disable(self, by: Administrator, webhook: Webhook, why: str) -> None:
        """Disable a webhook, storing the reason."""
        await self._keep(by, replace(webhook, disabled=why), "disable", webhook)

    async def record(self, by: Administrator, webhook: Webhook, action: str, event: str) -> None:
        """Record in the audit log that an administrator sent an event by hand."""
        note = by.note("Webhook", webhook.id, action, url=audited_url(webhook.url), event=event)
        await self._accounts.record([note])

    async def types(self, by: Administrator) -> list[str]:
        """Return the types of events that can occur in the administrator's workspace."""
        return event_types(await self._registries.of(by.workspace))

    async def _keep(
        self,
        by: Administrator,
        webhook: Webhook,
        action: str,
        before: Webhook | None,
        kept: Kept = _NOTHING,
    ) -> None:
        detail = {
            "url": audited_url(webhook.url),
            "events": list(webhook.events),
            "disabled": webhook.disabled,
        }
        note = by.note("Webhook", webhook.id, action, **detail)
        standing = [] if before is None else [before.item()]
        await self._accounts.administer(
            [webhook.item(), *kept.puts], [note, *kept.notes], [*standing, *kept.standing]
        )

    def _read(self, raw: dict[str, Json], types: Sequence[str]) -> dict[str, Any]:
        """Validate the given attributes.

        Raises:
            ScimError: invalidValue that names the attribute.
        """
        given: dict[str, Any] = {}
        for name, value in raw.items():
            match name:
                case "url":
                    given["url"] = self._url(value)
                case "events":
                    given["events"] = _patterns(value, types)
                case "description":
                    if not isinstance(value, str) or len(value) > _MAX_DESCRIPTION:
                        raise invalid_value(
                            "description: expected a string of at most"
                            f" {_MAX_DESCRIPTION:,} characters"
                        )
                    given["description"] = value
                case "enabled":
                    if not isinstance(value, bool):
                        raise invalid_value("enabled: expected a boolean")
                    given["disabled"] = None if value else "by an administrator"
                case _:
                    raise invalid_value(
                        f"Unknown attribute {name[:100]!r}. Attributes: url, events,"
                        " description, enabled"
                    )
        return given

    def _url(self, value: Json) -> str:
        schemes = ("https", "http") if self._private else ("https",)
        if not is_absolute_url(value, schemes):
            raise invalid_value(
                f"url: expected an absolute {' or '.join(schemes)} URL without a user"
            )
        return str(value)


def audited_url(url: str) -> str:
    """Return a URL without user, query and fragment, which may contain secrets."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _webhook(item: Item) -> Webhook:
    """Return the webhook in its stored form."""
    body = {**item.body, "events": tuple(item.body["events"])}
    return Webhook(item.workspace, item.id, **body)


def _matches(pattern: str, event: str) -> bool:
    """Return whether a pattern such as user.*, *.deleted or * includes an event type."""
    noun, _, action = event.partition(".")
    return pattern in ("*", "*.*", event, f"{noun}.*", f"*.{action}")


def _patterns(value: Json, types: Sequence[str]) -> tuple[str, ...]:
    """Validate event patterns.

    Raises:
        ScimError: invalidValue if one matches no event type.
    """
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise invalid_value(
            "events: expected an array of patterns such as user.*, group.member_added or *"
        )
    for pattern in value:
        if not any(_matches(pattern, event) for event in types):
            raise invalid_value(
                f"events: {pattern[:100]!r} matches no event type. Event types: {', '.join(types)}"
            )
    return tuple(dict.fromkeys(value))


def _moment(milliseconds: int) -> str:
    return timestamp(datetime.fromtimestamp(milliseconds / 1000, UTC))

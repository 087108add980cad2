"""The conditions of a workspace that need an administrator's attention."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from muster.access.connections import BY_GUARD, Connections
from muster.base.clock import timestamp
from muster.directory.caller import Caller
from muster.directory.documents import parse
from muster.directory.guard.desk import GuardDesk
from muster.events.webhooks.endpoints import GAVE_UP, Webhooks
from muster.insight.reactivations import Reactivations
from muster.insight.resolutions import Doctor
from muster.storage.port.accounts import KeyRecord, Workspace
from muster.storage.port.changes import Change

_SOON = timedelta(days=14)
_RECENTLY = timedelta(days=14)
_NAMED = 3
"""The number of keys that an alert names."""
_DELETED = {"key": "a revoked key", "oauth": "an OAuth client", "trust": "a trusted issuer"}
"""The words for a credential that is not found any more, by the kind of its actor."""
_VERBS = {
    "expired": ("has expired", "have expired"),
    "expiring": ("expires within 14 days", "expire within 14 days"),
}
"""The verb for one key and for several, by the name of the alert."""


@dataclass(frozen=True, slots=True)
class Alert:
    """A condition that needs an administrator's attention.

    Attributes:
        name: Its identifier, for programs.
        count: The number of objects that it is about.
        text: A sentence that describes it.
        page: The console page that shows more, relative to the workspace, such as /doctor.
        link: The text of the link to that page.
    """

    name: str
    count: int
    text: str
    page: str
    link: str


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as "1 request" or "1,200 requests"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


class Alerts:
    """Collects the alerts of a workspace."""

    def __init__(
        self,
        desk: GuardDesk,
        doctor: Doctor,
        webhooks: Webhooks,
        reactivations: Reactivations,
        connections: Connections,
    ) -> None:
        self._connections = connections
        self._reactivations = reactivations
        self._desk = desk
        self._doctor = doctor
        self._webhooks = webhooks

    async def collect(
        self,
        caller: Caller,
        keys: Sequence[KeyRecord],
        failed: int,
        unauthorized: int,
        now: datetime,
    ) -> list[Alert]:
        """Return the alerts, the most urgent first.

        Args:
            caller: The caller, whose workspace it is about.
            keys: The API keys that are not revoked.
            failed: The number of requests that failed in the last 24 hours.
            unauthorized: The number of those that had no valid key.
            now: The current time.
        """
        workspace = caller.workspace
        return [
            *await self._pauses(workspace.id),
            *await self._guard(caller),
            *await self._reversals(workspace.id, now),
            *await self._returns(workspace.id, now),
            *await self._failures(workspace.id, failed),
            *_unknown_keys(unauthorized),
            *[alert async for alert in self._deliveries(workspace.id)],
            *_expiring(keys, now),
            *_switches(workspace),
        ]

    async def _pauses(self, workspace: int) -> list[Alert]:
        """Return an alert about each paused connection."""
        alerts = []
        for one in await self._connections.all(workspace):
            if one.pause is None:
                continue
            who = "The deprovisioning guard" if one.pause.by == BY_GUARD else "An administrator"
            reason = f": {one.pause.reason}" if one.pause.reason else ""
            text = (
                f'{who} paused the connection "{one.name}" at {_minute(one.pause.since)}'
                f" UTC{reason}."
            )
            alerts.append(
                Alert("connectionPaused", 1, text, f"/connections/{one.id}", "View connection")
            )
        return alerts

    async def _guard(self, caller: Caller) -> list[Alert]:
        guard = await self._desk.state(caller)
        if guard.held:
            number = len(guard.held)
            text = (
                f"The deprovisioning guard holds changes to {counted(number, 'user')} for review."
            )
            return [Alert("held", number, text, "/guard", "Review changes")]
        if guard.mode != "off" and guard.done > guard.allowed:
            text = (
                f"{counted(guard.done, 'user')} lost access in the last hour, more than the"
                f" guard's limit of {guard.allowed:,}."
            )
            return [Alert("guardLimit", guard.done, text, "/guard", "View guard")]
        return []

    async def _reversals(self, workspace: int, now: datetime) -> list[Alert]:
        """Return an alert about each user whom a client reactivated against an administrator."""
        found = await self._reactivations.recent(workspace, now)
        named = await self._reactivations.clients(workspace) if found else {}
        alerts = []
        for again, before in found[:_NAMED]:
            document = parse(again.document)
            who = document.get("displayName") or document.get("userName") or again.id
            text = (
                f"{who} was reactivated by {_client(again, named)} at"
                f" {_minute(again.origin.time)} UTC, after {before.origin.actor.split(':')[-1]} had"
                f" deactivated them at {_minute(before.origin.time)} UTC."
            )
            alerts.append(Alert("reactivated", 1, text, f"/users/{again.id}", "View user"))
        if len(found) > _NAMED:
            more = counted(len(found) - _NAMED, "other user")
            verb = "was" if len(found) == _NAMED + 1 else "were"
            text = f"{more} {verb} reactivated by a client after an administrator's deactivation."
            page = "/audit?type=User&action=update"
            number = len(found) - _NAMED
            alerts.append(Alert("reactivated", number, text, page, "View audit log"))
        return alerts

    async def _returns(self, workspace: int, now: datetime) -> list[Alert]:
        """Return an alert about each user whom a client created again after a deletion."""
        found = await self._reactivations.returned(workspace, now)
        named = await self._reactivations.clients(workspace) if found else {}
        alerts = []
        for created, deleted in found:
            document = parse(created.document)
            who = document.get("displayName") or document.get("userName") or created.id
            text = (
                f"{who} was created again by {_client(created, named)} at"
                f" {_minute(created.origin.time)} UTC, after"
                f" {deleted.origin.actor.split(':')[-1]} had deleted them at"
                f" {_minute(deleted.origin.time)} UTC."
            )
            alerts.append(Alert("recreated", 1, text, f"/users/{created.id}", "View user"))
        return alerts[:_NAMED]

    async def _failures(self, workspace: int, failed: int) -> list[Alert]:
        """Return an alert about the open findings of the doctor that are failures."""
        found = await self._doctor.open_findings(workspace)
        number = len(found.refusals) + len(found.lost)
        if not number:
            return []
        text = f"The doctor has {counted(number, 'open finding')}."
        if failed:
            text = f"{counted(failed, 'request')} failed in the last 24 hours. {text}"
        return [Alert("doctor", number, text, "/doctor", "View diagnosis")]

    async def _deliveries(self, workspace: int) -> AsyncIterator[Alert]:
        for webhook in await self._webhooks.all(workspace):
            page, host = f"/webhooks/{webhook.id}", urlsplit(webhook.url).hostname
            failure = (await self._webhooks.health(webhook)).failure
            if failure is not None:
                text = f"Deliveries to the webhook at {host} are failing ({failure})."
                yield Alert("webhook", 1, text, page, "View webhook")
            elif webhook.disabled is not None and webhook.disabled.startswith(GAVE_UP):
                text = f"The webhook at {host} is paused: {webhook.disabled}."
                yield Alert("webhookPaused", 1, text, page, "View webhook")


def _client(change: Change, named: Mapping[str, str]) -> str:
    """Return the client that made a change; its credential may be deleted."""
    actor = change.origin.actor
    return named.get(actor) or _DELETED.get(actor.partition(":")[0], "a client")


def _minute(time: str) -> str:
    """Return a timestamp as its date and minute."""
    return time[:16].replace("T", " ")


def _unknown_keys(number: int) -> Iterator[Alert]:
    if number:
        text = (
            f"{counted(number, 'request')} in the last 24 hours used an unknown, expired or revoked"
            " key."
        )
        yield Alert("unknownKey", number, text, "/requests?status=401&range=24h", "View requests")


def _expiring(keys: Sequence[KeyRecord], now: datetime) -> Iterator[Alert]:
    """Yield an alert about the keys that expire soon, and one about those that did recently."""
    moments = [timestamp(moment) for moment in (now - _RECENTLY, now, now + _SOON)]
    expiring = [(key.expires, key) for key in keys if key.expires is not None]
    for name, first, last in (("expired", *moments[:2]), ("expiring", *moments[1:])):
        found = [
            key
            for expires, key in sorted(expiring, key=lambda item: item[0])
            if first <= expires < last
        ]
        if not found:
            continue
        one = len(found) == 1
        verb = _VERBS[name][not one]
        names = ", ".join(f'"{key.name}"' for key in found[:_NAMED])
        if len(found) > _NAMED:
            names += f" and {len(found) - _NAMED:,} more"
        text = f"API key {names} {verb}." if one else f"{len(found):,} API keys {verb}: {names}."
        page = f"/keys/{found[0].id}" if one else "/keys"
        yield Alert(name, len(found), text, page, "View API key" if one else "View API keys")


def _switches(workspace: Workspace) -> Iterator[Alert]:
    if not workspace.automatic_provisioning:
        text = "Automatic provisioning is off, so no users are created."
        yield Alert("provisioning", 1, text, "/settings", "Change settings")
    if not workspace.automatic_deprovisioning:
        text = "Automatic deprovisioning is off, so no users are deactivated or deleted."
        yield Alert("deprovisioning", 1, text, "/settings", "Change settings")

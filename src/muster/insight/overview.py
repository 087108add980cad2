"""The overview of a workspace: counts, requests by hour, and alerts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from muster.base.clock import timestamp
from muster.directory.caller import Caller
from muster.directory.guard.desk import GuardDesk
from muster.directory.service import Directory, Search
from muster.events.webhooks.endpoints import Webhooks
from muster.storage.port.accounts import KeyRecord
from muster.storage.port.engine import Storage
from muster.storage.records.requests import RequestStore

HOURS = 24
_SOON = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Alert:
    """A condition that needs an administrator's attention.

    Attributes:
        text: A sentence that describes it.
        page: The console page that shows more, relative to the workspace, such as /doctor.
        link: The text of the link to that page.
    """

    text: str
    page: str
    link: str


@dataclass(frozen=True, slots=True)
class OverviewFigures:
    """The figures of a workspace.

    Attributes:
        numbers: The counts named users, active and groups, and the recorded requests and failed
            requests of the last 24 hours, named requests and failed.
        hours: For each hour, such as 2026-01-31T23, the number of requests and of failed ones.
        keys: The API keys that are not revoked.
        alerts: The conditions that need attention.
    """

    numbers: dict[str, int]
    hours: dict[str, tuple[int, int]]
    keys: Sequence[KeyRecord]
    alerts: Sequence[Alert]

    @property
    def attention(self) -> list[str]:
        """The texts of the alerts."""
        return [alert.text for alert in self.alerts]


class Overview:
    """Collects the figures of a workspace."""

    def __init__(
        self,
        storage: Storage,
        directory: Directory,
        requests: RequestStore,
        desk: GuardDesk,
        webhooks: Webhooks,
    ) -> None:
        self._storage = storage
        self._directory = directory
        self._requests = requests
        self._desk = desk
        self._webhooks = webhooks

    async def collect(self, caller: Caller, now: datetime) -> OverviewFigures:
        """Return the current figures of the caller's workspace."""
        workspace = caller.workspace
        users = await self._total(caller, "/Users")
        inactive = await self._total(caller, "/Users", "active eq false")
        groups = await self._total(caller, "/Groups")
        hours = await self._requests.by_hour(workspace.id, timestamp(now - timedelta(hours=HOURS)))
        keys = [key for key in await self._storage.keys(workspace.id) if key.revoked is None]
        failed = sum(count[1] for count in hours.values())
        numbers = {"users": users, "active": users - inactive, "groups": groups, "failed": failed}
        numbers["requests"] = sum(count[0] for count in hours.values())
        return OverviewFigures(
            numbers,
            hours,
            keys,
            await self._alerts(caller, keys, failed, timestamp(now + _SOON)),
        )

    async def _total(self, caller: Caller, endpoint: str, wanted: str | None = None) -> int:
        page = await self._directory.find(
            caller, caller.registry.types[endpoint], Search(filter=wanted, count=0)
        )
        return page.total or 0

    async def _alerts(
        self, caller: Caller, keys: Sequence[KeyRecord], failed: int, soon: str
    ) -> list[Alert]:
        alerts = [
            Alert(f'API key "{key.name}" expires within 14 days.', "/keys", "View API keys")
            for key in keys
            if key.expires is not None and key.expires < soon
        ]
        if failed:
            text = f"{failed} requests failed in the last 24 hours."
            alerts.append(Alert(text, "/doctor", "View diagnosis"))
        guard = await self._desk.state(caller)
        if guard.held:
            text = f"The deprovisioning guard holds changes to {len(guard.held)} users for review."
            alerts.append(Alert(text, "/guard", "Review changes"))
        elif guard.mode != "off" and guard.done > guard.allowed:
            text = (
                f"{guard.done} users lost access in the last hour, more than the guard's limit"
                f" of {guard.allowed}."
            )
            alerts.append(Alert(text, "/guard", "View guard"))
        for webhook in await self._webhooks.all(caller.workspace.id):
            failure = (await self._webhooks.health(webhook)).failure
            if failure is not None:
                host = urlsplit(webhook.url).hostname
                text = f"Deliveries to the webhook at {host} are failing ({failure})."
                alerts.append(Alert(text, "/webhooks", "View webhooks"))
        if not caller.workspace.automatic_provisioning:
            text = "Automatic provisioning is off, so no users are created."
            alerts.append(Alert(text, "/settings", "Change settings"))
        if not caller.workspace.automatic_deprovisioning:
            text = "Automatic deprovisioning is off, so no users are deactivated or deleted."
            alerts.append(Alert(text, "/settings", "Change settings"))
        return alerts

"""The overview of a workspace: how much there is, what goes on, and what needs attention."""

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
class OverviewFigures:
    """numbers: users, active, groups, and the requests and failed of the last day. hours: those of each, as 2026-01-31T23.

    keys: those that hold. attention: what needs it, a sentence each.
    """

    numbers: dict[str, int]
    hours: dict[str, tuple[int, int]]
    keys: Sequence[KeyRecord]
    attention: Sequence[str]


class Overview:
    """Looks over a workspace."""

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

    async def look(self, caller: Caller, now: datetime) -> OverviewFigures:
        """What there is to be seen."""
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
            await self._attention(caller, keys, failed, timestamp(now + _SOON)),
        )

    async def _total(self, caller: Caller, endpoint: str, wanted: str | None = None) -> int:
        page = await self._directory.find(
            caller, caller.registry.types[endpoint], Search(filter=wanted, count=0)
        )
        return page.total or 0

    async def _attention(
        self, caller: Caller, keys: Sequence[KeyRecord], failed: int, soon: str
    ) -> list[str]:
        said = [
            f"The key {key.name} ends soon."
            for key in keys
            if key.expires is not None and key.expires < soon
        ]
        if failed:
            said.append(f"Refused in the last day: {failed}. The doctor says why.")
        guard = await self._desk.state(caller)
        if guard.held:
            said.append(f"The deprovisioning guard holds {len(guard.held)} users: see Guard.")
        elif guard.mode != "off" and guard.done > guard.allowed:
            said.append(
                f"{guard.done} users lost access within the last hour; the guard would allow {guard.allowed}."
            )
        for webhook in await self._webhooks.all(caller.workspace.id):
            failure = (await self._webhooks.health(webhook)).failure
            if failure is not None:
                said.append(
                    f"Deliveries to the webhook at {urlsplit(webhook.url).hostname} fail ({failure}): see Webhooks."
                )
        if not caller.workspace.automatic_provisioning:
            said.append("Automatic provisioning is off: no user is made.")
        if not caller.workspace.automatic_deprovisioning:
            said.append("Automatic deprovisioning is off: no user is deactivated or deleted.")
        return said

"""The overview of a workspace: how much there is, what goes on, and what needs attention."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from muster.access.permissions import SCIM
from muster.console.web import Route, Visit
from muster.directory.documents import timestamp
from muster.directory.guard import GuardDesk
from muster.directory.service import Directory, Search
from muster.http.message import Response
from muster.storage.port import Storage
from muster.storage.requests import Requests

_HOURS = 24
_CHART_WIDTH, _CHART_HEIGHT, _BAR = 480, 80, 18


@dataclass(frozen=True, slots=True)
class Bar:
    """One hour of the chart: where it is, how high, and what it says."""

    x: int
    height: int
    failed: int
    label: str


class Overview:
    """The overview."""

    def __init__(self, storage: Storage, directory: Directory, requests: Requests) -> None:
        self._storage = storage
        self._directory = directory
        self._requests = requests
        self._desk = GuardDesk(storage, directory)

    def __iter__(self) -> Iterator[Route]:
        yield Route("GET", "/w/{workspace}", SCIM, self.show)

    async def show(self, visit: Visit) -> Response:
        workspace, caller = visit.there(), visit.caller
        users, groups = (caller.registry.types[endpoint] for endpoint in ("/Users", "/Groups"))
        total = (await self._directory.find(caller, users, Search(count=0))).total or 0
        inactive = (await self._directory.find(caller, users, Search(filter="active eq false", count=0))).total or 0
        in_groups = (await self._directory.find(caller, groups, Search(count=0))).total or 0
        now = datetime.now(UTC)
        hours = await self._requests.by_hour(workspace.id, timestamp(now - timedelta(hours=_HOURS)))
        keys = [key for key in await self._storage.keys(workspace.id) if key.revoked is None]
        soon = timestamp(now + timedelta(days=14))
        attention = [f"The key {key.name} ends soon." for key in keys if key.expires is not None and key.expires < soon]
        failed = sum(count[1] for count in hours.values())
        if failed:
            attention.append(f"Refused in the last day: {failed}. The doctor says why.")
        guard = await self._desk.state(caller)
        if guard.held:
            attention.append(f"The deprovisioning guard holds {len(guard.held)} users: see Guard.")
        elif guard.mode != "off" and guard.done > guard.allowed:
            attention.append(f"{guard.done} users lost access within the last hour; the guard would allow {guard.allowed}.")
        if not workspace.automatic_provisioning:
            attention.append("Automatic provisioning is off: no user is made.")
        if not workspace.automatic_deprovisioning:
            attention.append("Automatic deprovisioning is off: no user is deactivated or deleted.")
        numbers = {"users": total, "active": total - inactive, "groups": in_groups, "failed": failed}
        numbers["requests"] = sum(count[0] for count in hours.values())
        bars = _bars(hours, now)
        return visit.render("overview.html", numbers=numbers, bars=bars, keys=keys, attention=attention)


def _bars(hours: dict[str, tuple[int, int]], now: datetime) -> list[Bar]:
    most = max((count[0] for count in hours.values()), default=1) or 1
    bars = []
    for number in range(_HOURS):
        moment = now - timedelta(hours=_HOURS - 1 - number)
        asked, failed = hours.get(moment.strftime("%Y-%m-%dT%H"), (0, 0))
        height, bad = (round(value / most * _CHART_HEIGHT) for value in (asked, failed))
        bars.append(Bar(number * (_CHART_WIDTH // _HOURS), height, bad, f"{moment:%H}:00: {asked} requests, {failed} refused"))
    return bars

"""The overview of a workspace: counts, requests and active users over time, and alerts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from muster.access.keys import state_of
from muster.directory.caller import Caller
from muster.directory.service import Directory, Search
from muster.insight.active_users import ActiveUserCounts, ActiveUsers, over_time
from muster.insight.alerts import Alert, Alerts
from muster.insight.checklist import Checklist, Step
from muster.insight.ranges import TimeRange
from muster.insight.traffic import Outcomes, Traffic, TrafficCounts, summed
from muster.storage.port.accounts import KeyRecord
from muster.storage.port.engine import Storage
from muster.storage.records.request_figures import RequestFigures
from muster.storage.records.requests import time_of

_DAY = timedelta(days=1)
_HOUR = 3600


@dataclass(frozen=True, slots=True)
class LastRefusal:
    """The latest recorded request of a key that failed.

    Attributes:
        number: The number of the request.
        time: Its time.
        status: The status of the answer.
    """

    number: int
    time: str
    status: int


@dataclass(frozen=True, slots=True)
class KeyFigures:
    """The figures of an API key.

    Attributes:
        key: The key.
        state: active or expired.
        parts: Its requests in each part of the range.
        sum: Its requests in the range.
        last_refusal: Its latest request that failed; None if none is recorded.
    """

    key: KeyRecord
    state: str
    parts: Sequence[Outcomes]
    sum: Outcomes
    last_refusal: LastRefusal | None


@dataclass(frozen=True, slots=True)
class OverviewFigures:
    """The figures of a workspace.

    Attributes:
        numbers: The counts named users, active and groups, and the recorded requests and failed
            requests of the last 24 hours, named requests and failed.
        hours: For each hour of the last 24, such as 2026-01-31T23, the number of requests and of
            failed ones.
        keys: The API keys that are not revoked.
        alerts: The conditions that need attention.
        range: The range of `traffic` and `people`.
        starts: The beginning of each part of the range, and the end of the last one.
        traffic: The requests by outcome.
        people: The active users at each of `starts`; None while they are still being counted.
        steps: The checklist of the first run.
        recorded_since: The time of the oldest request that is recorded; None for none.
    """

    numbers: dict[str, int]
    hours: dict[str, tuple[int, int]]
    keys: Sequence[KeyFigures]
    alerts: Sequence[Alert]
    range: TimeRange
    starts: Sequence[datetime]
    traffic: Traffic
    people: ActiveUsers | None
    steps: Sequence[Step]
    recorded_since: str | None

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
        alerts: Alerts,
        checklist: Checklist,
        active_users: ActiveUserCounts,
    ) -> None:
        self._storage = storage
        self._directory = directory
        self._alerts = alerts
        self._checklist = checklist
        self._active_users = active_users
        self._traffic = TrafficCounts(storage)
        self._figures = RequestFigures(storage)

    async def collect(self, caller: Caller, wanted: TimeRange, now: datetime) -> OverviewFigures:
        """Return the current figures of the caller's workspace.

        Args:
            caller: The caller.
            wanted: The range of the figures over time.
            now: The current time.
        """
        workspace = caller.workspace
        tally = await self._active_users.tally(workspace.id)
        numbers = await self._numbers(caller)
        since = (now - _DAY).timestamp()
        day = await self._traffic.counts(workspace.id, since, _HOUR, now.timestamp())
        hours: dict[str, Outcomes] = {}
        for row in day:
            hour = datetime.fromtimestamp(row.part * _HOUR, UTC).strftime("%Y-%m-%dT%H")
            hours.setdefault(hour, Outcomes()).add(row)
        total = summed(hours.values())
        numbers |= {"requests": total.total, "failed": total.failed}
        keys = [key for key in await self._storage.keys(workspace.id) if key.revoked is None]
        unauthorized = sum(row.unauthorized for row in day)
        traffic = await self._traffic.over(workspace.id, wanted, now)
        starts = wanted.starts(now)
        oldest = await self._figures.oldest(workspace.id)
        return OverviewFigures(
            numbers,
            {hour: (found.total, found.failed) for hour, found in hours.items()},
            await self._keys(keys, traffic, now),
            await self._alerts.collect(caller, keys, total.failed, unauthorized, now),
            wanted,
            starts,
            traffic,
            None if tally is None else over_time(tally, starts, numbers["active"]),
            await self._checklist.steps(workspace, keys, numbers["users"]),
            None if oldest is None else time_of(oldest),
        )

    async def _numbers(self, caller: Caller) -> dict[str, int]:
        users = await self._total(caller, "/Users")
        inactive = await self._total(caller, "/Users", "active eq false")
        groups = await self._total(caller, "/Groups")
        return {"users": users, "active": users - inactive, "groups": groups}

    async def _total(self, caller: Caller, endpoint: str, wanted: str | None = None) -> int:
        page = await self._directory.find(
            caller, caller.registry.types[endpoint], Search(filter=wanted, count=0)
        )
        return page.total or 0

    async def _keys(
        self, keys: Sequence[KeyRecord], traffic: Traffic, now: datetime
    ) -> list[KeyFigures]:
        """Return the figures of keys, the most recently used first."""
        if not keys:
            return []
        refusals = await last_refusals(self._figures, keys[0].workspace)
        idle = [Outcomes() for _ in traffic.parts]
        found = []
        for key in sorted(keys, key=lambda key: key.last_used or "", reverse=True):
            parts = traffic.keys.get(key.id, idle)
            last = refusals.get(key.id)
            found.append(KeyFigures(key, state_of(key, now), parts, summed(parts), last))
        return found


async def last_refusals(figures: RequestFigures, workspace: int) -> dict[str, LastRefusal]:
    """Return the latest failed request of each key, by the id of the key."""
    return {
        key_id: LastRefusal(number, time_of(number), status)
        for key_id, (number, status) in (await figures.last_refusals(workspace)).items()
    }

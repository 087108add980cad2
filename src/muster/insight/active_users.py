"""The number of active users over time, computed from the recorded changes.

A *tally* holds, for each hour, how many users became active and how many stopped being so, up to a
position among the changes of a workspace. The number at a moment is the current number minus the
net change since. Each view of the overview moves the tally forward over the changes since the last
one, so it costs little even in a workspace of a million users. The first one may have to read many
changes. That goes on in the background while the page is shown without the chart.

A tally is stored now and then, so that no process has to begin anew. Processes may store theirs in
any order, because each is complete up to its position.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from muster.base import clock
from muster.base.clock import timestamp
from muster.directory.documents import parse
from muster.storage.background import log_and_continue
from muster.storage.port.accounts import Accounts
from muster.storage.port.engine import Storage
from muster.storage.port.items import TRIM_ID, TRIM_KIND, Item
from muster.storage.port.resources import TALLY_KIND
from muster.storage.records.user_changes import UserChanges

_ID = "active-users"
_KEPT = timedelta(days=32)
_CHUNK = 5000
"""The changes that are counted at a time."""
_STORED_EVERY = 2000
"""The changes after which a tally is stored again."""
_WORKSPACES = 500
"""The most workspaces whose tallies are remembered."""
_WAIT_SECONDS = 0.1
"""The longest time for which a page waits for the count."""
_HOUR = "%Y-%m-%dT%H"


@dataclass(slots=True)
class UserTally:
    """The users who became active, and who stopped being so, in each hour.

    Attributes:
        position: The sequence number of the last change that is counted.
        since: The time from which all changes are counted.
        joined: The number of users who became active, by hour such as 2026-01-31T23.
        left: The number of users who were deactivated or deleted, likewise.
        created: The number of users who were created, likewise, active or not.
        stored: The position of the tally that is stored.
    """

    position: int
    since: str
    joined: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    created: Counter[str] = field(default_factory=Counter)
    stored: int = 0

    def add(self, rows: Sequence[tuple[str, str, int]]) -> None:
        """Count created and deleted users as if all of them had been active."""
        for hour, action, number in rows:
            (self.joined if action == "create" else self.left)[hour] += number
            if action == "create":
                self.created[hour] += number

    def correct(self, hour: str, action: str, was: bool, now: bool) -> None:
        """Count a change of a user who was or became inactive.

        Args:
            hour: The hour of the change.
            action: create, update or delete.
            was: Whether the user was active before.
            now: Whether the user is active afterwards.
        """
        if action == "create":
            self.joined[hour] -= not now
        elif action == "delete":
            self.left[hour] -= not was
        else:
            self.joined[hour] += now and not was
            self.left[hour] += was and not now

    def forget(self, before: str) -> None:
        """Drop the hours before an hour."""
        for counter in (self.joined, self.left, self.created):
            for hour in [hour for hour in counter if hour < before]:
                del counter[hour]

    def to_json(self) -> dict[str, Any]:
        """Return the stored form."""
        return {
            "position": self.position,
            "since": self.since,
            "joined": dict(self.joined),
            "left": dict(self.left),
            "created": dict(self.created),
        }


@dataclass(frozen=True, slots=True)
class ActiveUsers:
    """The number of active users over time.

    Attributes:
        points: The number at each moment that was asked for; None before `since`.
        joined: The number of users who became active within the range.
        left: The number of users who were deactivated or deleted within it.
        created: The number of users who were created within it.
        since: The time from which the changes are known.
    """

    points: Sequence[int | None]
    joined: int
    left: int
    created: int
    since: str


class ActiveUserCounts:
    """Counts the active users of workspaces over time."""

    def __init__(self, storage: Storage) -> None:
        self._storage: Storage = storage
        self._accounts: Accounts = storage
        self._changes = UserChanges(storage)
        self._known: OrderedDict[int, UserTally] = OrderedDict()
        self._running: dict[int, asyncio.Task[None]] = {}

    async def tally(self, workspace: int) -> UserTally | None:
        """Return the tally of a workspace; None if it is still being counted."""
        task = self._running.get(workspace)
        if task is None:
            task = self._running[workspace] = asyncio.create_task(self._count(workspace))
            task.add_done_callback(lambda _: self._running.pop(workspace, None))
        await asyncio.wait({task}, timeout=_WAIT_SECONDS)
        return self._known.get(workspace) if task.done() else None

    async def close(self) -> None:
        """Stop counting."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)

    async def _count(self, workspace: int) -> None:
        """Move the tally of a workspace over all changes that it does not contain yet."""
        with log_and_continue("count active users"):
            tally = self._known.get(workspace) or await self._stored(workspace)
            while last := await self._changes.end_of(workspace, tally.position, _CHUNK):
                await self._advance(workspace, tally, last)
            self._known[workspace] = tally
            self._known.move_to_end(workspace)
            if len(self._known) > _WORKSPACES:
                self._known.popitem(last=False)

    async def _advance(self, workspace: int, tally: UserTally, last: int) -> None:
        made = await self._changes.made(workspace, tally.position, last)
        inactive = await self._changes.inactive(workspace, tally.position, last)
        tally.add(made)
        for hour, action, document, before in inactive:
            was = before is None or _is_active(before)
            tally.correct(hour, action, was, action != "delete" and _is_active(document))
        tally.position = last
        if last - tally.stored >= _STORED_EVERY:
            tally.forget((clock.now() - _KEPT).strftime(_HOUR))
            await self._accounts.record([], [Item(workspace, TALLY_KIND, _ID, tally.to_json())])
            tally.stored = last

    async def _stored(self, workspace: int) -> UserTally:
        """Return the tally that is stored, or one that begins with its range.

        A tally of an earlier version does not count created users, so it is begun anew.
        """
        item = await self._accounts.item(workspace, TALLY_KIND, _ID)
        if item is not None and "created" in item.body:
            body = item.body
            joined, left, created = (Counter(body[name]) for name in ("joined", "left", "created"))
            return UserTally(
                body["position"], body["since"], joined, left, created, body["position"]
            )
        since = timestamp(clock.now() - _KEPT)
        position = await self._position_at(workspace, since)
        trimmed = await self._accounts.item(workspace, TRIM_KIND, TRIM_ID)
        if trimmed is not None:
            first = await self._changes.first_after(workspace, position)
            since = max(since, first[1] if first else timestamp())
        return UserTally(position, since, stored=position)

    async def _position_at(self, workspace: int, time: str) -> int:
        """Return the sequence number of the last change before a time; 0 for none.

        Times increase with the numbers and have no index.
        """
        low, high = 0, await self._storage.latest_change(workspace)
        while low < high:
            middle = (low + high) // 2
            found = await self._changes.first_after(workspace, middle)
            if found and found[1] < time:
                low = found[0]
            else:
                high = middle
        return low


def _is_active(document: str) -> bool:
    return parse(document.encode()).get("active") is not False


def over_time(tally: UserTally, moments: Sequence[datetime], active: int) -> ActiveUsers:
    """Return the number of active users at moments.

    Args:
        tally: The tally of the workspace.
        moments: The moments, the earliest first; each begins an hour.
        active: The current number of active users.
    """
    joined = left = created = 0
    hours = sorted({*tally.joined, *tally.left, *tally.created}, reverse=True)
    points: list[int | None] = []
    for moment in reversed(moments):
        begin = moment.strftime(_HOUR)
        while hours and hours[0] >= begin:
            hour = hours.pop(0)
            joined, left = joined + tally.joined[hour], left + tally.left[hour]
            created += tally.created[hour]
        known = timestamp(moment) >= tally.since
        points.append(max(0, active - joined + left) if known else None)
    return ActiveUsers(points[::-1], joined, left, created, tally.since)

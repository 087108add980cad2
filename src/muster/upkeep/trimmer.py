"""Keeping `changes` for a set time. What is older goes, but for the newest row of each resource that is there.

That row is what the next change of the resource is told apart from, in the feed and in its history. The chain of the audit log
begins anew where the rows end that are gone: at the mark, whose hash is kept.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import takewhile
from typing import Any

import orjson

from muster.base import clock
from muster.base.clock import timestamp
from muster.events.webhooks.endpoints import WEBHOOK_KIND
from muster.storage.background import log_and_continue
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.engine import Statement, Storage
from muster.storage.port.errors import StorageError
from muster.storage.port.items import INSTALLATION, TRIM_ID, TRIM_KIND, Item
from muster.storage.records.leases import Leases
from muster.storage.repair.derived import bound

_CHUNK = 500
_EVERY_SECONDS = 3600.0
_HELD_SECONDS = 60.0
_BEFORE = "SELECT sequence, time, chain FROM changes WHERE workspace = $1 AND sequence <= $2 ORDER BY sequence DESC LIMIT 1"
_AFTER = "SELECT sequence, time, chain FROM changes WHERE workspace = $1 AND sequence > $2 ORDER BY sequence LIMIT 1"
_ROWS = (
    "SELECT sequence, id, action, version, time FROM changes WHERE workspace = $1 AND sequence > $2 AND sequence <= $3"
    " ORDER BY sequence LIMIT $4"
)
_DROP = "DELETE FROM changes WHERE workspace = $1 AND id = $2 AND sequence <= $3"
_POSITION = "SELECT position FROM webhook_states WHERE workspace = $1 AND webhook = $2"


@dataclass(frozen=True, slots=True)
class _Mark:
    """sequence, chain: of the last row that is not kept for its own sake. done: how far the rows up to there are gone already."""

    sequence: int = 0
    chain: str | None = None
    done: int = 0

    def item(self, workspace: int, done: int) -> Item:
        return Item(
            workspace,
            TRIM_KIND,
            TRIM_ID,
            {"sequence": self.sequence, "chain": self.chain, "done": done},
        )


class Trimmer:
    """Trims every workspace, in one process at a time.

    days: how long a change is kept where the workspace does not say so itself; 0 for ever.
    """

    def __init__(
        self,
        storage: Storage,
        leases: Leases,
        days: int,
    ) -> None:
        self._storage = storage
        self._leases = leases
        self._days = days

    async def run(self) -> None:
        """Trim once an hour, as long as this is not cancelled."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            with log_and_continue("trimming"):
                await self.trim_all()

    async def trim_all(self) -> None:
        """Trim every workspace, and what is recorded of the installation."""
        for workspace in [
            INSTALLATION,
            *(workspace.id for workspace in await self._storage.workspaces()),
        ]:
            with log_and_continue("trimming"):
                await self.trim(workspace, self._days)

    async def trim(self, workspace: int, days: int) -> None:
        """Delete the changes of a workspace that are past its retention. An interrupted run is continued by the next.

        days: the retention of workspaces that have no setting of their own; 0 keeps changes for ever. The setting is read again
        before each chunk, so that nothing more is deleted once it has been extended.
        """
        oldest = await self._oldest(workspace, days)
        if oldest is None or not await self._leases.take(workspace, "trim", _HELD_SECONDS):
            return
        try:
            item = await self._storage.item(workspace, TRIM_KIND, TRIM_ID)
            mark = _Mark() if item is None else _Mark(**item.body)
            if mark.done == mark.sequence:
                mark = await self._next(workspace, mark, oldest)
            await self._drop(workspace, mark, days)
        finally:
            await self._leases.release(workspace, "trim")

    async def _oldest(self, workspace: int, days: int) -> str | None:
        """The time of the oldest change that the workspace keeps by its present setting; None to keep all."""
        standing = await self._storage.workspace(workspace)
        kept = days if standing is None or standing.changes_days is None else standing.changes_days
        return timestamp(clock.now() - timedelta(days=kept)) if kept else None

    async def _next(self, workspace: int, mark: _Mark, oldest: str) -> _Mark:
        """The mark moved to where what is too old ends by now; noted before anything goes."""
        first = await self._row(_AFTER, workspace, mark.sequence)
        if first is None or first[1] >= oldest:
            return mark
        low, high = mark.sequence, await self._end(workspace)
        while low < high:
            middle = (low + high + 1) // 2
            row = await self._row(_BEFORE, workspace, middle)
            if row is None or row[1] < oldest:
                low = middle
            else:
                high = row[0] - 1
        row = await self._row(_BEFORE, workspace, low)
        if row is None or row[0] <= mark.sequence:
            return mark
        moved = _Mark(row[0], None if row[2] is None else bytes(row[2]).hex(), mark.done)
        origin = ChangeOrigin("upkeep", "", timestamp())
        told = orjson.dumps({"before": oldest, "hash": moved.chain})
        note = Note(workspace, origin, "Changes", TRIM_ID, "trim", told)
        await self._storage.record([note], [moved.item(workspace, mark.done)])
        return moved

    async def _end(self, workspace: int) -> int:
        """The last row that may go: the newest stays, and what a webhook has still to be sent."""
        end = await self._storage.latest_change(workspace) - 1
        for item in await self._storage.items(workspace, WEBHOOK_KIND):
            if item.body["disabled"] is None:
                rows = await self._storage.query(bound(_POSITION, workspace, item.id))
                end = min([end, *(row[0] for row in rows)])
        return end

    async def _drop(self, workspace: int, mark: _Mark, days: int) -> None:
        """Delete what is superseded up to the mark, a chunk at a time, as far as it is past the retention."""
        done = mark.done
        while done < mark.sequence:
            oldest = await self._oldest(workspace, days)
            rows = await self._storage.query(bound(_ROWS, workspace, done, mark.sequence, _CHUNK))
            old = [] if oldest is None else _before(oldest, rows)
            if rows and not old:
                return
            done = old[-1][0] if old else mark.sequence
            statements = _superseded(workspace, old)
            if statements:
                await self._storage.transact(workspace, statements)
            await self._storage.record([], [mark.item(workspace, done)])
            if not await self._leases.take(workspace, "trim", _HELD_SECONDS):
                raise StorageError("another process trims by now")

    async def _row(self, sql: str, workspace: int, sequence: int) -> Sequence[Any] | None:
        rows = await self._storage.query(bound(sql, workspace, sequence))
        return rows[0] if rows else None


def _before(oldest: str, rows: Sequence[Sequence[Any]]) -> list[Sequence[Any]]:
    """The first rows that are older than a time, up to the first that is not."""
    return list(takewhile(lambda row: row[4] < oldest, rows))


def _superseded(workspace: int, rows: Sequence[Sequence[Any]]) -> list[Statement]:
    """What lets go of all that these rows supersede, and of the rows that are of nothing that is there: notes and deletions."""
    last: dict[str, int] = {}
    alone = []
    for sequence, resource_id, action, version, *_ in rows:
        if not version:
            alone.append(sequence)
        else:
            last[resource_id] = sequence if action == "delete" else sequence - 1
    drop_one = "DELETE FROM changes WHERE workspace = $1 AND sequence = $2"
    notes = [bound(drop_one, workspace, sequence) for sequence in alone]
    return notes + [
        bound(_DROP, workspace, resource_id, sequence) for resource_id, sequence in last.items()
    ]

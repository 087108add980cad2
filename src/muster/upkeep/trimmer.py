"""Deletes changes that are older than a workspace's retention.

The newest row of each existing resource is kept whatever its age: the next event of the resource is
computed by comparison with it, and so is its history. Rows that a webhook has not sent yet are kept
too.

The hash chain must stay verifiable, so trimming works with a *mark*, an item that records the last
trimmed row and its hash:

1. **Move the mark** to the end of the rows that are too old. The new mark and a note about it are
   stored in one transaction, before anything is deleted. Verification of the chain starts at the
   mark, so from now on it does not need the rows before.
2. **Delete** up to the mark, in chunks, and record after each how far it got (`done`). A run that
   is interrupted is continued by the next one, before the mark moves again.

The retention is read again before each chunk: if an administrator extends it during a run, nothing
more is deleted that the new setting keeps.

The end of the old rows is found by bisection over sequence numbers, since times increase with them
and have no index.

Set-up links that are over are deleted by the same retention, and usage figures after USAGE_DAYS.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import takewhile
from typing import Any

import orjson

from muster.access.setup_links import forget_links
from muster.base import clock
from muster.base.clock import timestamp
from muster.events.webhooks.endpoints import WEBHOOK_KIND
from muster.storage.background import log_and_continue
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.engine import Statement, Storage
from muster.storage.port.errors import StorageError
from muster.storage.port.items import INSTALLATION, TRIM_ID, TRIM_KIND, TRIMMED_OF_ALL, Item
from muster.storage.records.leases import Leases
from muster.storage.records.usage import UsageStore
from muster.storage.repair.derived import bound

USAGE_DAYS = 400
"""Days that usage figures are kept: a year, and a month in which to bill it."""
_CHUNK = 500
"""Rows examined at a time."""
_EVERY_SECONDS = 3600.0
_LEASE_SECONDS = 60.0
"""The length of the lease on trimming one workspace, which each chunk extends."""
_BEFORE = (
    "SELECT sequence, time, chain FROM changes WHERE workspace = $1 AND sequence <= $2"
    " ORDER BY sequence DESC LIMIT 1"
)
_AFTER = (
    "SELECT sequence, time, chain FROM changes WHERE workspace = $1 AND sequence > $2"
    " ORDER BY sequence LIMIT 1"
)
_ROWS = (
    "SELECT sequence, id, action, version, time FROM changes WHERE workspace = $1"
    " AND sequence > $2 AND sequence <= $3"
    " ORDER BY sequence LIMIT $4"
)
_DELETE = "DELETE FROM changes WHERE workspace = $1 AND id = $2 AND sequence <= $3"
_POSITION = "SELECT position FROM webhook_states WHERE workspace = $1 AND webhook = $2"


@dataclass(frozen=True, slots=True)
class _Mark:
    """How far the changes of a workspace are trimmed.

    Attributes:
        sequence: The last row that may be deleted.
        chain: The hash of that row, in hexadecimal.
        done: The last row up to which deletion is complete.
    """

    sequence: int = 0
    chain: str | None = None
    done: int = 0

    def item(self, workspace: int, done: int) -> Item:
        """Return the item that stores the mark."""
        return Item(
            workspace,
            TRIM_KIND,
            TRIM_ID,
            {"sequence": self.sequence, "chain": self.chain, "done": done},
        )


class Trimmer:
    """Trims every workspace, in one process at a time.

    Args:
        days: The retention of workspaces without a setting of their own, in days; 0 keeps changes
            for ever.
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
        """Trim once an hour until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            with log_and_continue("trimming"):
                await self.trim_all()

    async def trim_all(self) -> None:
        """Trim every workspace, and the changes of the installation itself."""
        ids = [workspace.id for workspace in await self._storage.workspaces()]
        for workspace in (INSTALLATION, *ids):
            with log_and_continue("trimming"):
                await self.trim(workspace, self._days)
        with log_and_continue("trimming usage figures"):
            oldest = (clock.now() - timedelta(days=USAGE_DAYS)).date()
            await UsageStore(self._storage).trim(ids, oldest.isoformat())

    async def trim(self, workspace: int, days: int) -> None:
        """Delete the changes of a workspace that are past its retention.

        Args:
            days: The retention of workspaces without a setting of their own; 0 keeps changes for
                ever.
        """
        oldest = await self._oldest_kept(workspace, days)
        if oldest is not None and workspace != INSTALLATION:
            await forget_links(self._storage, workspace, oldest)
        if oldest is None or not await self._leases.take(workspace, "trim", _LEASE_SECONDS):
            return
        try:
            item = await self._storage.item(workspace, TRIM_KIND, TRIM_ID)
            mark = _Mark() if item is None else _Mark(**item.body)
            if mark.done == mark.sequence:
                mark = await self._move_mark(workspace, mark, oldest)
            await self._delete_up_to(workspace, mark, days)
        finally:
            await self._leases.release(workspace, "trim")

    async def _oldest_kept(self, workspace: int, days: int) -> str | None:
        """Return the time of the oldest change that the workspace keeps; None to keep all."""
        found = await self._storage.workspace(workspace)
        kept = days if found is None or found.changes_days is None else found.changes_days
        return timestamp(clock.now() - timedelta(days=kept)) if kept else None

    async def _move_mark(self, workspace: int, mark: _Mark, oldest: str) -> _Mark:
        """Move the mark to the end of the rows that are too old."""
        first = await self._row(_AFTER, workspace, mark.sequence)
        if first is None or first[1] >= oldest:
            return mark
        low, high = mark.sequence, await self._last_deletable(workspace)
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
        details = orjson.dumps({"before": oldest, "hash": moved.chain})
        note = Note(workspace, origin, "Changes", TRIM_ID, "trim", details)
        await self._storage.record([note], [moved.item(workspace, mark.done)])
        if workspace != INSTALLATION:
            await self._move_mark_of_all(moved.sequence)
        return moved

    async def _move_mark_of_all(self, sequence: int) -> None:
        """Record the last row that is trimmed in any workspace, for the feed of all of them."""
        standing = await self._storage.item(INSTALLATION, TRIM_KIND, TRIMMED_OF_ALL)
        if standing is None or standing.body["sequence"] < sequence:
            body = {"sequence": sequence}
            await self._storage.record([], [Item(INSTALLATION, TRIM_KIND, TRIMMED_OF_ALL, body)])

    async def _last_deletable(self, workspace: int) -> int:
        """Return the last row that may be deleted.

        The newest row of the workspace stays, and so do rows that a webhook has not sent.
        """
        end = await self._storage.latest_change(workspace) - 1
        return await last_sent_by_all(self._storage, workspace, end)

    async def _delete_up_to(self, workspace: int, mark: _Mark, days: int) -> None:
        """Delete superseded rows up to the mark, a chunk at a time."""
        done = mark.done
        while done < mark.sequence:
            oldest = await self._oldest_kept(workspace, days)
            rows = await self._storage.query(bound(_ROWS, workspace, done, mark.sequence, _CHUNK))
            old = [] if oldest is None else _before(oldest, rows)
            if rows and not old:
                return
            done = old[-1][0] if old else mark.sequence
            statements = _delete_superseded(workspace, old)
            if statements:
                await self._storage.transact(workspace, statements)
            await self._storage.record([], [mark.item(workspace, done)])
            if not await self._leases.take(workspace, "trim", _LEASE_SECONDS):
                raise StorageError("another process has begun to trim this workspace")

    async def _row(self, sql: str, workspace: int, sequence: int) -> Sequence[Any] | None:
        rows = await self._storage.query(bound(sql, workspace, sequence))
        return rows[0] if rows else None


async def last_sent_by_all(storage: Storage, workspace: int, end: int) -> int:
    """Return the last change up to `end` that no enabled webhook has yet to send."""
    own = await storage.items(workspace, WEBHOOK_KIND)
    for item in (*own, *await storage.items(INSTALLATION, WEBHOOK_KIND)):
        if item.body["disabled"] is None:
            rows = await storage.query(bound(_POSITION, item.workspace, item.id))
            end = min([end, *(row[0] for row in rows)])
    return end


def _before(oldest: str, rows: Sequence[Sequence[Any]]) -> list[Sequence[Any]]:
    """Return the rows before the first that is not older than a time."""
    return list(takewhile(lambda row: row[4] < oldest, rows))


def _delete_superseded(workspace: int, rows: Sequence[Sequence[Any]]) -> list[Statement]:
    """Return the statements that delete superseded rows, notes and deletions.

    A row of a resource supersedes the earlier rows of that resource. A deletion supersedes itself
    too, since the resource no longer exists.
    """
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
        bound(_DELETE, workspace, resource_id, sequence) for resource_id, sequence in last.items()
    ]

"""Builds outlines (`storage/query/outlines.py`), and brings them up to the latest changes.

A search that would be faster with them leaves the name of its type in the storage. One process at a
time does the work, beside ongoing writes: first all resources in the order of their keys, then the
resources that have changed since it began.
"""

import asyncio
import logging
import time
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Sequence

from muster.scim.document import Document
from muster.scim.schema.model import Registry, ResourceType
from muster.storage.background import log_and_continue
from muster.storage.port.accounts import Workspace
from muster.storage.port.engine import Storage
from muster.storage.query.outlines import LINES, MOST_LINES, Covered, Outline, covered
from muster.storage.records.leases import Leases
from muster.storage.records.outlines import OutlinePosition, OutlineStore

_ASK_SECONDS = 0.2
_HELD_SECONDS = 60.0
_EXTEND_SECONDS = 20.0
_CHANGES = 500
"""Changes that are added in one transaction."""
_log = logging.getLogger(__name__)


class Outliner:
    """Builds the outlines that searches of this process ask for.

    Args:
        storage: The database, started.
        registry_of: Returns the resource types of a workspace.
        leases: The leases of this process.
    """

    def __init__(
        self,
        storage: Storage,
        registry_of: Callable[[Workspace], Awaitable[Registry]],
        leases: Leases,
    ) -> None:
        self._storage = storage
        self._registry_of = registry_of
        self._leases = leases

    async def run(self) -> None:
        """Do the work that searches ask for, until cancelled."""
        while True:
            await asyncio.sleep(_ASK_SECONDS)
            while self._storage.stale_outlines:
                number, kind = self._storage.stale_outlines.pop()
                with log_and_continue("build outlines"):
                    workspace = await self._storage.workspace(number)
                    if workspace is not None:
                        await self.bring_on(workspace, kind)

    async def bring_on(self, workspace: Workspace, name: str) -> None:
        """Bring the outlines of a resource type up to the latest change, unless another does so."""
        types = (await self._registry_of(workspace)).types.values()
        kind = next((one for one in types if one.name == name), None)
        lease = f"outlines {name}"
        if kind is None or not await self._leases.take(workspace.id, lease, _HELD_SECONDS):
            return
        try:
            await _Run(self._storage, self._leases, workspace.id, kind, lease).run()
        finally:
            await self._leases.release(workspace.id, lease)


class _Run:
    """Brings the outlines of one resource type up to the latest change."""

    def __init__(
        self, storage: Storage, leases: Leases, workspace: int, kind: ResourceType, lease: str
    ) -> None:
        self._storage = storage
        self._leases = leases
        self._workspace = workspace
        self._lease = lease
        self._covers: Covered = covered(kind)
        self._store = OutlineStore(storage, workspace, kind.name)
        self._extended = time.monotonic()

    async def run(self) -> None:
        place = await self._store.position()
        if place is None or place.covers != self._covers.signature or await self._is_worn():
            # The position is read first: what changes during the build is added after it.
            latest = await self._storage.latest_change(self._workspace)
            place = OutlinePosition(latest, -1, self._covers.signature)
            await self._store.begin(place)
        while place is not None and place.reached is not None:
            place = await self._build(place, place.reached)
        while place is not None:
            place = await self._follow(place)

    async def _is_worn(self) -> bool:
        """Tell whether most lines are of resources that were changed or deleted since."""
        lines, resources = await self._store.size()
        return lines > 2 * resources + MOST_LINES

    async def _build(self, place: OutlinePosition, reached: int) -> OutlinePosition | None:
        """Add the next resources in the order of keys."""
        found = await self._store.bodies_after(reached, LINES)
        if not found:
            after = OutlinePosition(place.position, None, place.covers)
            await self._store.store(place, after, ())
            _log.info("built the outlines of %s in workspace %d", self._lease, self._workspace)
            return await self._hold(after)
        # The first outline covers all lower keys too.
        outline = Outline(0 if reached < 0 else found[0][0])
        for key, body in found:
            outline.add(key, body, self._covers)
        after = OutlinePosition(place.position, found[-1][0], place.covers)
        await self._store.store(place, after, [outline])
        return await self._hold(after)

    async def _follow(self, place: OutlinePosition) -> OutlinePosition | None:
        """Add resources that have changed; return None once there are no more."""
        latest = await self._storage.latest_change(self._workspace)
        keys, last = await self._store.changed(place.position, _CHANGES)
        after = OutlinePosition(latest if last is None else last, None, place.covers)
        outlines = await self._changed_outlines(await self._store.bodies_of(keys)) if keys else []
        await self._store.store(place, after, outlines)
        return None if last is None else await self._hold(after)

    async def _changed_outlines(self, found: Sequence[tuple[int, Document]]) -> list[Outline]:
        """Return the outlines that change if resources are added to them."""
        firsts = await self._store.first_keys() or [0]
        by_first: dict[int, list[tuple[int, Document]]] = {}
        for key, body in sorted(found, key=lambda item: item[0]):
            by_first.setdefault(firsts[bisect_right(firsts, key) - 1], []).append((key, body))
        changed: list[Outline] = []
        for first, resources in by_first.items():
            outline = await self._store.outline(first) or Outline(first)
            changes = [outline.change(key, body, self._covers) for key, body in resources]
            if any(changes):
                changed += outline.split() if len(outline.keys) > MOST_LINES else [outline]
            await asyncio.sleep(0)
        return changed

    async def _hold(self, place: OutlinePosition) -> OutlinePosition | None:
        """Extend the lease from time to time; return None if another process has it."""
        await asyncio.sleep(0)
        if time.monotonic() - self._extended < _EXTEND_SECONDS:
            return place
        self._extended = time.monotonic()
        held = await self._leases.take(self._workspace, self._lease, _HELD_SECONDS)
        return place if held else None

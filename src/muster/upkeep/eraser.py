"""Erases the data of deleted workspaces after their time of grace.

A workspace is erased by one process at a time, under a lease that each chunk renews. Every step can
be repeated, so another process continues where one has died:

1. **Begin.** The state becomes `erasing`: the workspace cannot be restored any more. The rows are
   counted, for the progress.
2. **Delete** the rows of each table in chunks, between which other writes take their turn. The
   configuration comes first, so that webhooks stop.
3. **Remove** the workspace: the roles of administrators, invitations and former names that lead to
   it, and its row. Its id is kept from reuse, since caches and signed tokens know it.
4. **Sweep** the tables once more in the next round: a request that was being answered may have
   left a row behind.

The item `erasing` of the installation holds the progress until the sweep is done.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import orjson
from sqlalchemy import Table

from muster.access.administrators import INVITATION_KIND, Administrators
from muster.access.lifecycle import begin_erasing
from muster.access.setup_links import forget_links
from muster.access.workspaces import FORMER_KIND
from muster.base import clock
from muster.base.clock import timestamp
from muster.storage.background import log_and_continue
from muster.storage.port.accounts import DELETED, ERASING, Workspace
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.engine import Storage
from muster.storage.port.errors import StorageError
from muster.storage.port.items import (
    ERASING_KIND,
    HIGHEST_KIND,
    IDEMPOTENT_KIND,
    INSTALLATION,
    INVITATION_PLACE_KIND,
    Item,
)
from muster.storage.records.leases import Leases
from muster.storage.repair.derived import bound
from muster.storage.tables import metadata

_EVERY_SECONDS = 60.0
_LEASE_SECONDS = 60.0
_PAGE = 200
CHUNK = 500
"""Rows that one transaction deletes."""
_FIRST = ("configuration", "api_keys", "webhook_states")
_DROP_WORKSPACE = "DELETE FROM workspaces WHERE id = $1"
_DROP_ANSWERS = "DELETE FROM configuration WHERE workspace = $1 AND kind = $2 AND id < $3"


class Eraser:
    """Erases every workspace whose time has come, in one process at a time."""

    def __init__(self, storage: Storage, leases: Leases, administrators: Administrators) -> None:
        self._storage = storage
        self._leases = leases
        self._administrators = administrators

    async def run(self) -> None:
        """Look once a minute until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            with log_and_continue("erasing deleted workspaces"):
                await self.erase_due()
            with log_and_continue("forgetting answers of the platform API"):
                await self._forget_answers()

    async def erase_due(self) -> None:
        """Erase the workspaces whose time has come, and sweep those that were erased before."""
        for item in await self._storage.items(INSTALLATION, ERASING_KIND):
            with log_and_continue("sweeping an erased workspace"):
                await self._sweep(item)
        now = timestamp()
        async for workspace in self._deleted():
            if workspace.deleted is not None and workspace.deleted.until <= now:
                with log_and_continue("erasing a workspace"):
                    await self._erase(workspace)

    async def _deleted(self) -> AsyncIterator[Workspace]:
        for state in (ERASING, DELETED):
            after = ""
            while found := await self._storage.list_workspaces(after, _PAGE, state=state):
                for workspace in found:
                    yield workspace
                after = found[-1].name

    async def _erase(self, workspace: Workspace) -> None:
        if not await self._renew(workspace.id):
            return
        try:
            origin = ChangeOrigin("upkeep", "", timestamp())
            begun = await begin_erasing(self._storage, workspace, clock.now(), origin)
            if begun.state != ERASING:
                return
            progress = await self._progress(workspace.id)
            # First, because their tokens are items of the installation, which the links name.
            await forget_links(self._storage, workspace.id)
            for table in _tables():
                progress = await self._delete_rows(table, workspace.id, progress)
            await self._remove(begun, origin)
        finally:
            await self._leases.release(INSTALLATION, _lease(workspace.id))

    async def _progress(self, workspace: int) -> Item:
        """Return the progress of a workspace; count its rows if nobody has before."""
        found = await self._storage.item(INSTALLATION, ERASING_KIND, str(workspace))
        if found is not None:
            return found
        total = 0
        for table in _tables():
            count = f"SELECT count(*) FROM {table.name} WHERE workspace = $1"  # noqa: S608 (a table of ours)
            total += (await self._storage.query(bound(count, workspace)))[0][0]
        made = Item(INSTALLATION, ERASING_KIND, str(workspace), {"total": total, "done": 0})
        await self._storage.record([], [made])
        return made

    async def _delete_rows(self, table: Table, workspace: int, progress: Item) -> Item:
        """Delete the rows of a workspace in one table. Returns the progress."""
        read, delete = _statements(table)
        while rows := (await self._storage.query(bound(read, workspace, CHUNK)))[0][0]:
            # The lock of the installation: that of the workspace would leave a row of its own.
            await self._storage.transact(INSTALLATION, [bound(delete, workspace, CHUNK)])
            progress = replace(
                progress, body={**progress.body, "done": progress.body["done"] + rows}
            )
            await self._storage.record([], [progress])
            if not await self._renew(workspace):
                raise StorageError("another process has begun to erase this workspace")
        return progress

    async def _remove(self, workspace: Workspace, origin: ChangeOrigin) -> None:
        """Remove all that leads to a workspace, and the workspace itself."""
        await self._administrators.forget_workspace(workspace.id, origin)
        place = str(workspace.id)
        former = await self._storage.items(INSTALLATION, FORMER_KIND)
        invited = await self._storage.items(INSTALLATION, INVITATION_KIND)
        places = await self._storage.items(INSTALLATION, INVITATION_PLACE_KIND)
        gone = [
            *(item for item in places if item.id.startswith(f"{place}:")),
            *(item for item in former if item.body["workspace"] == workspace.id),
            *(item for item in invited if set(item.body["roles"]) == {place}),
        ]
        standing = await self._storage.item(INSTALLATION, HIGHEST_KIND, "latest")
        highest = standing or Item(INSTALLATION, HIGHEST_KIND, "latest", None)
        number = max(workspace.id, 0 if standing is None else standing.body["id"])
        await self._storage.administer([replace(highest, body={"id": number})], expected=[highest])
        await self._storage.transact(INSTALLATION, [bound(_DROP_WORKSPACE, workspace.id)])
        # Last, because it makes every process read its keys and workspaces again.
        document = orjson.dumps({"name": workspace.name})
        note = Note(INSTALLATION, origin, "Workspace", place, "erased", document)
        await self._storage.administer(
            [replace(highest, body={"id": number}), *(replace(item, body=None) for item in gone)],
            [note],
        )

    async def _sweep(self, progress: Item) -> None:
        """Delete the rows that have come since, if the workspace itself is gone."""
        workspace = int(progress.id)
        if await self._storage.workspace(workspace) is not None:
            return
        if not await self._renew(workspace):
            return
        try:
            for table in _tables():
                await self._delete_rows(table, workspace, progress)
            await self._storage.record([], [replace(progress, body=None)])
        finally:
            await self._leases.release(INSTALLATION, _lease(workspace))

    async def _renew(self, workspace: int) -> bool:
        return await self._leases.take(INSTALLATION, _lease(workspace), _LEASE_SECONDS)

    async def _forget_answers(self) -> None:
        """Delete the answers that are kept for a day, whose ids begin with their day."""
        oldest = (clock.now() - timedelta(days=1)).date().isoformat()
        drop = bound(_DROP_ANSWERS, INSTALLATION, IDEMPOTENT_KIND, oldest)
        await self._storage.transact(INSTALLATION, [drop])


def _lease(workspace: int) -> str:
    return f"erase {workspace}"


def _tables() -> list[Table]:
    """Return the tables with rows of workspaces, in the order of deletion."""
    found = [table for table in metadata.tables.values() if "workspace" in table.columns]
    return sorted(found, key=lambda table: table.name not in _FIRST)


def _statements(table: Table) -> tuple[str, str]:
    """Return the statements that count and delete the next rows of a workspace."""
    keys = ", ".join(f'"{column.name}"' for column in table.primary_key)
    chosen = f"SELECT {keys} FROM {table.name} WHERE workspace = $1 LIMIT $2"  # noqa: S608 (a table of ours)
    return (
        f"SELECT count(*) FROM ({chosen}) AS chosen",  # noqa: S608 (a table of ours)
        f"DELETE FROM {table.name} WHERE workspace = $1 AND ({keys}) IN ({chosen})",  # noqa: S608 (a table of ours)
    )

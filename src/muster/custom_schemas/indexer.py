"""Builds indexes for newly indexed custom attributes in the background."""

import asyncio
import logging
from dataclasses import dataclass, replace

from muster.access.audit_notes import Administrator
from muster.access.registries import PROGRESS_KIND, SCHEMA_KIND, Registries
from muster.base.clock import timestamp
from muster.custom_schemas.schemas import having, path_of
from muster.directory.documents import parse
from muster.directory.versions import index_of_document
from muster.scim.schema.custom import CustomSchema
from muster.scim.schema.model import ResourceType
from muster.storage.background import log_and_continue
from muster.storage.port.accounts import Workspace
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.engine import Storage
from muster.storage.port.errors import StorageError
from muster.storage.port.items import Item
from muster.storage.records.leases import Leases
from muster.storage.repair import backfill

_CHUNK = 500
_HELD_SECONDS = 60.0
_KNOWN_SECONDS = 2.0
"""The seconds after which every process knows of a schema change."""
_ASK_SECONDS = 0.5
_AGAIN_SECONDS = 30.0
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Progress:
    """The resources to index in total, and those done."""

    total: int
    done: int = 0


class Indexer:
    """Builds missing indexes, in one process at a time, and stores its progress."""

    def __init__(self, storage: Storage, registries: Registries, leases: Leases) -> None:
        self._storage = storage
        self._leases = leases
        self._registries = registries

    async def run(self) -> None:
        """Find and build missing indexes, until cancelled."""
        epoch, looked = -1, 0.0
        loop = asyncio.get_running_loop()
        while True:
            with log_and_continue("build indexes"):
                if self._storage.epoch() != epoch or loop.time() - looked > _AGAIN_SECONDS:
                    epoch, looked = self._storage.epoch(), loop.time()
                    await self._look()
            await asyncio.sleep(_ASK_SECONDS)

    async def _look(self) -> None:
        """Build all missing indexes; the failure of one does not affect the others."""
        for item in await self._storage.items_of_workspaces(SCHEMA_KIND):
            if not item.body["ready"]:
                with log_and_continue("build an index"):
                    workspace = await self._storage.workspace(item.workspace)
                    if workspace is not None:
                        await self._build(workspace, CustomSchema.from_json(item.body))

    async def _build(self, workspace: Workspace, schema: CustomSchema) -> None:
        name = f"index {schema.id}"
        if not await self._leases.take(workspace.id, name, _HELD_SECONDS):
            return
        try:
            await asyncio.sleep(_KNOWN_SECONDS)
            kinds = having(await self._registries.of(workspace), schema)
            progress = _Progress(
                sum(
                    [await backfill.count(self._storage, workspace.id, kind.name) for kind in kinds]
                )
            )
            for kind in kinds:
                await self._fill(workspace, kind, schema, progress)
            await self._done(workspace, schema)
        finally:
            await self._leases.release(workspace.id, name)

    async def _fill(
        self, workspace: Workspace, kind: ResourceType, schema: CustomSchema, progress: "_Progress"
    ) -> None:
        """Index all existing resources of a type; concurrent writes index themselves."""
        after, paths = (
            -1,
            frozenset(path_of(kind, schema, attribute) for attribute in schema.indexed),
        )
        while found := await backfill.there(self._storage, workspace.id, kind.name, after, _CHUNK):
            after = found[-1].key
            statements = []
            for row in found:
                index = index_of_document(parse(row.document.encode()), kind)
                entries = [entry for entry in sorted(index.lookups) if entry.attribute in paths]
                statements += backfill.fill(workspace.id, kind.name, row, entries)
            if statements:
                await self._storage.transact(workspace.id, statements)
            if not await self._leases.take(workspace.id, f"index {schema.id}", _HELD_SECONDS):
                raise StorageError("another process has taken over building the index")
            progress.done += len(found)
            report = Item(
                workspace.id,
                PROGRESS_KIND,
                schema.id.lower(),
                {"done": progress.done, "total": progress.total},
            )
            await self._storage.record([], [report])
            await asyncio.sleep(0)

    async def _done(self, workspace: Workspace, built: CustomSchema) -> None:
        """Let searches use the index, unless the schema has changed since the build began.

        Raises:
            Outdated: The schema changes concurrently.
        """
        for item in await self._storage.items(workspace.id, SCHEMA_KIND):
            schema = CustomSchema.from_json(item.body)
            if schema == built:
                ready = replace(schema, ready=True)
                by = Administrator(workspace, ChangeOrigin("indexer", "", timestamp()), ())
                note = by.note("Schema", schema.id, "index", indexed=list(schema.indexed))
                report = Item(workspace.id, PROGRESS_KIND, item.id, None)
                await self._storage.administer(
                    [replace(item, body=ready.to_json()), report], [note], [item]
                )
                _log.info("built the index of %s in %s", schema.id, workspace.name)

"""Builds the index of attributes that came to be looked up by, over what is there, while the workspace is in use."""

import asyncio
import logging
from dataclasses import dataclass, replace

from muster.access.audit_notes import Administrator
from muster.access.registries import PROGRESS_KIND, SCHEMA_KIND, Registries
from muster.base.clock import timestamp
from muster.directory.documents import parse
from muster.directory.versions import index_of_document
from muster.extensions.schemas import having, path_of
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
_TOLD_SECONDS = 2.0
"""How long after a schema has changed every process is sure to know of it."""
_ASK_SECONDS = 0.5
_AGAIN_SECONDS = 30.0
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Progress:
    """How many resources there are to look at, and how many were."""

    total: int
    done: int = 0


class Indexer:
    """Builds what is not ready, in one process at a time, and tells how far it is."""

    def __init__(self, storage: Storage, registries: Registries, leases: Leases) -> None:
        self._storage = storage
        self._leases = leases
        self._registries = registries

    async def run(self) -> None:
        """Look for indexes to build, as long as this is not cancelled."""
        epoch, looked = -1, 0.0
        loop = asyncio.get_running_loop()
        while True:
            with log_and_continue("building indexes"):
                if self._storage.epoch() != epoch or loop.time() - looked > _AGAIN_SECONDS:
                    epoch, looked = self._storage.epoch(), loop.time()
                    await self._look()
            await asyncio.sleep(_ASK_SECONDS)

    async def _look(self) -> None:
        """Build the indexes of every workspace that can be read; an unreachable one does not keep the others waiting."""
        for workspace in await self._storage.workspaces():
            with log_and_continue("building an index"):
                for item in await self._storage.items(workspace.id, SCHEMA_KIND):
                    if not item.body["ready"]:
                        with log_and_continue("building an index"):
                            await self._build(workspace, CustomSchema.from_json(item.body))

    async def _build(self, workspace: Workspace, schema: CustomSchema) -> None:
        name = f"index {schema.id}"
        if not await self._leases.take(workspace.id, name, _HELD_SECONDS):
            return
        try:
            await asyncio.sleep(_TOLD_SECONDS)
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
        """Make the look-ups of a schema for every resource of a type. What is written meanwhile brings its own."""
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
                raise StorageError("another process builds the index by now")
            progress.done += len(found)
            told = Item(
                workspace.id,
                PROGRESS_KIND,
                schema.id.lower(),
                {"done": progress.done, "total": progress.total},
            )
            await self._storage.record([], [told])
            await asyncio.sleep(0)

    async def _done(self, workspace: Workspace, built: CustomSchema) -> None:
        """Let searches use the index, where the schema is still the one that it was built for. Raises Outdated."""
        for item in await self._storage.items(workspace.id, SCHEMA_KIND):
            schema = CustomSchema.from_json(item.body)
            if schema == built:
                ready = replace(schema, ready=True)
                by = Administrator(workspace, ChangeOrigin("indexer", "", timestamp()), ())
                note = by.note("Schema", schema.id, "index", indexed=list(schema.indexed))
                told = Item(workspace.id, PROGRESS_KIND, item.id, None)
                await self._storage.administer(
                    [replace(item, body=ready.to_json()), told], [note], [item]
                )
                _log.info("the index of %s in %s is built", schema.id, workspace.name)

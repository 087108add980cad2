"""Workspaces, API keys, items and leases of rate limits on PostgreSQL."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import asyncpg

from muster.base.vault import Vault
from muster.storage.groups import unique_display_names
from muster.storage.port.accounts import KeyRecord, Setting, Workspace
from muster.storage.port.changes import Note
from muster.storage.port.errors import Conflict, Outdated, StorageError
from muster.storage.port.items import INSTALLATION, Item
from muster.storage.postgres.connection import Connection, Pool
from muster.storage.postgres.epoch import CHANNEL, PostgresEpoch
from muster.storage.postgres.lock import lock
from muster.storage.postgres.rows import append_changes, names_are_unique
from muster.storage.records.columns import (
    ITEM,
    KEY,
    WORKSPACE,
    details_to_column,
    increments_epoch,
    is_unchanged,
    key_from_row,
    list_statement,
    note_row,
    read_statement,
    store_statement,
    workspace_from_row,
    workspace_of,
)
from muster.storage.records.sealing import (
    READ_SECRET,
    open_item,
    open_secret,
    plain_value,
    seal_all,
)

_WORKSPACE = f"SELECT {WORKSPACE} FROM workspaces"
_KEY = f"SELECT {KEY} FROM api_keys WHERE workspace = $1"
_ITEMS = "SELECT id, body FROM configuration WHERE workspace = $1 AND kind = $2 ORDER BY id"
_ITEMS_OF_WORKSPACES = """
SELECT c.workspace, c.id, c.body FROM workspaces w JOIN configuration c ON c.workspace = w.id
WHERE c.kind = $1
"""
_COUNT_ITEMS = "SELECT count(*) FROM configuration WHERE workspace = $1 AND kind = $2"
_ADD_WORKSPACE = """
INSERT INTO workspaces (name, contract, strict, created, details) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (name) DO NOTHING RETURNING id
"""
_EPOCH = "UPDATE installation SET epoch = epoch + 1 WHERE id = 1"
_TELL = f"SELECT pg_notify('{CHANNEL}', '')"
_TOUCH = """
UPDATE api_keys SET last_used = u.time FROM unnest($2::text[], $3::text[]) AS u (id, time)
WHERE api_keys.workspace = $1 AND api_keys.id = u.id AND (last_used IS NULL OR last_used < u.time)
"""
_WINDOW = """
INSERT INTO rate_windows (workspace, key_id, "window", used) VALUES ($1, $2, $3, 0)
    ON CONFLICT (workspace, key_id) DO NOTHING
"""
_HELD = 'SELECT "window", used FROM rate_windows WHERE workspace = $1 AND key_id = $2 FOR UPDATE'
_SPEND = 'UPDATE rate_windows SET "window" = $3, used = $4 WHERE workspace = $1 AND key_id = $2'


class PostgresAccounts:
    """The accounts of the port."""

    vault: Vault
    _pool: Pool
    _epoch: PostgresEpoch

    def epoch(self) -> int:
        return self._epoch.value()

    async def signing_secret(self) -> bytes:
        row = await self._pool.row(READ_SECRET)
        if row is None:
            raise StorageError("the database contains no muster installation")
        return open_secret(self.vault, row[0])

    async def workspaces(self) -> Sequence[Workspace]:
        return [
            workspace_from_row(row) for row in await self._pool.rows(f"{_WORKSPACE} ORDER BY name")
        ]

    async def find_workspace(self, name: str) -> Workspace | None:
        row = await self._pool.row(f"{_WORKSPACE} WHERE name = $1", name)
        return None if row is None else workspace_from_row(row)

    async def workspace(self, workspace: int) -> Workspace | None:
        row = await self._pool.row(f"{_WORKSPACE} WHERE id = $1", workspace)
        return None if row is None else workspace_from_row(row)

    async def list_workspaces(
        self, after: str, limit: int, prefix: str = "", state: str = ""
    ) -> Sequence[Workspace]:
        statement = list_statement(after, limit, prefix, state)
        rows = await self._pool.rows(statement.sql, *statement.parameters)
        return [workspace_from_row(row) for row in rows]

    async def add_workspace(
        self,
        name: str,
        contract: str,
        strict: bool,
        time: str,
        display_name: str = "",
        notes: Callable[[Workspace], Sequence[Note]] | None = None,
        items: Callable[[Workspace], Sequence[Item]] | None = None,
    ) -> Workspace:
        unsaved = Workspace(0, name, contract, strict, time, display_name=display_name)
        values = (name, contract, strict, time, details_to_column(unsaved))
        async with self._pool.connection() as connection, connection.transaction():
            if notes is not None:
                # Before any row is changed: the holder of the lock may be waiting for that row.
                await lock(connection, INSTALLATION)
            number = await connection.fetchval(_ADD_WORKSPACE, *values)
            if number is None:
                raise Conflict("name")
            made = replace(unsaved, id=number)
            await connection.execute(_EPOCH)
            await connection.execute(_TELL)
            for item in () if items is None else items(made):
                statement = store_statement(item)
                await connection.execute(statement.sql, *statement.parameters)
            await _note(connection, () if notes is None else notes(made))
        self._epoch.bump()
        return made

    async def key(self, workspace: int, key_id: str) -> KeyRecord | None:
        row = await self._pool.row(f"{_KEY} AND id = $2", workspace, key_id)
        return None if row is None else key_from_row(row)

    async def keys(self, workspace: int) -> Sequence[KeyRecord]:
        return [
            key_from_row(row)
            for row in await self._pool.rows(f"{_KEY} ORDER BY created, id", workspace)
        ]

    async def item(self, workspace: int, kind: str, item_id: str) -> Item | None:
        row = await self._pool.row(ITEM, workspace, kind, item_id)
        return None if row is None else self._item(workspace, kind, item_id, row[0])

    async def items(self, workspace: int, kind: str) -> Sequence[Item]:
        rows = await self._pool.rows(_ITEMS, workspace, kind)
        return [self._item(workspace, kind, item_id, body) for item_id, body in rows]

    def _item(self, workspace: int, kind: str, item_id: str, body: str) -> Item:
        return open_item(self.vault, Item(workspace, kind, item_id, json.loads(body)))

    async def items_of_workspaces(self, kind: str) -> Sequence[Item]:
        return [
            self._item(workspace, kind, item_id, body)
            for workspace, item_id, body in await self._pool.rows(_ITEMS_OF_WORKSPACES, kind)
        ]

    async def count_items(self, workspace: int, kind: str) -> int:
        row = await self._pool.row(_COUNT_ITEMS, workspace, kind)
        return 0 if row is None else int(row[0])

    async def administer(
        self, puts: Sequence[Setting], notes: Sequence[Note] = (), expected: Sequence[Setting] = ()
    ) -> None:
        async with self._pool.connection() as connection, connection.transaction():
            places = {workspace_of(puts[0]), *(note.workspace for note in notes)}
            # In one order, because two that hold one lock each would wait for each other for ever.
            for workspace in sorted(places | {workspace_of(read) for read in expected}):
                await lock(connection, workspace)
            for read in expected:
                statement = read_statement(read)
                row = await connection.fetchrow(statement.sql, *statement.parameters)
                if not is_unchanged(read, row, self.vault):
                    raise Outdated
            for put in await self._sealed(connection, puts):
                if isinstance(put, Workspace):
                    await _apply_unique_names(connection, put)
                statement = store_statement(put)
                try:
                    await connection.execute(statement.sql, *statement.parameters)
                except asyncpg.UniqueViolationError:
                    if isinstance(put, Workspace):
                        raise Conflict("name") from None
                    raise
            if increments_epoch(puts):
                await connection.execute(_EPOCH)
                await connection.execute(_TELL)
            await _note(connection, notes)
        if increments_epoch(puts):
            self._epoch.bump()

    async def record(self, notes: Sequence[Note], items: Sequence[Item] = ()) -> None:
        async with self._pool.connection() as connection, connection.transaction():
            workspaces = [note.workspace for note in notes] or [item.workspace for item in items]
            if workspaces:
                # Before any row is changed: the holder of the lock may be waiting for that row.
                await lock(connection, workspaces[0])
            for item in await self._sealed(connection, items):
                statement = store_statement(item)
                await connection.execute(statement.sql, *statement.parameters)
            await _note(connection, notes)

    async def _sealed(self, connection: Connection, puts: Sequence[Setting]) -> Sequence[Setting]:
        """Return what is to be stored, with its secrets encrypted if they are to be."""
        if all(plain_value(put) is None for put in puts):
            return puts
        return seal_all(self.vault, puts, await connection.fetchval(READ_SECRET))

    async def touch_keys(self, used: dict[tuple[int, str], str]) -> None:
        by_workspace: dict[int, list[tuple[str, str]]] = {}
        for (workspace, key_id), time in sorted(used.items()):
            by_workspace.setdefault(workspace, []).append((key_id, time))
        async with self._pool.connection() as connection:
            for workspace, rows in by_workspace.items():
                await connection.execute(
                    _TOUCH, workspace, [row[0] for row in rows], [row[1] for row in rows]
                )

    async def lease(self, workspace: int, key_id: str, window: int, limit: int, share: int) -> int:
        async with self._pool.connection() as connection:
            await connection.execute(_WINDOW, workspace, key_id, window)
            async with connection.transaction():
                held = await connection.fetchrow(_HELD, workspace, key_id)
                used = held["used"] if held is not None and held["window"] >= window else 0
                if used >= limit:
                    return 0
                taken = max(1, (limit - used) // share)
                await connection.execute(_SPEND, workspace, key_id, window, used + taken)
        return taken


async def _apply_unique_names(connection: Connection, after: Workspace) -> None:
    """Begin or end the uniqueness of group names if the setting changes.

    Raises:
        Conflict: Two groups share a name.
    """
    if await names_are_unique(connection, after.id) == after.unique_group_names:
        return
    if after.unique_group_names:
        shared = unique_display_names.find_duplicates(after.id)
        if await connection.fetchrow(shared.sql, *shared.parameters) is not None:
            raise Conflict(unique_display_names.ATTRIBUTE)
    for statement in unique_display_names.set_uniqueness(after):
        await connection.execute(statement.sql, *statement.parameters)


async def _note(connection: Connection, notes: Sequence[Note]) -> None:
    """Append notes to the changes of their workspaces; the transaction holds the locks."""
    by_workspace: dict[int, list[Note]] = {}
    for note in notes:
        by_workspace.setdefault(note.workspace, []).append(note)
    for workspace, some in by_workspace.items():
        await append_changes(connection, workspace, [note_row(note) for note in some])

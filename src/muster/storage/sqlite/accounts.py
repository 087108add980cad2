"""Workspaces, API keys, items and leases of rate limits on SQLite."""

import json
import sqlite3
from collections.abc import Callable, Sequence

from muster.base.vault import Vault
from muster.storage.groups import unique_display_names
from muster.storage.port.accounts import KeyRecord, Setting, Workspace
from muster.storage.port.changes import Note
from muster.storage.port.errors import Conflict, Outdated
from muster.storage.port.items import HIGHEST_KIND, Item
from muster.storage.records.columns import (
    KEY,
    WORKSPACE,
    details_to_column,
    increments_epoch,
    is_unchanged,
    key_from_row,
    list_statement,
    name_statement,
    read_statement,
    store_statement,
    workspace_from_row,
)
from muster.storage.records.sealing import (
    READ_SECRET,
    open_item,
    open_secret,
    plain_value,
    seal_all,
)
from muster.storage.sqlite import rows
from muster.storage.sqlite.connection import translate, translated
from muster.storage.sqlite.epoch import SqliteEpoch, Stamps
from muster.storage.sqlite.functions import positional
from muster.storage.sqlite.writer import SqliteWriter

_WORKSPACE = f"SELECT {WORKSPACE} FROM workspaces"
_KEY = f"SELECT {KEY} FROM api_keys WHERE workspace = ?"
_ITEM = "SELECT body FROM configuration WHERE workspace = ? AND kind = ? AND id = ?"
_ITEMS = "SELECT id, body FROM configuration WHERE workspace = ? AND kind = ? ORDER BY id"
_ITEMS_OF_WORKSPACES = """
SELECT c.workspace, c.id, c.body FROM workspaces w CROSS JOIN configuration c
WHERE c.workspace = w.id AND c.kind = ?
"""
"""CROSS JOIN makes SQLite search the index of `configuration` once for each workspace."""
_COUNT_ITEMS = "SELECT count(*) FROM configuration WHERE workspace = ? AND kind = ?"
_EPOCH = "UPDATE installation SET epoch = epoch + 1 WHERE id = 1"


_NEXT_ID = f"""
SELECT 1 + max(
    coalesce((SELECT max(id) FROM workspaces), 0),
    coalesce((SELECT max(json_extract(body, '$.id')) FROM configuration
        WHERE workspace = 0 AND kind = '{HIGHEST_KIND}'), 0)
)
"""
"""SQLite itself would give the id of the newest workspace again once that is erased."""


class SqliteAccounts:
    """The accounts of the port. Reads run inline; each is one look-up by key."""

    vault: Vault
    _accounts: sqlite3.Connection
    _writer: SqliteWriter
    _epoch: SqliteEpoch
    _stamps: Stamps

    def epoch(self) -> int:
        try:
            return self._epoch.value()
        except sqlite3.DatabaseError as error:
            raise translate(error) from error

    async def signing_secret(self) -> bytes:
        with translated():
            secret: bytes = self._accounts.execute(READ_SECRET).fetchone()[0]
        return open_secret(self.vault, secret)

    async def workspaces(self) -> Sequence[Workspace]:
        with translated():
            return [
                workspace_from_row(row)
                for row in self._accounts.execute(f"{_WORKSPACE} ORDER BY name")
            ]

    async def find_workspace(self, name: str) -> Workspace | None:
        return self._one_workspace("name", name)

    async def workspace(self, workspace: int) -> Workspace | None:
        return self._one_workspace("id", workspace)

    def _one_workspace(self, column: str, value: object) -> Workspace | None:
        with translated():
            row = self._accounts.execute(f"{_WORKSPACE} WHERE {column} = ?", (value,)).fetchone()
        return None if row is None else workspace_from_row(row)

    async def list_workspaces(
        self, after: str, limit: int, prefix: str = "", state: str = ""
    ) -> Sequence[Workspace]:
        statement = list_statement(after, limit, prefix, state)
        with translated():
            found = self._accounts.execute(*positional(statement)).fetchall()
        return [workspace_from_row(row) for row in found]

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
        def job(connection: sqlite3.Connection) -> Workspace:
            number = connection.execute(_NEXT_ID).fetchone()[0]
            made = Workspace(number, name, contract, strict, time, display_name=display_name)
            cursor = connection.execute(
                "INSERT OR IGNORE INTO workspaces (id, name, contract, strict, created, details)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (number, name, contract, strict, time, details_to_column(made)),
            )
            if cursor.rowcount == 0:
                raise Conflict("name")
            connection.execute(_EPOCH)
            for item in () if items is None else items(made):
                connection.execute(*positional(store_statement(item)))
            if notes is not None:
                rows.append_notes(connection, notes(made))
            return made

        made = await self._writer.write(job)
        self._stamps.announce_accounts()
        return made

    async def key(self, workspace: int, key_id: str) -> KeyRecord | None:
        with translated():
            row = self._accounts.execute(f"{_KEY} AND id = ?", (workspace, key_id)).fetchone()
        return None if row is None else key_from_row(row)

    async def keys(self, workspace: int) -> Sequence[KeyRecord]:
        with translated():
            return [
                key_from_row(row)
                for row in self._accounts.execute(f"{_KEY} ORDER BY created, id", (workspace,))
            ]

    async def item(self, workspace: int, kind: str, item_id: str) -> Item | None:
        with translated():
            row = self._accounts.execute(_ITEM, (workspace, kind, item_id)).fetchone()
        return None if row is None else self._item(workspace, kind, item_id, row[0])

    async def items(self, workspace: int, kind: str) -> Sequence[Item]:
        with translated():
            found = self._accounts.execute(_ITEMS, (workspace, kind)).fetchall()
        return [self._item(workspace, kind, item_id, body) for item_id, body in found]

    def _item(self, workspace: int, kind: str, item_id: str, body: str) -> Item:
        return open_item(self.vault, Item(workspace, kind, item_id, json.loads(body)))

    async def items_of_workspaces(self, kind: str) -> Sequence[Item]:
        with translated():
            found = self._accounts.execute(_ITEMS_OF_WORKSPACES, (kind,)).fetchall()
        return [self._item(workspace, kind, item_id, body) for workspace, item_id, body in found]

    async def count_items(self, workspace: int, kind: str) -> int:
        with translated():
            number: int = self._accounts.execute(_COUNT_ITEMS, (workspace, kind)).fetchone()[0]
        return number

    async def administer(
        self, puts: Sequence[Setting], notes: Sequence[Note] = (), expected: Sequence[Setting] = ()
    ) -> None:
        def job(connection: sqlite3.Connection) -> None:
            for read in expected:
                if not is_unchanged(
                    read,
                    connection.execute(*positional(read_statement(read))).fetchone(),
                    self.vault,
                ):
                    raise Outdated
            for put in self._sealed(connection, puts):
                if isinstance(put, Workspace):
                    if connection.execute(*positional(name_statement(put))).fetchone():
                        raise Conflict("name")
                    _apply_unique_names(connection, put)
                connection.execute(*positional(store_statement(put)))
            if new_epoch:
                connection.execute(_EPOCH)
            rows.append_notes(connection, notes)

        new_epoch = increments_epoch(puts)
        await self._writer.write(job, large=any(isinstance(put, Workspace) for put in puts))
        if new_epoch:
            self._stamps.announce_accounts()

    async def record(self, notes: Sequence[Note], items: Sequence[Item] = ()) -> None:
        def job(connection: sqlite3.Connection) -> None:
            for item in self._sealed(connection, items):
                connection.execute(*positional(store_statement(item)))
            rows.append_notes(connection, notes)

        await self._writer.write(job)

    def _sealed(self, connection: sqlite3.Connection, puts: Sequence[Setting]) -> Sequence[Setting]:
        """Return what is to be stored, with its secrets encrypted if they are to be."""
        if all(plain_value(put) is None for put in puts):
            return puts
        return seal_all(self.vault, puts, connection.execute(READ_SECRET).fetchone()[0])

    async def touch_keys(self, used: dict[tuple[int, str], str]) -> None:
        used_keys = [(time, workspace, key_id, time) for (workspace, key_id), time in used.items()]
        statement = (
            "UPDATE api_keys SET last_used = ? WHERE workspace = ? AND id = ?"
            " AND (last_used IS NULL OR last_used < ?)"
        )

        def job(connection: sqlite3.Connection) -> None:
            connection.executemany(statement, used_keys)

        await self._writer.write(job)

    async def lease(self, workspace: int, key_id: str, window: int, limit: int, share: int) -> int:
        return await self._writer.write(_lease(workspace, key_id, window, limit, share))


def _apply_unique_names(connection: sqlite3.Connection, after: Workspace) -> None:
    """Begin or end the uniqueness of group names if the setting changes.

    Raises:
        Conflict: Two groups share a name.
    """
    if rows.names_are_unique(connection, after.id) == after.unique_group_names:
        return
    if (
        after.unique_group_names
        and connection.execute(
            *positional(unique_display_names.find_duplicates(after.id))
        ).fetchone()
        is not None
    ):
        raise Conflict(unique_display_names.ATTRIBUTE)
    for statement in unique_display_names.set_uniqueness(after):
        connection.execute(*positional(statement))


def _lease(
    workspace: int, key_id: str, window: int, limit: int, share: int
) -> Callable[[sqlite3.Connection], int]:
    """Return a job that leases requests from a window of the rate limit."""

    def job(connection: sqlite3.Connection) -> int:
        row = connection.execute(
            'SELECT "window", used FROM rate_windows WHERE workspace = ? AND key_id = ?',
            (workspace, key_id),
        ).fetchone()
        used = row[1] if row is not None and row[0] >= window else 0
        left = limit - used
        if left <= 0:
            return 0
        taken = max(1, left // share)
        connection.execute(
            'INSERT INTO rate_windows (workspace, key_id, "window", used) VALUES (?, ?, ?, ?)'
            " ON CONFLICT (workspace, key_id) DO UPDATE"
            ' SET "window" = excluded."window", used = excluded.used',
            (workspace, key_id, window, used + taken),
        )
        return taken

    return job

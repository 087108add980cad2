"""The rows that a batch changes, in the order in which engines store them.

Each engine has its own SQL for the same steps (`Statements`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from muster.storage.port.resources import Lookups
from muster.storage.writing.batch import Batch, Row

_NOTHING = Lookups()
MANY_ENTRIES = 1_000
"""Index entries that take too long for the event loop to compare or to encode: about 2 ms."""


@dataclass(frozen=True, slots=True)
class Statements:
    """One engine's SQL for each step.

    A comment names the columns of the step's rows. Each row begins with the workspace.
    """

    delete: str  # workspace, key
    delete_body: str  # workspace, key
    delete_secrets: str  # workspace, key
    drop_unique: str  # workspace, type, attribute, value, key
    drop_lookups: str  # workspace, type, attribute, value, key
    insert: str  # workspace, type, key, id, version, document, display, connection
    insert_body: str  # workspace, type, key, search form
    update: str  # workspace, key, version, document, display
    update_body: str  # workspace, key, search form
    add_unique: str  # workspace, type, attribute, value, key
    add_lookups: str  # workspace, type, attribute, value, key, first (1 or 0)
    forget_secrets: str  # workspace, key, name
    keep_secrets: str  # workspace, key, name, hash
    reprovision: str  # workspace, key
    deprovision: str  # workspace, time, key
    forget_deprovisioned: str  # workspace, since
    count: str  # workspace, type, difference


Rows = list[tuple[Any, ...]]
Step = tuple[str, Rows, bool]
"""A statement, the rows to execute it for, and whether each must be inserted.

If a row that must be inserted exists already, the engine raises KeyTaken.
"""


def has_many_entries(batch: Batch) -> bool:
    """Tell whether `steps` takes too long for the event loop."""
    indexes = [index for row in batch.rows.values() for index in (row.before, row.index) if index]
    return sum(len(index.unique) + len(index.lookups) for index in indexes) > MANY_ENTRIES


def steps(batch: Batch, sql: Statements) -> list[Step]:
    """Return the steps that store the net effect of a batch, but for `changes` and members."""
    workspace = batch.workspace
    gone: Rows = []
    new: Rows = []
    new_bodies: Rows = []
    kept: Rows = []
    kept_bodies: Rows = []
    secrets: Rows = []
    touched = [row for row in batch.rows.values() if row.index is not None]
    for row in touched:
        put, key = row.put, row.key
        if put is None:
            if row.existed:
                gone.append((workspace, key))
            continue
        stored, body = put.stored, put.search.decode()
        text = stored.document.decode()
        if row.existed:
            kept.append((workspace, key, stored.version, text, put.display))
            kept_bodies.append((workspace, key, body))
        else:
            shown = (stored.id, stored.version, text, put.display)
            new.append((workspace, row.type, key, *shown, row.connection))
            new_bodies.append((workspace, row.type, key, body))
        if row.secrets:
            secrets += [(workspace, key, name, hashed) for name, hashed in row.secrets.items()]
    dropped_unique, added_unique, dropped_lookups, added_lookups = _entries(workspace, touched)
    usual = (
        (sql.delete, gone, False),
        (sql.delete_body, gone, False),
        (sql.delete_secrets, gone, False),
        # Deletions come before insertions, so that a value that one resource gives up can be taken
        # by another in the same batch.
        (sql.drop_unique, dropped_unique, False),
        (sql.drop_lookups, dropped_lookups, False),
        (sql.insert, new, True),
        (sql.insert_body, new_bodies, False),
        (sql.update, kept, False),
        (sql.update_body, kept_bodies, False),
        (sql.add_unique, added_unique, True),
        (sql.add_lookups, added_lookups, False),
        (sql.count, [(workspace, name, n) for name, n in batch.counts.items() if n], False),
    )
    found = [step for step in usual if step[1]]
    if secrets:
        found += _secrets(secrets, sql)
    if batch.reprovisioned or batch.deprovisioned:
        found += _accesses(batch, sql)
    return found


def _secrets(secrets: Rows, sql: Statements) -> list[Step]:
    forgotten = [row[:3] for row in secrets if row[3] is None]
    kept = [row for row in secrets if row[3] is not None]
    found = ((sql.forget_secrets, forgotten, False), (sql.keep_secrets, kept, False))
    return [step for step in found if step[1]]


def _accesses(batch: Batch, sql: Statements) -> list[Step]:
    """Return the steps that count users who lose and regain access."""
    found: list[Step] = []
    if batch.reprovisioned:
        keys: Rows = [(batch.workspace, key) for key in batch.reprovisioned]
        found.append((sql.reprovision, keys, False))
    if batch.deprovisioned:
        users: Rows = [(batch.workspace, time, key) for time, key in batch.deprovisioned]
        found.append((sql.deprovision, users, False))
        found.append((sql.forget_deprovisioned, [(batch.workspace, batch.since)], False))
    return found


def _entries(workspace: int, touched: Iterable[Row]) -> tuple[Rows, Rows, Rows, Rows]:
    """Return the unique values to delete and to insert, and likewise the look-ups."""
    dropped_unique: Rows = []
    added_unique: Rows = []
    dropped_lookups: Rows = []
    added_lookups: Rows = []
    for row in touched:
        kind, key, after = row.type, row.key, row.index or _NOTHING
        before = (row.before if row.existed else None) or _NOTHING
        if before.unique != after.unique:
            for name, value, _ in before.unique - after.unique:
                dropped_unique.append((workspace, kind, name, value, key))
            for name, value, _ in after.unique - before.unique:
                added_unique.append((workspace, kind, name, value, key))
        for name, value, _ in before.lookups - after.lookups:
            dropped_lookups.append((workspace, kind, name, value, key))
        for name, value, first in after.lookups - before.lookups:
            # As a number: sqlite3 looks for an adapter for each bool, which takes long.
            added_lookups.append((workspace, kind, name, value, key, int(first)))
    return dropped_unique, added_unique, dropped_lookups, added_lookups

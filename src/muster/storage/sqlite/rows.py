"""The statements of a write: the document, what it is found by, its change and the running count."""

import sqlite3
from collections.abc import Sequence

from muster.scim.indexing import Entry
from muster.storage.ids import key_of
from muster.storage.port import Conflict, Keep, KeyTaken, Outcome, Put, Remove, Stored, Write

_ATTEMPTS = 20

_READ = 'SELECT version, document FROM resources WHERE "key" = ? AND workspace = ? AND type = ? AND id = ?'
_INSERT = 'INSERT OR IGNORE INTO resources ("key", workspace, type, id, version, document) VALUES (?, ?, ?, ?, ?, ?)'
_UPDATE = 'UPDATE resources SET version = ?, document = ? WHERE "key" = ? AND workspace = ?'
_INSERT_BODY = 'INSERT INTO searchable ("key", workspace, type, body) VALUES (?, ?, ?, ?)'
_UPDATE_BODY = 'UPDATE searchable SET body = ? WHERE "key" = ? AND workspace = ?'
_ADD_LOOKUP = 'INSERT INTO lookups (workspace, type, attribute, value, "key", "first") VALUES (?, ?, ?, ?, ?, ?)'
_DROP_LOOKUP = 'DELETE FROM lookups WHERE workspace = ? AND type = ? AND attribute = ? AND value = ? AND "key" = ?'
_ADD_UNIQUE = 'INSERT OR IGNORE INTO unique_values (workspace, type, attribute, value, "key") VALUES (?, ?, ?, ?, ?)'
_DROP_UNIQUE = 'DELETE FROM unique_values WHERE workspace = ? AND type = ? AND attribute = ? AND value = ? AND "key" = ?'
_ADD_CHANGE = (
    "INSERT INTO changes (workspace, time, actor, request_id, type, id, action, version, document)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_COUNT = (
    "INSERT INTO counts (workspace, type, total) VALUES (?, ?, ?)"
    " ON CONFLICT (workspace, type) DO UPDATE SET total = total + excluded.total"
)
_KEEP_SECRET = (
    'INSERT INTO secrets (workspace, "key", name, hash) VALUES (?, ?, ?, ?)'
    ' ON CONFLICT (workspace, "key", name) DO UPDATE SET hash = excluded.hash'
)
_FORGET_SECRET = 'DELETE FROM secrets WHERE workspace = ? AND "key" = ? AND name = ?'


def carry_out(connection: sqlite3.Connection, write: Write) -> Outcome:
    """Decide and carry out one write, within the transaction that is open."""
    if write.id is not None:
        return _apply(connection, write, _standing(connection, write, write.id))
    for _ in range(_ATTEMPTS):
        try:
            return _apply(connection, write, None)
        except KeyTaken:
            continue
    raise KeyTaken


def _standing(connection: sqlite3.Connection, write: Write, resource_id: str) -> Stored | None:
    key = key_of(resource_id)
    row = None
    if key is not None:
        row = connection.execute(_READ, (key, write.workspace, write.type, resource_id)).fetchone()
    return None if row is None else Stored(resource_id, row[0], row[1].encode())


def _apply(connection: sqlite3.Connection, write: Write, standing: Stored | None) -> Outcome:
    outcome = write.decide(standing)
    match outcome:
        case Put() if standing is None:
            insert(connection, write.workspace, write.type, outcome)
            connection.execute(_COUNT, (write.workspace, write.type, 1))
            _record(connection, write, "create", outcome.stored)
        case Put():
            _replace(connection, write, outcome)
            _record(connection, write, "update", outcome.stored)
        case Remove():
            _remove(connection, write, outcome)
            _record(connection, write, "delete", outcome.stored)
        case Keep():
            pass
    return outcome


def insert(connection: sqlite3.Connection, workspace: int, type_name: str, put: Put) -> None:
    """Make a new resource. Raises KeyTaken or Conflict."""
    stored, key = put.stored, _key(put.stored)
    row = (key, workspace, type_name, stored.id, stored.version, stored.document.decode())
    if connection.execute(_INSERT, row).rowcount == 0:
        raise KeyTaken
    connection.execute(_INSERT_BODY, (key, workspace, type_name, put.search.decode()))
    _add(connection, workspace, type_name, key, put.index.lookups, put.index.unique)
    _keep_secrets(connection, workspace, key, put)


def _replace(connection: sqlite3.Connection, write: Write, put: Put) -> None:
    stored, key, workspace = put.stored, _key(put.stored), write.workspace
    connection.execute(_UPDATE, (stored.version, stored.document.decode(), key, workspace))
    connection.execute(_UPDATE_BODY, (put.search.decode(), key, workspace))
    before, after = put.before or put.index, put.index
    scope = (workspace, write.type)
    _drop(connection, *scope, key, before.lookups - after.lookups, before.unique - after.unique)
    _add(connection, *scope, key, after.lookups - before.lookups, after.unique - before.unique)
    _keep_secrets(connection, workspace, key, put)


def _remove(connection: sqlite3.Connection, write: Write, remove: Remove) -> None:
    key, workspace = _key(remove.stored), write.workspace
    _drop(connection, workspace, write.type, key, remove.before.lookups, remove.before.unique)
    for table in ("resources", "searchable", "secrets"):
        connection.execute(f'DELETE FROM {table} WHERE "key" = ? AND workspace = ?', (key, workspace))
    connection.execute(_COUNT, (workspace, write.type, -1))


def _add(
    connection: sqlite3.Connection,
    workspace: int,
    type_name: str,
    key: int,
    lookups: frozenset[Entry],
    unique: frozenset[Entry],
) -> None:
    for entry in unique:
        row = (workspace, type_name, entry.attribute, entry.value, key)
        if connection.execute(_ADD_UNIQUE, row).rowcount == 0:
            raise Conflict(entry.attribute)
    connection.executemany(_ADD_LOOKUP, [(workspace, type_name, e.attribute, e.value, key, e.first) for e in sorted(lookups)])


def _drop(
    connection: sqlite3.Connection,
    workspace: int,
    type_name: str,
    key: int,
    lookups: frozenset[Entry],
    unique: frozenset[Entry],
) -> None:
    for statement, entries in ((_DROP_UNIQUE, unique), (_DROP_LOOKUP, lookups)):
        connection.executemany(statement, [(workspace, type_name, e.attribute, e.value, key) for e in entries])


def _keep_secrets(connection: sqlite3.Connection, workspace: int, key: int, put: Put) -> None:
    for name, hashed in put.secrets.items():
        if hashed is None:
            connection.execute(_FORGET_SECRET, (workspace, key, name))
        else:
            connection.execute(_KEEP_SECRET, (workspace, key, name, hashed))


def _record(connection: sqlite3.Connection, write: Write, action: str, stored: Stored) -> None:
    connection.execute(
        _ADD_CHANGE,
        (
            write.workspace,
            write.time,
            write.actor,
            write.request_id,
            write.type,
            stored.id,
            action,
            stored.version,
            stored.document.decode(),
        ),
    )


def load(
    connection: sqlite3.Connection,
    workspace: int,
    type_name: str,
    puts: Sequence[Put],
    origin: tuple[str, str, str],
) -> None:
    """Make many new resources, a table at a time. origin: time, actor and request id. Raises KeyTaken or Conflict."""
    scope = (workspace, type_name)
    keyed = [(_key(put.stored), put) for put in puts]
    documents = [put.stored.document.decode() for put in puts]
    resources = [(key, *scope, p.stored.id, p.stored.version, d) for (key, p), d in zip(keyed, documents, strict=True)]
    if connection.executemany(_INSERT, resources).rowcount < len(puts):
        raise KeyTaken
    connection.executemany(_INSERT_BODY, [(key, *scope, put.search.decode()) for key, put in keyed])
    unique = sorted((*scope, e.attribute, e.value, key) for key, put in keyed for e in put.index.unique)
    if connection.executemany(_ADD_UNIQUE, unique).rowcount < len(unique):
        raise Conflict(unique[0][2])
    lookups = sorted((*scope, e.attribute, e.value, key, e.first) for key, put in keyed for e in put.index.lookups)
    connection.executemany(_ADD_LOOKUP, lookups)
    for key, put in keyed:
        _keep_secrets(connection, workspace, key, put)
    changes = [
        (workspace, *origin, type_name, put.stored.id, "create", put.stored.version, document)
        for put, document in zip(puts, documents, strict=True)
    ]
    connection.executemany(_ADD_CHANGE, changes)
    connection.execute(_COUNT, (*scope, len(puts)))


def _key(stored: Stored) -> int:
    key = key_of(stored.id)
    if key is None:
        raise ValueError(f"{stored.id} is not an id of ours")
    return key

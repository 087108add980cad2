"""The statements of one write: document, look-ups, members, change and counts.

The order of the steps within the open transaction:

1. Read the current state, with the groups that contain the resource.
2. Compute the effect of the member edit, which the decision may look at.
3. Decide. The decision returns the new state, or raises and rejects the write.
4. Apply the settings of the workspace that may have changed since the request began: unique group
   names and the guard.
5. Insert unique values first. A conflict there has changed nothing, so the transaction need not
   start over (`writer.py`).
6. Store the document, its look-ups and search form, the members, and the row of `changes`.
7. Bring the groups that contain the resource to their next version if it was renamed or deleted:
   answers about them show its name.

The same steps for many writes at a time are in `storage/postgres/rows.py`.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from muster.scim.indexing import LookupEntry
from muster.storage.audit.chain import HASHED_COLUMNS, chain_hash
from muster.storage.groups import unique_display_names
from muster.storage.groups.hierarchy import Hierarchy
from muster.storage.groups.member_delta import delta_to_column
from muster.storage.ids import key_of
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.errors import Conflict, Held, KeyTaken
from muster.storage.port.members import GROUP, MemberDelta
from muster.storage.port.resources import Guard, Keep, Outcome, Put, Remove, Stored, Write
from muster.storage.records.columns import note_row
from muster.storage.sqlite import members

_ATTEMPTS = 20

_READ = (
    'SELECT version, document, display, grouped FROM resources WHERE "key" = ?'
    " AND workspace = ? AND type = ? AND id = ?"
)
_INSERT = (
    'INSERT OR IGNORE INTO resources ("key", workspace, type, id, version, document,'
    " display) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_UPDATE = (
    'UPDATE resources SET version = ?, document = ?, display = ? WHERE "key" = ? AND workspace = ?'
)
_INSERT_BODY = 'INSERT INTO searchable ("key", workspace, type, body) VALUES (?, ?, ?, ?)'
_UPDATE_BODY = 'UPDATE searchable SET body = ? WHERE "key" = ? AND workspace = ?'
_ADD_LOOKUP = (
    'INSERT INTO lookups (workspace, type, attribute, value, "key", "first")'
    " VALUES (?, ?, ?, ?, ?, ?)"
)
_DROP_LOOKUP = (
    "DELETE FROM lookups WHERE workspace = ? AND type = ? AND attribute = ?"
    ' AND value = ? AND "key" = ?'
)
_ADD_UNIQUE = (
    'INSERT OR IGNORE INTO unique_values (workspace, type, attribute, value, "key")'
    " VALUES (?, ?, ?, ?, ?)"
)
_UNIQUE_OWNER = (
    'SELECT "key" FROM unique_values WHERE workspace = ? AND type = ? AND attribute = ?'
    " AND value = ?"
)
_DROP_UNIQUE = (
    "DELETE FROM unique_values WHERE workspace = ? AND type = ? AND attribute = ?"
    ' AND value = ? AND "key" = ?'
)
_ADD_CHANGE = (
    f"INSERT INTO changes (workspace, {HASHED_COLUMNS}, chain)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_LAST_LINK = "SELECT chain FROM changes WHERE workspace = ? ORDER BY sequence DESC LIMIT 1"
_COUNT = (
    "INSERT INTO counts (workspace, type, total) VALUES (?, ?, ?)"
    " ON CONFLICT (workspace, type) DO UPDATE SET total = total + excluded.total"
)
_KEEP_SECRET = (
    'INSERT INTO secrets (workspace, "key", name, hash) VALUES (?, ?, ?, ?)'
    ' ON CONFLICT (workspace, "key", name) DO UPDATE SET hash = excluded.hash'
)
DEPROVISIONED = "SELECT count(*) FROM deprovisionings WHERE workspace = ? AND time >= ?"
_DEPROVISION = 'INSERT OR IGNORE INTO deprovisionings (workspace, time, "key") VALUES (?, ?, ?)'
_REPROVISION = 'DELETE FROM deprovisionings WHERE workspace = ? AND "key" = ?'
_FORGET_DEPROVISIONED = "DELETE FROM deprovisionings WHERE workspace = ? AND time < ?"
_USERS = "SELECT total FROM counts WHERE workspace = ? AND type = ?"
_SETTINGS = unique_display_names.SETTINGS.replace("$1", "?")
_FORGET_SECRET = """
DELETE FROM secrets WHERE workspace = ?1 AND "key" = ?2
AND (name = ?3 OR substr(name, 1, length(?3) + 1) = ?3 || '[')
"""


class OnThread(Exception):
    """The work takes too long for the event loop.

    Attributes:
        job: Does the work; call it on a thread.
    """

    def __init__(self, job: Callable[[sqlite3.Connection], Any]) -> None:
        super().__init__()
        self.job = job


@dataclass(slots=True)
class _Current:
    """The state that a write finds.

    Attributes:
        display: The resource's display name.
        groups: The ids of the groups that directly contain it.
    """

    stored: Stored
    display: str | None
    groups: Sequence[str]


def carry_out(connection: sqlite3.Connection, write: Write, inline: bool = False) -> Outcome:
    """Decide and store one write in the open transaction.

    A new resource whose key is taken is decided again, which generates another id.

    Args:
        inline: The call is made in the event loop.

    Raises:
        OnThread: The decision takes too long for the event loop; nothing has changed.
    """
    if write.id is not None:
        current = _read_current(connection, write.workspace, write.type, write.id)
        if inline and current is not None and write.is_long(len(current.stored.document)):
            raise OnThread(lambda on_thread: carry_out(on_thread, write))
        return _apply(connection, write, current)
    for _ in range(_ATTEMPTS):
        try:
            return _apply(connection, write, None)
        except KeyTaken:
            continue
    raise KeyTaken


def _read_current(
    connection: sqlite3.Connection, workspace: int, type_name: str, resource_id: str
) -> _Current | None:
    key = key_of(resource_id)
    if key is None:
        return None
    row = connection.execute(_READ, (key, workspace, type_name, resource_id)).fetchone()
    if row is None:
        return None
    version, document, display, grouped = row
    stored = Stored(resource_id, version, document.encode())
    if not grouped:
        return _Current(stored, display, ())
    hierarchy, groups = Hierarchy(0), members.direct(connection, workspace, key)
    members.load(connection, workspace, hierarchy, groups)
    if type_name != GROUP:
        stored.groups = hierarchy.groups_of(groups)
    return _Current(stored, display, hierarchy.ids_of(groups))


def _apply(connection: sqlite3.Connection, write: Write, current: _Current | None) -> Outcome:
    delta = None
    stored = None if current is None else current.stored
    if write.members is not None and (write.id is None or stored is not None):
        delta = members.delta(
            connection, write.workspace, None if stored is None else _key(stored), write.members
        )
        if stored is not None:
            stored.delta = delta
    outcome = write.decide(stored)
    if write.type == GROUP:
        outcome = unique_display_names.with_unique_names(
            outcome, names_are_unique(connection, write.workspace)
        )
    if write.guard is not None and isinstance(outcome, Put | Remove) and outcome.deprovisions:
        _guard(connection, write, write.guard, outcome.stored)
    if isinstance(outcome, Put) and outcome.reprovisions:
        connection.execute(_REPROVISION, (write.workspace, _key(outcome.stored)))
    match outcome:
        case Put() if current is None:
            insert(connection, write.workspace, write.type, outcome)
            connection.execute(_COUNT, (write.workspace, write.type, 1))
            _store_write(connection, write, "create", outcome.stored, delta)
        case Put():
            _replace(connection, write.workspace, write.type, outcome)
            _store_write(connection, write, "update", outcome.stored, delta)
            if current is not None and outcome.display != current.display:
                _touch(connection, write, current.groups, None)
                _bump_hierarchy(connection, write)
        case Remove():
            _bump_hierarchy(connection, write)
            _remove(connection, write, outcome)
            _store_write(connection, write, "delete", outcome.stored, delta)
            if current is not None and current.groups:
                connection.execute(members.LEAVE_ALL, (write.workspace, _key(outcome.stored)))
                _touch(connection, write, current.groups, MemberDelta(removed=(outcome.stored.id,)))
        case Keep():
            pass
    return outcome


def _guard(connection: sqlite3.Connection, write: Write, guard: Guard, stored: Stored) -> None:
    """Count a user who loses access.

    Raises:
        Held: The guard refuses the write.
    """
    done = connection.execute(DEPROVISIONED, (write.workspace, guard.since)).fetchone()[0]
    users = connection.execute(_USERS, (write.workspace, write.type)).fetchone()
    allowed = guard.allowed(users[0] if users is not None else 0, done)
    if guard.holds and done >= allowed:
        raise Held(done, allowed)
    connection.execute(_DEPROVISION, (write.workspace, write.origin.time, _key(stored)))
    connection.execute(_FORGET_DEPROVISIONED, (write.workspace, guard.since))


def _store_write(
    connection: sqlite3.Connection,
    write: Write,
    action: str,
    stored: Stored,
    delta: MemberDelta | None,
) -> None:
    """Store the change to the members, and record the write."""
    if delta is not None:
        members.store_delta(connection, write.workspace, _key(stored), delta)
    _append_change(connection, write, write.type, action, stored, delta)


def _bump_hierarchy(connection: sqlite3.Connection, write: Write) -> None:
    """Increment the version of the hierarchy if the write renames or deletes a group."""
    if write.type == GROUP and write.id is not None:
        members.bump_version(connection, write.workspace, (write.id,))


def _touch(
    connection: sqlite3.Connection, write: Write, groups: Sequence[str], delta: MemberDelta | None
) -> None:
    """Bring groups to their next version after a member was renamed or deleted."""
    for group_id in groups:
        current = _read_current(connection, write.workspace, GROUP, group_id)
        if current is not None and write.touch is not None:
            put = unique_display_names.with_unique_names(
                write.touch(current.stored), names_are_unique(connection, write.workspace)
            )
            _replace(connection, write.workspace, GROUP, put)
            _append_change(connection, write, GROUP, "update", put.stored, delta)


def names_are_unique(connection: sqlite3.Connection, workspace: int) -> bool:
    """Tell whether the workspace demands unique group names."""
    row = connection.execute(_SETTINGS, (workspace,)).fetchone()
    return row is not None and unique_display_names.are_unique(row[0])


def insert(connection: sqlite3.Connection, workspace: int, type_name: str, put: Put) -> None:
    """Store a new resource.

    Raises:
        KeyTaken: Another resource has its key.
        Conflict: Another resource has a unique value.
    """
    stored, key = put.stored, _key(put.stored)
    row = (
        key,
        workspace,
        type_name,
        stored.id,
        stored.version,
        stored.document.decode(),
        put.display,
    )
    # First: a conflict here has changed nothing, so the transaction need not start over.
    _insert_unique(connection, workspace, type_name, key, put.index.unique)
    if connection.execute(_INSERT, row).rowcount == 0:
        _delete_unique(connection, workspace, type_name, key, put.index.unique)
        raise KeyTaken
    connection.execute(_INSERT_BODY, (key, workspace, type_name, put.search.decode()))
    _insert_lookups(connection, workspace, type_name, key, put.index.lookups)
    _store_secrets(connection, workspace, key, put)


def _replace(connection: sqlite3.Connection, workspace: int, type_name: str, put: Put) -> None:
    stored, key = put.stored, _key(put.stored)
    before, after = put.before or put.index, put.index
    scope = (workspace, type_name, key)
    _insert_unique(connection, *scope, after.unique - before.unique)
    _delete_unique(connection, *scope, before.unique - after.unique)
    connection.execute(
        _UPDATE, (stored.version, stored.document.decode(), put.display, key, workspace)
    )
    connection.execute(_UPDATE_BODY, (put.search.decode(), key, workspace))
    _delete_lookups(connection, *scope, before.lookups - after.lookups)
    _insert_lookups(connection, *scope, after.lookups - before.lookups)
    _store_secrets(connection, workspace, key, put)


def _remove(connection: sqlite3.Connection, write: Write, remove: Remove) -> None:
    key, workspace = _key(remove.stored), write.workspace
    _delete_unique(connection, workspace, write.type, key, remove.before.unique)
    _delete_lookups(connection, workspace, write.type, key, remove.before.lookups)
    for table in ("resources", "searchable", "secrets"):
        connection.execute(
            f'DELETE FROM {table} WHERE "key" = ? AND workspace = ?', (key, workspace)
        )
    if write.type == GROUP:
        connection.execute(members.EMPTY, (workspace, key))
    connection.execute(_COUNT, (workspace, write.type, -1))


def _insert_unique(
    connection: sqlite3.Connection,
    workspace: int,
    type_name: str,
    key: int,
    unique: Iterable[LookupEntry],
) -> None:
    """Insert unique values of a resource.

    Raises:
        Conflict: Another resource has one of them.
    """
    for entry in unique:
        if (
            connection.execute(
                _ADD_UNIQUE, (workspace, type_name, entry.attribute, entry.value, key)
            ).rowcount
            == 0
        ):
            raise Conflict(entry.attribute)


def _delete_unique(
    connection: sqlite3.Connection,
    workspace: int,
    type_name: str,
    key: int,
    unique: Iterable[LookupEntry],
) -> None:
    connection.executemany(
        _DROP_UNIQUE, [(workspace, type_name, e.attribute, e.value, key) for e in unique]
    )


def _insert_lookups(
    connection: sqlite3.Connection,
    workspace: int,
    type_name: str,
    key: int,
    lookups: Iterable[LookupEntry],
) -> None:
    connection.executemany(
        _ADD_LOOKUP, [(workspace, type_name, e.attribute, e.value, key, e.first) for e in lookups]
    )


def _delete_lookups(
    connection: sqlite3.Connection,
    workspace: int,
    type_name: str,
    key: int,
    lookups: Iterable[LookupEntry],
) -> None:
    connection.executemany(
        _DROP_LOOKUP, [(workspace, type_name, e.attribute, e.value, key) for e in lookups]
    )


def _store_secrets(connection: sqlite3.Connection, workspace: int, key: int, put: Put) -> None:
    for name, hashed in put.secrets.items():
        if hashed is None:
            connection.execute(_FORGET_SECRET, (workspace, key, name))
        else:
            connection.execute(_KEEP_SECRET, (workspace, key, name, hashed))


def _append_change(
    connection: sqlite3.Connection,
    write: Write,
    type_name: str,
    action: str,
    stored: Stored,
    delta: MemberDelta | None,
) -> None:
    origin = (write.origin.time, write.origin.actor, write.origin.request_id)
    change = (type_name, stored.id, action, stored.version, stored.document.decode())
    _append_changes(
        connection,
        write.workspace,
        [(*origin, *change, delta_to_column(delta), write.origin.address)],
    )


def append_notes(connection: sqlite3.Connection, notes: Sequence[Note]) -> None:
    """Record notes."""
    for note in notes:
        _append_changes(connection, note.workspace, [note_row(note)])


def _append_changes(
    connection: sqlite3.Connection, workspace: int, changes: Sequence[tuple[Any, ...]]
) -> None:
    """Append rows to `changes`, each hashed with the row before it.

    Args:
        changes: The values of HASHED_COLUMNS of each row.
    """
    last = connection.execute(_LAST_LINK, (workspace,)).fetchone()
    previous = None if last is None else last[0]
    linked = []
    for row in changes:
        previous = chain_hash(previous, row)
        linked.append((workspace, *row, previous))
    connection.executemany(_ADD_CHANGE, linked)


def load(
    connection: sqlite3.Connection,
    workspace: int,
    type_name: str,
    puts: Sequence[Put],
    origin: ChangeOrigin,
) -> None:
    """Store many new resources, one table at a time.

    Raises:
        KeyTaken: Another resource has one of the keys.
        Conflict: Another resource has a unique value.
    """
    scope = (workspace, type_name)
    if type_name == GROUP:
        unique_names = names_are_unique(connection, workspace)
        puts = [unique_display_names.with_unique_names(put, unique_names) for put in puts]
    keyed = [(_key(put.stored), put) for put in puts]
    documents = [put.stored.document.decode() for put in puts]
    resources = [
        (key, *scope, p.stored.id, p.stored.version, d, p.display)
        for (key, p), d in zip(keyed, documents, strict=True)
    ]
    if connection.executemany(_INSERT, resources).rowcount < len(puts):
        raise KeyTaken
    connection.executemany(_INSERT_BODY, [(key, *scope, put.search.decode()) for key, put in keyed])
    unique = sorted(
        (*scope, e.attribute, e.value, key) for key, put in keyed for e in put.index.unique
    )
    if connection.executemany(_ADD_UNIQUE, unique).rowcount < len(unique):
        raise Conflict(
            next(
                value[2]
                for value in unique
                if connection.execute(_UNIQUE_OWNER, value[:4]).fetchone()[0] != value[4]
            )
        )
    lookups = sorted(
        (*scope, e.attribute, e.value, key, e.first)
        for key, put in keyed
        for e in put.index.lookups
    )
    connection.executemany(_ADD_LOOKUP, lookups)
    for key, put in keyed:
        _store_secrets(connection, workspace, key, put)
    prefix = (origin.time, origin.actor, origin.request_id, type_name)
    changes = [
        (*prefix, put.stored.id, "create", put.stored.version, document, None, origin.address)
        for put, document in zip(puts, documents, strict=True)
    ]
    _append_changes(connection, workspace, changes)
    connection.execute(_COUNT, (*scope, len(puts)))


def _key(stored: Stored) -> int:
    key = key_of(stored.id)
    if key is None:
        raise ValueError(f"muster did not generate the id {stored.id}")
    return key

"""Stores writes on SQLite.

`storage/writing/batch.py` decides writes: those that wait together in one batch, so that their
effect takes one statement of each kind. This module reads the state and the facts that decisions
need, and executes the statements that store their effect.

A write with a member edit is a batch of its own, because its effect depends on the members that the
writes before it stored. So is a long one, which runs on a thread (`writer.py`).

A refused write has changed nothing, so the transaction need not start over. All checks come before
the first change but one: a generated key may be taken. The row of a new resource is inserted before
its other rows, so a write alone whose key is taken has changed nothing, and is decided again. If
that happens to writes together, the writer starts over with each alone.
"""

import sqlite3
from collections.abc import Callable, Collection, Sequence
from typing import Any

from muster.storage.audit.chain import HASHED_COLUMNS, link
from muster.storage.groups import unique_display_names
from muster.storage.groups.hierarchy import Hierarchy
from muster.storage.ids import key_of
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.errors import KeyTaken
from muster.storage.port.members import GROUP, MemberDelta
from muster.storage.port.resources import LONG_DECISION, Guard, Outcome, Put, Stored, Write
from muster.storage.records.columns import note_row
from muster.storage.sqlite import members
from muster.storage.writing.batch import Batch, Current, GuardFigures, Value, creation
from muster.storage.writing.steps import Statements, steps

_ATTEMPTS = 20
_SORTED = 100
"""Rows that are stored faster in the order of the table's key."""

_READ = (
    'SELECT version, document, display, grouped, connection FROM resources WHERE "key" = ?'
    " AND workspace = ? AND type = ? AND id = ?"
)
_OWNER = (
    'SELECT "key" FROM unique_values WHERE workspace = ? AND type = ? AND attribute = ?'
    " AND value = ?"
)
_DROP = (
    "DELETE FROM {table} WHERE workspace = ? AND type = ? AND attribute = ? AND value = ?"
    ' AND "key" = ?'
)
_SQL = Statements(
    delete='DELETE FROM resources WHERE workspace = ? AND "key" = ?',
    delete_body='DELETE FROM searchable WHERE workspace = ? AND "key" = ?',
    delete_secrets='DELETE FROM secrets WHERE workspace = ? AND "key" = ?',
    drop_unique=_DROP.format(table="unique_values"),
    drop_lookups=_DROP.format(table="lookups"),
    insert=(
        'INSERT OR IGNORE INTO resources (workspace, type, "key", id, version, document, display,'
        " connection) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    ),
    insert_body='INSERT INTO searchable (workspace, type, "key", body) VALUES (?, ?, ?, ?)',
    update=(
        "UPDATE resources SET version = ?3, document = ?4, display = ?5"
        ' WHERE workspace = ?1 AND "key" = ?2'
    ),
    update_body='UPDATE searchable SET body = ?3 WHERE workspace = ?1 AND "key" = ?2',
    add_unique=(
        'INSERT OR IGNORE INTO unique_values (workspace, type, attribute, value, "key")'
        " VALUES (?, ?, ?, ?, ?)"
    ),
    add_lookups=(
        'INSERT INTO lookups (workspace, type, attribute, value, "key", "first")'
        " VALUES (?, ?, ?, ?, ?, ?)"
    ),
    forget_secrets="""
        DELETE FROM secrets WHERE workspace = ?1 AND "key" = ?2
        AND (name = ?3 OR substr(name, 1, length(?3) + 1) = ?3 || '[')
    """,
    keep_secrets=(
        'INSERT INTO secrets (workspace, "key", name, hash) VALUES (?, ?, ?, ?)'
        ' ON CONFLICT (workspace, "key", name) DO UPDATE SET hash = excluded.hash'
    ),
    reprovision='DELETE FROM deprovisionings WHERE workspace = ? AND "key" = ?',
    deprovision='INSERT OR IGNORE INTO deprovisionings (workspace, time, "key") VALUES (?, ?, ?)',
    forget_deprovisioned="DELETE FROM deprovisionings WHERE workspace = ? AND time < ?",
    count=(
        "INSERT INTO counts (workspace, type, total) VALUES (?, ?, ?)"
        " ON CONFLICT (workspace, type) DO UPDATE SET total = total + excluded.total"
    ),
)
_ADD_CHANGE = (
    f"INSERT INTO changes (workspace, {HASHED_COLUMNS}, owner, chain)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_LAST_LINK = "SELECT chain FROM changes WHERE workspace = ? ORDER BY sequence DESC LIMIT 1"
DEPROVISIONED = "SELECT count(*) FROM deprovisionings WHERE workspace = ? AND time >= ?"
DELETED = (
    'SELECT count(*) - count(r."key") FROM deprovisionings AS d LEFT JOIN resources AS r'
    ' ON r.workspace = d.workspace AND r."key" = d."key" WHERE d.workspace = ? AND d.time >= ?'
)
"""Counts those of DEPROVISIONED who do not exist any more."""
_AMONG_DEPROVISIONED = (
    'SELECT "key" FROM deprovisionings WHERE workspace = ? AND time >= ? AND "key" = ? LIMIT 1'
)
_USERS = "SELECT total FROM counts WHERE workspace = ? AND type = ?"
_SETTINGS = unique_display_names.SETTINGS.replace("$1", "?")


class OnThread(Exception):
    """The work takes too long for the event loop.

    Attributes:
        job: Does the work; call it on a thread.
    """

    def __init__(self, job: Callable[[sqlite3.Connection], Any]) -> None:
        super().__init__()
        self.job = job


class _Facts:
    """Answers from the open transaction."""

    def __init__(self, connection: sqlite3.Connection, workspace: int) -> None:
        self._connection = connection
        self._workspace = workspace

    def owner(self, value: Value) -> int | None:
        row = self._connection.execute(_OWNER, (self._workspace, *value)).fetchone()
        return None if row is None else row[0]

    def guard_figures(self, write: Write, guard: Guard, returning: Collection[int]) -> GuardFigures:
        window = (self._workspace, guard.counts_from)
        done = self._connection.execute(DEPROVISIONED, window).fetchone()[0]
        found = self._connection.execute(_USERS, (self._workspace, write.type)).fetchone()
        users = 0 if found is None else found[0]
        gone = 0
        if guard.depends_on_gone(users, done):
            gone = self._connection.execute(DELETED, window).fetchone()[0]
        among = (
            self._connection.execute(_AMONG_DEPROVISIONED, (*window, key)).fetchone()
            for key in returning
        )
        return GuardFigures(users, done, gone, frozenset(row[0] for row in among if row))

    def names_are_unique(self) -> bool:
        return names_are_unique(self._connection, self._workspace)


def carry_out(connection: sqlite3.Connection, write: Write, inline: bool = False) -> Outcome:
    """Decide and store one write in the open transaction.

    It is decided again, with another id, if the generated key is taken.

    Args:
        inline: The call is made in the event loop.

    Raises:
        OnThread: The decision takes too long for the event loop; nothing has changed.
    """
    found = None if write.id is None else _read(connection, write.workspace, write.type, write.id)
    if inline and found is not None and write.is_long(len(found.stored.document)):
        raise OnThread(lambda on_thread: carry_out(on_thread, write))
    delta = None if write.members is None else _member_delta(connection, write, found)
    current = {} if found is None else {found.key: found}
    for _ in range(_ATTEMPTS):
        batch = Batch(write.workspace, current, _Facts(connection, write.workspace))
        outcome = batch.decide(write, delta)
        try:
            _store(connection, batch)
        except KeyTaken:
            continue
        if delta and batch.changes:
            key = key_of(outcome.stored.id) or 0
            members.store_delta(connection, write.workspace, key, delta)
        if batch.touches:
            _touch_groups(connection, batch)
        return outcome
    raise KeyTaken


def carry_out_all(
    connection: sqlite3.Connection, writes: Sequence[Write]
) -> list[Outcome | Exception]:
    """Decide and store writes to one workspace together, in the event loop.

    None of them may have a member edit.

    Returns:
        The outcome or the error of each of the first writes. The others need another call: these
        have outdated the state that they would see, or all of them take too long together. It is
        empty if the first takes too long by itself.

    Raises:
        KeyTaken: Another process has used a generated key; some rows may be stored.
    """
    workspace = writes[0].workspace
    current: dict[int, Current] = {}
    work = 0
    taken: list[tuple[Write, MemberDelta | None]] = []
    for write in writes:
        found = None if write.id is None else _read(connection, workspace, write.type, write.id)
        if found is not None:
            current[found.key] = found
        work += write.work(0 if found is None else len(found.stored.document))
        if work > LONG_DECISION:
            break
        taken.append((write, None))
    batch = Batch(workspace, current, _Facts(connection, workspace))
    outcomes = batch.decide_all(taken)
    for outcome in outcomes:
        if isinstance(outcome, sqlite3.DatabaseError):
            raise outcome  # of a look-up: it is no error of that write
    _store(connection, batch)
    if batch.touches:
        _touch_groups(connection, batch)
    return outcomes


def _read(
    connection: sqlite3.Connection, workspace: int, type_name: str, resource_id: str
) -> Current | None:
    """Read the current state of a resource."""
    key = key_of(resource_id)
    if key is None:
        return None
    row = connection.execute(_READ, (key, workspace, type_name, resource_id)).fetchone()
    if row is None:
        return None
    version, document, display, grouped, owner = row
    stored = Stored(resource_id, version, document.encode(), connection=owner)
    if not grouped:
        return Current(key, type_name, stored, display, ())
    hierarchy, groups = Hierarchy(0), members.direct(connection, workspace, key)
    members.load(connection, workspace, hierarchy, groups)
    if type_name != GROUP:
        stored.groups = hierarchy.groups_of(groups)
    return Current(key, type_name, stored, display, hierarchy.ids_of(groups))


def _member_delta(
    connection: sqlite3.Connection, write: Write, group: Current | None
) -> MemberDelta | None:
    """Compute the effect of a write on the members of its group.

    Raises:
        NoSuchMember: A new member does not exist.
        ScimError: A choice rejects the write.
    """
    if write.members is None or (write.id is not None and group is None):
        return None
    key = None if group is None else group.key
    delta = members.delta(connection, write.workspace, key, write.members)
    if group is not None:
        group.stored.delta = delta
    return delta


def _store(connection: sqlite3.Connection, batch: Batch) -> None:
    """Store the net effect of a batch, but for members.

    Raises:
        KeyTaken: Another resource has a generated key.
    """
    if not batch.changes:
        return
    if batch.touches and (renamed := batch.renamed_groups()):
        members.bump_version(connection, batch.workspace, renamed)
    for sql, rows, exclusive in steps(batch, _SQL):
        if len(rows) >= _SORTED:
            rows.sort()
        if connection.executemany(sql, rows).rowcount < len(rows) and exclusive:
            raise KeyTaken
    _append_changes(connection, batch.workspace, batch.changes)


def _touch_groups(connection: sqlite3.Connection, batch: Batch) -> None:
    """Bring the groups of renamed and deleted members to their next version."""
    workspace = batch.workspace
    for key in batch.deleted_members():
        connection.execute(members.LEAVE_ALL, (workspace, key))
    for key in batch.deleted_groups():
        connection.execute(members.EMPTY, (workspace, key))
    groups = batch.touched_groups()
    if not groups:
        return
    found = [_read(connection, workspace, GROUP, group_id) for group_id in groups]
    current = {group.key: group for group in found if group is not None}
    touched = Batch(workspace, current, _Facts(connection, workspace))
    for write, delta in batch.touching(current):
        touched.decide(write, delta)
    _store(connection, touched)


def names_are_unique(connection: sqlite3.Connection, workspace: int) -> bool:
    """Tell whether the workspace demands unique group names."""
    row = connection.execute(_SETTINGS, (workspace,)).fetchone()
    return row is not None and unique_display_names.are_unique(row[0])


def append_notes(connection: sqlite3.Connection, notes: Sequence[Note]) -> None:
    """Record notes."""
    for note in notes:
        _append_changes(connection, note.workspace, [note_row(note)])


def _append_changes(
    connection: sqlite3.Connection, workspace: int, changes: Sequence[tuple[Any, ...]]
) -> None:
    """Append rows to `changes`, each hashed with the row before it.

    Args:
        changes: The values of HASHED_COLUMNS and the owner of each row.
    """
    last = connection.execute(_LAST_LINK, (workspace,)).fetchone()
    linked = link(None if last is None else last[0], changes)
    connection.executemany(_ADD_CHANGE, [(workspace, *row) for row in linked])


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
    batch = Batch(workspace, {}, _Facts(connection, workspace))
    for put in puts:
        batch.decide(creation(workspace, type_name, put, origin))
    _store(connection, batch)

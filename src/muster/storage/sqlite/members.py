"""Memberships on SQLite: who is in a group, which groups a resource is in, and what a write does to them."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from muster.storage.groups.hierarchy import Hierarchy, Row
from muster.storage.groups.hierarchy import keys_of as hierarchy_keys
from muster.storage.groups.member_delta import comes_to, keys_of
from muster.storage.ids import key_of
from muster.storage.port.members import (
    GROUP,
    MEMBER_TYPES,
    Member,
    MemberChoice,
    MemberDelta,
    MemberEdit,
)

VERSION = "SELECT version FROM hierarchies WHERE workspace = ?"
"""Of the hierarchy. It is read before what it is the version of, which so is at least as new."""
DIRECT = "SELECT group_concat(group_key) FROM members WHERE workspace = ? AND member_key = ?"
"""The keys of the groups that a resource is a direct member of, with commas in between."""
DIRECT_OF_EACH = """
SELECT (SELECT group_concat(group_key) FROM members WHERE workspace = ? AND member_key = j.value) FROM json_each(?) j
"""
"""The same of each of some resources, in their order."""
BY_MEMBER = """
SELECT count(*), group_concat(document, ',') FROM (
    SELECT g.document FROM resources e CROSS JOIN members m ON m.workspace = e.workspace AND m.member_key = e."key"
    CROSS JOIN resources g ON g."key" = m.group_key AND g.workspace = m.workspace
    WHERE e."key" = ? AND e.workspace = ? AND e.id = ? ORDER BY m.group_key LIMIT ?
)
"""
"""The groups that have one member."""
_GROUP = 'SELECT id, display, grouped FROM resources WHERE "key" = ? AND workspace = ?'
_CHANGED = f"""
INSERT INTO hierarchies (workspace, version)
SELECT ?, 1 WHERE EXISTS (
    SELECT 1 FROM json_each(?) j CROSS JOIN resources r ON r."key" = j.value AND r.workspace = ? WHERE r.type = '{GROUP}'
)
ON CONFLICT (workspace) DO UPDATE SET version = version + 1
"""
_MEMBERS = """
SELECT m.member_key, r.id, r.type, r.display
FROM members m JOIN resources r ON r."key" = m.member_key AND r.workspace = m.workspace
WHERE m.workspace = ? AND m.group_key = ? AND m.member_key > ? ORDER BY m.member_key LIMIT ?
"""
_THERE = f"""
SELECT r."key", r.id FROM json_each(?) j CROSS JOIN resources r ON r."key" = j.value AND r.workspace = ?
WHERE r.type IN {MEMBER_TYPES}
"""
_NAMED = f"""
SELECT r."key", r.id, r.type, r.display FROM json_each(?) j CROSS JOIN resources r ON r."key" = j.value AND r.workspace = ?
WHERE r.type IN {MEMBER_TYPES}
"""
_NO_LIMIT = -1
_ALL = """
SELECT m.member_key, r.id FROM members m JOIN resources r ON r."key" = m.member_key AND r.workspace = m.workspace
WHERE m.workspace = ? AND m.group_key = ?
"""
_SOME = """
SELECT m.member_key, r.id
FROM json_each(?) j CROSS JOIN members m ON m.workspace = ? AND m.group_key = ? AND m.member_key = j.value
JOIN resources r ON r."key" = m.member_key AND r.workspace = m.workspace
"""
_ADD = "INSERT INTO members (workspace, group_key, member_key) VALUES (?, ?, ?)"
_DROP = "DELETE FROM members WHERE workspace = ? AND group_key = ? AND member_key = ?"
_GROUPED = 'UPDATE resources SET grouped = 1 WHERE "key" = ? AND workspace = ? AND grouped IS NULL'
LEAVE_ALL = "DELETE FROM members WHERE workspace = ? AND member_key = ?"
EMPTY = "DELETE FROM members WHERE workspace = ? AND group_key = ?"


def members(
    connection: sqlite3.Connection, workspace: int, group_key: int, after: int, limit: int
) -> list[Member]:
    """Members of a group in the order of their keys, after one."""
    found = connection.execute(_MEMBERS, (workspace, group_key, after, limit))
    return [
        Member(key, text(resource_id), text(kind), text(display))
        for key, resource_id, kind, display in found
    ]


def direct(connection: sqlite3.Connection, workspace: int, key: int) -> list[int]:
    """The keys of the groups that a resource is a direct member of."""
    return hierarchy_keys(connection.execute(DIRECT, (workspace, key)).fetchone()[0] or "")


def load(
    connection: sqlite3.Connection, workspace: int, hierarchy: Hierarchy, groups: Sequence[int]
) -> None:
    """Bring into a hierarchy what it lacks of these groups and of those that they are in."""
    while missing := hierarchy.missing(groups):
        rows: list[Row] = []
        for key in missing:
            row = connection.execute(_GROUP, (key, workspace)).fetchone()
            if row is not None:
                group_id, display, grouped = row
                rows.append(
                    (
                        key,
                        text(group_id),
                        text(display),
                        direct(connection, workspace, key) if grouped else (),
                    )
                )
        hierarchy.add(missing, rows)


def text(value: Any) -> Any:
    """Text as str: a reader's connection has it as bytes."""
    return value.decode() if isinstance(value, bytes) else value


def changed(connection: sqlite3.Connection, workspace: int, ids: Iterable[str]) -> None:
    """Make the hierarchy another version, where any of these is a group."""
    connection.execute(
        _CHANGED, (workspace, json.dumps([key_of(resource_id) for resource_id in ids]), workspace)
    )


def delta(
    connection: sqlite3.Connection,
    workspace: int,
    group_key: int | None,
    edit: MemberEdit | MemberChoice,
) -> MemberDelta:
    """What an edit comes to on a group as it stands, or on a new one. Raises NoSuchMember, and the errors of a choice."""
    if isinstance(edit, MemberChoice):
        edit = _chosen(connection, workspace, group_key, edit)
    there: dict[int, str] = {}
    current: dict[int, str] = {}
    named = keys_of(edit.add)
    if named:
        there = dict(connection.execute(_THERE, (json.dumps([*named]), workspace)).fetchall())
    if group_key is not None and edit.clear:
        current = dict(connection.execute(_ALL, (workspace, group_key)).fetchall())
    elif group_key is not None:
        asked = json.dumps([*named, *keys_of(edit.remove)])
        current = dict(connection.execute(_SOME, (asked, workspace, group_key)).fetchall())
    return comes_to(edit, there, current)


def _chosen(
    connection: sqlite3.Connection, workspace: int, group_key: int | None, choice: MemberChoice
) -> MemberEdit:
    """The edit that a choice makes of the members within this transaction."""
    current = [] if group_key is None else members(connection, workspace, group_key, -1, _NO_LIMIT)
    rows = (
        connection.execute(_NAMED, (json.dumps([*keys_of(choice.named)]), workspace)).fetchall()
        if choice.named
        else ()
    )
    return choice.edit(current, {row[1]: Member(*row) for row in rows})


def store(
    connection: sqlite3.Connection, workspace: int, group_key: int, moved: MemberDelta
) -> None:
    """Carry a delta out."""
    added = sorted(key_of(resource_id) or 0 for resource_id in moved.added)
    connection.executemany(_ADD, [(workspace, group_key, key) for key in added])
    connection.executemany(_GROUPED, [(key, workspace) for key in added])
    connection.executemany(
        _DROP, [(workspace, group_key, key_of(resource_id)) for resource_id in moved.removed]
    )
    changed(connection, workspace, (*moved.added, *moved.removed))

"""Memberships on SQLite: reads of members and groups, and member edits."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from muster.storage.groups.hierarchy import Hierarchy, Row, parse_keys
from muster.storage.groups.member_delta import delta_of, ids_by_key
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
"""Selects the version of a workspace's hierarchy.

Read it before the rows that it labels: they are then at least as new as the label.
"""
DIRECT = "SELECT group_concat(group_key) FROM members WHERE workspace = ? AND member_key = ?"
"""Selects the keys of the groups that directly contain a resource, separated by commas."""
DIRECT_OF_EACH = """
SELECT (SELECT group_concat(group_key) FROM members WHERE workspace = ? AND member_key = j.value)
    FROM json_each(?) j
"""
"""Selects the same for each of several resources, in their order."""
BY_MEMBER = """
SELECT count(*), group_concat(document, ',') FROM (
    SELECT g.document FROM resources e CROSS JOIN members m ON m.workspace = e.workspace
        AND m.member_key = e."key"
    CROSS JOIN resources g ON g."key" = m.group_key AND g.workspace = m.workspace
    WHERE e."key" = ? AND e.workspace = ? AND e.id = ? ORDER BY m.group_key LIMIT ?
)
"""
"""Selects the groups that directly contain a resource."""
_GROUP = 'SELECT id, display, grouped FROM resources WHERE "key" = ? AND workspace = ?'
_BUMP_VERSION = f"""
INSERT INTO hierarchies (workspace, version)
SELECT ?, 1 WHERE EXISTS (
    SELECT 1 FROM json_each(?) j CROSS JOIN resources r ON r."key" = j.value AND r.workspace = ?
        WHERE r.type = '{GROUP}'
)
ON CONFLICT (workspace) DO UPDATE SET version = version + 1
"""
_MEMBERS = """
SELECT m.member_key, r.id, r.type, r.display
FROM members m JOIN resources r ON r."key" = m.member_key AND r.workspace = m.workspace
WHERE m.workspace = ? AND m.group_key = ? AND m.member_key > ? ORDER BY m.member_key LIMIT ?
"""
_EXISTING = f"""
SELECT r."key", r.id FROM json_each(?) j CROSS JOIN resources r ON r."key" = j.value
    AND r.workspace = ?
WHERE r.type IN {MEMBER_TYPES}
"""
_NAMED = f"""
SELECT r."key", r.id, r.type, r.display FROM json_each(?) j CROSS JOIN resources r
    ON r."key" = j.value AND r.workspace = ?
WHERE r.type IN {MEMBER_TYPES}
"""
_NO_LIMIT = -1
_ALL = """
SELECT m.member_key, r.id FROM members m JOIN resources r ON r."key" = m.member_key
    AND r.workspace = m.workspace
WHERE m.workspace = ? AND m.group_key = ?
"""
_SOME = """
SELECT m.member_key, r.id
FROM json_each(?) j CROSS JOIN members m ON m.workspace = ? AND m.group_key = ?
    AND m.member_key = j.value
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
    """Return members of a group with keys greater than `after`, in the order of keys."""
    found = connection.execute(_MEMBERS, (workspace, group_key, after, limit))
    return [
        Member(key, text(resource_id), text(kind), text(display))
        for key, resource_id, kind, display in found
    ]


def direct(connection: sqlite3.Connection, workspace: int, key: int) -> list[int]:
    """Return the keys of the groups that directly contain a resource."""
    return parse_keys(connection.execute(DIRECT, (workspace, key)).fetchone()[0] or "")


def load(
    connection: sqlite3.Connection, workspace: int, hierarchy: Hierarchy, groups: Sequence[int]
) -> None:
    """Load into a hierarchy everything that `groups_of(groups)` needs."""
    while unloaded := hierarchy.unloaded_ancestors(groups):
        rows: list[Row] = []
        for key in unloaded:
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
        hierarchy.add(unloaded, rows)


def text(value: Any) -> Any:
    """Return text as str; the connection of a reader returns it as bytes."""
    return value.decode() if isinstance(value, bytes) else value


def bump_version(connection: sqlite3.Connection, workspace: int, ids: Iterable[str]) -> None:
    """Increment the version of the hierarchy if any of these resources is a group."""
    connection.execute(
        _BUMP_VERSION,
        (workspace, json.dumps([key_of(resource_id) for resource_id in ids]), workspace),
    )


def delta(
    connection: sqlite3.Connection,
    workspace: int,
    group_key: int | None,
    edit: MemberEdit | MemberChoice,
) -> MemberDelta:
    """Compute the effect of an edit on a group's members.

    Args:
        group_key: The group's key; None for a new group.

    Raises:
        NoSuchMember: A new member does not exist.
        ScimError: A choice rejects the write.
    """
    if isinstance(edit, MemberChoice):
        edit = _chosen(connection, workspace, group_key, edit)
    existing: dict[int, str] = {}
    current: dict[int, str] = {}
    named = ids_by_key(edit.add)
    if named:
        existing = dict(connection.execute(_EXISTING, (json.dumps([*named]), workspace)).fetchall())
    if group_key is not None and edit.clear:
        current = dict(connection.execute(_ALL, (workspace, group_key)).fetchall())
    elif group_key is not None:
        asked = json.dumps([*named, *ids_by_key(edit.remove)])
        current = dict(connection.execute(_SOME, (asked, workspace, group_key)).fetchall())
    return delta_of(edit, existing, current)


def _chosen(
    connection: sqlite3.Connection, workspace: int, group_key: int | None, choice: MemberChoice
) -> MemberEdit:
    """Return the edit that a choice makes, given the members within this transaction."""
    current = [] if group_key is None else members(connection, workspace, group_key, -1, _NO_LIMIT)
    rows = (
        connection.execute(_NAMED, (json.dumps([*ids_by_key(choice.named)]), workspace)).fetchall()
        if choice.named
        else ()
    )
    return choice.edit(current, {row[1]: Member(*row) for row in rows})


def store_delta(
    connection: sqlite3.Connection, workspace: int, group_key: int, delta: MemberDelta
) -> None:
    """Store a delta."""
    added = sorted(key_of(resource_id) or 0 for resource_id in delta.added)
    connection.executemany(_ADD, [(workspace, group_key, key) for key in added])
    connection.executemany(_GROUPED, [(key, workspace) for key in added])
    connection.executemany(
        _DROP, [(workspace, group_key, key_of(resource_id)) for resource_id in delta.removed]
    )
    bump_version(connection, workspace, (*delta.added, *delta.removed))

"""Memberships on SQLite: who is in a group, which groups a resource is in, and what a write does to them."""

import json
import sqlite3
from collections.abc import Sequence

from muster.storage.ids import key_of
from muster.storage.moves import comes_to, keys_of
from muster.storage.port import MEMBER_TYPES, Member, MemberDelta, MemberEdit

_JOINED = 'members m JOIN resources g ON g."key" = m.group_key AND g.workspace = m.workspace'
GROUPS = f"""
SELECT json_group_array(json_array(id, display, direct)) FROM (
    WITH RECURSIVE up("key", direct, id, display, grouped) AS (
        SELECT g."key", 1, g.id, g.display, g.grouped FROM {_JOINED} WHERE m.workspace = ? AND m.member_key = ?
        UNION
        SELECT g."key", 0, g.id, g.display, g.grouped
        FROM up CROSS JOIN {_JOINED} WHERE up.grouped AND m.workspace = ? AND m.member_key = up."key"
    )
    SELECT id, display, direct FROM up ORDER BY id, direct
)
"""
"""The groups of one resource, as Stored has them. Parameters: workspace, key, workspace."""
NONE = b"[]"
_GROUPS_OF_EACH = f"""
WITH RECURSIVE up(root, "key", direct, id, display, grouped) AS (
    SELECT m.member_key, g."key", 1, g.id, g.display, g.grouped
    FROM json_each(?) j CROSS JOIN {_JOINED} WHERE m.workspace = ? AND m.member_key = j.value
    UNION
    SELECT up.root, g."key", 0, g.id, g.display, g.grouped
    FROM up CROSS JOIN {_JOINED} WHERE up.grouped AND m.workspace = ? AND m.member_key = up."key"
)
SELECT root, json_group_array(json_array(id, display, direct)) FROM (SELECT * FROM up ORDER BY root, id, direct) GROUP BY root
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


def members(connection: sqlite3.Connection, workspace: int, group_key: int, after: int, limit: int) -> list[Member]:
    """Members of a group in the order of their keys, after one."""
    found = connection.execute(_MEMBERS, (workspace, group_key, after, limit))
    return [Member(key, id_.decode(), type_.decode(), display and display.decode()) for key, id_, type_, display in found]


def memberships(connection: sqlite3.Connection, workspace: int, keys: Sequence[int]) -> dict[int, bytes]:
    """The groups that resources are in, by their keys."""
    return dict(connection.execute(_GROUPS_OF_EACH, (json.dumps(keys), workspace, workspace)).fetchall())


def delta(connection: sqlite3.Connection, workspace: int, group_key: int | None, edit: MemberEdit) -> MemberDelta:
    """What an edit comes to on a group as it stands, or on a new one. Raises NoSuchMember."""
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


def store(connection: sqlite3.Connection, workspace: int, group_key: int, moved: MemberDelta) -> None:
    """Carry a delta out."""
    added = sorted(key_of(resource_id) or 0 for resource_id in moved.added)
    connection.executemany(_ADD, [(workspace, group_key, key) for key in added])
    connection.executemany(_GROUPED, [(key, workspace) for key in added])
    connection.executemany(_DROP, [(workspace, group_key, key_of(resource_id)) for resource_id in moved.removed])

"""Memberships on PostgreSQL: who is in a group, which groups a resource is in, and what a write does to them."""

from collections.abc import Iterable, Sequence

import asyncpg

from muster.storage.ids import key_of
from muster.storage.moves import comes_to, keys_of
from muster.storage.port import MEMBER_TYPES, MemberDelta, MemberEdit
from muster.storage.postgres.connection import Connection

_JOINED = 'members m JOIN resources g ON g.workspace = $1 AND g."key" = m.group_key'
_PACKED = """
convert_to(coalesce(jsonb_agg(jsonb_build_array(id, display, direct) ORDER BY id, direct), '[]'::jsonb)::text, 'UTF8') FROM up
"""


def groups(key: str) -> str:
    """The SELECT of the groups of one resource, as Stored has them. $1: the workspace; key: SQL."""
    return f"""
WITH RECURSIVE up("key", direct, id, display, grouped) AS (
    SELECT g."key", 1, g.id, g.display, g.grouped FROM {_JOINED} WHERE m.workspace = $1 AND m.member_key = {key}
    UNION
    SELECT g."key", 0, g.id, g.display, g.grouped
    FROM up CROSS JOIN {_JOINED} WHERE up.grouped AND m.workspace = $1 AND m.member_key = up."key"
)
SELECT {_PACKED}
"""


NONE = b"[]"
GROUPS_OF_EACH = f"""
WITH RECURSIVE up(root, "key", direct, id, display, grouped) AS (
    SELECT m.member_key, g."key", 1, g.id, g.display, g.grouped
    FROM {_JOINED} WHERE m.workspace = $1 AND m.member_key = ANY($2::bigint[])
    UNION
    SELECT up.root, g."key", 0, g.id, g.display, g.grouped
    FROM up CROSS JOIN {_JOINED} WHERE up.grouped AND m.workspace = $1 AND m.member_key = up."key"
)
SELECT root, {_PACKED} GROUP BY root
"""
MEMBERS = """
SELECT m.member_key, r.id, r.type, r.display FROM members m JOIN resources r ON r.workspace = $1 AND r."key" = m.member_key
WHERE m.workspace = $1 AND m.group_key = $2 AND m.member_key > $3 ORDER BY m.member_key LIMIT $4
"""
_THERE = f"""
SELECT "key", id FROM resources WHERE workspace = $1 AND "key" = ANY($2::bigint[]) AND type IN {MEMBER_TYPES}
"""
_ALL = """
SELECT m.member_key, r.id FROM members m JOIN resources r ON r.workspace = $1 AND r."key" = m.member_key
WHERE m.workspace = $1 AND m.group_key = $2
"""
_SOME = f"{_ALL} AND m.member_key = ANY($3::bigint[])"
_ADD = "INSERT INTO members (workspace, group_key, member_key) SELECT $1, $2, unnest($3::bigint[])"
_DROP = "DELETE FROM members WHERE workspace = $1 AND group_key = $2 AND member_key = ANY($3::bigint[])"
_GROUPED = 'UPDATE resources SET grouped = TRUE WHERE workspace = $1 AND "key" = ANY($2::bigint[]) AND grouped IS NULL'
_LEAVE_ALL = "DELETE FROM members WHERE workspace = $1 AND member_key = ANY($2::bigint[])"
_EMPTY = "DELETE FROM members WHERE workspace = $1 AND group_key = ANY($2::bigint[])"


async def delta(connection: Connection, workspace: int, group_key: int | None, edit: MemberEdit) -> MemberDelta:
    """What an edit comes to on a group as it stands, or on a new one. Raises NoSuchMember."""
    there: dict[int, str] = {}
    current: dict[int, str] = {}
    named = keys_of(edit.add)
    if named:
        there = _by_key(await connection.fetch(_THERE, workspace, [*named]))
    if group_key is not None and edit.clear:
        current = _by_key(await connection.fetch(_ALL, workspace, group_key))
    elif group_key is not None:
        asked = [*named, *keys_of(edit.remove)]
        current = _by_key(await connection.fetch(_SOME, workspace, group_key, asked))
    return comes_to(edit, there, current)


def _by_key(rows: Iterable[asyncpg.Record]) -> dict[int, str]:
    return {row[0]: row[1] for row in rows}


async def store(connection: Connection, workspace: int, group_key: int, moved: MemberDelta) -> None:
    """Carry a delta out."""
    if moved.added:
        added = sorted(key_of(resource_id) or 0 for resource_id in moved.added)
        await connection.execute(_ADD, workspace, group_key, added)
        await connection.execute(_GROUPED, workspace, added)
    if moved.removed:
        await connection.execute(_DROP, workspace, group_key, [key_of(resource_id) for resource_id in moved.removed])


async def forget(connection: Connection, workspace: int, left: Sequence[int], emptied: Sequence[int]) -> None:
    """Take resources that are removed out of every group, and everyone out of groups that are."""
    if left:
        await connection.execute(_LEAVE_ALL, workspace, left)
    if emptied:
        await connection.execute(_EMPTY, workspace, emptied)

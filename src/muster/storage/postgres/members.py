"""Memberships on PostgreSQL: who is in a group, which groups a resource is in, and what a write does to them."""

from collections.abc import Awaitable, Callable, Iterable, Sequence

import asyncpg

from muster.storage.groups.hierarchy import Hierarchy
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
from muster.storage.postgres.connection import Connection

VERSION = "SELECT version FROM hierarchies WHERE workspace = $1"
"""Of the hierarchy. It is read no later than what it is the version of, which so is at least as new."""
_GROUPS = """
SELECT r."key", r.id, r.display, coalesce(array_agg(m.group_key) FILTER (WHERE m.group_key IS NOT NULL), '{}')
FROM resources r LEFT JOIN members m ON m.workspace = $1 AND m.member_key = r."key"
WHERE r.workspace = $1 AND r."key" = ANY($2::bigint[]) GROUP BY r."key", r.id, r.display
"""
DIRECT_OF_EACH = """
SELECT member_key, string_agg(group_key::text, ',' ORDER BY group_key) FROM members
WHERE workspace = $1 AND member_key = ANY($2::bigint[]) GROUP BY member_key
"""
BY_MEMBER = """
SELECT count(*),
    CASE WHEN max(bytes) <= {most}
        THEN convert_to(string_agg(document, ',' ORDER BY group_key) FILTER (WHERE bytes <= {most}), 'UTF8') END
FROM (
    SELECT document, group_key, sum(octet_length(document) + 1) OVER (ORDER BY group_key) - 1 AS bytes FROM (
        SELECT g.document, m.group_key FROM resources e JOIN members m ON m.workspace = $1 AND m.member_key = e."key"
        JOIN resources g ON g.workspace = $1 AND g."key" = m.group_key
        WHERE e.workspace = $1 AND e."key" = $2 AND e.id = $3 ORDER BY m.group_key LIMIT $4
    ) found
) p
"""
"""The groups that have one member; no documents if they are more than {most} bytes."""
_CHANGED = f"""
INSERT INTO hierarchies (workspace, version)
SELECT $1, 1 WHERE EXISTS (SELECT 1 FROM resources WHERE workspace = $1 AND "key" = ANY($2::bigint[]) AND type = '{GROUP}')
ON CONFLICT (workspace) DO UPDATE SET version = hierarchies.version + 1
"""
MEMBERS = """
SELECT m.member_key, r.id, r.type, r.display FROM members m JOIN resources r ON r.workspace = $1 AND r."key" = m.member_key
WHERE m.workspace = $1 AND m.group_key = $2 AND m.member_key > $3 ORDER BY m.member_key LIMIT $4
"""
_THERE = f"""
SELECT "key", id FROM resources WHERE workspace = $1 AND "key" = ANY($2::bigint[]) AND type IN {MEMBER_TYPES}
"""
_NAMED = f"""
SELECT "key", id, type, display FROM resources WHERE workspace = $1 AND "key" = ANY($2::bigint[]) AND type IN {MEMBER_TYPES}
"""
_ALL = """
SELECT m.member_key, r.id FROM members m JOIN resources r ON r.workspace = $1 AND r."key" = m.member_key
WHERE m.workspace = $1 AND m.group_key = $2
"""
_SOME = f"{_ALL} AND m.member_key = ANY($3::bigint[])"
_ADD = "INSERT INTO members (workspace, group_key, member_key) SELECT $1, $2, unnest($3::bigint[])"
_DROP = (
    "DELETE FROM members WHERE workspace = $1 AND group_key = $2 AND member_key = ANY($3::bigint[])"
)
_GROUPED = 'UPDATE resources SET grouped = TRUE WHERE workspace = $1 AND "key" = ANY($2::bigint[]) AND grouped IS NULL'
_LEAVE_ALL = "DELETE FROM members WHERE workspace = $1 AND member_key = ANY($2::bigint[])"
_EMPTY = "DELETE FROM members WHERE workspace = $1 AND group_key = ANY($2::bigint[])"


def direct(key: str) -> str:
    """The SELECT of the keys of the groups that a resource is a direct member of, in order, with commas in between.

    $1: the workspace; key: SQL.
    """
    ordered = "string_agg(m.group_key::text, ',' ORDER BY m.group_key)"
    return f"SELECT {ordered} FROM members m WHERE m.workspace = $1 AND m.member_key = {key}"


Fetch = Callable[..., Awaitable[list[asyncpg.Record]]]


async def load(fetch: Fetch, workspace: int, hierarchy: Hierarchy, groups: Sequence[int]) -> None:
    """Bring into a hierarchy what it lacks of these groups and of those that they are in. fetch: runs a statement."""
    while unloaded := hierarchy.unloaded_ancestors(groups):
        rows = await fetch(_GROUPS, workspace, unloaded)
        hierarchy.add(unloaded, [(row[0], row[1], row[2], row[3]) for row in rows])


async def changed(connection: Connection, workspace: int, ids: Iterable[str]) -> None:
    """Make the hierarchy another version, where any of these is a group."""
    await connection.execute(_CHANGED, workspace, [key_of(resource_id) or 0 for resource_id in ids])


async def delta(
    connection: Connection, workspace: int, group_key: int | None, edit: MemberEdit | MemberChoice
) -> MemberDelta:
    """What an edit comes to on a group as it stands, or on a new one. Raises NoSuchMember, and the errors of a choice."""
    if isinstance(edit, MemberChoice):
        edit = await _chosen(connection, workspace, group_key, edit)
    there: dict[int, str] = {}
    current: dict[int, str] = {}
    named = ids_by_key(edit.add)
    if named:
        there = _by_key(await connection.fetch(_THERE, workspace, [*named]))
    if group_key is not None and edit.clear:
        current = _by_key(await connection.fetch(_ALL, workspace, group_key))
    elif group_key is not None:
        asked = [*named, *ids_by_key(edit.remove)]
        current = _by_key(await connection.fetch(_SOME, workspace, group_key, asked))
    return delta_of(edit, there, current)


async def _chosen(
    connection: Connection, workspace: int, group_key: int | None, choice: MemberChoice
) -> MemberEdit:
    """The edit that a choice makes of the members within this transaction."""
    current = (
        [] if group_key is None else await connection.fetch(MEMBERS, workspace, group_key, -1, None)
    )
    named = (
        await connection.fetch(_NAMED, workspace, [*ids_by_key(choice.named)])
        if choice.named
        else ()
    )
    return choice.edit([Member(*row) for row in current], {row[1]: Member(*row) for row in named})


def _by_key(rows: Iterable[asyncpg.Record]) -> dict[int, str]:
    return {row[0]: row[1] for row in rows}


async def store(connection: Connection, workspace: int, group_key: int, moved: MemberDelta) -> None:
    """Carry a delta out."""
    if moved.added:
        added = sorted(key_of(resource_id) or 0 for resource_id in moved.added)
        await connection.execute(_ADD, workspace, group_key, added)
        await connection.execute(_GROUPED, workspace, added)
    if moved.removed:
        await connection.execute(
            _DROP, workspace, group_key, [key_of(resource_id) for resource_id in moved.removed]
        )
    if moved:
        await changed(connection, workspace, (*moved.added, *moved.removed))


async def forget(
    connection: Connection, workspace: int, left: Sequence[int], emptied: Sequence[int]
) -> None:
    """Take resources that are removed out of every group, and everyone out of groups that are."""
    if left:
        await connection.execute(_LEAVE_ALL, workspace, left)
    if emptied:
        await connection.execute(_EMPTY, workspace, emptied)

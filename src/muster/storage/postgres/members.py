"""Memberships on PostgreSQL: reads of members and groups, and member edits."""

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
"""Selects the version of a workspace's hierarchy.

Read it no later than the rows that it labels: they are then at least as new as the label.
"""
_GROUPS = """
SELECT r."key", r.id, r.display, coalesce(array_agg(m.group_key)
    FILTER (WHERE m.group_key IS NOT NULL), '{}')
FROM resources r LEFT JOIN members m ON m.workspace = $1 AND m.member_key = r."key"
WHERE r.workspace = $1 AND r."key" = ANY($2::bigint[]) GROUP BY r."key", r.id, r.display
"""
DIRECT_OF_EACH = """
SELECT member_key, string_agg(group_key::text, ',' ORDER BY group_key) FROM members
WHERE workspace = $1 AND member_key = ANY($2::bigint[]) GROUP BY member_key
"""
"""Selects the keys of the groups that directly contain each of several resources."""
BY_MEMBER = """
SELECT count(*),
    CASE WHEN max(bytes) <= {most}
        THEN convert_to(string_agg(document, ',' ORDER BY group_key)
            FILTER (WHERE bytes <= {most}), 'UTF8') END
FROM (
    SELECT document, group_key, sum(octet_length(document) + 1)
        OVER (ORDER BY group_key) - 1 AS bytes FROM (
        SELECT g.document, m.group_key FROM resources e JOIN members m ON m.workspace = $1
            AND m.member_key = e."key"
        JOIN resources g ON g.workspace = $1 AND g."key" = m.group_key
        WHERE e.workspace = $1 AND e."key" = $2 AND e.id = $3 ORDER BY m.group_key LIMIT $4
    ) found
) p
"""
"""Selects the groups that directly contain a resource; no documents beyond {most} bytes."""
_BUMP_VERSION = f"""
INSERT INTO hierarchies (workspace, version)
SELECT $1, 1 WHERE EXISTS (SELECT 1 FROM resources WHERE workspace = $1
    AND "key" = ANY($2::bigint[]) AND type = '{GROUP}')
ON CONFLICT (workspace) DO UPDATE SET version = hierarchies.version + 1
"""
MEMBERS = """
SELECT m.member_key, r.id, r.type, r.display FROM members m JOIN resources r ON r.workspace = $1
    AND r."key" = m.member_key
WHERE m.workspace = $1 AND m.group_key = $2 AND m.member_key > $3 ORDER BY m.member_key LIMIT $4
"""
"""Selects members of a group in the order of their keys."""
_EXISTING = f"""
SELECT "key", id FROM resources WHERE workspace = $1 AND "key" = ANY($2::bigint[])
    AND type IN {MEMBER_TYPES}
"""
_NAMED = f"""
SELECT "key", id, type, display FROM resources WHERE workspace = $1 AND "key" = ANY($2::bigint[])
    AND type IN {MEMBER_TYPES}
"""
_ALL = """
SELECT m.member_key, r.id FROM members m JOIN resources r ON r.workspace = $1
    AND r."key" = m.member_key
WHERE m.workspace = $1 AND m.group_key = $2
"""
_SOME = f"{_ALL} AND m.member_key = ANY($3::bigint[])"
_ADD = "INSERT INTO members (workspace, group_key, member_key) SELECT $1, $2, unnest($3::bigint[])"
_DROP = (
    "DELETE FROM members WHERE workspace = $1 AND group_key = $2 AND member_key = ANY($3::bigint[])"
)
_GROUPED = (
    "UPDATE resources SET grouped = TRUE WHERE workspace = $1"
    ' AND "key" = ANY($2::bigint[]) AND grouped IS NULL'
)
_LEAVE_ALL = "DELETE FROM members WHERE workspace = $1 AND member_key = ANY($2::bigint[])"
_EMPTY = "DELETE FROM members WHERE workspace = $1 AND group_key = ANY($2::bigint[])"


def direct(key: str) -> str:
    """Return the SELECT of the keys of the groups that directly contain a resource.

    The keys are separated by commas; $1 is the workspace.

    Args:
        key: SQL for the resource's key.
    """
    ordered = "string_agg(m.group_key::text, ',' ORDER BY m.group_key)"
    return f"SELECT {ordered} FROM members m WHERE m.workspace = $1 AND m.member_key = {key}"


Fetch = Callable[..., Awaitable[list[asyncpg.Record]]]
"""Runs a statement and returns its rows."""


async def load(fetch: Fetch, workspace: int, hierarchy: Hierarchy, groups: Sequence[int]) -> None:
    """Load into a hierarchy everything that `groups_of(groups)` needs."""
    while unloaded := hierarchy.unloaded_ancestors(groups):
        rows = await fetch(_GROUPS, workspace, unloaded)
        hierarchy.add(unloaded, [(row[0], row[1], row[2], row[3]) for row in rows])


async def bump_version(connection: Connection, workspace: int, ids: Iterable[str]) -> None:
    """Increment the version of the hierarchy if any of these resources is a group."""
    await connection.execute(
        _BUMP_VERSION, workspace, [key_of(resource_id) or 0 for resource_id in ids]
    )


async def delta(
    connection: Connection, workspace: int, group_key: int | None, edit: MemberEdit | MemberChoice
) -> MemberDelta:
    """Compute the effect of an edit on a group's members.

    Args:
        group_key: The group's key; None for a new group.

    Raises:
        NoSuchMember: A new member does not exist.
        ScimError: A choice rejects the write.
    """
    if isinstance(edit, MemberChoice):
        edit = await _chosen(connection, workspace, group_key, edit)
    existing: dict[int, str] = {}
    current: dict[int, str] = {}
    named = ids_by_key(edit.add)
    if named:
        existing = _by_key(await connection.fetch(_EXISTING, workspace, [*named]))
    if group_key is not None and edit.clear:
        current = _by_key(await connection.fetch(_ALL, workspace, group_key))
    elif group_key is not None:
        asked = [*named, *ids_by_key(edit.remove)]
        current = _by_key(await connection.fetch(_SOME, workspace, group_key, asked))
    return delta_of(edit, existing, current)


async def _chosen(
    connection: Connection, workspace: int, group_key: int | None, choice: MemberChoice
) -> MemberEdit:
    """Return the edit that a choice makes, given the members within this transaction."""
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


async def store_delta(
    connection: Connection, workspace: int, group_key: int, delta: MemberDelta
) -> None:
    """Store a delta."""
    if delta.added:
        added = sorted(key_of(resource_id) or 0 for resource_id in delta.added)
        await connection.execute(_ADD, workspace, group_key, added)
        await connection.execute(_GROUPED, workspace, added)
    if delta.removed:
        await connection.execute(
            _DROP, workspace, group_key, [key_of(resource_id) for resource_id in delta.removed]
        )
    if delta:
        await bump_version(connection, workspace, (*delta.added, *delta.removed))


async def remove_memberships(
    connection: Connection, workspace: int, left: Sequence[int], emptied: Sequence[int]
) -> None:
    """Remove deleted resources from every group, and all members from deleted groups."""
    if left:
        await connection.execute(_LEAVE_ALL, workspace, left)
    if emptied:
        await connection.execute(_EMPTY, workspace, emptied)

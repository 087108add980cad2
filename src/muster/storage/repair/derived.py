"""Reads derived data beside the documents, and rebuilds it, for `muster check`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from muster.scim.indexing import LookupEntry
from muster.scim.values import Json
from muster.storage.port.engine import Statement, Upkeep
from muster.storage.port.members import MEMBER_TYPES
from muster.storage.port.resources import Lookups, Put
from muster.storage.query.binder import Binder

MOST_CHARACTERS = 8_000_000
"""The most characters of documents that are read at a time, unless a single one has more."""
_DERIVED = ("searchable", "lookups", "unique_values", "secrets")


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A resource with its derived data, as the tables have it.

    Attributes:
        body: The search form; None if it is missing.
        index: The look-ups and unique values.
    """

    key: int
    id: str
    version: int
    document: str
    body: Json
    index: Lookups
    display: str | None


def bound(sql: str, *values: Json) -> Statement:
    """Return a statement with its parameters in the order of their numbers."""
    return Statement(sql, values)


NEW_EPOCH = bound("UPDATE installation SET epoch = epoch + 1 WHERE id = 1")
"""Belongs into each transaction that changes what reads answer without a row in `changes`.

Every process then forgets what it keeps in memory.
"""


async def kinds(storage: Upkeep, workspace: int) -> list[str]:
    """Return the resource types of which a workspace has resources or counts."""
    sql = (
        "SELECT DISTINCT type FROM resources WHERE workspace = $1"
        " UNION SELECT type FROM counts WHERE workspace = $1 AND total <> 0"
    )
    return sorted(row[0] for row in await storage.query(bound(sql, workspace)))


async def last_fitting(
    storage: Upkeep, workspace: int, kind: str, after: int, limit: int
) -> int | None:
    """Return the last key to read up to, so that the documents fit in memory.

    Args:
        after: The key after which the reading begins.
        limit: The most resources to read. Fewer are read if they have more than MOST_CHARACTERS.

    Returns:
        The key, or None if there are no resources after `after`.
    """
    sql = (
        'SELECT "key", length(document) FROM resources'
        ' WHERE workspace = $1 AND type = $2 AND "key" > $3 ORDER BY "key" LIMIT $4'
    )
    last, size = None, 0
    for key, length in await storage.query(bound(sql, workspace, kind, after, limit)):
        size += length
        if last is not None and size > MOST_CHARACTERS:
            break
        last = int(key)
    return last


@dataclass(frozen=True, slots=True)
class Extract:
    """Some resources and their derived data, as rows that are not put together yet.

    Attributes:
        resources: The columns of `resources`, in the order of keys; never empty.
        bodies: Keys and search forms.
        lookups: Keys and the columns of `lookups`.
        unique: Keys and the columns of `unique_values`.
    """

    resources: Sequence[Sequence[Any]]
    bodies: Sequence[Sequence[Any]]
    lookups: Sequence[Sequence[Any]]
    unique: Sequence[Sequence[Any]]

    @property
    def last(self) -> int:
        """The greatest key."""
        return int(self.resources[-1][0])


async def read(
    storage: Upkeep, workspace: int, kind: str, after: int, limit: int
) -> list[StoredRow]:
    """Return resources with keys greater than `after`, in the order of keys.

    There are fewer than `limit` if their documents are long, but none only after the last one.
    """
    found = await fetch(storage, workspace, kind, after, limit)
    return [] if found is None else assemble(found)


async def fetch(
    storage: Upkeep, workspace: int, kind: str, after: int, limit: int
) -> Extract | None:
    """Return the rows that `read` puts together; None after the last resource."""
    sql = (
        'SELECT "key", id, version, document, display FROM resources'
        ' WHERE workspace = $1 AND type = $2 AND "key" > $3 AND "key" <= $4 ORDER BY "key"'
    )
    found: Sequence[Sequence[Any]] = ()
    while not found:
        last = await last_fitting(storage, workspace, kind, after, limit)
        if last is None:
            return None
        found = await storage.query(bound(sql, workspace, kind, after, last))
        after = last  # if all of them have been deleted meanwhile
    within = 'workspace = $1 AND type = $2 AND "key" BETWEEN $3 AND $4'
    scope = (workspace, kind, found[0][0], last)
    columns = {
        "searchable": '"key", CAST(body AS text)',
        "lookups": '"key", attribute, value, "first"',
        "unique_values": '"key", attribute, value',
    }
    derived = [
        await storage.query(bound(f"SELECT {names} FROM {table} WHERE {within}", *scope))
        for table, names in columns.items()
    ]
    return Extract(found, *derived)


def assemble(extract: Extract) -> list[StoredRow]:
    """Put the rows of each resource together."""
    bodies = {row[0]: row[1] for row in extract.bodies}
    lookups: dict[int, set[LookupEntry]] = {}
    unique: dict[int, set[LookupEntry]] = {}
    for key, attribute, value, first in extract.lookups:
        lookups.setdefault(key, set()).add(LookupEntry(attribute, value, bool(first)))
    for key, attribute, value in extract.unique:
        unique.setdefault(key, set()).add(LookupEntry(attribute, value))
    return [
        StoredRow(
            key,
            resource_id,
            version,
            document,
            orjson.loads(bodies[key]) if key in bodies else None,
            Lookups(frozenset(lookups.get(key, ())), frozenset(unique.get(key, ()))),
            display,
        )
        for key, resource_id, version, document, display in extract.resources
    ]


async def orphans(storage: Upkeep, workspace: int) -> dict[str, int]:
    """Return the number of rows of each table that belong to no resource."""
    found = {}
    for table in _DERIVED:
        rows = await storage.query(
            bound(f"SELECT count(*) FROM {table} t WHERE {_ORPHANED}", workspace)
        )
        if rows[0][0]:
            found[table] = rows[0][0]
    lost = await storage.query(bound(f"SELECT count(*) FROM members t WHERE {_LOST}", workspace))
    if lost[0][0]:
        found["members"] = lost[0][0]
    return found


async def unmarked(storage: Upkeep, workspace: int) -> int:
    """Return the number of members that lack the flag `grouped`.

    Their groups are not shown.
    """
    rows = await storage.query(
        bound(f"SELECT count(*) FROM resources r WHERE {_UNMARKED}", workspace)
    )
    count: int = rows[0][0]
    return count


def mark(workspace: int) -> list[Statement]:
    """Return the statements that set the flag `grouped` of all members."""
    return [bound(f"UPDATE resources AS r SET grouped = TRUE WHERE {_UNMARKED}", workspace)]


_IN_MEMBERS = 'EXISTS (SELECT 1 FROM members m WHERE m.workspace = $1 AND m.member_key = r."key")'
_UNMARKED = f"r.workspace = $1 AND r.grouped IS NULL AND {_IN_MEMBERS}"
_LOST = (
    "t.workspace = $1 AND"
    " (NOT EXISTS (SELECT 1 FROM resources r WHERE r.workspace = $1"
    " AND r.\"key\" = t.group_key AND r.type = 'Group')"
    " OR NOT EXISTS (SELECT 1 FROM resources r WHERE r.workspace = $1"
    f' AND r."key" = t.member_key AND r.type IN {MEMBER_TYPES}))'
)

_ORPHANED = (
    "t.workspace = $1 AND NOT EXISTS (SELECT 1 FROM resources r"
    ' WHERE r.workspace = t.workspace AND r."key" = t."key")'
)


async def counts(storage: Upkeep, workspace: int, kind: str) -> tuple[int, int]:
    """Return the running count of a type, and the number of its resources."""
    sql = (
        "SELECT coalesce((SELECT total FROM counts WHERE workspace = $1 AND type = $2), 0),"
        " (SELECT count(*) FROM resources WHERE workspace = $1 AND type = $2)"
    )
    row = (await storage.query(bound(sql, workspace, kind)))[0]
    return row[0], row[1]


def remove_orphans(workspace: int) -> list[Statement]:
    """Return the statements that delete rows that belong to no resource."""
    made = [bound(f"DELETE FROM {table} AS t WHERE {_ORPHANED}", workspace) for table in _DERIVED]
    return [*made, bound(f"DELETE FROM members AS t WHERE {_LOST}", workspace)]


def recount(workspace: int, kind: str) -> list[Statement]:
    """Return the statements that set the running count to the number of resources."""
    return [
        bound("DELETE FROM counts WHERE workspace = $1 AND type = $2", workspace, kind),
        bound(
            "INSERT INTO counts (workspace, type, total)"
            " SELECT workspace, type, count(*) FROM resources WHERE workspace = $1"
            " AND type = $2 GROUP BY workspace, type",
            workspace,
            kind,
        ),
    ]


def rebuild(workspace: int, kind: str, key: int, put: Put) -> list[Statement]:
    """Return the statements that rebuild a resource's derived data."""
    made = [
        bound(
            f'DELETE FROM {table} WHERE workspace = $1 AND type = $2 AND "key" = $3',
            workspace,
            kind,
            key,
        )
        for table in ("searchable", "lookups", "unique_values")
    ]
    bind = Binder()
    columns = f"{bind(key)}, {bind(workspace)}, {bind(kind)}, {bind(put.search.decode())}"
    made.append(
        bind.statement(f'INSERT INTO searchable ("key", workspace, type, body) VALUES ({columns})')
    )
    made.append(
        bound(
            'UPDATE resources SET display = $1 WHERE workspace = $2 AND "key" = $3',
            put.display,
            workspace,
            key,
        )
    )
    for entry in sorted(put.index.lookups):
        made.append(
            bound(
                'INSERT INTO lookups (workspace, type, attribute, value, "key", "first")'
                " VALUES ($1, $2, $3, $4, $5, $6)",
                workspace,
                kind,
                entry.attribute,
                entry.value,
                key,
                entry.first,
            )
        )
    for entry in sorted(put.index.unique):
        made.append(
            bound(
                'INSERT INTO unique_values (workspace, type, attribute, value, "key")'
                " VALUES ($1, $2, $3, $4, $5)",
                workspace,
                kind,
                entry.attribute,
                entry.value,
                key,
            )
        )
    return made

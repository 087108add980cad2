"""Builds the look-ups of one attribute for resources that already exist.

It runs beside ongoing writes. A write after the attribute became indexed stores its own look-ups,
so a look-up computed here is inserted only if the resource still has the version that was read.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from muster.scim.indexing import LookupEntry
from muster.storage.port.engine import Statement, Upkeep
from muster.storage.repair.derived import bound, last_fitting


@dataclass(frozen=True, slots=True)
class ExistingResource:
    """A resource as it was read."""

    key: int
    id: str
    version: int
    document: str


async def there(
    storage: Upkeep, workspace: int, kind: str, after: int, limit: int
) -> Sequence[ExistingResource]:
    """Return resources with keys greater than `after`, in the order of keys.

    There are fewer than `limit` if their documents are long, but none only after the last one.
    """
    sql = (
        'SELECT "key", id, version, document FROM resources'
        ' WHERE workspace = $1 AND type = $2 AND "key" > $3 AND "key" <= $4 ORDER BY "key"'
    )
    while (last := await last_fitting(storage, workspace, kind, after, limit)) is not None:
        if found := await storage.query(bound(sql, workspace, kind, after, last)):
            return [ExistingResource(*row) for row in found]
        after = last  # all of them have been deleted meanwhile
    return []


async def count(storage: Upkeep, workspace: int, kind: str) -> int:
    """Return the number of resources of a type."""
    rows = await storage.query(
        bound("SELECT total FROM counts WHERE workspace = $1 AND type = $2", workspace, kind)
    )
    return rows[0][0] if rows else 0


def clear(workspace: int, kind: str, attribute: str) -> Statement:
    """Return the statement that deletes all look-ups of an attribute."""
    return bound(
        "DELETE FROM lookups WHERE workspace = $1 AND type = $2 AND attribute = $3",
        workspace,
        kind,
        attribute,
    )


def fill(
    workspace: int, kind: str, found: ExistingResource, entries: Iterable[LookupEntry]
) -> list[Statement]:
    """Return the statements that insert look-ups if the resource is unchanged."""
    insert = (
        'INSERT INTO lookups (workspace, type, attribute, value, "key", "first")'
        " SELECT $1, $2, $3, $4, $5, $6 WHERE EXISTS"
        ' (SELECT 1 FROM resources WHERE workspace = $1 AND "key" = $5 AND version = $7)'
        " ON CONFLICT DO NOTHING"
    )
    return [
        bound(
            insert,
            workspace,
            kind,
            entry.attribute,
            entry.value,
            found.key,
            entry.first,
            found.version,
        )
        for entry in entries
    ]

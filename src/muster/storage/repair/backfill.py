"""Look-ups of one attribute, made for resources that are there already. For every engine."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from muster.scim.indexing import LookupEntry
from muster.storage.port.engine import Statement, Upkeep
from muster.storage.repair.derived import bound


@dataclass(frozen=True, slots=True)
class ExistingResource:
    """A resource that is there."""

    key: int
    id: str
    version: int
    document: str


async def there(
    storage: Upkeep, workspace: int, kind: str, after: int, limit: int
) -> Sequence[ExistingResource]:
    """Resources in the order of their keys, after one."""
    sql = (
        'SELECT "key", id, version, document FROM resources'
        ' WHERE workspace = $1 AND type = $2 AND "key" > $3 ORDER BY "key" LIMIT $4'
    )
    return [
        ExistingResource(*row)
        for row in await storage.query(bound(sql, workspace, kind, after, limit))
    ]


async def count(storage: Upkeep, workspace: int, kind: str) -> int:
    """How many resources of a type there are."""
    rows = await storage.query(
        bound("SELECT total FROM counts WHERE workspace = $1 AND type = $2", workspace, kind)
    )
    return rows[0][0] if rows else 0


def clear(workspace: int, kind: str, attribute: str) -> Statement:
    """The statement that takes away all look-ups of an attribute."""
    return bound(
        "DELETE FROM lookups WHERE workspace = $1 AND type = $2 AND attribute = $3",
        workspace,
        kind,
        attribute,
    )


def fill(
    workspace: int, kind: str, found: ExistingResource, entries: Iterable[LookupEntry]
) -> list[Statement]:
    """Statements that make look-ups of a resource, where it is still as it was found; else whoever changed it has made them."""
    insert = (
        'INSERT INTO lookups (workspace, type, attribute, value, "key", "first")'
        " SELECT $1, $2, $3, $4, $5, $6 WHERE EXISTS"
        ' (SELECT 1 FROM resources WHERE workspace = $1 AND "key" = $5 AND version = $7) ON CONFLICT DO NOTHING'
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

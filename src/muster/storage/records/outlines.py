"""Stores outlines (`storage/query/outlines.py`) and their positions in `changes`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import orjson

from muster.scim.document import Document
from muster.storage.ids import key_of
from muster.storage.port.engine import Statement, Upkeep
from muster.storage.query.binder import Binder
from muster.storage.query.outlines import Outline
from muster.storage.repair.derived import bound, last_fitting

_COLUMNS = "first_key, lines, created, lacking, texts, keys"
_AT = "workspace = $1 AND type = $2"


@dataclass(frozen=True, slots=True)
class OutlinePosition:
    """How far the outlines of a type have come.

    Attributes:
        position: All changes up to this sequence number are in the outlines.
        reached: The last key that is in an outline; None once the outlines are complete.
        covers: The signature of what they cover.
    """

    position: int
    reached: int | None
    covers: str


def forget(workspace: int) -> Statement:
    """Return the statement that makes searches of a workspace do without outlines.

    The next search that could use them has them built anew.
    """
    return bound("DELETE FROM outline_positions WHERE workspace = $1", workspace)


class OutlineStore:
    """The outlines of one resource type of a workspace."""

    def __init__(self, storage: Upkeep, workspace: int, kind: str) -> None:
        self._storage = storage
        self._workspace = workspace
        self._kind = kind

    async def position(self) -> OutlinePosition | None:
        """Return how far the outlines have come; None if there are none."""
        sql = f"SELECT position, reached, covers FROM outline_positions WHERE {_AT}"
        rows = await self._storage.query(bound(sql, self._workspace, self._kind))
        return OutlinePosition(*rows[0]) if rows else None

    async def begin(self, position: OutlinePosition) -> None:
        """Delete all outlines and begin at a position."""
        where = (self._workspace, self._kind)
        insert = (
            "INSERT INTO outline_positions (workspace, type, position, reached, covers)"
            " VALUES ($1, $2, $3, $4, $5)"
        )
        values = (position.position, position.reached, position.covers)
        await self._storage.transact(
            self._workspace,
            [
                bound(f"DELETE FROM outlines WHERE {_AT}", *where),
                bound(f"DELETE FROM outline_positions WHERE {_AT}", *where),
                bound(insert, *where, *values),
            ],
        )

    async def size(self) -> tuple[int, int]:
        """Return the number of lines in all outlines, and the number of resources."""
        sql = (
            f"SELECT (SELECT coalesce(sum(lines), 0) FROM outlines WHERE {_AT}),"
            f" (SELECT coalesce(sum(total), 0) FROM counts WHERE {_AT})"
        )
        row = (await self._storage.query(bound(sql, self._workspace, self._kind)))[0]
        return int(row[0]), int(row[1])

    async def bodies_after(self, key: int, limit: int) -> Sequence[tuple[int, Document]]:
        """Return search forms of resources with greater keys, in the order of keys."""
        sql = (
            'SELECT "key", CAST(body AS text) FROM searchable'
            f' WHERE {_AT} AND "key" > $3 AND "key" <= $4 ORDER BY "key"'
        )
        while (
            last := await last_fitting(self._storage, self._workspace, self._kind, key, limit)
        ) is not None:
            place = (self._workspace, self._kind, key, last)
            if found := await self._storage.query(bound(sql, *place)):
                return [(row[0], orjson.loads(row[1])) for row in found]
            key = last  # all of them have been deleted meanwhile
        return []

    async def bodies_of(self, keys: Iterable[int]) -> Sequence[tuple[int, Document]]:
        """Return the search forms of those of some resources that still exist."""
        bind = Binder()
        at = f"workspace = {bind(self._workspace)} AND type = {bind(self._kind)}"
        some = ", ".join(bind(key) for key in keys)
        sql = f'SELECT "key", CAST(body AS text) FROM searchable WHERE {at} AND "key" IN ({some})'
        rows = await self._storage.query(bind.statement(sql))
        return [(row[0], orjson.loads(row[1])) for row in rows]

    async def changed(self, after: int, limit: int) -> tuple[list[int], int | None]:
        """Return the keys of resources that have changed since a position.

        Args:
            after: The position.
            limit: The most changes to read.

        Returns:
            Their keys in order, and the sequence number of the last change that was read; None if
            these were all.
        """
        sql = (
            "SELECT sequence, id FROM changes WHERE workspace = $1 AND type = $2"
            " AND sequence > $3 AND version > 0 ORDER BY sequence LIMIT $4"
        )
        rows = await self._storage.query(bound(sql, self._workspace, self._kind, after, limit))
        keys = sorted({key_of(row[1]) or 0 for row in rows})
        return keys, int(rows[-1][0]) if len(rows) == limit else None

    async def first_keys(self) -> list[int]:
        """Return the first key of each outline, in order."""
        sql = f"SELECT first_key FROM outlines WHERE {_AT} ORDER BY first_key"
        rows = await self._storage.query(bound(sql, self._workspace, self._kind))
        return [row[0] for row in rows]

    async def outline(self, first: int) -> Outline | None:
        """Return the outline with a first key."""
        sql = (
            "SELECT first_key, created, lacking, texts, keys FROM outlines"
            f" WHERE {_AT} AND first_key = $3"
        )
        rows = await self._storage.query(bound(sql, self._workspace, self._kind, first))
        return Outline.of_row(*rows[0]) if rows else None

    async def store(
        self, before: OutlinePosition, after: OutlinePosition, outlines: Iterable[Outline]
    ) -> None:
        """Store outlines and move the position; nothing changes if it has moved already."""
        statements = [
            statement for outline in outlines for statement in self._replacing(before, outline)
        ]
        bind = Binder()
        update = (
            f"UPDATE outline_positions SET position = {bind(after.position)},"
            f" reached = {bind(after.reached)} WHERE {self._unmoved(bind, before)}"
        )
        await self._storage.transact(self._workspace, [*statements, bind.statement(update)])

    def _replacing(self, before: OutlinePosition, outline: Outline) -> list[Statement]:
        drop, add = Binder(), Binder()
        at = f"workspace = {drop(self._workspace)} AND type = {drop(self._kind)}"
        values = (self._workspace, self._kind, *outline.row())
        columns = f"INSERT INTO outlines (workspace, type, {_COLUMNS})"
        return [
            drop.statement(
                f"DELETE FROM outlines WHERE {at} AND first_key = {drop(outline.first)}"
                f" AND EXISTS ({self._position_at(drop, before)})"
            ),
            add.statement(
                f"{columns} SELECT {', '.join(map(add, values))}"
                f" WHERE EXISTS ({self._position_at(add, before)})"
            ),
        ]

    def _position_at(self, bind: Binder, position: OutlinePosition) -> str:
        return f"SELECT 1 FROM outline_positions WHERE {self._unmoved(bind, position)}"

    def _unmoved(self, bind: Binder, position: OutlinePosition) -> str:
        reached = "IS NULL" if position.reached is None else f"= {bind(position.reached)}"
        return (
            f"workspace = {bind(self._workspace)} AND type = {bind(self._kind)}"
            f" AND position = {bind(position.position)} AND reached {reached}"
        )

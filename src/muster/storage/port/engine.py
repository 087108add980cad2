"""The whole interface of an engine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from muster.scim.values import Json
from muster.storage.port.accounts import Accounts
from muster.storage.port.resources import Resources


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with numbered parameters ($1, $2, …), and these in order."""

    sql: str
    parameters: tuple[Json, ...]

    def followed_by(self, *values: Json) -> "Statement":
        """The same with the parameters that were still to come."""
        return Statement(self.sql, (*self.parameters, *values))


@dataclass(frozen=True, slots=True)
class Pressure:
    """What waits in an engine, in this process."""

    writes_waiting: int
    searches_waiting: int
    connections_in_use: int


@dataclass(frozen=True, slots=True)
class Missing:
    """A part of the tables that the database does not have.

    Attributes:
        table: The name of the table.
        kind: "table", "column", "primary key", "unique constraint" or "index".
        name: The name of the column or index, or the columns of the constraint; empty for others.
    """

    table: str
    kind: str = "table"
    name: str = ""

    def __str__(self) -> str:
        if self.kind == "table":
            return f"the table {self.table} is missing"
        return f"{self.table}: the {' '.join(filter(None, (self.kind, self.name)))} is missing"


class Upkeep(Protocol):
    """What an engine lends to those who check and move whole databases."""

    async def query(self, statement: Statement) -> Sequence[Sequence[Any]]:
        """The rows of a read; text comes as str."""

    async def transact(self, workspace: int, statements: Sequence[Statement]) -> None:
        """Run statements on one workspace, all or none."""

    async def append(self, workspace: int, insert: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run an INSERT once for each row, beside the writes and in their way as little as can be; some rows, or all, or none."""

    async def integrity(self) -> Sequence[str]:
        """What the engine itself finds wrong with its files."""

    async def missing(self) -> "Sequence[Missing]":
        """The tables, columns, keys and indexes that this version needs and the database does not have."""

    async def recreate(self, missing: "Missing") -> None:
        """Create a missing table, empty, or a missing key or index, as the migrations define it.

        Raises StorageError if it cannot be created, for example a unique key over values that repeat.
        """


class Storage(Resources, Accounts, Upkeep, Protocol):
    """An engine."""

    on_commit: Callable[[int], None]
    """Called after each transaction with how many writes it held."""

    def pressure(self) -> Pressure:
        """What waits just now."""

    async def size(self) -> int:
        """How many bytes the database takes."""

    async def migrate(self) -> tuple[str | None, str]:
        """Bring the database to this version's tables. Returns the revisions before and after. Raises NewerDatabase."""

    async def start(self) -> None:
        """Open what serving needs. Called in the event loop that then uses it."""

    async def close(self) -> None:
        """Finish the writes that wait, and let go of everything."""

    async def ready(self) -> None:
        """Raises StorageError where reads cannot be answered."""

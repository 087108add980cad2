"""The complete interface of an engine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from muster.scim.values import Json
from muster.storage.port.accounts import Accounts
from muster.storage.port.resources import Resources


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with numbered parameters ($1, $2, …), and their values in order."""

    sql: str
    parameters: tuple[Json, ...]

    def with_parameters(self, *values: Json) -> "Statement":
        """Return the statement with further values appended to its parameters."""
        return Statement(self.sql, (*self.parameters, *values))


@dataclass(frozen=True, slots=True)
class Pressure:
    """The work that is waiting in an engine of this process."""

    writes_waiting: int
    searches_waiting: int
    connections_in_use: int


@dataclass(frozen=True, slots=True)
class Missing:
    """A part of the tables that the database lacks.

    Attributes:
        table: The name of the table.
        kind: `table`, `column`, `primary key`, `unique constraint`, `index`, or `distribution` if
            Citus does not distribute the table by workspace.
        name: The name of the column or index, the columns of the constraint, or how the table is
            distributed instead; empty for others.
    """

    table: str
    kind: str = "table"
    name: str = ""

    def __str__(self) -> str:
        if self.kind == "table":
            return f"the table {self.table} is missing"
        if self.kind == "distribution":
            how = f" by workspace ({self.name})" if self.name else ""
            return f"{self.table} is not distributed{how}: run muster migrate --distribute"
        return f"{self.table}: the {' '.join(filter(None, (self.kind, self.name)))} is missing"


class Upkeep(Protocol):
    """Statements that checks, exports and small tables run on an engine directly."""

    async def query(self, statement: Statement) -> Sequence[Sequence[Any]]:
        """Return the rows of a read; text columns are str."""

    async def transact(self, workspace: int, statements: Sequence[Statement]) -> None:
        """Run statements on one workspace in one transaction."""

    async def append(self, workspace: int, insert: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run an INSERT once per row, with the least delay for the writes beside it.

        It is not atomic: after an error some of the rows may have been stored.
        """

    async def integrity(self) -> Sequence[str]:
        """Return the damage that the engine itself finds in its files, a line each."""

    async def missing(self) -> "Sequence[Missing]":
        """Return the tables, columns, keys and indexes that this version needs and lacks."""

    async def recreate(self, missing: "Missing") -> None:
        """Create a missing table (empty), key or index, as the migrations define it.

        Raises:
            StorageError: It cannot be created, for example a unique key over values that repeat.
        """


class Storage(Resources, Accounts, Upkeep, Protocol):
    """A storage engine: SQLite or PostgreSQL."""

    on_commit: Callable[[int], None]
    """Called after each transaction with the number of writes in it."""

    stale_outlines: set[tuple[int, str]]
    """The workspaces and types whose outlines a search has asked to be built or brought on."""

    def pressure(self) -> Pressure:
        """Return the work that is waiting now."""

    async def size(self) -> int:
        """Return the size of the database in bytes."""

    async def migrate(self) -> tuple[str | None, str]:
        """Migrate the database to this version's tables.

        Returns:
            The revisions before and after; None if the database was empty.

        Raises:
            NewerDatabase: A later version of muster has migrated the database.
        """

    async def start(self) -> None:
        """Open the connections. Call it in the event loop that will use the engine."""

    async def close(self) -> None:
        """Finish the waiting writes, and close all connections."""

    async def ready(self) -> None:
        """Check that reads can be answered.

        Raises:
            StorageError: They cannot.
        """

"""Collects the parameters of a statement while its SQL is written."""

from muster.scim.values import Json
from muster.storage.port.engine import Statement


class Binder:
    """Collects the parameters of one statement."""

    def __init__(self) -> None:
        self.values: list[Json] = []

    def __call__(self, value: Json) -> str:
        """Bind a value, and return its placeholder."""
        self.values.append(value)
        return f"${len(self.values)}"

    def statement(self, sql: str) -> Statement:
        return Statement(sql, tuple(self.values))

    def paged(self, sql: str) -> Statement:
        """Return the statement with LIMIT and OFFSET as its last parameters, bound later."""
        following = len(self.values) + 1
        return self.statement(sql.replace("<page>", f"LIMIT ${following} OFFSET ${following + 1}"))

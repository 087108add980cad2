"""The parameters of a statement, collected as its SQL is written."""

from muster.scim.values import Json
from muster.storage.port.engine import Statement


class Binder:
    """Collects the parameters of one statement."""

    def __init__(self) -> None:
        self.values: list[Json] = []

    def __call__(self, value: Json) -> str:
        """The placeholder for a value."""
        self.values.append(value)
        return f"${len(self.values)}"

    def statement(self, sql: str) -> Statement:
        return Statement(sql, tuple(self.values))

    def paged(self, sql: str) -> Statement:
        """The statement with what is still to come as its last parameters: LIMIT and OFFSET."""
        following = len(self.values) + 1
        return self.statement(sql.replace("<page>", f"LIMIT ${following} OFFSET ${following + 1}"))

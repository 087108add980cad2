"""Collects the parameters of a statement while its SQL is written."""

from muster.scim.values import Json
from muster.storage.port.engine import Statement


class Binder:
    """The parameters of one statement."""

    def __init__(self) -> None:
        self.values: list[Json] = []

    def __call__(self, value: Json) -> str:
        """Add a parameter and return its placeholder."""
        self.values.append(value)
        return f"${len(self.values)}"

    def statement(self, sql: str) -> Statement:
        """Return the statement with the parameters collected so far."""
        return Statement(sql, tuple(self.values))

    def paged(self, sql: str) -> Statement:
        """Return the statement with `<page>` replaced by LIMIT and OFFSET.

        Their values are the statement's last parameters, and are still to be appended.
        """
        following = len(self.values) + 1
        return self.statement(sql.replace("<page>", f"LIMIT ${following} OFFSET ${following + 1}"))

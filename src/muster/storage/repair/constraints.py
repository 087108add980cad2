"""Begins and ends the uniqueness of an indexed attribute."""

from muster.storage.port.engine import Statement
from muster.storage.repair.derived import bound


def begin(workspace: int, kind: str, attribute: str) -> list[Statement]:
    """Return the statements that make the values of an attribute unique.

    They fail if two resources share a value.
    """
    insert = (
        'INSERT INTO unique_values (workspace, type, attribute, value, "key")'
        ' SELECT workspace, type, attribute, value, "key"'
        " FROM lookups WHERE workspace = $1 AND type = $2 AND attribute = $3"
    )
    return [*end(workspace, kind, attribute), bound(insert, workspace, kind, attribute)]


def end(workspace: int, kind: str, attribute: str) -> list[Statement]:
    """Return the statements that let resources share values again."""
    delete = "DELETE FROM unique_values WHERE workspace = $1 AND type = $2 AND attribute = $3"
    return [bound(delete, workspace, kind, attribute)]

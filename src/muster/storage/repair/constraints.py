"""Uniqueness of an attribute that is looked up by, begun and ended over what is there. For every engine."""

from muster.storage.port.engine import Statement
from muster.storage.repair.derived import bound


def begin(workspace: int, kind: str, attribute: str) -> list[Statement]:
    """Statements that make each value of an attribute the one resource's that has it; they fail where two share one."""
    insert = (
        'INSERT INTO unique_values (workspace, type, attribute, value, "key") SELECT workspace, type, attribute, value, "key"'
        " FROM lookups WHERE workspace = $1 AND type = $2 AND attribute = $3"
    )
    return [*end(workspace, kind, attribute), bound(insert, workspace, kind, attribute)]


def end(workspace: int, kind: str, attribute: str) -> list[Statement]:
    """Statements that let values be shared again."""
    delete = "DELETE FROM unique_values WHERE workspace = $1 AND type = $2 AND attribute = $3"
    return [bound(delete, workspace, kind, attribute)]

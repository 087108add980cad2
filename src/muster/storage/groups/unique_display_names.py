"""Enforces unique group names inside the transactions that write.

Uniqueness of group names is a setting of the workspace. A request may have begun before the setting
changed, and another process may not know of the change yet. So the engines read the setting in the
transaction of each write to a group, and adjust the unique values of the write. The setting and the
unique values of existing groups change in one transaction, so no write falls in between.
"""

from dataclasses import replace
from typing import TypeVar

import orjson

from muster.scim.indexing import LookupEntry
from muster.storage.port.accounts import Workspace
from muster.storage.port.engine import Statement
from muster.storage.port.members import GROUP
from muster.storage.port.resources import Keep, Lookups, Outcome, Put, Remove
from muster.storage.repair import constraints

Decided = TypeVar("Decided", Put, Remove, Keep, Outcome)
ATTRIBUTE = "displayName"
SETTINGS = "SELECT settings FROM workspaces WHERE id = $1"
_SHARED = (
    "SELECT value FROM lookups WHERE workspace = $1 AND type = $2 AND attribute = $3"
    " GROUP BY value HAVING count(*) > 1 ORDER BY value LIMIT $4"
)


def are_unique(settings: str | None) -> bool:
    """Whether the stored settings of a workspace require unique group names."""
    return (
        bool(settings) and orjson.loads(settings or "{}").get("unique_group_names", False) is True
    )


def shared(workspace: int, limit: int = 1) -> Statement:
    """Return the statement that finds names shared by several groups, up to a limit."""
    return Statement(_SHARED, (workspace, GROUP, ATTRIBUTE, limit))


def change(workspace: Workspace) -> list[Statement]:
    """Return the statements that apply a workspace's new setting to its existing groups."""
    statements = constraints.begin if workspace.unique_group_names else constraints.end
    return statements(workspace.id, GROUP, ATTRIBUTE)


def held(outcome: Decided, unique: bool) -> Decided:
    """Return the outcome of a write to a group with unique values as the setting requires."""
    match outcome:
        case Put():
            before = None if outcome.before is None else _held(outcome.before, unique)
            return replace(outcome, index=_held(outcome.index, unique), before=before)
        case Remove():
            return replace(outcome, before=_held(outcome.before, unique))
    return outcome


def _held(index: Lookups, unique: bool) -> Lookups:
    others = frozenset(entry for entry in index.unique if entry.attribute != ATTRIBUTE)
    names = frozenset(
        LookupEntry(ATTRIBUTE, entry.value)
        for entry in index.lookups
        if entry.attribute == ATTRIBUTE
    )
    wanted = others | names if unique else others
    return index if wanted == index.unique else replace(index, unique=wanted)

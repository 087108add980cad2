"""Unique group names, enforced inside the transactions that write.

Whether names are unique is a setting of the workspace. A request may have begun before the setting
changed, and another process may not know of the change yet. So each engine reads the setting in the
transaction of each write to a group, and adjusts the unique values that the write carries. The
setting and the unique values of all groups change in one transaction, so no write falls between
them.
"""

from dataclasses import replace
from typing import TypeVar

import orjson

from muster.scim.indexing import LookupEntry
from muster.storage.port.accounts import Workspace
from muster.storage.port.engine import Statement
from muster.storage.port.members import GROUP
from muster.storage.port.resources import Lookups, Put, Remove
from muster.storage.repair import constraints

Changed = TypeVar("Changed", Put, Remove, Put | Remove)
ATTRIBUTE = "displayName"
SETTINGS = "SELECT settings FROM workspaces WHERE id = $1"
"""Selects the settings of a workspace, as JSON."""
_DUPLICATES = (
    "SELECT value FROM lookups WHERE workspace = $1 AND type = $2 AND attribute = $3"
    " GROUP BY value HAVING count(*) > 1 ORDER BY value LIMIT $4"
)


def are_unique(settings: str | None) -> bool:
    """Tell whether a workspace's settings, as stored, ask for unique names."""
    return (
        bool(settings) and orjson.loads(settings or "{}").get("unique_group_names", False) is True
    )


def find_duplicates(workspace: int, limit: int = 1) -> Statement:
    """Return a statement that finds names shared by several groups."""
    return Statement(_DUPLICATES, (workspace, GROUP, ATTRIBUTE, limit))


def set_uniqueness(workspace: Workspace) -> list[Statement]:
    """Return the statements that begin or end uniqueness, as the new setting demands."""
    statements = constraints.begin if workspace.unique_group_names else constraints.end
    return statements(workspace.id, GROUP, ATTRIBUTE)


def with_unique_names(outcome: Changed, unique: bool) -> Changed:
    """Return the outcome of a write to a group with the unique values that apply."""
    match outcome:
        case Put():
            before = None if outcome.before is None else _adjusted(outcome.before, unique)
            return replace(outcome, index=_adjusted(outcome.index, unique), before=before)
        case Remove():
            return replace(outcome, before=_adjusted(outcome.before, unique))
    return outcome


def _adjusted(index: Lookups, unique: bool) -> Lookups:
    others = frozenset(entry for entry in index.unique if entry.attribute != ATTRIBUTE)
    names = frozenset(
        LookupEntry(ATTRIBUTE, entry.value)
        for entry in index.lookups
        if entry.attribute == ATTRIBUTE
    )
    wanted = others | names if unique else others
    return index if wanted == index.unique else replace(index, unique=wanted)

"""Unique names of groups, held inside the transactions that write. For every engine.

Whether names are unique is a setting of the workspace. A client's request may have begun before the setting changed, and another
process may not know of the change yet. So the engines read the setting in the transaction of each write to a group, and adjust
what the write found it to be. Since the setting and the unique values change in one transaction, no write falls in between.
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
    """Whether the settings of a workspace, as its column has them, ask for unique names of groups."""
    return (
        bool(settings) and orjson.loads(settings or "{}").get("unique_group_names", False) is True
    )


def shared(workspace: int, limit: int = 1) -> Statement:
    """The statement that finds names which several groups share, so many at most."""
    return Statement(_SHARED, (workspace, GROUP, ATTRIBUTE, limit))


def change(workspace: Workspace) -> list[Statement]:
    """The statements that begin or end the uniqueness of names, as the workspace's new setting has it."""
    statements = constraints.begin if workspace.unique_group_names else constraints.end
    return statements(workspace.id, GROUP, ATTRIBUTE)


def held(outcome: Decided, unique: bool) -> Decided:
    """The outcome of a write to a group with its unique values as the setting asks for them."""
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

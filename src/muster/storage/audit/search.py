"""Searches of `changes` for the audit log.

Actors and types have no index, because the log is written far more often than it is searched. One
search therefore examines a bounded number of rows before a sequence number, and returns the number
at which the next search continues. A rare actor is found in several short searches instead of one
scan of the whole log.

Almost all rows have the action create or update. The others have an index, so a search for another
action, such as delete, examines only rows with that action. The index costs a write nothing unless
it adds such a row.
"""

from collections.abc import Sequence

MAX_EXAMINED = 5000
"""The most rows that one search examines."""

UNUSUAL = "action NOT IN ('create', 'update')"
"""The condition of the index `changes_of_unusual_actions`.

SQLite uses the index only for a statement that repeats its condition word for word.
"""
_USUAL_ACTIONS = frozenset({"create", "update"})


def has_index(action: str) -> bool:
    """Tell whether the rows with an action have an index; an empty action means any."""
    return bool(action) and action not in _USUAL_ACTIONS


def examined_range(indexed: bool) -> str:
    """Return the SELECT of the range of one search.

    Its row has the lowest sequence number and the number of rows. Parameters: $1 workspace, $2 the
    sequence number before which the range ends, and $3 the action if it has an index.
    """
    rows = f" AND action = $3 AND {UNUSUAL}" if indexed else ""
    return (
        "SELECT min(sequence), count(*) FROM"
        f" (SELECT sequence FROM changes WHERE workspace = $1 AND sequence < $2{rows}"
        f" ORDER BY sequence DESC LIMIT {MAX_EXAMINED}) r"
    )


def matching_changes(indexed: bool) -> str:
    """Return the SELECT of the matching rows of the range.

    Parameters: $1 workspace, $2 and $3 the range, $4 a prefix of the actor, $5 the type, $6 the
    action (each empty for any), $7 a list of actors (null for any), $8 the limit. An engine fills
    in {columns}, {among} for the condition on that list, and {actor}, {type} and {action}: the
    parameters with the casts that it needs.
    """
    action = f"action = {{action}} AND {UNUSUAL}" if indexed else "{action} IN ('', action)"
    return (
        "SELECT sequence, {columns}, chain, NULL FROM changes c WHERE workspace = $1"
        " AND sequence < $2 AND sequence >= $3"
        " AND substr(actor, 1, length({actor})) = {actor} AND {type} IN ('', type)"
        f" AND {action} AND {{among}} ORDER BY sequence DESC LIMIT $8"
    )


def next_position(found: Sequence[int], limit: int, first: int | None, count: int) -> int | None:
    """Return the sequence number before which the next search begins, or None.

    Args:
        found: The sequence numbers of the rows that were returned, in descending order.
        limit: The most rows that could be returned.
        first: The lowest sequence number of the examined range; None if it was empty.
        count: The rows in the examined range.
    """
    if len(found) == limit:
        return found[-1]
    return first if count == MAX_EXAMINED else None

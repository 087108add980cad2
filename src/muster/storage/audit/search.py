"""Searching `changes` for the audit log."""

from collections.abc import Sequence

SEARCHED = 5000
"""How many rows are looked at in one search."""


REACH = (
    "SELECT min(sequence), count(*) FROM"
    f" (SELECT sequence FROM changes WHERE workspace = $1 AND sequence < $2 ORDER BY sequence DESC LIMIT {SEARCHED}) r"
)
"""How far a search reaches from a row back: the first row that it looks at, and how many there are."""


SOUGHT = (
    "SELECT sequence, {columns}, chain, NULL FROM changes c WHERE workspace = $1 AND sequence < $2 AND sequence >= $3"
    " AND substr(actor, 1, length({actor})) = {actor} AND {type} IN ('', type) AND {action} IN ('', action)"
    " ORDER BY sequence DESC LIMIT $7"
)
"""What is found of them: by the beginning of the actor, $4, by type, $5, and action, $6, as an engine writes these."""


def left_off(found: Sequence[int], limit: int, first: int | None, count: int) -> int | None:
    """Before which row a search goes on. found: the numbers of what was found. first, count: of the rows that were looked at."""
    if len(found) == limit:
        return found[-1]
    return first if count == SEARCHED else None

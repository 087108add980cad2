"""Searching `changes` for the audit log."""

from collections.abc import Sequence

SEARCHED = 5000
"""The number of rows that one search examines."""
REACH = (
    "SELECT min(sequence), count(*) FROM"
    f" (SELECT sequence FROM changes WHERE workspace = $1 AND sequence < $2 ORDER BY sequence DESC LIMIT {SEARCHED}) r"
)
"""Selects the first row that a search backwards from a row examines, and their number."""
SOUGHT = (
    "SELECT sequence, {columns}, chain, NULL FROM changes c WHERE workspace = $1 AND sequence < $2 AND sequence >= $3"
    " AND substr(actor, 1, length({actor})) = {actor} AND {type} IN ('', type) AND {action} IN ('', action)"
    " ORDER BY sequence DESC LIMIT $7"
)
"""Selects the matching rows: by actor prefix ($4), type ($5) and action ($6)."""


def left_off(found: Sequence[int], limit: int, first: int | None, count: int) -> int | None:
    """Return the sequence number before which the search continues; None at the end.

    Args:
        found: The sequence numbers of the matches.
        first: The first row that was examined.
        count: The number of rows that were examined.
    """
    if len(found) == limit:
        return found[-1]
    return first if count == SEARCHED else None

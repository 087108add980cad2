"""Searches of `changes` for the audit log.

Actors, types and actions have no index, because the log is written far more often than it is
searched. One search therefore examines a bounded number of rows before a sequence number, and
returns the number at which the next search continues. A rare actor is found in several short
searches instead of one scan of the whole log.
"""

from collections.abc import Sequence

MAX_EXAMINED = 5000
"""The most rows that one search examines."""


EXAMINED_RANGE = (
    "SELECT min(sequence), count(*) FROM"
    " (SELECT sequence FROM changes WHERE workspace = $1 AND sequence < $2"
    f" ORDER BY sequence DESC LIMIT {MAX_EXAMINED}) r"
)
"""Selects the range of one search: the lowest sequence number and the number of rows."""


MATCHING_CHANGES = (
    "SELECT sequence, {columns}, chain, NULL FROM changes c WHERE workspace = $1"
    " AND sequence < $2 AND sequence >= $3"
    " AND substr(actor, 1, length({actor})) = {actor} AND {type} IN ('', type)"
    " AND {action} IN ('', action)"
    " ORDER BY sequence DESC LIMIT $7"
)
"""Selects the matching rows of the range.

Parameters: $1 workspace, $2 and $3 the range, $4 a prefix of the actor, $5 the type, $6 the action
(each empty for any), $7 the limit. An engine fills in the names of the columns, and the parameters
with the casts that it needs.
"""


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

"""The hash chain of `changes`, which makes tampering with the audit log evident.

Each row stores a SHA-256 hash of its own columns and of the previous row's hash in the same
workspace. Changing, removing or inserting a row breaks every hash after it, unless all of them are
computed anew. Removing the newest rows cannot be detected, because nothing follows them.

The rows of a workspace must be hashed in the order of their sequence numbers. Each engine
guarantees it with the lock that lets one transaction at a time write to a workspace. The sequence
number itself is not hashed: it is drawn for all workspaces together, so that gaps are normal.

Rows from before the chain was introduced have no hash. Where rows were trimmed, the chain continues
from the hash of the last trimmed row (`upkeep/trimmer.py`).
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson

from muster.scim.values import Json

HASHED_COLUMNS = "time, actor, request_id, type, id, action, version, document, members, address"
"""The columns that are hashed, in order."""
_HASHED = len(HASHED_COLUMNS.split(", "))


CHAIN_ROWS = (
    f"SELECT sequence, chain, {HASHED_COLUMNS} FROM changes WHERE workspace = $1"
    " AND sequence > $2 ORDER BY sequence LIMIT $3"
)
"""The rows of a workspace after a sequence number, with their hashes."""


def chain_hash(previous: bytes | None, row: Sequence[Json]) -> bytes:
    """Return the hash of a row that follows the row with the hash `previous`.

    Args:
        previous: The hash of the row before; None for the first row.
        row: The values of HASHED_COLUMNS, in that order.
    """
    # The columns are serialised as a JSON array, so a text cannot move from one into the next.
    return hashlib.sha256((previous or b"") + orjson.dumps(row)).digest()


def link(previous: bytes | None, rows: Iterable[Sequence[Json]]) -> Iterator[tuple[Any, ...]]:
    """Yield each row with its hash at the end.

    Args:
        previous: The hash of the last row that is stored; None if there is none.
        rows: The values of HASHED_COLUMNS of each row, and of further columns that are not hashed.
    """
    for row in rows:
        previous = chain_hash(previous, row[:_HASHED])
        yield (*row, previous)

"""The hash chain of `changes`, which makes tampering with the audit log evident.

Each row stores a SHA-256 hash of its own columns and of the previous row's hash in the same
workspace. Changing, removing or inserting a row breaks every hash after it, unless all of them are
computed anew. Removing the newest rows cannot be detected, because nothing follows them.

The rows of a workspace must be hashed in the order of their sequence numbers. Each engine
guarantees it with the lock that lets one transaction at a time write to a workspace. The sequence
number itself is not hashed: it is drawn for all workspaces together, so that gaps are normal.

Rows from before the chain was introduced have no hash. Where rows were trimmed, the chain continues
from the hash of the last trimmed row (`upkeep/trimmer.py`). Where the rows of an erased resource
were removed, it continues over their hashes, which a later row records (`upkeep/erasure.py`).
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from muster.scim.values import Json
from muster.storage.audit.search import UNUSUAL

FORGET = "forget"
"""The action of the note that records the erased rows of a resource."""
FORGOTTEN = (
    f"SELECT document FROM changes WHERE workspace = $1 AND action = '{FORGET}' AND {UNUSUAL}"
)
"""The documents of these notes."""
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


@dataclass(frozen=True, slots=True)
class Gap:
    """A row that was erased, by its hash and the hash before it.

    Attributes:
        sequence: The sequence number of the row.
        previous: The hash of the row before it; None if it was the first.
        chain: Its hash.
    """

    sequence: int
    previous: bytes | None
    chain: bytes

    def to_json(self) -> list[Json]:
        """Return the form in which a note records it."""
        previous = None if self.previous is None else self.previous.hex()
        return [self.sequence, previous, self.chain.hex()]


def gaps_of(documents: Iterable[str | bytes]) -> list[Gap]:
    """Return the gaps that notes record, in the order of their sequence numbers."""
    rows = [row for document in documents for row in orjson.loads(document)["rows"]]
    return [
        Gap(sequence, None if previous is None else bytes.fromhex(previous), bytes.fromhex(chain))
        for sequence, previous, chain in sorted(rows, key=lambda row: int(row[0]))
    ]

"""The hash chain of `changes`: each row has a hash of itself and of the row before it."""

import hashlib
from collections.abc import Sequence

import orjson

from muster.scim.values import Json

LINKED = "time, actor, request_id, type, id, action, version, document, members, address"
"""The columns that a link is made from."""


ROWS = f"SELECT sequence, chain, {LINKED} FROM changes WHERE workspace = $1 AND sequence > $2 ORDER BY sequence LIMIT $3"
"""The rows of a workspace after one, with their links."""


def link(previous: bytes | None, row: Sequence[Json]) -> bytes:
    """The hash of a row, which has the columns LINKED, and of what it follows."""
    return hashlib.sha256((previous or b"") + orjson.dumps(row)).digest()

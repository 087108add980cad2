"""The hash chain of `changes`.

The link of a row is SHA-256 over the link of the row before it in the workspace and the row itself
as JSON. Changing or removing a row breaks the link of the next one. Removing the newest rows cannot
be detected: nothing follows them.
"""

import hashlib
from collections.abc import Sequence

import orjson

from muster.scim.values import Json

LINKED = "time, actor, request_id, type, id, action, version, document, members, address"
"""The columns that a link covers."""
ROWS = f"SELECT sequence, chain, {LINKED} FROM changes WHERE workspace = $1 AND sequence > $2 ORDER BY sequence LIMIT $3"
"""Selects the rows of a workspace after a sequence number, with their links."""


def link(previous: bytes | None, row: Sequence[Json]) -> bytes:
    """Return the link of a row with the columns LINKED, given the link before it."""
    return hashlib.sha256((previous or b"") + orjson.dumps(row)).digest()

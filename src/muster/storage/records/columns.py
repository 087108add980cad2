"""Between what is kept of workspaces and keys, and its columns. For every engine."""

from collections.abc import Sequence
from dataclasses import MISSING, fields, replace
from typing import Any

import orjson

from muster.storage.port.accounts import KeyRecord, Setting, Workspace
from muster.storage.port.changes import Note
from muster.storage.port.engine import Statement
from muster.storage.port.items import Item
from muster.storage.port.resources import UNCACHED_KINDS

_SETTINGS = {
    field.name: field.default for field in fields(Workspace) if field.default is not MISSING
}


def settings_column(workspace: Workspace) -> str | None:
    """The column of a workspace's settings: what is not as it is without being told, as JSON."""
    given = {
        name: value
        for name, default in _SETTINGS.items()
        if (value := getattr(workspace, name)) != default
    }
    return orjson.dumps(given).decode() if given else None


def read_workspace(row: Any) -> Workspace:
    """A workspace from its columns: id, name, contract, strict, created, settings. A setting that is not known is passed over."""
    workspace_id, name, contract, strict, created, column = row
    given = orjson.loads(column) if column else {}
    known: dict[str, Any] = {name: given[name] for name in _SETTINGS if name in given}
    if "ip_allowlist" in known:
        known["ip_allowlist"] = tuple(known["ip_allowlist"])
    return Workspace(workspace_id, name, contract, bool(strict), created, **known)


WORKSPACE = "id, name, contract, strict, created, settings"
"""The columns of a workspace."""
ITEM = "SELECT body FROM configuration WHERE workspace = $1 AND kind = $2 AND id = $3"
KEY = (
    "workspace, id, name, digest, permissions, rate_limit, created, expires, revoked,"
    " last_used, role, user_id"
)
"""The columns of a key."""


def key_row(key: KeyRecord) -> tuple[Any, ...]:
    """A key as its columns have it."""
    who = (
        key.workspace,
        key.id,
        key.name,
        key.digest,
        orjson.dumps(key.permissions).decode(),
        key.rate_limit,
    )
    return (*who, key.created, key.expires, key.revoked, key.last_used, key.role, key.user)


def read_key(row: Any) -> KeyRecord:
    """A key from its columns."""
    workspace, key_id, name, digest, permissions, *rest = row
    return KeyRecord(workspace, key_id, name, digest, tuple(orjson.loads(permissions)), *rest)


_PUT_KEY = f"""
INSERT INTO api_keys ({KEY}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (workspace, id) DO UPDATE SET name = excluded.name, permissions = excluded.permissions,
    rate_limit = excluded.rate_limit, expires = excluded.expires, revoked = excluded.revoked, role = excluded.role
"""
_SET_WORKSPACE = "UPDATE workspaces SET contract = $1, strict = $2, settings = $3 WHERE id = $4"
_PUT_ITEM = """
INSERT INTO configuration (workspace, kind, id, body) VALUES ($1, $2, $3, $4)
ON CONFLICT (workspace, kind, id) DO UPDATE SET body = excluded.body
"""
_DROP_ITEM = "DELETE FROM configuration WHERE workspace = $1 AND kind = $2 AND id = $3"


def kept(put: Setting) -> Statement:
    """The statement that keeps a setting, a key or an item, or removes the item."""
    match put:
        case Workspace():
            return Statement(
                _SET_WORKSPACE, (put.contract, put.strict, settings_column(put), put.id)
            )
        case KeyRecord():
            return Statement(_PUT_KEY, key_row(put))
        case Item(workspace, kind, item_id, None):
            return Statement(_DROP_ITEM, (workspace, kind, item_id))
        case Item(workspace, kind, item_id, body):
            return Statement(_PUT_ITEM, (workspace, kind, item_id, orjson.dumps(body).decode()))


def read_again(read: Setting) -> Statement:
    """The statement that reads what was read before once more."""
    match read:
        case Workspace():
            return Statement(f"SELECT {WORKSPACE} FROM workspaces WHERE id = $1", (read.id,))
        case KeyRecord():
            return Statement(
                f"SELECT {KEY} FROM api_keys WHERE workspace = $1 AND id = $2",
                (read.workspace, read.id),
            )
        case Item(workspace, kind, item_id):
            return Statement(ITEM, (workspace, kind, item_id))


def stands(read: Setting, row: Any) -> bool:
    """Whether a row is what was read before; None: there is none. When a key was last used is nobody's decision."""
    if row is None:
        return isinstance(read, Item) and read.body is None
    match read:
        case Workspace():
            return read_workspace(row) == read
        case KeyRecord():
            return replace(read_key(row), last_used=read.last_used) == read
        case Item():
            return read.body is not None and _given(orjson.loads(row[0])) == _given(
                orjson.loads(orjson.dumps(read.body))
            )


def _given(body: dict[str, Any]) -> dict[str, Any]:
    """What a body says: a member that is not there says as much as null."""
    return {name: value for name, value in body.items() if value is not None}


def workspace_of(put: Setting) -> int:
    """The workspace that a setting, a key or an item is of."""
    return put.id if isinstance(put, Workspace) else put.workspace


def moves_epoch(puts: Sequence[Setting]) -> bool:
    """Whether any process may have something in its memory that these change."""
    return any(not isinstance(put, Item) or put.kind not in UNCACHED_KINDS for put in puts)


def note_row(note: Note) -> tuple[Any, ...]:
    """What is recorded beside the writes, as `changes` has it: the columns that a link is made from."""
    origin = (note.origin.time, note.origin.actor, note.origin.request_id)
    return (
        *origin,
        note.type,
        note.id,
        note.action,
        0,
        note.document.decode(),
        None,
        note.origin.address,
    )

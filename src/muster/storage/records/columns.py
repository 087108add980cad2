"""Conversions between workspaces, keys, items and notes and their columns."""

from collections.abc import Sequence
from dataclasses import MISSING, fields, replace
from functools import lru_cache
from sys import intern
from typing import Any

import orjson

from muster.base.vault import Vault
from muster.scim.values import Json
from muster.storage.port.accounts import Deletion, KeyRecord, Setting, Suspension, Workspace
from muster.storage.port.changes import Note
from muster.storage.port.engine import Statement
from muster.storage.port.items import Item
from muster.storage.port.resources import UNCACHED_KINDS
from muster.storage.records.sealing import open_item

_MOVED = frozenset({"ip_descriptions", "record_reads_key", "require_second_factor"})
"""The attributes that were among the settings until a workspace is written again."""
_DETAILS = _MOVED | {"display_name", "suspended", "deleted", "scim_credentials", "profile"}
"""The attributes of a workspace in the column `details`.

They are not among the settings, because a replica of a version that does not know them drops them
from there when it changes another setting.
"""
_SETTINGS = {
    field.name: field.default
    for field in fields(Workspace)
    if field.default is not MISSING and field.name not in _DETAILS
}
"""The settings of a workspace with their defaults."""
_KEPT = 1024
"""Workspaces, and combinations of permissions, that are read again without being parsed."""
_NO_KEYS = Vault()


def settings_to_column(workspace: Workspace) -> str | None:
    """Serialise the settings that differ from their defaults; None if there are none."""
    given = {
        name: value
        for name, default in _SETTINGS.items()
        if (value := getattr(workspace, name)) != default
    }
    return orjson.dumps(given).decode() if given else None


def details_to_column(workspace: Workspace) -> str | None:
    """Serialise the attributes in `details` that differ from their defaults; None if none do."""
    given = {
        field.name: value
        for field in fields(Workspace)
        if field.name in _DETAILS and (value := getattr(workspace, field.name)) != field.default
    }
    return orjson.dumps(given).decode() if given else None


def workspace_from_row(row: Any) -> Workspace:
    """Return the workspace in a row with the columns WORKSPACE.

    Settings that this version does not know are ignored.
    """
    return _workspace(*row)


@lru_cache(maxsize=_KEPT)
def _workspace(  # cached: an owner's page reads every workspace
    workspace_id: int,
    name: str,
    contract: str,
    strict: int,
    created: str,
    column: str | None,
    details: str | None,
) -> Workspace:
    given = orjson.loads(column) if column else {}
    known: dict[str, Any] = {
        name: value for name, value in given.items() if name in _SETTINGS or name in _MOVED
    }
    if details:
        known |= _read_details(orjson.loads(details))
    if "ip_allowlist" in known:
        known["ip_allowlist"] = tuple(known["ip_allowlist"])
    if "ip_descriptions" in known:
        known["ip_descriptions"] = tuple((block, text) for block, text in known["ip_descriptions"])
    return Workspace(workspace_id, name, intern(contract), bool(strict), created, **known)


def _read_details(found: dict[str, Any]) -> dict[str, Any]:
    kinds = {"suspended": Suspension, "deleted": Deletion}
    return {
        name: kinds[name](**value) if name in kinds else value
        for name, value in found.items()
        if name in _DETAILS
    }


WORKSPACE = "id, name, contract, strict, created, settings, details"
"""The columns of a workspace."""
ITEM = "SELECT body FROM configuration WHERE workspace = $1 AND kind = $2 AND id = $3"
"""Selects the body of an item."""
KEY = (
    "workspace, id, name, digest, permissions, rate_limit, created, expires, revoked,"
    " last_used, role, user_id, connection"
)
"""The columns of an API key."""


def key_row(key: KeyRecord) -> tuple[Any, ...]:
    """Return the values of the columns KEY."""
    who = (
        key.workspace,
        key.id,
        key.name,
        key.digest,
        orjson.dumps(key.permissions).decode(),
        key.rate_limit,
    )
    times = (key.created, key.expires, key.revoked, key.last_used)
    return (*who, *times, key.role, key.user, key.connection)


def key_from_row(row: Any) -> KeyRecord:
    """Return the API key in a row with the columns KEY."""
    workspace, key_id, name, digest, permissions, *rest = row
    # Keys of many workspaces are called okta, and share the text.
    return KeyRecord(workspace, key_id, intern(name), digest, _permissions(permissions), *rest)


@lru_cache(maxsize=_KEPT)
def _permissions(column: str) -> tuple[str, ...]:  # most keys have the same, and share them
    return tuple(orjson.loads(column))


_PUT_KEY = f"""
INSERT INTO api_keys ({KEY}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (workspace, id) DO UPDATE SET name = excluded.name, permissions = excluded.permissions,
    rate_limit = excluded.rate_limit, expires = excluded.expires, revoked = excluded.revoked,
        role = excluded.role, connection = excluded.connection
"""
_SET_WORKSPACE = (
    "UPDATE workspaces SET name = $1, contract = $2, strict = $3, settings = $4, state = $5,"
    " details = $6 WHERE id = $7"
)
_PUT_ITEM = """
INSERT INTO configuration (workspace, kind, id, body) VALUES ($1, $2, $3, $4)
ON CONFLICT (workspace, kind, id) DO UPDATE SET body = excluded.body
"""
_DROP_ITEM = "DELETE FROM configuration WHERE workspace = $1 AND kind = $2 AND id = $3"


def store_statement(put: Setting) -> Statement:
    """Return the statement that stores a setting, key or item, or deletes an item."""
    match put:
        case Workspace():
            values = (put.name, put.contract, put.strict, settings_to_column(put))
            standing = (put.state, details_to_column(put), put.id)
            return Statement(_SET_WORKSPACE, (*values, *standing))
        case KeyRecord():
            return Statement(_PUT_KEY, key_row(put))
        case Item(workspace, kind, item_id, None):
            return Statement(_DROP_ITEM, (workspace, kind, item_id))
        case Item(workspace, kind, item_id, body):
            return Statement(_PUT_ITEM, (workspace, kind, item_id, orjson.dumps(body).decode()))


_AFTER_ALL = "\x7f"
"""Follows every character of a name."""


def list_statement(after: str, limit: int, prefix: str, state: str) -> Statement:
    """Return the statement that lists workspaces by name, for `list_workspaces`."""
    # A name that is the prefix itself comes first, unless the page before ended with it.
    first = after < prefix
    parameters: list[Json] = [prefix if first else after, limit]
    conditions = ["name >= $1" if first else "name > $1"]
    if prefix:
        parameters.append(prefix + _AFTER_ALL)
        conditions.append(f"name < ${len(parameters)}")
    if state:
        parameters.append(state)
        conditions.append(f"state = ${len(parameters)}")
    where = " AND ".join(conditions)
    sql = f"SELECT {WORKSPACE} FROM workspaces WHERE {where} ORDER BY name LIMIT $2"
    return Statement(sql, tuple(parameters))


def name_statement(put: Workspace) -> Statement:
    """Return the statement that finds another workspace with the name of a workspace."""
    return Statement("SELECT 1 FROM workspaces WHERE name = $1 AND id <> $2", (put.name, put.id))


def read_statement(read: Setting) -> Statement:
    """Return the statement that reads the current state of something that was read."""
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


def is_unchanged(read: Setting, row: Any, vault: Vault = _NO_KEYS) -> bool:
    """Tell whether a row still is the state that was read.

    The time at which a key was last used is not compared, because no decision depends on it.

    Args:
        read: The state.
        row: The current row; None if it does not exist.
        vault: The keys of encrypted secrets.
    """
    if row is None:
        return isinstance(read, Item) and read.body is None
    match read:
        case Workspace():
            return workspace_from_row(row) == read
        case KeyRecord():
            return replace(key_from_row(row), last_used=read.last_used) == read
        case Item():
            if read.body is None:
                return False
            standing = open_item(vault, replace(read, body=orjson.loads(row[0]))).body
            return _without_nulls(standing) == _without_nulls(orjson.loads(orjson.dumps(read.body)))


def _without_nulls(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body without nulls: an absent member means the same as null."""
    return {name: value for name, value in body.items() if value is not None}


def workspace_of(put: Setting) -> int:
    """Return the id of the workspace that a setting, a key or an item belongs to."""
    return put.id if isinstance(put, Workspace) else put.workspace


def increments_epoch(puts: Sequence[Setting]) -> bool:
    """Tell whether any process may have cached something that these puts change."""
    return any(not isinstance(put, Item) or put.kind not in UNCACHED_KINDS for put in puts)


def note_row(note: Note) -> tuple[Any, ...]:
    """Return the row of `changes` for a note: the values of HASHED_COLUMNS, and no owner."""
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
        None,
    )

"""Between what is kept of workspaces and keys, and its columns. For every engine."""

from dataclasses import MISSING, fields
from typing import Any

import orjson

from muster.storage.port import KeyRecord, Workspace

_SETTINGS = {field.name: field.default for field in fields(Workspace) if field.default is not MISSING}


def settings_column(workspace: Workspace) -> str | None:
    """The column of a workspace's settings: what is not as it is without being told, as JSON."""
    given = {name: value for name, default in _SETTINGS.items() if (value := getattr(workspace, name)) != default}
    return orjson.dumps(given).decode() if given else None


def read_workspace(row: Any) -> Workspace:
    """A workspace from its columns: id, name, contract, strict, created, settings. A setting that is not known is passed over."""
    workspace_id, name, contract, strict, created, column = row
    given = orjson.loads(column) if column else {}
    known: dict[str, Any] = {name: given[name] for name in _SETTINGS if name in given}
    if "ip_allowlist" in known:
        known["ip_allowlist"] = tuple(known["ip_allowlist"])
    return Workspace(workspace_id, name, contract, bool(strict), created, **known)


KEY = "workspace, id, name, digest, permissions, rate_limit, created, expires, revoked, last_used, role, user_id"
"""The columns of a key."""


def key_row(key: KeyRecord) -> tuple[Any, ...]:
    """A key as its columns have it."""
    who = (key.workspace, key.id, key.name, key.digest, orjson.dumps(key.permissions).decode(), key.rate_limit)
    return (*who, key.created, key.expires, key.revoked, key.last_used, key.role, key.user)


def read_key(row: Any) -> KeyRecord:
    """A key from its columns."""
    workspace, key_id, name, digest, permissions, *rest = row
    return KeyRecord(workspace, key_id, name, digest, tuple(orjson.loads(permissions)), *rest)

"""Between a workspace's settings and their column: what is not as it is without being told, as JSON. For every engine."""

from dataclasses import MISSING, fields
from typing import Any

import orjson

from muster.storage.port import Workspace

_SETTINGS = {field.name: field.default for field in fields(Workspace) if field.default is not MISSING}


def settings_column(workspace: Workspace) -> str | None:
    """The column of a workspace's settings."""
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

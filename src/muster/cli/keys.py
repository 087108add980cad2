"""`muster keys`: create, list, rotate, revoke and limit API keys."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated

from cyclopts import App, Parameter

from muster.access.connections import DEFAULT, Connections
from muster.access.permissions import ADMIN, PERMISSIONS, SCIM
from muster.base import clock
from muster.cli.options import NATURAL, POSITIVE, Database, WorkspaceName, integer
from muster.cli.output import Json, warn, write, write_json, write_table
from muster.cli.session import (
    CommandError,
    UsageError,
    load_settings,
    run,
    suggestion,
    workspace_of,
)
from muster.config import Settings
from muster.scim.errors import ScimError
from muster.storage.port.accounts import KeyRecord, Workspace
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.engine import Storage

app = App(
    name="keys",
    help="Create, list, rotate and revoke API keys.",
    help_epilogue="Examples:\n  muster keys create --name okta\n  muster keys list --workspace"
    " acme --json",
)
Key = Annotated[str, Parameter(help="The id of the key, or its name.")]
_LONGEST_NAME = 200
"""Characters of a name, as in the management API."""


@dataclass(frozen=True, slots=True)
class _Place:
    """The workspace that a command works on, and the settings that lead to it."""

    settings: Settings
    workspace: str

    async def find(self, storage: Storage) -> Workspace:
        return await workspace_of(storage, self.workspace, self.settings)

    async def key(self, storage: Storage, key: str) -> tuple[Workspace, KeyRecord]:
        """The key with this id, or the only active key with this name."""
        workspace = await self.find(storage)
        keys = await storage.keys(workspace.id)
        found = [item for item in keys if item.id == key]
        found = found or [item for item in keys if item.name == key and item.revoked is None]
        if len(found) == 1:
            return workspace, found[0]
        listed = f"See muster keys list --workspace {workspace.name}"
        if found:
            raise CommandError(
                f"{len(found)} active keys are named {key!r}: give the id instead. {listed}"
            )
        near = suggestion(key, {item.name for item in keys if item.revoked is None})
        raise CommandError(f"no key {key!r} in workspace {workspace.name!r}{near or '.'} {listed}")


@app.command(
    help_epilogue="""Examples:
  muster keys create --name okta \\
    --permission "Configure Open ID Connector & SCIM"
  muster keys create --name entra --connection Entra \\
    --permission "Configure Open ID Connector & SCIM"
  muster keys create --name deploy --admin
  muster keys create --platform --name signup
  muster keys create --name report --workspace acme \\
    --permission "View audit logs" --expires-in-days 30"""
)
def create(  # noqa: PLR0913  (each is an option)
    *,
    name: Annotated[
        str, Parameter(metavar="NAME", help="A name to recognise the key by, such as okta.")
    ],
    workspace: WorkspaceName = "default",
    permission: Annotated[
        list[str] | None,
        Parameter(
            consume_multiple=(1, None),
            metavar="P",
            help="What the key may do; give one or more of: " + "; ".join(PERMISSIONS) + "."
            " Without this option, the key has the Admin role.",
        ),
    ] = None,
    admin: Annotated[
        bool, Parameter(negative=(), help="Give the key the Admin role, without a warning.")
    ] = False,
    rate_limit: Annotated[
        int | None,
        Parameter(
            converter=NATURAL,
            metavar="N",
            help="Requests per minute; 0 for no limit but MUSTER_RATE_LIMIT_CEILING.",
        ),
    ] = None,
    expires_in_days: Annotated[
        int | None,
        Parameter(
            converter=POSITIVE,
            metavar="DAYS",
            help="Days until the key expires; without it, never.",
        ),
    ] = None,
    connection: Annotated[
        str | None,
        Parameter(
            metavar="C",
            help="The connection that it belongs to, by its name or id; without it, default.",
        ),
    ] = None,
    platform: Annotated[
        bool,
        Parameter(
            negative=(),
            help="Create a platform key: it administers every workspace over /api/v1/platform.",
        ),
    ] = False,
    database: Database = None,
) -> None:
    """Create an API key and print it. It cannot be shown again.

    Without --permission, the key has the Admin role: it may do everything in
    its workspace, and a warning says so unless you ask for it with --admin. An
    identity provider needs only the permission
    "Configure Open ID Connector & SCIM".
    """
    from muster.access.keys import KeyOptions, Keys

    if not name.strip() or len(name) > _LONGEST_NAME:
        raise UsageError(f"--name: expected 1 to {_LONGEST_NAME} characters that are not all blank")
    settings = load_settings(database=database)
    lifetime = None if expires_in_days is None else timedelta(days=expires_in_days)
    if platform:
        given = (permission, admin, rate_limit is not None, connection)
        if any(given) or workspace != "default":
            raise UsageError(
                "--platform goes with --name and --expires-in-days alone: a platform key belongs to"
                " no workspace and has no permissions to choose"
            )
        write(_create_platform_key(settings, name, lifetime))
        return
    permissions = _chosen(permission, admin)
    options = KeyOptions(permissions, rate_limit, lifetime)

    async def work(storage: Storage) -> str:
        place = await _Place(settings, workspace).find(storage)
        owner = await _connection(storage, place, connection)
        token, _ = await Keys(storage).create(place, name, replace(options, connection=owner))
        return token

    token = run(settings, work)
    if not permission and not admin:
        warn(
            f"this key may do everything in the workspace {workspace!r}. For an identity provider,"
            f' use --permission "{SCIM}"; for a key that may do everything, use --admin.'
        )
    write(token)


def _create_platform_key(settings: Settings, name: str, lifetime: timedelta | None) -> str:
    """Create a platform key. Returns its token."""
    from muster.access.platform_keys import PlatformKeys

    async def work(storage: Storage) -> str:
        origin = ChangeOrigin("command", "", clock.timestamp())
        try:
            token, _ = await PlatformKeys(storage).create(name, origin, lifetime)
        except ScimError as error:
            raise CommandError(error.detail.removeprefix("name: ")) from None
        return token

    return run(settings, work)


def _check_no_workspace(workspace: str) -> None:
    """Raise UsageError if a workspace is given beside --platform."""
    if workspace != "default":
        raise UsageError("--platform goes without --workspace: a platform key belongs to none")


def _list_platform_keys(settings: Settings, json: bool) -> None:
    from muster.access.platform_keys import PlatformKey, PlatformKeys

    async def work(storage: Storage) -> tuple[Sequence[PlatformKey], dict[str, str]]:
        keys = PlatformKeys(storage)
        return await keys.all(), await keys.last_used()

    (keys, used), now = run(settings, work, existing=True), clock.now()
    if json:
        write_json(
            [
                {
                    "id": key.id,
                    "name": key.name,
                    "status": key.state(now),
                    "created": key.created,
                    "createdBy": key.created_by,
                    "expires": key.expires,
                    "lastUsed": used.get(key.id),
                }
                for key in keys
            ]
        )
        return
    rows = [
        (key.id, key.name, key.state(now), key.created, used.get(key.id, "never")) for key in keys
    ]
    columns = ("ID", "Name", "State", "Created", "Last used")
    empty = "No platform keys. Create one with: muster keys create --platform --name NAME"
    write_table(columns, rows, empty, {"Last used": "last used "})


def _revoke_platform_key(settings: Settings, name: str) -> None:
    """Revoke the platform key with an id, or the active one with a name."""
    from muster.access.platform_keys import PlatformKeys

    async def work(storage: Storage) -> None:
        keys, now = PlatformKeys(storage), clock.now()
        active = [key for key in await keys.all() if key.state(now) == "active"]
        found = next((key for key in active if name in (key.id, key.name)), None)
        if found is None:
            near = suggestion(name, {key.name for key in active})
            raise CommandError(
                f"no active platform key {name!r}{near or '.'} List them with: muster keys list"
                " --platform"
            )
        await keys.revoke(found.id, ChangeOrigin("command", "", clock.timestamp()))

    run(settings, work, existing=True)


async def _connection(storage: Storage, workspace: Workspace, name: str | None) -> str | None:
    """Return the stored id of a connection. Raises CommandError."""
    if name is None:
        return None
    try:
        return (await Connections(storage).chosen(workspace.id, name)).stored_id
    except ScimError as error:
        raise CommandError(error.detail.removeprefix("connection: ")) from None


def _chosen(permission: Sequence[str] | None, admin: bool) -> tuple[str, ...]:
    """Return the permissions of a new key.

    Raises:
        UsageError: One is unknown, or --permission and --admin are both given.
    """
    if permission and admin:
        raise UsageError("give either --permission or --admin, not both")
    permissions = tuple(dict.fromkeys(permission or (ADMIN,)))
    for given in permissions:
        if given not in (*PERMISSIONS, ADMIN):
            allowed = ", ".join(map(repr, (*PERMISSIONS, ADMIN)))
            near = suggestion(given, (*PERMISSIONS, ADMIN))
            raise UsageError(f"no permission {given!r}{near or ';'} allowed are {allowed}")
    return permissions


@app.command(
    name="list",
    help_epilogue="""Examples:
  muster keys list --workspace acme
  muster keys list --platform
  muster keys list --json | jq -r '.[].name'""",
)
def list_(
    *,
    workspace: WorkspaceName = "default",
    platform: Annotated[
        bool, Parameter(negative=(), help="List the platform keys of the installation instead.")
    ] = False,
    json: Json = False,
    database: Database = None,
) -> None:
    """List the API keys of a workspace. The keys themselves cannot be shown again."""
    from muster.access.keys import state_of

    settings = load_settings(database=database)
    if platform:
        _check_no_workspace(workspace)
        _list_platform_keys(settings, json)
        return

    async def work(storage: Storage) -> Sequence[KeyRecord]:
        return await storage.keys((await _Place(settings, workspace).find(storage)).id)

    keys, now = run(settings, work, existing=True), clock.now()
    if json:
        write_json([_as_json(key, state_of(key, now)) for key in keys])
        return
    columns = ("ID", "Name", "State", "Permissions", "Rate limit", "Last used")
    rows = [_row(key, state_of(key, now)) for key in keys]
    empty = "No API keys. Create one with: muster keys create --name NAME"
    write_table(columns, rows, empty, {"Rate limit": "limit ", "Last used": "last used "})


def _row(key: KeyRecord, state: str) -> tuple[str, ...]:
    limit = "default" if key.rate_limit is None else str(key.rate_limit)
    permissions = ", ".join(key.permissions)
    return key.id, key.name, state, permissions, limit, key.last_used or "never"


def _as_json(key: KeyRecord, state: str) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "status": state,
        "state": state,  # the former name, until 1.0
        "permissions": list(key.permissions),
        "role": key.role,
        "user": key.user,
        "connection": key.connection or DEFAULT,
        "rateLimit": key.rate_limit,
        "created": key.created,
        "expires": key.expires,
        "lastUsed": key.last_used,
    }


@app.command(help_epilogue="Examples:\n  muster keys rotate okta --overlap 3600")
def rotate(
    key: Key,
    /,
    *,
    workspace: WorkspaceName = "default",
    overlap: Annotated[
        int,
        Parameter(
            converter=NATURAL, metavar="SECONDS", help="How long the old key goes on working."
        ),
    ] = 0,
    database: Database = None,
) -> None:
    """Replace a key by a new one and print it. It cannot be shown again.

    The new key has the same name, permissions and limits.
    """
    from muster.access.keys import Keys

    settings = load_settings(database=database)

    async def work(storage: Storage) -> str:
        place, record = await _Place(settings, workspace).key(storage, key)
        token, _ = await Keys(storage).rotate(place, record, timedelta(seconds=overlap))
        return token

    write(run(settings, work))


@app.command(
    help_epilogue="""Examples:
  muster keys revoke okta --workspace acme
  muster keys revoke signup --platform"""
)
def revoke(
    key: Key,
    /,
    *,
    workspace: WorkspaceName = "default",
    platform: Annotated[
        bool, Parameter(negative=(), help="Revoke a platform key of the installation instead.")
    ] = False,
    database: Database = None,
) -> None:
    """Revoke a key. It stops working immediately."""
    from muster.access.keys import Keys

    settings = load_settings(database=database)
    if platform:
        _check_no_workspace(workspace)
        _revoke_platform_key(settings, key)
        return

    async def work(storage: Storage) -> None:
        place, record = await _Place(settings, workspace).key(storage, key)
        await Keys(storage).revoke(place, record)

    run(settings, work)


@app.command(name="set", help_epilogue="Examples:\n  muster keys set okta --rate-limit 3000")
def set_(
    key: Key,
    /,
    *,
    rate_limit: Annotated[
        int,
        Parameter(
            converter=integer,
            metavar="N",
            help="Requests per minute; 0 for no limit but MUSTER_RATE_LIMIT_CEILING, -1 for the"
            " default of the workspace.",
        ),
    ],
    workspace: WorkspaceName = "default",
    database: Database = None,
) -> None:
    """Change the rate limit of a key."""
    from muster.access.keys import Keys

    settings = load_settings(database=database)

    async def work(storage: Storage) -> None:
        place, record = await _Place(settings, workspace).key(storage, key)
        await Keys(storage).limit(place, record, None if rate_limit < 0 else rate_limit)

    run(settings, work)

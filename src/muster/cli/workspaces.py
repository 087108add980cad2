"""`muster workspaces`: create, list, rename, suspend, delete and change workspaces."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from muster.access.audit_notes import Administrator
from muster.access.lifecycle import (
    check_reason,
    delete_workspace,
    restore_workspace,
    resume_workspace,
    suspend_workspace,
)
from muster.access.permissions import ADMIN
from muster.access.profiles import check as check_profile
from muster.access.settings import WorkspaceSettings
from muster.access.workspaces import NAME, create_workspace, rename_workspace
from muster.base.clock import timestamp
from muster.cli.options import Contract, Database
from muster.cli.output import Json, write_json, write_table
from muster.cli.session import CommandError, UsageError, load_settings, run, workspace_of
from muster.scim.errors import ScimError
from muster.storage.port.accounts import Workspace
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.engine import Storage

app = App(
    name="workspaces",
    help="Create, list, rename, suspend, delete and change workspaces.",
    help_epilogue="Examples:\n  muster workspaces create acme\n  muster workspaces list",
)
Name = Annotated[str, Parameter(help="The name of the workspace.")]
NewName = Annotated[str, Parameter(help="The new name of the workspace.")]
StatusCodes = Annotated[
    Contract | None,
    Parameter(help="Response status codes: those of RFC 7644, or of the Cortex API."),
]
Strict = Annotated[
    bool | None,
    Parameter(help="Reject requests that do not follow the SCIM standard, from all clients."),
]
Credentials = Annotated[
    Literal["any", "oauth", "keys"] | None,
    Parameter(
        help="Credentials that SCIM accepts: oauth refuses API keys, keys refuses OAuth tokens."
    ),
]
Profile = Annotated[
    Literal["none", "ipsie"] | None,
    Parameter(
        help="The SCIM profile: ipsie is IPSIE's account lifecycle profile. It sets what it"
        " requires and keeps it so."
    ),
]


@app.command(
    help_epilogue="""Examples:
  muster workspaces create acme
  muster workspaces create acme --contract cortex"""
)
def create(
    name: Name, /, *, contract: StatusCodes = None, strict: Strict = None, database: Database = None
) -> None:
    """Create a workspace: a tenant with users, groups, keys and settings of its own."""
    settings = load_settings(contract=contract, database=database)
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot name a workspace: use lower-case letters, digits, - and _, 63 at"
            f" most,"
            " beginning with a letter or a digit"
        )

    async def work(storage: Storage) -> None:
        try:
            await create_workspace(storage, name, settings.contract, _origin(), strict=bool(strict))
        except ScimError as error:
            raise CommandError(error.detail.removeprefix("name: ")) from None

    run(settings, work)


@app.command(
    name="list", help_epilogue="Examples:\n  muster workspaces list --json | jq -r '.[].name'"
)
def list_(*, json: Json = False, database: Database = None) -> None:
    """List the workspaces."""
    settings = load_settings(database=database)

    async def work(storage: Storage) -> Sequence[Workspace]:
        return await storage.workspaces()

    workspaces = run(settings, work, existing=True)
    if json:
        write_json([_as_json(workspace) for workspace in workspaces])
        return
    rows = [
        (item.name, item.contract, "strict" if item.strict else "lenient", item.state, item.created)
        for item in workspaces
    ]
    columns = ("Name", "Contract", "Mode", "State", "Created")
    write_table(columns, rows, "No workspaces. Create one with: muster workspaces create NAME")


def _as_json(workspace: Workspace) -> dict[str, object]:
    return {
        "name": workspace.name,
        "contract": workspace.contract,
        "strict": workspace.strict,
        "displayName": workspace.display_name or workspace.name,
        "state": workspace.state,
        "created": workspace.created,
    }


@app.command(help_epilogue="Examples:\n  muster workspaces rename acme acme-inc")
def rename(name: Name, new_name: NewName, /, *, database: Database = None) -> None:
    """Give a workspace another name. Its keys and data stay as they are, and old links work."""
    settings = load_settings(database=database)

    async def work(storage: Storage) -> None:
        workspace = await workspace_of(storage, name, settings)
        try:
            await rename_workspace(storage, workspace, new_name, _origin())
        except ScimError as error:
            message = error.detail.removeprefix("name: ")
            raise (UsageError if error.status == 400 else CommandError)(message) from None

    run(settings, work, existing=True)


@app.command(
    help_epilogue="Examples:\n  muster workspaces suspend acme --reason 'The invoice is overdue'"
)
def suspend(
    name: Name,
    /,
    *,
    reason: Annotated[
        str, Parameter(metavar="TEXT", help="A sentence that its clients and its console show.")
    ] = "",
    database: Database = None,
) -> None:
    """Suspend a workspace: its clients get 503 until it is resumed. It keeps its keys and data."""
    try:
        told = check_reason(reason)
    except ValueError as error:
        raise UsageError(f"--reason: {error}") from None
    _change(
        name,
        database,
        lambda storage, workspace: suspend_workspace(storage, workspace, told, _origin()),
    )


@app.command(help_epilogue="Examples:\n  muster workspaces resume acme")
def resume(name: Name, /, *, database: Database = None) -> None:
    """Let a suspended workspace answer its clients again."""
    _change(
        name, database, lambda storage, workspace: resume_workspace(storage, workspace, _origin())
    )


@app.command(help_epilogue="Examples:\n  muster workspaces delete acme --confirm acme")
def delete(
    name: Name,
    /,
    *,
    confirm: Annotated[
        str, Parameter(metavar="NAME", help="The name of the workspace, once more.")
    ],
    database: Database = None,
) -> None:
    """Delete a workspace. You can restore it for 7 days; then its data is erased."""
    if confirm != name:
        raise UsageError(f"--confirm: expected {name!r}, the name of the workspace")
    _change(
        name, database, lambda storage, workspace: delete_workspace(storage, workspace, _origin())
    )


@app.command(help_epilogue="Examples:\n  muster workspaces restore acme")
def restore(name: Name, /, *, database: Database = None) -> None:
    """Restore a deleted workspace, with all of its data, before it is erased."""
    _change(
        name, database, lambda storage, workspace: restore_workspace(storage, workspace, _origin())
    )


def _change(
    name: str,
    database: str | None,
    change: Callable[[Storage, Workspace], Awaitable[Workspace]],
) -> None:
    """Change the state of the workspace of that name. Raises CommandError."""
    settings = load_settings(database=database)

    async def work(storage: Storage) -> None:
        workspace = await workspace_of(storage, name, settings)
        try:
            await change(storage, workspace)
        except ScimError as error:
            raise CommandError(error.detail) from None

    run(settings, work, existing=True)


def _origin() -> ChangeOrigin:
    return ChangeOrigin("command", "", timestamp())


@app.command(
    name="set",
    help_epilogue="""Examples:
  muster workspaces set acme --contract cortex --no-strict
  muster workspaces set acme --scim-credentials oauth
  muster workspaces set acme --profile ipsie""",
)
def set_(
    name: Name,
    /,
    *,
    contract: StatusCodes = None,
    strict: Strict = None,
    scim_credentials: Credentials = None,
    profile: Profile = None,
    database: Database = None,
) -> None:
    """Change the status codes, the strictness, the SCIM credentials or the profile."""
    settings = load_settings(contract=contract, database=database)
    chosen: dict[str, Any] = {
        "contract": contract,
        "strict": strict,
        "scim_credentials": scim_credentials,
        "profile": profile,
    }
    given = {name: value for name, value in chosen.items() if value is not None}

    async def work(storage: Storage) -> None:
        workspace = await workspace_of(storage, name, settings)
        try:
            if profile is None:
                changed = replace(workspace, **given)
                check_profile(changed)
                await storage.administer([changed], (), [workspace])
            else:
                by = Administrator(workspace, _origin(), (ADMIN,))
                await WorkspaceSettings(storage, settings.ceiling).change(by, given)
        except ScimError as error:
            raise CommandError(error.detail) from None

    run(settings, work)

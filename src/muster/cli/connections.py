"""`muster connections`: create, list, change, pause, resume and delete connections."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, TypeVar

from cyclopts import App, Parameter

from muster.access.audit_notes import Administrator
from muster.access.connections import OWNERSHIPS, PROVIDERS, Connection, Connections, check_name
from muster.access.lifecycle import check_reason
from muster.access.permissions import ADMIN
from muster.access.settings import GUARD_MODES, NUMBERS
from muster.base.clock import timestamp
from muster.cli.options import NATURAL, Contract, Database, WorkspaceName
from muster.cli.output import Json, write, write_json, write_table
from muster.cli.session import CommandError, UsageError, load_settings, run, workspace_of
from muster.scim.errors import ScimError
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.engine import Storage

T = TypeVar("T")
app = App(
    name="connections",
    help="Create, list, change, pause and delete the connections of a workspace.",
    help_epilogue="Examples:\n  muster connections create Okta --provider okta\n"
    '  muster connections pause Okta --reason "Migration to Entra ID"',
)
Name = Annotated[str, Parameter(help="The name of the connection, or its id.")]
NewName = Annotated[str, Parameter(help="The name of the connection.")]
Provider = Annotated[
    str | None,
    Parameter(metavar="P", help=f"The identity provider: {', '.join(PROVIDERS)}."),
]
Ownership = Annotated[
    str | None,
    Parameter(
        metavar="O",
        help="Who may change the users and groups that it creates: shared, for every connection, or"
        " exclusive, for this one and administrators.",
    ),
]
StatusCodes = Annotated[Contract | None, Parameter(help="Response status codes.")]
Strict = Annotated[
    bool | None, Parameter(help="Reject requests that do not follow the SCIM standard.")
]
RateLimit = Annotated[
    int | None,
    Parameter(
        converter=NATURAL,
        metavar="N",
        help="Requests per minute and key; 0 for no limit, if MUSTER_RATE_LIMIT_CEILING allows it.",
    ),
]
GuardMode = Annotated[
    str | None,
    Parameter(
        metavar="MODE",
        help=f"What the guard does with changes above its limit: {', '.join(GUARD_MODES)}.",
    ),
]


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a new connection, or of a change to one."""

    provider: Provider = None
    ownership: Ownership = None
    contract: StatusCodes = None
    strict: Strict = None
    rate_limit: RateLimit = None
    guard_mode: GuardMode = None


_NONE = Options()


@app.command(
    help_epilogue="""Examples:
  muster connections create Okta --provider okta
  muster connections create Entra --provider entra --ownership exclusive \\
    --workspace acme"""
)
def create(
    name: NewName,
    /,
    *,
    options: Options = _NONE,
    workspace: WorkspaceName = "default",
    database: Database = None,
) -> None:
    """Create a connection and print its id. Give it a key with muster keys create."""
    given = _given(name, options)

    async def work(connections: Connections, by: Administrator) -> Connection:
        return await connections.create(by, given)

    write(_run(workspace, database, work).id)


@app.command(
    name="list",
    help_epilogue="Examples:\n  muster connections list --workspace acme --json",
)
def list_(
    *, workspace: WorkspaceName = "default", json: Json = False, database: Database = None
) -> None:
    """List the connections of a workspace, with the number of resources that each owns."""

    async def work(
        connections: Connections, by: Administrator
    ) -> tuple[Sequence[Connection], Mapping[str, Mapping[str, int]]]:
        place = by.workspace.id
        return await connections.all(place), await connections.owned(place)

    found, owned = _run(workspace, database, work)
    if json:
        write_json([{**one.shown(), "owns": dict(owned.get(one.id, {}))} for one in found])
        return
    columns = ("ID", "Name", "Provider", "State", "Ownership", "Owns")
    rows = [
        (one.id, one.name, one.provider, one.state, one.ownership, _sum(owned.get(one.id, {})))
        for one in found
    ]
    write_table(columns, rows, "", {"Owns": "owns "})


def _sum(owned: Mapping[str, int]) -> str:
    return str(sum(owned.values()))


@app.command(
    help_epilogue="""Examples:
  muster connections update Okta --ownership exclusive
  muster connections update default --name Okta --provider okta"""
)
def update(
    connection: Name,
    /,
    *,
    name: Annotated[str | None, Parameter(metavar="NAME", help="A new name.")] = None,
    options: Options = _NONE,
    inherit: Annotated[
        list[str] | None,
        Parameter(
            consume_multiple=(1, None),
            metavar="SETTING",
            help="Settings to take from the workspace again: contract, strict, rate-limit,"
            " guard-mode.",
        ),
    ] = None,
    workspace: WorkspaceName = "default",
    database: Database = None,
) -> None:
    """Change a connection. Options that are left out stay as they are."""
    given = _given(name, options)
    for setting in inherit or ():
        attribute = setting.replace("-", "_")
        if attribute not in _SETTINGS:
            allowed = ", ".join(one.replace("_", "-") for one in _SETTINGS)
            raise UsageError(f"--inherit: no setting {setting!r}; allowed are {allowed}")
        if attribute in given:
            raise UsageError(f"give either --{setting} or --inherit {setting}, not both")
        given[attribute] = None
    if not given:
        raise UsageError("name at least one option to change")

    async def work(connections: Connections, by: Administrator) -> Connection:
        found = await connections.chosen(by.workspace.id, connection)
        return await connections.change(by, found.id, given)

    _run(workspace, database, work)


@app.command(
    help_epilogue='Examples:\n  muster connections pause Okta --reason "Migration to Entra ID"'
)
def pause(
    connection: Name,
    /,
    *,
    reason: Annotated[
        str, Parameter(metavar="TEXT", help="A sentence that its client and the console show.")
    ] = "",
    workspace: WorkspaceName = "default",
    database: Database = None,
) -> None:
    """Pause a connection: its requests get 503 with Retry-After until it is resumed."""
    try:
        told = check_reason(reason)
    except ValueError as error:
        raise UsageError(f"--reason: {error}") from None

    async def work(connections: Connections, by: Administrator) -> Connection:
        found = await connections.chosen(by.workspace.id, connection)
        return await connections.pause(by, found.id, told)

    _run(workspace, database, work)


@app.command(help_epilogue="Examples:\n  muster connections resume Okta")
def resume(
    connection: Name, /, *, workspace: WorkspaceName = "default", database: Database = None
) -> None:
    """Let a paused connection go on. If the guard paused it, the guard counts anew."""

    async def work(connections: Connections, by: Administrator) -> Connection:
        found = await connections.chosen(by.workspace.id, connection)
        return await connections.resume(by, found.id)

    _run(workspace, database, work)


@app.command(help_epilogue="Examples:\n  muster connections delete Okta --confirm Okta")
def delete(
    connection: Name,
    /,
    *,
    confirm: Annotated[
        str | None,
        Parameter(metavar="NAME", help="Its name once more, if it owns users or groups."),
    ] = None,
    workspace: WorkspaceName = "default",
    database: Database = None,
) -> None:
    """Delete a connection and revoke its keys. What it owns stays, and has no owner then."""

    async def work(connections: Connections, by: Administrator) -> None:
        found = await connections.chosen(by.workspace.id, connection)
        await connections.delete(by, found.id, confirm)

    _run(workspace, database, work)


_SETTINGS = ("contract", "strict", "rate_limit", "guard_mode")
"""The settings of a connection that the command line changes."""


def _given(name: str | None, options: Options) -> dict[str, Any]:
    """Return the attributes that the options give. Raises UsageError."""
    given = asdict(options)
    choices = {"provider": PROVIDERS, "ownership": OWNERSHIPS, "guard_mode": GUARD_MODES}
    for attribute, allowed in choices.items():
        value, option = given[attribute], attribute.replace("_", "-")
        if value is not None and value not in allowed:
            raise UsageError(f"--{option}: {value!r} is none of {', '.join(map(repr, allowed))}")
    if given["rate_limit"] is not None and given["rate_limit"] > NUMBERS["rateLimit"][1]:
        raise UsageError(f"--rate-limit: expected at most {NUMBERS['rateLimit'][1]:,}")
    if name is not None:
        try:
            given["name"] = check_name(name)
        except ValueError as error:
            raise UsageError(f"name: {error}") from None
    return {attribute: value for attribute, value in given.items() if value is not None}


def _run(
    workspace: str,
    database: str | None,
    work: Callable[[Connections, Administrator], Awaitable[T]],
) -> T:
    """Run work on the connections of a workspace. Raises CommandError."""
    settings = load_settings(database=database)

    async def session(storage: Storage) -> T:
        place = await workspace_of(storage, workspace, settings)
        by = Administrator(place, ChangeOrigin("command", "", timestamp()), (ADMIN,))
        try:
            return await work(Connections(storage, settings.ceiling), by)
        except ScimError as error:
            raise CommandError(error.detail) from None

    return run(settings, session, existing=True)

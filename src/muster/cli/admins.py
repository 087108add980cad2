"""`muster admins`: create, invite, list, reset and remove administrators of the console.

Invitations are listed and revoked here too.
"""

import getpass
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, TypeVar

from cyclopts import App, Parameter

from muster.base.clock import timestamp
from muster.cli.options import POSITIVE, Database, setting_options
from muster.cli.output import Json, warn, write, write_json, write_table
from muster.cli.session import CommandError, load_settings, run, suggestion, workspace_of
from muster.config import Settings
from muster.storage.port.engine import Storage

if TYPE_CHECKING:
    from muster.access.administrators import Admin, Administrators, Profile
    from muster.access.invitations import Invitations
    from muster.storage.port.changes import ChangeOrigin

    _Listed = tuple[Admin, Profile, bool]

T = TypeVar("T")
Who = Annotated[str, Parameter(help="The e-mail address of the administrator, or their id.")]
app = App(
    name="admins",
    help="Create, invite, list, reset and remove administrators of the console.",
    help_epilogue="Examples:\n  muster admins invite\n  muster admins list",
)


@app.command(
    help_epilogue="""Examples:
  muster admins create --email ada@example.com
  muster admins create --email ada@example.com < password.txt"""
)
def create(
    *,
    email: Annotated[str, Parameter(metavar="EMAIL", help="The e-mail address to sign in with.")],
    database: Database = None,
) -> None:
    """Create an administrator of every workspace.

    The password is asked for, or read from standard input if that is a pipe.
    """
    from muster.access.administrators import Administrators, all_permissions
    from muster.scim.errors import ScimError

    settings = load_settings(database=database)
    typed = sys.stdin.isatty()
    password = getpass.getpass("Password: ") if typed else sys.stdin.readline().rstrip("\n")
    origin = _origin()

    async def work(storage: Storage) -> "Admin":
        try:
            return await Administrators(storage).create(email, password, all_permissions(), origin)
        except ScimError as error:
            raise CommandError(error.detail) from None

    write(f"Created administrator {run(settings, work).email}")


@app.command(
    help_epilogue="""Examples:
  muster admins invite --base-url https://scim.example.com
  muster admins invite --name Sam --permission 'View audit logs'"""
)
@setting_options(("host", "port", "base_url"))
def invite(
    *,
    name: Annotated[
        str | None, Parameter(metavar="NAME", help="The name of the invited person.")
    ] = None,
    workspace: Annotated[
        str | None,
        Parameter(metavar="NAME", help="The only workspace that they administer. Default: all."),
    ] = None,
    permission: Annotated[
        tuple[str, ...] | None,
        Parameter(
            metavar="NAME",
            negative=(),
            help="A permission to give, for each of them. Default: all permissions.",
        ),
    ] = None,
    hours: Annotated[
        int | None,
        Parameter(
            converter=POSITIVE,
            metavar="N",
            help="Hours that the link works, at most 168. Default: 1.",
        ),
    ] = None,
    database: Database = None,
    **flags: object,
) -> None:
    """Print a link that creates an administrator.

    The link works once, and for one hour unless --hours says otherwise. If the
    service was started with --host, --port or --base-url, give the same options
    here.
    """
    from muster.access.invitations import command_line

    settings = load_settings(database=database, **flags)

    async def work(storage: Storage) -> str:
        roles = await _wanted_roles(storage, settings, workspace, permission)
        token, _ = await _invitations(storage).create(
            command_line(), roles, name or "", timedelta(hours=hours or 1)
        )
        return token

    token = run(settings, _explained(work))
    write(f"{settings.public_url}/first?token={token}")
    if settings.base_url is None:
        warn(
            "this link works only on the machine that runs the service. For a link that works"
            " elsewhere,"
            " set MUSTER_BASE_URL or give --base-url."
        )


@app.command(help_epilogue="Examples:\n  muster admins invitations --json | jq -r '.[].name'")
def invitations(*, json: Json = False, database: Database = None) -> None:
    """List the invitations that nobody has accepted yet."""
    from muster.access.invitations import Invitation

    async def work(storage: Storage) -> tuple[Sequence[Invitation], dict[str, str]]:
        names = {str(each.id): each.name for each in await storage.workspaces()}
        return await _invitations(storage).pending(), names

    found, names = run(load_settings(database=database), work, existing=True)
    if json:
        write_json(
            [
                {
                    "id": each.id,
                    "name": each.name,
                    "workspace": names.get(each.place),
                    "permissions": each.roles.get(each.place, []),
                    "invitedBy": each.invited_by,
                    "created": each.created,
                    "expires": each.expires,
                    "expired": each.expired,
                }
                for each in found
            ]
        )
        return
    rows = [
        (
            each.id[:12],
            each.name,
            names.get(each.place, "all workspaces"),
            each.invited_by,
            "expired" if each.expired else each.expires,
        )
        for each in found
    ]
    empty = "No pending invitations. Invite somebody with: muster admins invite"
    write_table(("Id", "Name", "Workspace", "Invited by", "Expires"), rows, empty)


@app.command(help_epilogue="Examples:\n  muster admins revoke 3f9c1a2b4d5e")
def revoke(
    invitation: Annotated[
        str, Parameter(help="The id of the invitation, or its first characters.")
    ],
    /,
    *,
    database: Database = None,
) -> None:
    """Revoke an invitation that nobody has accepted yet. Its link says so."""
    from muster.access.invitations import command_line

    async def work(storage: Storage) -> None:
        there = _invitations(storage)
        found = [each for each in await there.pending() if each.id.startswith(invitation)]
        if len(found) != 1 or not invitation:
            count = "no" if not found else str(len(found))
            raise CommandError(
                f"{count} pending invitations begin with {invitation!r}. See muster admins"
                " invitations"
            )
        await there.revoke(command_line(), found[0].id)

    run(load_settings(database=database), _explained(work), existing=True)


@app.command(
    name="list", help_epilogue="Examples:\n  muster admins list --json | jq -r '.[].email'"
)
def list_(*, json: Json = False, database: Database = None) -> None:
    """List the administrators."""
    from muster.access.administrators import Administrators, Profile

    settings = load_settings(database=database)

    async def work(storage: Storage) -> list["_Listed"]:
        there = Administrators(storage)
        profiles = await there.profiles()
        return [
            (admin, profiles.get(admin.id, Profile()), await there.has_second_factor(admin))
            for admin in await there.all()
        ]

    listed = run(settings, work, existing=True)
    if json:
        write_json([_as_json(*each) for each in listed])
        return
    admins = [admin for admin, _, _ in listed]
    rows = [(item.email, _access(item), item.created) for item in admins]
    empty = "No administrators. Invite one with: muster admins invite"
    write_table(("E-mail", "Access", "Created"), rows, empty)


@app.command(help_epilogue="Examples:\n  muster admins reset ada@example.com")
def reset(admin: Who, /, *, database: Database = None) -> None:
    """Remove the authenticator app and passkeys of an administrator who has lost them.

    It signs them out everywhere. They sign in with their password and can set
    up a second factor again.
    """
    _change(database, admin, lambda there, found: there.reset_second_factor(found, _origin()))


@app.command(help_epilogue="Examples:\n  muster admins remove ada@example.com")
def remove(admin: Who, /, *, database: Database = None) -> None:
    """Remove an administrator and sign them out everywhere.

    Invitations that they have sent stop working. The last administrator of the
    installation cannot be removed.
    """
    _change(database, admin, lambda there, found: there.remove(found, _origin()))


def _invitations(storage: Storage) -> "Invitations":
    from muster.access.administrators import Administrators
    from muster.access.invitations import Invitations

    return Invitations(storage, Administrators(storage))


def _explained(work: Callable[[Storage], Awaitable[T]]) -> Callable[[Storage], Awaitable[T]]:
    """Return the work with its refusals as errors of the command."""
    from muster.scim.errors import ScimError

    async def explained(storage: Storage) -> T:
        try:
            return await work(storage)
        except ScimError as error:
            raise CommandError(error.detail) from None

    return explained


async def _wanted_roles(
    storage: Storage, settings: Settings, workspace: str | None, permissions: Sequence[str] | None
) -> dict[str, list[str]]:
    """Return the roles that the options of `invite` ask for.

    Raises:
        CommandError: There is no such workspace or permission.
    """
    from muster.access.administrators import EVERYWHERE, all_permissions
    from muster.access.permissions import ADMIN, PERMISSIONS

    for wanted in permissions or ():
        if wanted not in (ADMIN, *PERMISSIONS):
            near = suggestion(wanted, {ADMIN, *PERMISSIONS})
            raise CommandError(
                f"no permission {wanted!r}{near or '.'}"
                f" There are: {', '.join((ADMIN, *PERMISSIONS))}"
            )
    if workspace is None:
        given = list(permissions or ())
        return all_permissions() if not given or ADMIN in given else {EVERYWHERE: given}
    found = await workspace_of(storage, workspace, settings)
    return {str(found.id): list(permissions or (ADMIN,))}


def _change(
    database: str | None, who: str, change: "Callable[[Administrators, Admin], Awaitable[None]]"
) -> None:
    """Find an administrator and change them.

    Raises:
        CommandError: Nobody, or more than one, is meant, or the change is refused.
    """
    from muster.access.administrators import Administrators
    from muster.scim.errors import ScimError

    async def work(storage: Storage) -> None:
        there = Administrators(storage)
        try:
            await change(there, _meant(who, await there.all()))
        except ScimError as error:
            raise CommandError(error.detail) from None

    run(load_settings(database=database), work, existing=True)


def _meant(who: str, admins: "Sequence[Admin]") -> "Admin":
    """Return the administrator with an id, or the only one with an e-mail address."""
    found = [item for item in admins if item.id == who]
    found = found or [item for item in admins if item.email.lower() == who.lower()]
    if len(found) == 1:
        return found[0]
    if found:
        raise CommandError(
            f"{len(found)} administrators have the address {who!r}: give the id instead."
            " See muster admins list --json"
        )
    near = suggestion(who, {item.email for item in admins})
    raise CommandError(f"no administrator {who!r}{near or '.'} See muster admins list")


def _origin() -> "ChangeOrigin":
    """Return the command line as the audit log records it."""
    from muster.storage.port.changes import ChangeOrigin

    return ChangeOrigin("command", "", timestamp())


def _access(admin: "Admin") -> str:
    return "everything" if admin.everywhere else "some workspaces"


def _as_json(admin: "Admin", profile: "Profile", protected: bool) -> dict[str, object]:
    return {
        "id": admin.id,
        "email": admin.email,
        "name": profile.name,
        "everyWorkspace": admin.everywhere,
        "secondFactor": protected,
        "invitedBy": profile.invited_by,
        "created": admin.created,
        "lastSignIn": profile.signed_in,
    }

"""`muster admins`: create, invite, list, reset and remove administrators of the console."""

import getpass
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from muster.base import clock
from muster.cli.options import Database, setting_options
from muster.cli.output import Json, warn, write, write_json, write_table
from muster.cli.session import CommandError, load_settings, run, suggestion
from muster.storage.port.engine import Storage

if TYPE_CHECKING:
    from muster.access.administrators import Admin, Administrators
    from muster.storage.port.changes import ChangeOrigin

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


@app.command(help_epilogue="Examples:\n  muster admins invite --base-url https://scim.example.com")
@setting_options(("host", "port", "base_url"))
def invite(*, database: Database = None, **flags: object) -> None:
    """Print a link that creates an administrator.

    The link works once and expires in one hour. If the service was started
    with --host, --port or --base-url, give the same options here.
    """
    from muster.access.administrators import Administrators, all_permissions

    settings = load_settings(database=database, **flags)
    token = run(settings, lambda storage: Administrators(storage).invite(all_permissions()))
    write(f"{settings.public_url}/first?token={token}")
    if settings.base_url is None:
        warn(
            "this link works only on the machine that runs the service. For a link that works"
            " elsewhere,"
            " set MUSTER_BASE_URL or give --base-url."
        )


@app.command(
    name="list", help_epilogue="Examples:\n  muster admins list --json | jq -r '.[].email'"
)
def list_(*, json: Json = False, database: Database = None) -> None:
    """List the administrators."""
    from muster.access.administrators import Administrators

    settings = load_settings(database=database)

    async def work(storage: Storage) -> Sequence["Admin"]:
        return await Administrators(storage).all()

    admins = run(settings, work, existing=True)
    if json:
        write_json([_as_json(admin) for admin in admins])
        return
    rows = [(item.email, _access(item), item.created) for item in admins]
    empty = "No administrators. Invite one with: muster admins invite"
    write_table(("E-mail", "Access", "Created"), rows, empty)


@app.command(help_epilogue="Examples:\n  muster admins reset ada@example.com")
def reset(admin: Who, /, *, database: Database = None) -> None:
    """Turn off the two-factor authentication of an administrator who has lost it.

    It signs them out everywhere. They sign in with their password and can turn
    it on again.
    """
    _change(database, admin, lambda there, found: there.reset_totp(found, _origin()))


@app.command(help_epilogue="Examples:\n  muster admins remove ada@example.com")
def remove(admin: Who, /, *, database: Database = None) -> None:
    """Remove an administrator and sign them out everywhere.

    The last administrator of the installation cannot be removed.
    """
    _change(database, admin, lambda there, found: there.remove(found, _origin()))


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

    return ChangeOrigin("command", "", clock.now().isoformat(timespec="milliseconds"))


def _access(admin: "Admin") -> str:
    return "everything" if admin.everywhere else "some workspaces"


def _as_json(admin: "Admin") -> dict[str, object]:
    return {
        "id": admin.id,
        "email": admin.email,
        "everyWorkspace": admin.everywhere,
        "created": admin.created,
    }

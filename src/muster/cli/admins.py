"""`muster admins`: create, invite and list administrators of the console."""

import getpass
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from muster.base import clock
from muster.cli.options import Database, setting_options
from muster.cli.output import Json, warn, write, write_json, write_table
from muster.cli.session import CommandError, load_settings, run
from muster.storage.port.engine import Storage

if TYPE_CHECKING:
    from muster.access.administrators import Admin

app = App(
    name="admins",
    help="Create, invite and list administrators of the console.",
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
    from muster.storage.port.changes import ChangeOrigin

    settings = load_settings(database=database)
    typed = sys.stdin.isatty()
    password = getpass.getpass("Password: ") if typed else sys.stdin.readline().rstrip("\n")
    origin = ChangeOrigin("command", "", clock.now().isoformat(timespec="milliseconds"))

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


def _access(admin: "Admin") -> str:
    return "everything" if admin.everywhere else "some workspaces"


def _as_json(admin: "Admin") -> dict[str, object]:
    return {
        "id": admin.id,
        "email": admin.email,
        "everyWorkspace": admin.everywhere,
        "created": admin.created,
    }

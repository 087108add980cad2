"""The command `muster`."""

import argparse
import asyncio
import contextlib
import getpass
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qsl, urlsplit

from pydantic import ValidationError

from muster import cli_upkeep
from muster.access.administrators import Admin, Administrators, all_permissions
from muster.access.first_run import first_invitation, first_key
from muster.access.keys import Keys, state_of
from muster.access.permissions import ADMIN, PERMISSIONS
from muster.config import Settings, mistaken_variables
from muster.scim.errors import ScimError
from muster.session import Refused, WrongSetting, run, workspace_of
from muster.storage.port.accounts import KeyRecord, Workspace
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.engine import Storage
from muster.storage.port.errors import Conflict, StorageError
from muster.version import __version__

T = TypeVar("T")
DEFAULT = "default"
_WORKSPACE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_DEMO = "demo"
_PIPE_CLOSED = 128 + 13
"""The exit status of a program that SIGPIPE ends."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Returns 0; 1 if it is refused, 2 if the arguments are wrong, 141 if the reader of its output has gone."""
    try:
        try:
            return _run(arguments)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # as head does once it has its lines
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_CLOSED


def _run(arguments: Sequence[str] | None) -> int:
    options = _parser().parse_args(arguments)
    for mistake in mistaken_variables(os.environ):
        sys.stderr.write(f"muster: {mistake}\n")
    settings = None
    try:
        settings = _settings(options)
        command: Callable[[argparse.Namespace, Settings], int | None] = options.run
        return command(options, settings) or 0
    except Refused as error:
        sys.stderr.write(f"muster: {error}\n")
        return 2 if isinstance(error, WrongSetting) else 1
    except StorageError as error:
        sys.stderr.write(f"muster: {error}{_why(error, settings)}\n")
        return 1


def _why(error: StorageError, settings: Settings | None) -> str:
    """Which server cannot be reached and why; never its user or password."""
    if settings is None or not isinstance(error.__cause__, OSError):
        return ""
    url = urlsplit(settings.database)
    place = url.hostname or dict(parse_qsl(url.query)).get("host", "")
    return f": {place}:{url.port or 5432}: {error.__cause__}"


def _settings(options: argparse.Namespace) -> Settings:
    given = {
        name: value
        for name in Settings.model_fields
        if (value := getattr(options, name, None)) is not None
    }
    try:
        return Settings(**given)
    except ValidationError as error:
        raise WrongSetting(
            "; ".join(_said(problem["loc"], problem["msg"]) for problem in error.errors())
        ) from None


def _said(location: tuple[int | str, ...], message: str) -> str:
    name = str(location[0]) if location else "settings"
    if name not in Settings.model_fields:
        return f"there is no setting {name!r}; allowed are {', '.join(Settings.model_fields)}"
    return f"--{name.replace('_', '-')} (MUSTER_{name.upper()}): {message}"


def _serve(options: argparse.Namespace, settings: Settings) -> None:
    with tempfile.TemporaryDirectory(prefix="muster-metrics-") as folder:
        if settings.workers > 1:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = (
                folder  # read as muster.serving.server is imported
            )
        from muster.serving.server import check_address, serve

        with _listening(settings):
            check_address(settings)  # before a first key is made, which nobody would ever see
        first = run(settings, lambda storage: _first(storage, settings, options.first_key))
        with _listening(settings):
            serve(settings, "\n".join(_greeting(settings, *first, options.first_key)))


@contextlib.contextmanager
def _listening(settings: Settings) -> Iterator[None]:
    """Turn an error of the address to listen on into a refusal that names it."""
    try:
        yield
    except OSError as error:
        where = f"{settings.host} port {settings.port}"
        raise Refused(
            f"cannot listen on {where}: {error.strerror}; choose another with --port"
        ) from None


def _greeting(
    settings: Settings, token: str | None, invitation: str | None, wanted: bool
) -> list[str]:
    """The lines that `muster serve` prints when it is ready. token: of the first key, invitation: for the first administrator,
    where they were made just now.
    """
    base = settings.public_url
    lines = [f"muster serves SCIM at {base}/scim/v2"]
    if token is not None:
        lines += [
            "",
            "This is the first API key, told this once:",
            f"  {token}",
            f"Another: {_program()} keys create --name NAME",
            "",
            "Try it:",
            f'  curl -s -H "Authorization: Bearer {token}" "{base}/scim/v2/Users?count=10"',
            "",
        ]
    elif wanted:
        lines += [
            f"The first API key was told when it was made. Another: {_program()} keys create --name NAME"
        ]
    if invitation is not None:
        lines += [
            "The console, for its first administrator (this link holds once, and for an hour):",
            f"  {base}/first?token={invitation}",
            "",
        ]
    elif wanted:
        lines += [f"A link for another administrator of the console: {_program()} admins invite"]
    return lines


async def _first(
    storage: Storage, settings: Settings, wanted: bool
) -> tuple[str | None, str | None]:
    """The token of a first key, and of a link for the first administrator, where they are wanted and there is none yet."""
    workspace = await workspace_of(storage, DEFAULT, settings)
    if not wanted:
        return None, None
    token = await first_key(storage, Keys(storage), workspace)
    return token, await first_invitation(storage, Administrators(storage))


def _admins_create(options: argparse.Namespace, settings: Settings) -> None:
    password = (
        getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    )
    origin = ChangeOrigin("command", "", datetime.now(UTC).isoformat(timespec="milliseconds"))

    async def work(storage: Storage) -> Admin:
        try:
            return await Administrators(storage).create(
                options.email, password, all_permissions(), origin
            )
        except ScimError as error:
            raise Refused(error.detail) from None

    sys.stdout.write(f"{run(settings, work).email} may sign in\n")


def _program() -> str:
    """The command that this process was started by, as a shell takes it."""
    started = Path(sys.argv[0])
    return shlex.quote(str(started)) if started.name == "muster" else "python -m muster"


def _admins_invite(_: argparse.Namespace, settings: Settings) -> None:
    token = run(settings, lambda storage: Administrators(storage).invite(all_permissions()))
    sys.stdout.write(f"{settings.public_url}/first?token={token}\n")
    if settings.base_url is None:
        sys.stderr.write(
            "muster: this link works only on the machine that runs the service. For a link that works elsewhere, set"
            " MUSTER_BASE_URL or give --base-url.\n"
        )


def _admins_list(_: argparse.Namespace, settings: Settings) -> None:
    async def work(storage: Storage) -> Sequence[Admin]:
        return await Administrators(storage).all()

    for admin in run(settings, work):
        sys.stdout.write(
            f"{admin.email}\t{'everything' if admin.everywhere else 'some workspaces'}\t{admin.created}\n"
        )


def _migrate(_: argparse.Namespace, settings: Settings) -> None:
    from muster.app import open_storage

    before, after = asyncio.run(open_storage(settings).migrate())
    sys.stdout.write(
        f"at revision {after}"
        + (", as before\n" if before == after else f", before at {before or 'none'}\n")
    )


def _keys_create(options: argparse.Namespace, settings: Settings) -> None:
    permissions = tuple(dict.fromkeys(options.permission or (ADMIN,)))
    for permission in permissions:
        if permission not in (*PERMISSIONS, ADMIN):
            raise WrongSetting(
                f"no permission {permission!r}; allowed are {', '.join(map(repr, PERMISSIONS))}"
            )
    lifetime = None if options.expires_in_days is None else timedelta(days=options.expires_in_days)

    async def work(storage: Storage) -> str:
        workspace = await workspace_of(storage, options.workspace, settings)
        token, _ = await Keys(storage).create(
            workspace, options.name, permissions, options.key_rate_limit, lifetime
        )
        return token

    sys.stdout.write(run(settings, work) + "\n")


def _keys_list(options: argparse.Namespace, settings: Settings) -> None:
    async def work(storage: Storage) -> Sequence[KeyRecord]:
        return await storage.keys((await workspace_of(storage, options.workspace, settings)).id)

    now = datetime.now(UTC)
    for key in run(settings, work):
        ended = state_of(key, now)
        limit = "default" if key.rate_limit is None else str(key.rate_limit)
        columns = (
            key.id,
            key.name,
            ended,
            ", ".join(key.permissions),
            f"limit {limit}",
            f"last used {key.last_used or 'never'}",
        )
        sys.stdout.write("\t".join(columns) + "\n")


def _keys_rotate(options: argparse.Namespace, settings: Settings) -> None:
    async def work(storage: Storage) -> str:
        workspace, key = await _key(storage, options, settings)
        token, _ = await Keys(storage).rotate(workspace, key, timedelta(seconds=options.overlap))
        return token

    sys.stdout.write(run(settings, work) + "\n")


def _keys_revoke(options: argparse.Namespace, settings: Settings) -> None:
    async def work(storage: Storage) -> None:
        workspace, key = await _key(storage, options, settings)
        await Keys(storage).revoke(workspace, key)

    run(settings, work)


def _keys_set(options: argparse.Namespace, settings: Settings) -> None:
    async def work(storage: Storage) -> None:
        workspace, key = await _key(storage, options, settings)
        await Keys(storage).limit(
            workspace, key, None if options.key_rate_limit < 0 else options.key_rate_limit
        )

    run(settings, work)


def _workspaces_create(options: argparse.Namespace, settings: Settings) -> None:
    if not _WORKSPACE_NAME.fullmatch(options.name):
        raise WrongSetting("a workspace's name has lower-case letters, digits, - and _, 63 at most")

    async def work(storage: Storage) -> None:
        try:
            now = datetime.now(UTC).isoformat()
            await storage.add_workspace(options.name, settings.contract, bool(options.strict), now)
        except Conflict:
            raise Refused(f"there is a workspace {options.name!r} already") from None

    run(settings, work)


def _workspaces_list(_: argparse.Namespace, settings: Settings) -> None:
    async def work(storage: Storage) -> Sequence[Workspace]:
        return await storage.workspaces()

    for workspace in run(settings, work):
        reading = "strict" if workspace.strict else "lenient"
        sys.stdout.write(
            f"{workspace.name}\t{workspace.contract}\t{reading}\t{workspace.created}\n"
        )


def _workspaces_set(options: argparse.Namespace, settings: Settings) -> None:
    async def work(storage: Storage) -> None:
        workspace = await workspace_of(storage, options.name, settings)
        strict = workspace.strict if options.strict is None else options.strict
        await storage.administer(
            [replace(workspace, contract=options.contract or workspace.contract, strict=strict)],
            (),
            [workspace],
        )

    run(settings, work)


def _demo(options: argparse.Namespace, settings: Settings) -> None:
    from muster.demo import fill

    async def work(storage: Storage) -> None:
        workspace = await storage.find_workspace(options.workspace)
        if workspace is None:
            workspace = await storage.add_workspace(
                options.workspace, settings.contract, False, datetime.now(UTC).isoformat()
            )
        await fill(storage, workspace, options.users, options.seed)

    run(settings, work)
    sys.stdout.write(f"{options.users} users made for the workspace {options.workspace!r}\n")
    sys.stdout.write(
        f"An API key for it: {_program()} keys create --workspace {options.workspace} --name NAME\n"
    )


async def _key(
    storage: Storage, options: argparse.Namespace, settings: Settings
) -> tuple[Workspace, KeyRecord]:
    """The key that an id, or a name that only one active key has, stands for."""
    workspace = await workspace_of(storage, options.workspace, settings)
    keys = await storage.keys(workspace.id)
    found = [key for key in keys if key.id == options.key]
    found = found or [key for key in keys if key.name == options.key and key.revoked is None]
    if len(found) == 1:
        return workspace, found[0]
    raise Refused(
        f"{'no key' if not found else 'more than one key'} {options.key!r} in {workspace.name}: see muster keys list"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="muster", description="A SCIM 2.0 service provider.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"muster {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    database = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    database.add_argument(
        "--database",
        metavar="URL",
        help="sqlite:///relative.db or postgresql://… [MUSTER_DATABASE]",
    )

    serve = _command(commands, "serve", "serve SCIM over HTTP", _serve, database)
    _add_settings(serve, [name for name in Settings.model_fields if name != "database"])
    serve.add_argument(
        "--first-key",
        action="store_true",
        help="where there is no API key yet, make one and print it",
    )

    _command(commands, "migrate", "bring the database to this version's tables", _migrate, database)
    _add_keys(commands.add_parser("keys", help="API keys", allow_abbrev=False), database)
    _add_workspaces(
        commands.add_parser("workspaces", help="workspaces", allow_abbrev=False), database
    )

    _add_admins(
        commands.add_parser("admins", help="administrators of the console", allow_abbrev=False),
        database,
    )
    cli_upkeep.add(commands, database)
    demo = _command(commands, "demo", "fill a workspace with made-up people", _demo, database)
    demo.add_argument("--workspace", default=_DEMO, help="created if it does not exist [demo]")
    demo.add_argument("--users", type=_positive, default=1000, metavar="N")
    demo.add_argument("--seed", type=int, default=1, help="the same seed makes the same people")
    return parser


def _add_settings(command: argparse.ArgumentParser, names: Iterable[str]) -> None:
    """Add a flag for each of these settings. Settings checks the values."""
    for name in names:
        field = Settings.model_fields[name]
        text = f"{field.description} [MUSTER_{name.upper()}]".replace("%", "%%")
        flag = f"--{name.replace('_', '-')}"
        if field.annotation is bool:
            command.add_argument(
                flag, action=argparse.BooleanOptionalAction, default=None, help=text
            )
        else:
            command.add_argument(flag, help=text)


def _add_keys(keys: argparse.ArgumentParser, database: argparse.ArgumentParser) -> None:
    commands = keys.add_subparsers(required=True, metavar="COMMAND")
    scoped = argparse.ArgumentParser(add_help=False, parents=[database], allow_abbrev=False)
    scoped.add_argument("--workspace", default=DEFAULT, help="the workspace [default]")

    create = _command(
        commands, "create", "make a key and print it, this once", _keys_create, scoped
    )
    create.add_argument("--name", required=True)
    create.add_argument(
        "--permission",
        nargs="+",
        action="extend",
        metavar="P",
        help="; ".join(PERMISSIONS) + " [all: Admin]",
    )
    create.add_argument(
        "--rate-limit",
        dest="key_rate_limit",
        type=_natural,
        metavar="N",
        help="requests a minute; 0 for none",
    )
    create.add_argument("--expires-in-days", type=_positive, metavar="DAYS")

    _command(commands, "list", "the keys of a workspace", _keys_list, scoped)
    rotate = _command(
        commands, "rotate", "make a key in the place of another, and print it", _keys_rotate, scoped
    )
    rotate.add_argument("key", help="the id, or the name")
    rotate.add_argument(
        "--overlap",
        type=_natural,
        default=0,
        metavar="SECONDS",
        help="how long the old key still works [0]",
    )
    revoke = _command(commands, "revoke", "end a key", _keys_revoke, scoped)
    revoke.add_argument("key", help="the id, or the name")
    change = _command(commands, "set", "change a key's rate limit", _keys_set, scoped)
    change.add_argument("key", help="the id, or the name")
    change.add_argument(
        "--rate-limit",
        dest="key_rate_limit",
        type=int,
        required=True,
        metavar="N",
        help="0 for none, -1 for the default",
    )


def _add_admins(admins: argparse.ArgumentParser, database: argparse.ArgumentParser) -> None:
    commands = admins.add_subparsers(required=True, metavar="COMMAND")
    create = _command(
        commands,
        "create",
        "make an administrator; the password is read from standard input",
        _admins_create,
        database,
    )
    create.add_argument("--email", required=True)
    text = "print a link that makes one administrator, once and within an hour"
    _add_settings(
        _command(commands, "invite", text, _admins_invite, database), ("host", "port", "base_url")
    )
    _command(commands, "list", "who there is", _admins_list, database)


def _add_workspaces(workspaces: argparse.ArgumentParser, database: argparse.ArgumentParser) -> None:
    commands = workspaces.add_subparsers(required=True, metavar="COMMAND")
    for name, text, work in (
        ("create", "make a workspace", _workspaces_create),
        ("set", "change a workspace's settings", _workspaces_set),
    ):
        command = _command(commands, name, text, work, database)
        command.add_argument("name")
        command.add_argument(
            "--contract", choices=("rfc7644", "cortex"), help="which status codes it answers"
        )
        command.add_argument(
            "--strict",
            action=argparse.BooleanOptionalAction,
            help="refuse what the RFCs do not allow, whoever sends it",
        )
    _command(commands, "list", "all workspaces", _workspaces_list, database)


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    text: str,
    run: Callable[[argparse.Namespace, Settings], None],
    parent: argparse.ArgumentParser,
) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name, help=text, description=text, parents=[parent], allow_abbrev=False
    )
    command.set_defaults(run=run)
    return command


def _natural(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError("must be a whole number, 0 or more")
    return int(text)


def _positive(text: str) -> int:
    if _natural(text) == 0:
        raise argparse.ArgumentTypeError("must be a whole number, 1 or more")
    return int(text)

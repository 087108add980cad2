"""Parts of every command: the settings, an open database, and errors that name the next step."""

import asyncio
import difflib
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from muster.cli.output import warn
from muster.config import Settings, is_postgres, mistaken_variables, sqlite_path
from muster.storage.port.accounts import Workspace
from muster.storage.port.engine import Storage
from muster.storage.port.errors import NewerDatabase, StorageError, StorageFull

if TYPE_CHECKING:
    from pydantic import ValidationError

T = TypeVar("T")
_MAX_NAMES = 10


class CommandError(Exception):
    """The command failed; the message names the cause and the remedy. Exit code 1."""

    status = 1


class UsageError(CommandError):
    """An argument or a setting has a value that is not allowed. Exit code 2."""

    status = 2


def load_settings(**flags: Any) -> Settings:
    """The settings that the command runs with. Warns of MUSTER_ variables that name no setting.

    Args:
        flags: Settings given on the command line; None for one that was not given.

    Raises:
        UsageError: A setting has a value that is not allowed.
    """
    from tomllib import TOMLDecodeError

    from pydantic import ValidationError

    for mistake in mistaken_variables(os.environ):
        sys.stderr.write(f"muster: {mistake}\n")
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        raise UsageError(_invalid(error, given)) from None
    except (TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"muster.toml is not a TOML file: {error}") from None


def _invalid(error: "ValidationError", flags: Mapping[str, object]) -> str:
    problems = error.errors(include_url=False)
    return "; ".join(_describe(dict(problem), flags) for problem in problems)


def _describe(problem: Mapping[str, Any], flags: Mapping[str, object]) -> str:
    """Say which option, variable or line of muster.toml has which wrong value."""
    name = str(problem["loc"][0]) if problem["loc"] else "settings"
    if name not in Settings.model_fields:
        hint = suggestion(name, Settings.model_fields) or "."
        allowed = ", ".join(Settings.model_fields)
        return f"unknown setting {name!r} in muster.toml{hint} Settings: {allowed}"
    variable = f"MUSTER_{name.upper()}"
    if name in flags:
        place = f"--{name.replace('_', '-')}"
    elif any(found.upper() == variable for found in os.environ):
        place = variable
    else:
        place = f"{name} in muster.toml"
    return f"{place} {_demand(problem)}"


def _demand(problem: Mapping[str, Any]) -> str:
    """Return the rule that a setting breaks, such as "must be a number"."""
    kind, context = problem["type"], problem.get("ctx", {})
    numbers = {
        "greater_than": ("more than", "gt"),
        "greater_than_equal": ("at least", "ge"),
        "less_than": ("less than", "lt"),
        "less_than_equal": ("at most", "le"),
    }
    if kind in numbers:
        words, key = numbers[kind]
        return f"must be {words} {context[key]:,}"
    if kind.startswith("int_"):
        return "must be a whole number"
    if kind.startswith("float_"):
        return "must be a number"
    if kind.startswith("bool_"):
        return "must be true or false"
    if kind == "literal_error":
        return f"must be {context['expected']}"
    message = str(problem["msg"]).removeprefix("Value error, ")
    return message if message.startswith("must be ") else f"is not valid: {message}"


def run(
    settings: Settings, work: Callable[[Storage], Awaitable[T]], *, existing: bool = False
) -> T:
    """Migrate and open the database, and run work on it.

    Args:
        settings: The settings that name the database.
        work: The work.
        existing: Whether a SQLite file that does not exist is an error. Otherwise it is created,
            and a notice says so: a command in another folder than the service would go unnoticed.

    Raises:
        CommandError: The database cannot be opened or used.
    """
    from muster.storage.engines import open_storage

    new = ""
    if not is_postgres(settings.database) and not os.path.exists(sqlite_path(settings.database)):
        new = sqlite_path(settings.database)
    if new and existing:
        raise CommandError(f"no database at {new}; name it with --database or MUSTER_DATABASE")

    async def session() -> T:
        storage = open_storage(settings, patient=True)
        await storage.migrate()
        if new:
            warn(
                f"created the database {new}. If the service has another one, name it with"
                " --database or MUSTER_DATABASE"
            )
        await storage.start()
        try:
            return await work(storage)
        finally:
            await storage.close()

    return running(settings, session())


def running(settings: Settings, work: Awaitable[T]) -> T:
    """Run a coroutine that uses the database. Raises CommandError instead of StorageError."""

    async def session() -> T:
        return await work

    # The writer logs every transaction that fails; here the error is reported, and only once.
    writer, silent = logging.getLogger("muster.storage.sqlite.writer"), logging.NullHandler()
    writer.addHandler(silent)
    try:
        return asyncio.run(session())
    except StorageError as error:
        raise CommandError(explain(error, settings)) from error
    finally:
        writer.removeHandler(silent)


def explain(error: StorageError, settings: Settings, file: str | None = None) -> str:
    """Name the database, the cause and the remedy, but never its user or password.

    Args:
        error: The error.
        settings: The settings that name the database.
        file: The SQLite file that was read, if it is not the one of the settings.
    """
    if isinstance(error, NewerDatabase):
        return str(error)
    if is_postgres(settings.database):
        return _explain_postgres(error, settings)
    cause = getattr(error.__cause__, "orig", None) or error.__cause__
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    return _explain_sqlite(error, code, file or sqlite_path(settings.database))


def _explain_postgres(error: StorageError, settings: Settings) -> str:
    url = urlsplit(settings.database)
    given = dict(parse_qsl(url.query))
    try:
        host, port = url.hostname, url.port
    except ValueError:  # several hosts
        host, port = url.netloc.rpartition("@")[2], None
    place = (
        f"PostgreSQL at {host or given.get('host', 'localhost')}:{port or given.get('port', 5432)}"
    )
    if isinstance(error.__cause__, OSError):
        cause = str(error.__cause__) or "it did not answer in time"
        return (
            f"cannot connect to {place}: {cause}. Check that the server is running and that"
            " --database or MUSTER_DATABASE names it"
        )
    return f"{place}: {error}"


def _explain_sqlite(error: StorageError, code: int, path: str) -> str:
    import sqlite3

    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return (
            f"{path} is locked by another process, which goes on writing. Try again, or stop that"
            " process"
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return (
            f"{path} is damaged or is not a SQLite database. Check the path, or restore a"
            f' backup (see "muster restore --help")'
        )
    if code in (
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_PERM,
    ):
        return (
            f"cannot open {path}: {error.__cause__}. Check that muster may write the file"
            f" and its folder"
        )
    if isinstance(error, StorageFull):
        return f"{path}: {error}. Free some space and run the command again"
    return str(error)


async def workspace_of(storage: Storage, name: str, settings: Settings) -> Workspace:
    """The workspace of that name. Raises CommandError, with similar names, if there is none."""
    from muster.storage.engines import ensure_workspace

    await ensure_workspace(storage, settings)
    workspace = await storage.find_workspace(name)
    if workspace is None:
        from muster.access.workspaces import find_workspace

        renamed = await find_workspace(storage, name)
        if renamed is not None:
            raise CommandError(f"the workspace {name!r} is called {renamed.name!r} now")
        names = [found.name for found in await storage.workspaces()]
        raise CommandError(
            f"no workspace named {name!r}{suggestion(name, names) or '.'} {_listed(names)}"
        )
    return workspace


def suggestion(name: str, names: Iterable[str]) -> str:
    """`; did you mean …?` with up to three similar names, or nothing."""
    near = difflib.get_close_matches(name, list(names), 3)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(sorted(names)[:_MAX_NAMES])
    if len(names) > _MAX_NAMES:
        return f"There are {len(names)}, among them {shown}; see muster workspaces list"
    return f"Workspaces: {shown}"

"""What every command needs: the settings, an open database, and errors that name the next step."""

import asyncio
import difflib
import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from muster.config import Settings, is_postgres, mistaken_variables, sqlite_path
from muster.storage.port.accounts import Workspace
from muster.storage.port.engine import Storage
from muster.storage.port.errors import NewerDatabase, StorageError, StorageFull

if TYPE_CHECKING:
    from pydantic import ValidationError

T = TypeVar("T")
_MAX_NAMES = 10


class CommandError(Exception):
    """The command cannot be carried out; the message says why and what to do. Exit code 1."""

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
    from pydantic import ValidationError

    for mistake in mistaken_variables(os.environ):
        sys.stderr.write(f"muster: {mistake}\n")
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        raise UsageError(_invalid(error)) from None


def _invalid(error: "ValidationError") -> str:
    return "; ".join(_describe(problem["loc"], problem["msg"]) for problem in error.errors())


def _describe(location: tuple[int | str, ...], message: str) -> str:
    name = str(location[0]) if location else "settings"
    if name not in Settings.model_fields:
        hint = suggestion(name, Settings.model_fields) or "."
        allowed = ", ".join(Settings.model_fields)
        return f"unknown setting {name!r} in muster.toml{hint} Settings: {allowed}"
    return f"--{name.replace('_', '-')} (MUSTER_{name.upper()}): {message}"


def run(settings: Settings, work: Callable[[Storage], Awaitable[T]]) -> T:
    """Migrate and open the database, and run work on it.

    Raises:
        CommandError: The database cannot be opened or used.
    """
    from muster.storage.engines import open_storage

    async def session() -> T:
        storage = open_storage(settings)
        await storage.migrate()
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

    try:
        return asyncio.run(session())
    except StorageError as error:
        raise CommandError(explain(error, settings)) from error


def explain(error: StorageError, settings: Settings, file: str | None = None) -> str:
    """Say which database has a problem, the cause, and what to do; never its user or password.

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
        return f"{path} is locked by another process. Try again, or stop the process that uses it"
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

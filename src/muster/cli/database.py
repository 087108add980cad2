"""The commands for a whole database: `muster migrate`, `check`, `backup` and `restore`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from muster.cli.options import Database
from muster.cli.output import Json, progress, warn, write, write_json
from muster.cli.session import (
    CommandError,
    UsageError,
    explain,
    load_settings,
    run,
    running,
)
from muster.config import Settings, is_postgres, sqlite_path
from muster.storage.port.engine import Storage
from muster.storage.port.errors import SecretsLocked, StorageError

migrate = App(
    name="migrate",
    help="Create or upgrade the tables of the database.",
    help_epilogue="""Examples:
  muster migrate --database postgresql://muster@db.example.com/muster
  muster migrate --distribute --dry-run
  muster migrate --distribute""",
)
check = App(
    name="check",
    help="Verify a database, resource by resource, and repair it.",
    help_epilogue="Examples:\n  muster check\n  muster check --repair\n\nExits with 1 if a"
    " finding remains.",
)
backup = App(
    name="backup",
    help="Copy a SQLite database to a file while it is in use.",
    help_epilogue="Examples:\n  muster backup /backups/muster-$(date +%F).db",
)
restore = App(
    name="restore",
    help="Create a SQLite database from a backup.",
    help_epilogue="""Examples:
  systemctl stop muster
  mv muster.db* /var/tmp/
  muster restore /backups/muster-2026-01-01.db""",
)


@migrate.default
def _migrate(
    *,
    distribute: Annotated[
        bool,
        Parameter(
            negative=(),
            help="Also distribute the tables over the nodes of Citus, each by workspace. Stop the"
            " service first: tables are locked while their rows move.",
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        Parameter(
            negative=(),
            help="With --distribute: change nothing, and print the statements that are left.",
        ),
    ] = False,
    json: Json = False,
    database: Database = None,
) -> None:
    """Create or upgrade the tables of the database for this version of muster.

    `muster serve` does the same when it starts, but never distributes a table.
    """
    from muster.storage.engines import open_storage, undistributed

    settings = load_settings(database=database)
    if dry_run and not distribute:
        raise UsageError("--dry-run is for --distribute")
    if distribute and not is_postgres(settings.database):
        raise UsageError("--distribute needs a PostgreSQL database with Citus")
    if dry_run:
        _print_plan(settings, json)
        return
    before, after = running(settings, open_storage(settings).migrate())
    report: dict[str, object] = {"revision": after, "before": before}
    if not json:
        write(
            f"at revision {after}"
            + (", as before" if before == after else f", before at {before or 'none'}")
        )
    if distribute:
        report |= _distribute(settings, quiet=json)
    elif left := running(settings, undistributed(settings)):
        warn(local_tables_warning(left))
    if json:
        write_json(report)


def _print_plan(settings: Settings, json: bool) -> None:
    """Print the statements of a distribution, which psql can run."""
    from muster.storage.postgres.citus import distribute

    plan = running(settings, distribute(settings.database, write, dry_run=True))
    statements = [step.sql for step in plan.steps]
    if json:
        write_json({"citus": plan.version, "statements": statements})
    for statement in () if json else statements:
        write(f"{statement};")


def _distribute(settings: Settings, quiet: bool) -> dict[str, object]:
    """Distribute the tables, and return the figures for the report."""
    from muster.storage.postgres.citus import distribute

    def say(line: str) -> None:
        if not quiet:
            write(line)

    done = running(settings, distribute(settings.database, say))
    say(f"{len(done.tables)} tables are distributed by workspace ({done.version})")
    return {
        "citus": done.version,
        "distributed": list(done.tables),
        "statements": [step.sql for step in done.steps],
    }


def local_tables_warning(tables: Sequence[str]) -> str:
    """Return the warning that Citus does not distribute some tables."""
    return (
        f"Citus does not distribute {', '.join(tables)}: all their rows are on the coordinator."
        " Stop the service and run muster migrate --distribute"
    )


@check.default
def _check(
    *,
    repair: Annotated[
        bool,
        Parameter(
            negative=(),
            help="Rebuild the search data and the counts that do not match the resources.",
        ),
    ] = False,
    json: Json = False,
    database: Database = None,
) -> int:
    """Verify that a database is intact and agrees with itself, resource by resource.

    It may run while the service does.
    """
    from muster.upkeep.check import CheckReport, check

    settings = load_settings(database=database)
    findings: list[str] = []

    def say(line: str) -> None:
        findings.append(line)
        if not json:
            write(line)

    async def work(storage: Storage) -> CheckReport:
        with progress("Checking resources") as advance:
            return await check(storage, repair, say, advance)

    report = run(settings, work, existing=True)
    if json:
        counts = {"resources": report.resources, "workspaces": report.workspaces}
        write_json(
            {**counts, "findings": findings, "found": report.found, "repaired": report.repaired}
        )
    else:
        repaired = f", {report.repaired} repaired" if repair else ""
        write(
            f"{report.resources} resources in {report.workspaces} workspaces; {report.found}"
            f" findings{repaired}"
        )
    return 1 if report.found > report.repaired else 0


@backup.default
def _backup(
    file: Annotated[Path, Parameter(help="The file to create.")],
    /,
    *,
    json: Json = False,
    database: Database = None,
) -> None:
    """Copy a SQLite database to a file, as it is at one moment, and verify the copy.

    The service may go on reading and writing meanwhile.
    """
    from muster.base.vault import is_sealed
    from muster.storage.engines import vault_of
    from muster.upkeep.backup import backup, stored_secret

    settings = load_settings(database=database)
    if is_postgres(settings.database):
        raise CommandError(
            "muster backup copies SQLite databases. Back up PostgreSQL with its own tools:"
            " pg_dump --format=custom --file=FILE URL (see docs/how-to/back-up.md)"
        )
    try:
        with progress("Copying pages") as advance:
            size = backup(sqlite_path(settings.database), file, advance)
            sealed = is_sealed(stored_secret(file))
    except StorageError as error:
        raise CommandError(explain(error, settings)) from error
    _report(str(file), size, json)
    if sealed:
        sys.stderr.write(
            f"muster: its secrets are encrypted, and their key is not in it: keep a copy of"
            f" {vault_of(settings).origin} in another place\n"
        )


@restore.default
def _restore(
    file: Annotated[Path, Parameter(help="The backup.")],
    /,
    *,
    json: Json = False,
    database: Database = None,
) -> None:
    """Create the SQLite database from a backup, and verify it.

    The database must not exist: stop the service and move the old file away first.
    """
    from muster.storage.engines import vault_of
    from muster.storage.records.sealing import open_secret
    from muster.upkeep.backup import restore, stored_secret

    settings = load_settings(database=database)
    if is_postgres(settings.database):
        raise CommandError(
            "muster restore creates SQLite databases. Restore PostgreSQL with its own tools:"
            " pg_restore --dbname=URL FILE (see docs/how-to/back-up.md)"
        )
    path = sqlite_path(settings.database)
    try:
        with progress("Copying pages") as advance:
            size = restore(file, path, advance)
    except StorageError as error:
        raise CommandError(explain(error, settings, str(file))) from error
    _report(path, size, json)
    try:
        open_secret(vault_of(settings), stored_secret(Path(path)))
    except SecretsLocked as error:
        raise CommandError(f"{path} is restored, but the service cannot start: {error}") from None


def _report(path: str, size: int, json: bool) -> None:
    if json:
        write_json({"file": path, "bytes": size})
    else:
        write(f"{path}: {size} bytes, verified")

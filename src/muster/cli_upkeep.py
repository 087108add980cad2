"""The commands for whole databases: check, backup, restore, export, import."""

import argparse
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from muster.access.registries import Registries
from muster.config import Settings, is_postgres, sqlite_path
from muster.session import Refused, run, workspace_of
from muster.storage.port.engine import Storage

_SHOWN = 20
"""How many refused lines an import lists, unless it is told to list all."""


def add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    database: argparse.ArgumentParser,
) -> None:
    """Add the commands to the parser. database: the parser of the options that name one."""

    def command(name: str, text: str, work: object) -> argparse.ArgumentParser:
        made = commands.add_parser(
            name, help=text, description=text, parents=[database], allow_abbrev=False
        )
        made.set_defaults(run=work)
        return made

    check = command("check", "verify a whole database, resource by resource", _check)
    check.add_argument(
        "--repair",
        action="store_true",
        help="make anew what is derived from the resources, and count anew",
    )
    command("backup", "copy a SQLite database to a file, while it is in use", _backup).add_argument(
        "file", type=Path
    )
    restore = command(
        "restore", "put a backup in the place of a SQLite database that is not there", _restore
    )
    restore.add_argument("file", type=Path)
    command(
        "doctor", "what clients send that the RFCs do not allow, and what was refused", _doctor
    ).add_argument("--workspace", default="default")
    _add_audit(commands.add_parser("audit", help="the audit log", allow_abbrev=False), database)
    export = command("export", "write a workspace as JSON Lines of SCIM resources", _export)
    export.add_argument("--workspace", default="default")
    export.add_argument(
        "--output", type=Path, metavar="FILE", help="a file that is not there yet [standard output]"
    )
    take = command(
        "import",
        "make the resources of such lines; those that are there already are passed over",
        _import,
    )
    take.add_argument("--workspace", default="default")
    take.add_argument(
        "--rehearse", action="store_true", help="do everything but commit, and report the same"
    )
    take.add_argument(
        "--new-ids",
        action="store_true",
        help="give each resource a new id, for a copy beside the original",
    )
    take.add_argument(
        "--override",
        action="store_true",
        help="create users even if automatic provisioning is off (audited)",
    )
    take.add_argument(
        "--all", action="store_true", help=f"list every line that is refused [the first {_SHOWN}]"
    )
    take.add_argument("file", help="the file, or - for standard input")


def _add_audit(audit: argparse.ArgumentParser, database: argparse.ArgumentParser) -> None:
    commands = audit.add_subparsers(required=True, metavar="COMMAND")
    text = "follow the chain of hashes through the audit log of every workspace"
    commands.add_parser(
        "verify", help=text, description=text, parents=[database], allow_abbrev=False
    ).set_defaults(run=_verify)


def _verify(_: argparse.Namespace, settings: Settings) -> int:
    from muster.upkeep.audit_verification import Verified, verify

    async def work(storage: Storage) -> Verified:
        return await verify(storage, lambda line: sys.stdout.write(line + "\n"))

    found = run(settings, work)
    before = f", {found.unlinked} from before there was a chain" if found.unlinked else ""
    sys.stdout.write(f"{found.rows} rows are linked{before}; {found.broken} breaks\n")
    return 1 if found.broken else 0


def _doctor(options: argparse.Namespace, settings: Settings) -> None:
    from muster.insight.doctor import examine

    async def work(storage: Storage) -> list[str]:
        workspace = await workspace_of(storage, options.workspace, settings)
        return (await examine(storage, workspace.id)).lines()

    sys.stdout.write("".join(line + "\n" for line in run(settings, work)))


def _check(options: argparse.Namespace, settings: Settings) -> int:
    from muster.upkeep.check import CheckReport, check

    async def work(storage: Storage) -> CheckReport:
        return await check(storage, options.repair, lambda line: sys.stdout.write(line + "\n"))

    report = run(settings, work)
    sys.stdout.write(
        f"{report.resources} resources in {report.workspaces} workspaces; {report.found} findings"
    )
    sys.stdout.write(f", {report.mended} mended\n" if options.repair else "\n")
    return 1 if report.found > report.mended else 0


def _backup(options: argparse.Namespace, settings: Settings) -> None:
    from muster.upkeep.backup import backup

    if is_postgres(settings.database):
        raise Refused(
            "PostgreSQL has its own tools: pg_dump --format=custom --file=FILE URL (docs/operate.md)"
        )
    size = backup(sqlite_path(settings.database), options.file)
    sys.stdout.write(f"{options.file}: {size} bytes, checked\n")


def _restore(options: argparse.Namespace, settings: Settings) -> None:
    from muster.upkeep.backup import restore

    if is_postgres(settings.database):
        raise Refused(
            "PostgreSQL has its own tools: pg_restore --dbname=URL FILE (docs/operate.md)"
        )
    path = sqlite_path(settings.database)
    size = restore(options.file, path)
    sys.stdout.write(f"{path}: {size} bytes, checked\n")


def _export(options: argparse.Namespace, settings: Settings) -> None:
    from muster.upkeep.export import export

    async def work(storage: Storage, output: BinaryIO) -> int:
        workspace = await workspace_of(storage, options.workspace, settings)
        lines = 0
        with _progress() as progress:
            task = progress.add_task(f"from {workspace.name}", total=None)
            async for line in export(storage, workspace):
                output.write(line)
                lines += 1
                progress.update(task, completed=lines)
        output.flush()
        return lines

    if options.output is None:
        run(settings, lambda storage: work(storage, sys.stdout.buffer))
        return
    try:
        with options.output.open("xb") as file:
            lines = run(settings, lambda storage: work(storage, file))
    except FileExistsError:
        raise Refused(f"{options.output} is there already, and is left as it is") from None
    except OSError as error:
        raise Refused(f"{options.output}: {error.strerror}") from None
    sys.stdout.write(f"{options.output}: {lines} resources\n")


def _import(options: argparse.Namespace, settings: Settings) -> int:
    from muster.upkeep.importer import Importer, ImportReport

    async def work(storage: Storage, lines: Iterator[tuple[int, bytes]]) -> ImportReport:
        workspace = await workspace_of(storage, options.workspace, settings)
        registry = await Registries(storage).of(workspace)
        modes = {"override": options.override, "new_ids": options.new_ids}
        importer = Importer(
            storage, workspace, registry, options.rehearse, lambda: datetime.now(UTC), **modes
        )
        with _progress() as progress:
            task = progress.add_task(f"into {workspace.name}", total=None)
            return await importer.take(lines, lambda done: progress.advance(task, done))

    try:
        with sys.stdin.buffer if options.file == "-" else Path(options.file).open("rb") as file:
            report = run(settings, lambda storage: work(storage, enumerate(file, 1)))
    except OSError as error:
        raise Refused(f"{options.file}: {error.strerror}") from None
    shown = report.refused if options.all else report.refused[:_SHOWN]
    sys.stdout.write("".join(f"line {number}: {reason}\n" for number, reason in shown))
    if len(shown) < len(report.refused):
        sys.stdout.write(f"… and {len(report.refused) - len(shown):,} more; --all to list them\n")
    made = "would be made" if options.rehearse else "made"
    sys.stdout.write(
        f"{report.made} {made}, {report.there} there already, {len(report.refused)} refused\n"
    )
    return 1 if report.refused else 0


def _progress() -> Progress:
    """A bar on standard error: standard output is for what a program may read."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=Console(stderr=True))

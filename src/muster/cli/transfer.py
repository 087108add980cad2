"""`muster export` and `muster import`: the resources of one workspace as JSON Lines."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

from cyclopts import App, Parameter

from muster.base.progress import Progress
from muster.cli.options import Database, WorkspaceName
from muster.cli.output import Json, progress, write, write_json
from muster.cli.session import CommandError, load_settings, run, workspace_of
from muster.config import Settings
from muster.storage.port.accounts import Workspace
from muster.storage.port.engine import Storage

if TYPE_CHECKING:
    from muster.upkeep.importer import ImportReport

_SHOWN = 20
"""Rejected lines that an import lists, unless it is told to list all."""
export = App(
    name="export",
    help="Write the resources of a workspace as JSON Lines.",
    help_epilogue="""Examples:
  muster export --workspace acme --output acme.jsonl
  muster export --workspace acme | jq -r .userName""",
)
import_ = App(
    name="import",
    help="Create resources in a workspace from JSON Lines.",
    help_epilogue="""Examples:
  muster import --workspace acme --rehearse acme.jsonl
  muster import --workspace acme acme.jsonl
  zcat acme.jsonl.gz | muster import --workspace copy --new-ids -

Exits with 1 if a line was rejected.""",
)


@export.default
def _export(
    *,
    workspace: WorkspaceName = "default",
    output: Annotated[
        Path | None,
        Parameter(metavar="FILE", help="A file to create; without it, standard output."),
    ] = None,
    database: Database = None,
) -> None:
    """Write the resources of a workspace, each as a line of JSON. Passwords are not exported."""
    settings = load_settings(database=database)
    if output is None:
        run(
            settings,
            lambda storage: _write_lines(storage, workspace, settings, sys.stdout.buffer),
            existing=True,
        )
        return
    try:
        with output.open("xb") as file, _removed_on_failure(output):
            lines = run(
                settings,
                lambda storage: _write_lines(storage, workspace, settings, file),
                existing=True,
            )
    except FileExistsError:
        raise CommandError(f"{output} exists already; choose another file with --output") from None
    except OSError as error:
        raise CommandError(
            f"cannot write {output}: {(error.strerror or str(error)).lower()}"
        ) from None
    write(f"{output}: {lines} resources")


@contextlib.contextmanager
def _removed_on_failure(path: Path) -> Iterator[None]:
    """Remove a file that the block did not finish, so that the command can be run again."""
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


async def _write_lines(storage: Storage, name: str, settings: Settings, output: BinaryIO) -> int:
    from muster.upkeep.export import export

    workspace = await workspace_of(storage, name, settings)
    lines = 0
    with progress(f"Exporting {workspace.name}") as advance:
        async for line in export(storage, workspace):
            output.write(line)
            lines += 1
            advance(1)
    output.flush()
    return lines


@import_.default
def _import(
    file: Annotated[str, Parameter(help="The file; - for standard input.")],
    /,
    *,
    workspace: WorkspaceName = "default",
    rehearse: Annotated[
        bool, Parameter(negative=(), help="Do the same work, change nothing, and report the same.")
    ] = False,
    new_ids: Annotated[
        bool,
        Parameter(negative=(), help="Give each resource a new id, for a copy beside the original."),
    ] = False,
    override: Annotated[
        bool,
        Parameter(
            negative=(),
            help="Create users even if automatic provisioning is off. The audit log records it.",
        ),
    ] = False,
    all_: Annotated[
        bool,
        Parameter(
            name="--all",
            negative=(),
            help=f"List every line that was rejected; without it, the first {_SHOWN}.",
        ),
    ] = False,
    json: Json = False,
    database: Database = None,
) -> int:
    """Create resources from lines of JSON, as `muster export` writes them.

    Resources that exist already are left as they are, so an import can be run again.
    """
    from muster.access.registries import Registries
    from muster.upkeep.importer import Importer, ImportReport

    settings = load_settings(database=database)

    async def work(storage: Storage, source: BinaryIO) -> ImportReport:
        place = await workspace_of(storage, workspace, settings)
        registry = await Registries(storage).of(place)
        modes = {"override": override, "new_ids": new_ids}
        importer = Importer(storage, place, registry, rehearse, **modes)
        with _reading(source, place) as advance:
            return await importer.take(enumerate(source, 1), advance)

    try:
        with sys.stdin.buffer if file == "-" else Path(file).open("rb") as source:
            report = run(settings, lambda storage: work(storage, source))
    except OSError as error:
        raise CommandError(
            f"cannot read {file}: {(error.strerror or str(error)).lower()}"
        ) from None
    if json:
        _write_report(report, rehearse)
    else:
        shown = report.refused if all_ else report.refused[:_SHOWN]
        for number, reason in shown:
            write(f"line {number}: {reason}")
        if len(shown) < len(report.refused):
            write(f"… and {len(report.refused) - len(shown):,} more; list them with --all")
        created = "would be created" if rehearse else "created"
        write(
            f"{report.made} {created}, {report.there} exist already, {len(report.refused)} rejected"
        )
    return 1 if report.refused else 0


@contextlib.contextmanager
def _reading(source: BinaryIO, workspace: Workspace) -> Iterator[Progress]:
    """Show how much of a file has been read; the number of lines if it is a pipe."""
    size = os.fstat(source.fileno()).st_size if source.seekable() else None
    with progress(f"Importing into {workspace.name}", size) as advance:
        read = 0

        def taken(done: int, total: int | None = None) -> None:
            nonlocal read
            if size is None:
                advance(done, total)
            else:
                before, read = read, source.tell()
                advance(read - before)

        yield taken


def _write_report(report: "ImportReport", rehearse: bool) -> None:
    rejected = [{"line": number, "reason": reason} for number, reason in report.refused]
    counts = {"created": report.made, "existing": report.there}
    write_json({"rehearsal": rehearse, **counts, "rejected": rejected})

"""Output for people and for programs: tables, tab-separated lines, JSON, and progress bars.

Standard output carries results only. On a terminal a list is a table; in a pipe each row is a line
of tab-separated columns without a header, which `cut` and `awk` can read. Progress goes to standard
error, and only if that is a terminal.
"""

import contextlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any

from cyclopts import Parameter

from muster.base.progress import Progress, silent

Json = Annotated[bool, Parameter(name="--json", negative=(), help="Print JSON.")]
Row = Sequence[str]
_CONTROLS = dict.fromkeys((*range(32), 127), " ")
"""Control characters, which would end a cell or a line."""


def write(line: str) -> None:
    """Write a line to standard output."""
    sys.stdout.write(line + "\n")


def warn(line: str) -> None:
    """Write a message to standard error."""
    sys.stderr.write(f"muster: {line}\n")


def write_json(value: object) -> None:
    """Write a value as indented JSON."""
    write(json.dumps(value, indent=2, ensure_ascii=False))


def write_table(
    columns: Row, rows: Iterable[Row], empty: str, labels: dict[str, str] | None = None
) -> None:
    """Write rows as a table on a terminal, otherwise as tab-separated lines.

    Args:
        columns: The headings of the table.
        rows: The cells of each row.
        empty: The message for a terminal if there are no rows.
        labels: Words before the cells of a column in tab-separated lines, by its heading.
    """
    rows = list(rows)
    if not sys.stdout.isatty():
        before = [(labels or {}).get(column, "") for column in columns]
        for row in rows:
            cells = (label + cell for label, cell in zip(before, row, strict=True))
            write("\t".join(cell.translate(_CONTROLS) for cell in cells))
    elif not rows:
        write(empty)
    else:
        _write_rich_table(columns, rows)


def _write_rich_table(columns: Row, rows: Iterable[Row]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    rows = list(rows)
    for index, column in enumerate(columns):
        # an id that is folded cannot be copied, so other columns give up their width first
        whole = not any(" " in row[index] for row in rows)
        table.add_column(column, overflow="fold", no_wrap=whole)
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)


@contextlib.contextmanager
def progress(title: str, total: int | None = None) -> Iterator[Progress]:
    """Show a progress bar on standard error while the block runs, if that is a terminal.

    Args:
        title: The text beside the bar.
        total: The number of items in all; None if it is not known yet.
    """
    if not sys.stderr.isatty():
        yield silent
        return
    with _bar() as bar:
        task = bar.add_task(title, total=total)

        def advance(done: int, total: int | None = None) -> None:
            bar.update(task, advance=done, total=total)

        yield advance


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
    )
    # Lines written meanwhile appear above the bar; standard output stays itself if it is a pipe.
    return RichProgress(*columns, console=Console(stderr=True), redirect_stdout=sys.stdout.isatty())

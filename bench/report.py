"""Writes the results: as JSON, as the tables of docs/reference/benchmarks.md, and as lines."""

import json
import os
import platform
import sqlite3
from pathlib import Path

from bench import differences
from bench.harness import other_figure

RESULTS = Path(__file__).parent / "results" / "latest.json"
PAGE = Path(__file__).parents[1] / "docs" / "reference" / "benchmarks.md"
_BEGIN, _END = "<!-- rows: make bench -->\n", "<!-- end of rows -->\n"
_WORDS = {
    "GET with everything on": "GET with log, metrics and rate limit",
    "GET by id with two workers, a second of their time": "GET by id with two workers, per second"
    " of processor time",
    "GET while another workspace searches, p99": "GET while another workspace searches, compared"
    " by p99",
    "bare ASGI, same statement": "bare ASGI application, same statement",
    "bare ASGI with asyncpg, same statement": "bare ASGI application with asyncpg, same statement",
    "plain loop, 32 a commit": "plain loop, 32 rows per commit",
    "one process, 32 a transaction": "one process, 32 rows per transaction",
    "itself without": "muster without",
    "itself with one": "muster with one",
    "itself alone": "muster alone",
    "itself with an API key": "muster with an API key",
    "itself at 10,000": "muster at 10,000 users",
    "GET of one in none": "GET of a user in no group",
}
"""The words of the page, where those of the rows are shorter."""
_HEAD = (
    "| engine, users | work | muster | half within | 99 % within | reference | ratio | target |\n"
    "|---|---|---|---|---|---|---|---|\n"
)
_LATENCY_HEAD = (
    "| engine, users | work | offered | half within | 90 % within | 99 % within | longest |\n"
    "|---|---|---|---|---|---|---|\n"
)


def machine() -> str:
    """Return the machine and the versions in one line."""
    versions = f"CPython {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    return f"{platform.machine()}, {os.cpu_count()} cores, {versions}"


def write_json(path: Path, rows: list[dict], latency: list[dict]) -> None:
    """Write the rows of a run over the committed ones; rows that were not measured stay."""
    before = json.loads(path.read_text()) if path.exists() else {"rows": [], "latency": []}
    result = {
        "machine": machine(),
        "rows": differences.merged(before["rows"], rows),
        "latency": latency or before.get("latency", []),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")


def tables(result: dict) -> str:
    """Return the tables of the page."""
    text = _HEAD + "".join(_line(row) for row in result["rows"])
    if result.get("latency"):
        text += "\n" + _LATENCY_HEAD + "".join(_point(point) for point in result["latency"])
    return text


def write_page(path: Path, result: dict) -> None:
    """Replace the tables of the page."""
    before, _, rest = path.read_text().partition(_BEGIN)
    path.write_text(before + _BEGIN + tables(result) + _END + rest.partition(_END)[2])


def tables_of(page: str) -> str:
    """Return the tables that a page has."""
    return page.partition(_BEGIN)[2].partition(_END)[0]


def _line(row: dict) -> str:
    place = f"{row['engine']}, {row['users']:,}"
    floor = "" if row["floor"] is None else f"{row['floor']:g}"
    ratio = f"{row['ratio']:.2f}" if row["ratio"] < 1000 else ""
    times = (_milliseconds(row.get("p50")), _milliseconds(row.get("p99")))
    cells = (
        place,
        _WORDS.get(row["work"], row["work"]),
        f"{row['rate']:,.0f}/s",
        *times,
        f"{_WORDS.get(row['against'], row['against'])}: {other_figure(row)}",
        ratio,
        floor,
    )
    return f"| {' | '.join(cells)} |\n"


def _point(point: dict) -> str:
    times = (_milliseconds(point[name]) for name in ("p50", "p90", "p99", "most"))
    place = f"{point['engine']}, {point['users']:,}"
    cells = (place, point["work"], f"{point['offered']:,.0f}/s", *times)
    return f"| {' | '.join(cells)} |\n"


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:,.1f} ms"

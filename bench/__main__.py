"""Measures the table of bench/README.md: medians and ratios of rounds that run in turns."""

import argparse
import json
import os
import platform
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from bench import (
    bulk,
    console,
    groups,
    neighbours,
    oauth,
    peer,
    plot,
    postgres,
    scripts,
    servers,
    workers,
    writes,
)
from muster.storage.ids import key_of

_DRAWN = 50_000
Measure = Callable[[], dict[str, float]]
SQLITE = "SQLite"
_ASKED_FROM = 100_000


class Bench:
    """The databases, API keys and rows of one run."""

    def __init__(self, folder: Path, rounds: int, seconds: float) -> None:
        self.folder = folder
        self.rounds = rounds
        self.seconds = seconds
        self.rows: list[dict] = []
        self._first = 50_000_000

    def database(self, users: int) -> Path:
        """Return a database with that many users, creating it on first use."""
        path = self.folder / f"{users}.db"
        if not path.exists():
            self.run_muster(path, "demo", "--users", str(users), "--workspace", "default")
        return path

    def copy(self, path: Path, name: str = "writes.db") -> Path:
        copied = self.folder / name
        copied.unlink(missing_ok=True)
        shutil.copyfile(path, copied)
        os.sync()  # otherwise the first commits would write the copy to disk
        return copied

    def token(self, database: Path | str) -> str:
        return self.run_muster(database, "keys", "create", "--name", "bench").strip()

    def ids(self, path: Path) -> list[str]:
        """Return a sample of ids.

        With more ids the load generator pauses for its own garbage collection.
        """
        return self._column(path, "SELECT id FROM resources WHERE type = 'User'")

    def names(self, path: Path) -> list[str]:
        return self._column(path, "SELECT value FROM unique_values WHERE type = 'User'")

    @staticmethod
    def _column(path: Path, statement: str) -> list[str]:
        connection = sqlite3.connect(path)
        found = [row[0] for row in connection.execute(statement)]
        connection.close()
        return Bench.drawn(found)

    @staticmethod
    def drawn(found: list[str]) -> list[str]:
        """Return a random sample, the same for each run."""
        return random.Random(1).sample(found, min(len(found), _DRAWN))

    @staticmethod
    def run_muster(database: Path | str, *arguments: str) -> str:
        """Run a muster command and return its output."""
        command = [str(servers.BIN / "muster"), *arguments, "--database", servers.url_of(database)]
        return subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True
        ).stdout

    def fresh_bodies(self, token: str) -> Iterator[str]:
        """Yield a script per round that POSTs users which no other round creates."""
        while True:
            made = [
                body.decode()
                for body in writes.bodies(self._first, int(4000 * self.seconds) + 2000)
            ]
            self._first += len(made)
            yield scripts.post(scripts.lines(self.folder / "bodies", made), "/scim/v2/Users", token)

    def compare(
        self,
        work: str,
        floor: float | None,
        muster: Measure,
        other: Measure,
        against: str,
        *,
        engine: str = SQLITE,
        users: int,
        by: str = "rate",
    ) -> None:
        """Measure muster and a reference in turns, and add the row.

        Args:
            floor: The ratio to reach; ignored for small databases.
            by: The figure to compare. The ratio of times is inverted, so that more is better.
        """
        muster(), other()  # warm
        pairs = [(muster(), other()) for _ in range(self.rounds)]
        ours = {key: statistics.median(pair[0][key] for pair in pairs) for key in pairs[0][0]}
        theirs = statistics.median(pair[1][by] for pair in pairs)
        ratio = statistics.median(
            (mine[by] / its[by]) ** (1 if by == "rate" else -1) for mine, its in pairs
        )
        floor = floor if users >= _ASKED_FROM else None
        named = {"work": work, "engine": engine, "users": users}
        row = {
            **named,
            **ours,
            "against": against,
            "by": by,
            "other": theirs,
            "ratio": ratio,
            "floor": floor,
        }
        self.rows.append(row)
        told = f"{engine}, {users:,} users, {work}: {ours['rate']:,.0f}/s beside {_other(row)} ({against}): {ratio:.2f}"
        print(told, flush=True)

    def wrk(self, port: int, script: str) -> Measure:
        return lambda: servers.wrk(port, script, self.seconds)


def reads(bench: Bench, path: Path, users: int) -> None:
    """Keyed reads and first pages, compared with the bare ASGI application."""
    token, ids = bench.token(path), bench.ids(path)
    id_items = scripts.lines(bench.folder / "ids", ids)
    key_items = scripts.lines(
        bench.folder / "keys", [str(key_of(resource_id)) for resource_id in ids]
    )
    names = bench.names(path)
    filters = scripts.lines(
        bench.folder / "filters", [quote(f'userName eq "{name}"') for name in names]
    )
    name_items = scripts.lines(bench.folder / "names", names)
    empty = scripts.lines(bench.folder / "empty", [""])
    with servers.muster(path) as ours, servers.ceiling(path) as bare:
        for work, floor, mine, its in (
            (
                "GET by id",
                0.75,
                scripts.get(id_items, "/scim/v2/Users/", token),
                scripts.get(key_items, "/key/"),
            ),
            (
                "userName eq",
                0.6,
                scripts.get(filters, "/scim/v2/Users?filter=", token),
                scripts.get(name_items, "/name/"),
            ),
            (
                "list of 100",
                0.7,
                scripts.get(empty, "/scim/v2/Users?count=100", token),
                scripts.get(empty, "/list"),
            ),
        ):
            measured = bench.wrk(ours.port, mine), bench.wrk(bare.port, its)
            bench.compare(work, floor, *measured, "bare ASGI, same statement", users=users)
        bench.rows[-3]["memory"] = ours.rss()


def everything_on(bench: Bench, path: Path, users: int) -> None:
    """Reads with log, metrics and rate limit, compared with reads without them."""
    script = scripts.get(
        scripts.lines(bench.folder / "ids", bench.ids(path)), "/scim/v2/Users/", bench.token(path)
    )
    off = {"MUSTER_REQUEST_LOG": "false", "MUSTER_METRICS": "false", "MUSTER_RATE_LIMIT": "0"}
    with servers.muster(path) as ours, servers.muster(path, **off) as bare:
        measured = bench.wrk(ours.port, script), bench.wrk(bare.port, script)
        bench.compare("GET with everything on", 0.85, *measured, "itself without", users=users)


def recording(bench: Bench, path: Path, users: int) -> None:
    """Reads that are stored in the request log, compared with reads that are not."""
    script = scripts.get(
        scripts.lines(bench.folder / "ids", bench.ids(path)), "/scim/v2/Users/", bench.token(path)
    )
    recorded = bench.copy(path, "recorded.db")
    connection = sqlite3.connect(recorded)
    connection.execute(
        "UPDATE workspaces SET settings = ?",
        (json.dumps({"record_reads": "2999-01-01T00:00:00Z"}),),
    )
    connection.commit()
    connection.close()
    with servers.muster(recorded) as ours, servers.muster(path) as bare:
        measured = bench.wrk(ours.port, script), bench.wrk(bare.port, script)
        bench.compare(
            "GET while reads are recorded", 0.95, *measured, "itself without", users=users
        )
    recorded.unlink()


def growth(bench: Bench, large: Path, small: Path) -> None:
    """Reads in a large workspace, compared with a small one."""
    made = [
        scripts.get(
            scripts.lines(bench.folder / f"ids-{p.stem}", bench.ids(p)),
            "/scim/v2/Users/",
            bench.token(p),
        )
        for p in (large, small)
    ]
    with servers.muster(large) as ours, servers.muster(small) as other:
        measured = bench.wrk(ours.port, made[0]), bench.wrk(other.port, made[1])
        bench.compare(
            "GET in a large workspace",
            0.9,
            *measured,
            f"itself at {int(small.stem):,}",
            users=int(large.stem),
        )


def durable_writes(bench: Bench, path: Path, users: int) -> None:
    """POST and PATCH over 32 connections, compared with a loop that writes the same rows."""
    mine, loop = bench.copy(path), bench.copy(path, "loop.db")
    token, ids = bench.token(mine), bench.ids(path)
    fresh, firsts = bench.fresh_bodies(token), iter(range(70_000_000, 10**9, 100_000))
    patching = scripts.patch(scripts.lines(bench.folder / "ids", ids), "/scim/v2/Users/", token)
    with servers.muster(mine) as ours:
        bench.compare(
            "POST",
            0.4,
            lambda: servers.wrk(ours.port, next(fresh), bench.seconds),
            lambda: {"rate": writes.posts(loop, bench.seconds, next(firsts))},
            "plain loop, 32 a commit",
            users=users,
        )
        bench.compare(
            "PATCH",
            0.4,
            bench.wrk(ours.port, patching),
            lambda: {"rate": writes.patches(loop, bench.seconds, ids)},
            "plain loop, 32 a commit",
            users=users,
        )
    for used in (mine, loop):
        used.unlink()


def _other(row: dict) -> str:
    """Format the figure of the reference: a rate, or a time in milliseconds."""
    if row["by"] != "rate":
        return f"{row['other']:.2f} ms"
    return f"{row['other']:,.0f}/s" if row["other"] > servers.NONE else "none in time"


def report(bench: Bench, out: Path) -> None:
    """Print the table, and write it as JSON."""
    versions = f"CPython {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {versions}"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(
        json.dumps({"machine": machine, "rounds": bench.rounds, "rows": bench.rows}, indent=1)
        + "\n"
    )
    print(f"\n{machine}; medians of {bench.rounds} rounds in turns\n")
    print("| engine | users | work | muster | p50 | p99 | beside | its rate | ratio | at least |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for row in bench.rows:
        floor = "" if row["floor"] is None else f"{row['floor']:g}"
        named = (row["engine"], f"{row['users']:,}", row["work"])
        cells = (
            *named,
            f"{row['rate']:,.0f}/s",
            f"{row['p50']:.2f} ms",
            f"{row['p99']:.2f} ms",
            row["against"],
        )
        print(f"| {' | '.join(cells)} | {_other(row)} | {row['ratio']:.2f} | {floor} |")
    for row in bench.rows:
        if "memory" in row:
            print(f"\nMemory of the worker at {row['users']:,} users: {row['memory']:.0f} MB")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument(
        "--users",
        type=int,
        nargs="+",
        default=[10_000, 100_000, 1_000_000],
        help="numbers of users to measure at",
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(tempfile.gettempdir()) / "muster-bench",
        help="folder for the databases",
    )
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "latest.json"
    )
    parser.add_argument(
        "--plot", type=Path, default=Path(__file__).parents[1] / "docs" / "images" / "growth"
    )
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        print("the bench needs wrk (on Debian: apt-get install wrk)", file=sys.stderr)
        return 1
    options.folder.mkdir(parents=True, exist_ok=True)
    bench = Bench(options.folder, options.rounds, options.seconds)
    sizes = sorted(options.users)
    middle = sizes[len(sizes) // 2]
    for users in sizes:
        reads(bench, bench.database(users), users)
        durable_writes(bench, bench.database(users), users)
    for extra in (
        everything_on,
        recording,
        oauth.compare,
        workers.compare,
        bulk.compare,
        groups.compare,
        peer.compare,
    ):
        extra(bench, bench.database(middle), middle)
    growth(bench, bench.database(sizes[-1]), bench.database(sizes[0]))
    searched = bench.copy(bench.database(middle), "neighbours.db")
    neighbours.compare(bench, searched, middle, SQLITE)
    searched.unlink()
    console.compare(bench, bench.database(sizes[-1]), sizes[-1])
    postgres.compare(bench, sizes)
    report(bench, options.out)
    plot.growth(bench.rows, options.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The table of the README. Everything that is compared runs in turns; medians and ratios are what is printed."""

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

from bench import bulk, groups, peer, scripts, servers, writes
from muster.storage.ids import key_of

_DRAWN = 50_000
Measure = Callable[[], dict[str, float]]


class Bench:
    """The databases, the keys, and the rows measured so far."""

    def __init__(self, folder: Path, rounds: int, seconds: float) -> None:
        self.folder = folder
        self.rounds = rounds
        self.seconds = seconds
        self.rows: list[dict] = []

    def database(self, users: int) -> Path:
        """A database of that many users, made once."""
        path = self.folder / f"{users}.db"
        if not path.exists():
            self._muster(path, "demo", "--users", str(users), "--workspace", "default")
        return path

    def copy(self, path: Path, name: str = "writes.db") -> Path:
        copied = self.folder / name
        copied.unlink(missing_ok=True)
        shutil.copyfile(path, copied)
        os.sync()  # or the first commits would write out the copy
        return copied

    def token(self, path: Path) -> str:
        return self._muster(path, "keys", "create", "--name", "bench").strip()

    def ids(self, path: Path) -> list[str]:
        """Ids to draw from, all over the database; more would have the load generator pause to collect its garbage."""
        return self._column(path, "SELECT id FROM resources WHERE type = 'User'")

    def names(self, path: Path) -> list[str]:
        return self._column(path, "SELECT value FROM unique_values WHERE type = 'User'")

    @staticmethod
    def _column(path: Path, statement: str) -> list[str]:
        connection = sqlite3.connect(path)
        found = [row[0] for row in connection.execute(statement)]
        connection.close()
        return random.Random(1).sample(found, min(len(found), _DRAWN))

    @staticmethod
    def _muster(path: Path, *arguments: str) -> str:
        command = [str(servers.BIN / "muster"), *arguments, "--database", f"sqlite:///{path}"]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout

    def compare(self, work: str, floor: float | None, muster: Measure, other: Measure, against: str) -> None:
        """Measure two things in turns, and note the row."""
        muster(), other()  # warm
        pairs = [(muster(), other()) for _ in range(self.rounds)]
        ours = {key: statistics.median(pair[0][key] for pair in pairs) for key in pairs[0][0]}
        theirs = statistics.median(pair[1]["rate"] for pair in pairs)
        ratio = statistics.median(mine["rate"] / its["rate"] for mine, its in pairs)
        self.rows.append({"work": work, **ours, "against": against, "other": theirs, "ratio": ratio, "floor": floor})
        print(f"{work}: {ours['rate']:,.0f}/s beside {theirs:,.0f}/s ({against}): {ratio:.2f}", flush=True)

    def wrk(self, port: int, script: str) -> Measure:
        return lambda: servers.wrk(port, script, self.seconds)


def reads(bench: Bench, path: Path, size: str) -> None:
    """Keyed reads and first pages against the bare ASGI application."""
    token, ids = bench.token(path), bench.ids(path)
    id_items = scripts.lines(bench.folder / "ids", ids)
    key_items = scripts.lines(bench.folder / "keys", [str(key_of(resource_id)) for resource_id in ids])
    names = bench.names(path)
    filters = scripts.lines(bench.folder / "filters", [quote(f'userName eq "{name}"') for name in names])
    name_items = scripts.lines(bench.folder / "names", names)
    empty = scripts.lines(bench.folder / "empty", [""])
    with servers.muster(path) as ours, servers.ceiling(path) as bare:
        for work, floor, mine, its in (
            ("GET by id", 0.75, scripts.get(id_items, "/scim/v2/Users/", token), scripts.get(key_items, "/key/")),
            ("userName eq", 0.6, scripts.get(filters, "/scim/v2/Users?filter=", token), scripts.get(name_items, "/name/")),
            ("list of 100", 0.7, scripts.get(empty, "/scim/v2/Users?count=100", token), scripts.get(empty, "/list")),
        ):
            bench.compare(
                f"{work}, {size}", floor, bench.wrk(ours.port, mine), bench.wrk(bare.port, its), "bare ASGI, same statement"
            )
        bench.rows[-3]["memory"] = ours.rss()


def everything_on(bench: Bench, path: Path) -> None:
    """The log line, metrics and the rate limit, against none of them."""
    script = scripts.get(scripts.lines(bench.folder / "ids", bench.ids(path)), "/scim/v2/Users/", bench.token(path))
    off = {"MUSTER_REQUEST_LOG": "false", "MUSTER_METRICS": "false", "MUSTER_RATE_LIMIT": "0"}
    with servers.muster(path) as ours, servers.muster(path, **off) as bare:
        bench.compare(
            "GET with everything on", 0.85, bench.wrk(ours.port, script), bench.wrk(bare.port, script), "itself without"
        )


def recording(bench: Bench, path: Path) -> None:
    """GET while reads are recorded, against the same while they are not."""
    script = scripts.get(scripts.lines(bench.folder / "ids", bench.ids(path)), "/scim/v2/Users/", bench.token(path))
    recorded = bench.copy(path, "recorded.db")
    connection = sqlite3.connect(recorded)
    connection.execute("UPDATE workspaces SET settings = ?", (json.dumps({"record_reads": "2999-01-01T00:00:00Z"}),))
    connection.commit()
    connection.close()
    with servers.muster(recorded) as ours, servers.muster(path) as bare:
        bench.compare(
            "GET while reads are recorded", 0.95, bench.wrk(ours.port, script), bench.wrk(bare.port, script), "itself without"
        )
    recorded.unlink()


def growth(bench: Bench, large: Path, small: Path) -> None:
    """GET by id in a large workspace against a small one."""
    made = [
        scripts.get(scripts.lines(bench.folder / f"ids-{p.stem}", bench.ids(p)), "/scim/v2/Users/", bench.token(p))
        for p in (large, small)
    ]
    with servers.muster(large) as ours, servers.muster(small) as other:
        bench.compare(
            f"GET by id, {large.stem}",
            0.9,
            bench.wrk(ours.port, made[0]),
            bench.wrk(other.port, made[1]),
            f"itself at {small.stem}",
        )


def _fresh_bodies(bench: Bench) -> Iterator[str]:
    """A file of new users for each round, for none may be POSTed twice."""
    first = 50_000_000
    while True:
        made = [body.decode() for body in writes.bodies(first, int(4000 * bench.seconds) + 2000)]
        yield scripts.post(scripts.lines(bench.folder / "bodies", made), "/scim/v2/Users", bench.posting)
        first += len(made)


def durable_writes(bench: Bench, path: Path, size: str) -> None:
    """POST and PATCH over 32 connections against a plain loop that writes the same rows."""
    mine, loop = bench.copy(path), bench.folder / "loop.db"
    shutil.copyfile(path, loop)
    os.sync()
    bench.posting = bench.token(mine)
    fresh, firsts = _fresh_bodies(bench), iter(range(70_000_000, 10**9, 100_000))
    ids = bench.ids(path)
    patching = scripts.patch(scripts.lines(bench.folder / "ids", ids), "/scim/v2/Users/", bench.posting)
    with servers.muster(mine) as ours:
        bench.compare(
            f"POST, {size}",
            0.4,
            lambda: servers.wrk(ours.port, next(fresh), bench.seconds),
            lambda: {"rate": writes.posts(loop, bench.seconds, next(firsts))},
            "plain loop, 32 a commit",
        )
        bench.compare(
            f"PATCH, {size}",
            0.4,
            bench.wrk(ours.port, patching),
            lambda: {"rate": writes.patches(loop, bench.seconds, ids)},
            "plain loop, 32 a commit",
        )
    for used in (mine, loop):
        used.unlink()


def report(bench: Bench, out: Path) -> None:
    """The table, and the same as JSON."""
    machine = (
        f"{platform.machine()}, {os.cpu_count()} cores, CPython {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"machine": machine, "rounds": bench.rounds, "rows": bench.rows}, indent=1) + "\n")
    print(f"\n{machine}; medians of {bench.rounds} rounds in turns\n")
    print("| work | muster | p50 | p99 | beside | its rate | ratio | at least |")
    print("|---|---|---|---|---|---|---|---|")
    for row in bench.rows:
        floor = "" if row["floor"] is None else f"{row['floor']:g}"
        cells = (row["work"], f"{row['rate']:,.0f}/s", f"{row['p50']:.2f} ms", f"{row['p99']:.2f} ms", row["against"])
        print(f"| {' | '.join(cells)} | {row['other']:,.0f}/s | {row['ratio']:.2f} | {floor} |")
    for row in bench.rows:
        if "memory" in row:
            print(f"\nMemory of the worker after {row['work']}: {row['memory']:.0f} MB")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--users", type=int, nargs="+", default=[100_000, 1_000_000], help="sizes to measure at")
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()) / "muster-bench", help="where databases are kept"
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "latest.json")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        print("the bench needs wrk (on Debian: apt-get install wrk)", file=sys.stderr)
        return 1
    options.folder.mkdir(parents=True, exist_ok=True)
    bench = Bench(options.folder, options.rounds, options.seconds)
    sizes = sorted(options.users)
    for users in sizes:
        reads(bench, bench.database(users), f"{users:,}")
    everything_on(bench, bench.database(sizes[0]))
    recording(bench, bench.database(sizes[0]))
    growth(bench, bench.database(sizes[-1]), bench.database(10_000))
    durable_writes(bench, bench.database(sizes[0]), f"{sizes[0]:,}")
    bulk.compare(bench, bench.database(sizes[0]), f"{sizes[0]:,}")
    groups.compare(bench, bench.database(sizes[0]), f"{sizes[0]:,}")
    peer.compare(bench)
    report(bench, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())

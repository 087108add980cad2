"""The named suites of the benchmark, each with its rows."""

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from bench import (
    bulk,
    console,
    groups,
    latency,
    load,
    neighbours,
    oauth,
    peer,
    postgres,
    scripts,
    servers,
    workers,
    writes,
)
from bench.harness import SQLITE, Bench
from muster.storage.ids import key_of


@dataclass(frozen=True)
class Suite:
    """Rows that are measured together.

    Attributes:
        about: One line for the list of suites.
        run: Measures the rows, given the sizes of the database in ascending order.
        rows: Returns how many rows it has at a number of sizes.
    """

    about: str
    run: Callable[[Bench, list[int]], None]
    rows: Callable[[int], int]


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
        for row in bench.rows:
            if (row["work"], row["users"]) == ("GET by id", users):
                row["memory"] = ours.rss()


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


def beside_writes(bench: Bench, path: Path, users: int) -> None:
    """95 reads beside 5 writes by Zipf's law, compared with the same without kept answers."""
    mine, other = bench.copy(path, "mixed.db"), bench.copy(path, "mixed-other.db")
    items = scripts.lines(bench.folder / "ids", bench.ids(path))
    made = [
        scripts.mixed(items, "/scim/v2/Users/", bench.token(copied), 0.05)
        for copied in (mine, other)
    ]
    with servers.muster(mine) as ours, servers.muster(other, MUSTER_ANSWER_CACHE_MIB="0") as bare:
        measured = bench.wrk(ours.port, made[0]), bench.wrk(bare.port, made[1])
        work = "95 GETs beside 5 PATCHes by Zipf's law"
        bench.compare(work, 1.0, *measured, "itself without kept answers", users=users)
    for used in (mine, other):
        used.unlink()


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


def _middle(sizes: list[int]) -> int:
    return sizes[len(sizes) // 2]


def _at_each_size(
    measure: Callable[[Bench, Path, int], None],
) -> Callable[[Bench, list[int]], None]:
    def run(bench: Bench, sizes: list[int]) -> None:
        for users in sizes:
            measure(bench, bench.database(users), users)

    return run


def _at_the_middle(
    *measures: Callable[[Bench, Path, int], None],
) -> Callable[[Bench, list[int]], None]:
    def run(bench: Bench, sizes: list[int]) -> None:
        users = _middle(sizes)
        for measure in measures:
            measure(bench, bench.database(users), users)

    return run


def _neighbours(bench: Bench, sizes: list[int]) -> None:
    users = _middle(sizes)
    searched = bench.copy(bench.database(users), "neighbours.db")
    neighbours.compare(bench, searched, users, SQLITE)
    searched.unlink()


def _growth(bench: Bench, sizes: list[int]) -> None:
    growth(bench, bench.database(sizes[-1]), bench.database(sizes[0]))


def _console(bench: Bench, sizes: list[int]) -> None:
    console.compare(bench, bench.database(sizes[-1]), sizes[-1])


SUITES = {
    "reads": Suite("GET, eq and lists on SQLite", _at_each_size(reads), lambda n: 3 * n),
    "writes": Suite("POST and PATCH on SQLite", _at_each_size(durable_writes), lambda n: 2 * n),
    "mixed": Suite("reads beside writes", _at_the_middle(beside_writes), lambda _: 1),
    "overhead": Suite(
        "log, metrics, request log, access tokens, two workers",
        _at_the_middle(everything_on, recording, oauth.compare, workers.compare),
        lambda _: 4,
    ),
    "bulk": Suite("bulk requests", _at_the_middle(bulk.compare), lambda _: 2),
    "groups": Suite("large groups, and users in many", _at_the_middle(groups.compare), lambda _: 6),
    "peers": Suite("other SCIM servers", _at_the_middle(peer.compare), lambda _: 10),
    "growth": Suite("the largest database beside the smallest", _growth, lambda _: 1),
    "neighbours": Suite("reads while another workspace searches", _neighbours, lambda _: 1),
    "console": Suite("the pages of the console", _console, lambda _: 0),
    "postgres": Suite("reads and writes on PostgreSQL", postgres.compare, lambda n: 5 * n + 1),
    "load": Suite("demo, import, export and check on both engines", load.compare, lambda _: 0),
    "latency": Suite("latency under increasing load, both engines", latency.compare, lambda _: 0),
}
"""The suites, in the order in which they run. Those without rows have figures of their own."""

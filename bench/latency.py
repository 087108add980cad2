"""Latency under increasing load, for GET, list, POST and PATCH on both engines.

For each operation `wrk` finds the highest rate over 32 connections first. Then the open-loop
generator offers a share of that rate after another, beginning with a tenth, and beyond it.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import openloop, postgres, scripts, servers
from bench.harness import SQLITE, Bench

SHARES = (0.1, 0.25, 0.5, 0.65, 0.8, 0.9, 1.0, 1.1)
WORKS = ("GET by id", "list of 100", "POST", "PATCH")
_POINTS = 2 * len(WORKS) * (len(SHARES) + 1)
_KEPT = 20_000
_PATCH = (
    '{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],'
    '"Operations":[{"op":"replace","path":"title","value":"T%d"}]}'
)
_IDS = "SELECT id FROM resources WHERE type = 'User'"


def compare(bench: Bench, sizes: list[int]) -> None:
    """Add the points of each operation on each engine to the results."""
    left = bench.budget.left()
    seconds = int(bench.seconds if left is None else min(bench.seconds, left / _POINTS - 1.0))
    if seconds < 1:
        bench.skipped.append("latency under increasing load")
        return
    users = sizes[len(sizes) // 2]
    copy = bench.copy(bench.database(users), "latency.db")
    connection = sqlite3.connect(copy)
    ids = bench.drawn([row[0] for row in connection.execute(_IDS)])
    connection.close()
    _engine(bench, SQLITE, copy, ids, users, seconds)
    copy.unlink()
    with postgres.server() as server:
        url = postgres.filled(bench, server, users)
        found = bench.drawn([row[0] for row in asyncio.run(postgres.run(url, _IDS))])
        _engine(bench, postgres.ENGINE, url, found, users, seconds)


def _engine(
    bench: Bench, engine: str, database: Path | str, ids: list[str], users: int, seconds: float
) -> None:
    token = bench.token(database)
    bodies = bench.fresh_users()
    with servers.muster(database) as running:
        for work in WORKS:
            highest = _highest(bench, running.port, work, token, ids, seconds)
            for share in SHARES:
                rate = share * highest
                requests = _requests(work, token, ids, bodies, int(rate * seconds * 1.2) + 100)
                found = openloop.run(openloop.Job(running.port, rate, seconds, requests))
                bench.latency.append(
                    {"engine": engine, "users": users, "work": work, "share": share, **found}
                )
                print(
                    f"{engine}, {work}: {found['offered']:,.0f}/s offered,"
                    f" {found['answered']:,.0f}/s answered, p50 {found['p50']:.1f} ms,"
                    f" p99 {found['p99']:.1f} ms",
                    flush=True,
                )


def _highest(
    bench: Bench, port: int, work: str, token: str, ids: list[str], seconds: float
) -> float:
    """Return the highest rate of a closed loop over 32 connections."""
    drawn = scripts.lines(bench.folder / "latency-ids", ids)
    made: dict[str, Callable[[], str]] = {
        "GET by id": lambda: scripts.get(drawn, "/scim/v2/Users/", token),
        "list of 100": lambda: scripts.get(
            scripts.lines(bench.folder / "latency-empty", [""]), "/scim/v2/Users?count=100", token
        ),
        "POST": lambda: next(bench.fresh_bodies(token)),
        "PATCH": lambda: scripts.patch(drawn, "/scim/v2/Users/", token),
    }
    servers.wrk(port, made[work](), 1)  # warm
    return servers.wrk(port, made[work](), seconds)["rate"]


def _requests(work: str, token: str, ids: list[str], bodies: Iterator[str], most: int) -> list[str]:
    some = ids[:_KEPT]
    if work == "GET by id":
        return [openloop.request("GET", f"/scim/v2/Users/{one}", token) for one in some]
    if work == "list of 100":
        return [openloop.request("GET", "/scim/v2/Users?count=100", token)]
    if work == "PATCH":
        return [
            openloop.request("PATCH", f"/scim/v2/Users/{some[n % len(some)]}", token, _PATCH % n)
            for n in range(most)
        ]
    return [openloop.request("POST", "/scim/v2/Users", token, next(bodies)) for _ in range(most)]

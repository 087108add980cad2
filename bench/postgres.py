"""The rows on PostgreSQL, which runs on the server's core beside muster and the references."""

import asyncio
import contextlib
import itertools
import random
import subprocess
import time
from collections.abc import Iterator
from urllib.parse import quote

import asyncpg
from tests.support import postgres

from bench import console, neighbours, scripts, servers, writes
from muster.cli.people import make_batch
from muster.storage.audit.chain import HASHED_COLUMNS
from muster.storage.ids import key_of
from muster.storage.port.resources import Put
from muster.storage.postgres import rows

ENGINE = "PostgreSQL"
SETTINGS = {
    "fsync": "on",
    "shared_buffers": "1GB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "30min",
}
_CEILING = "bare ASGI with asyncpg, same statement"
_firsts = itertools.count(300_000_000, 1_000_000)
_ADD_CHANGES = f"""
INSERT INTO changes (workspace, {HASHED_COLUMNS}) SELECT $1, {", ".join(f"n.{name}" for name in HASHED_COLUMNS.split(", "))}
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::integer[], $9::text[], $10::text[],
    $11::text[]) AS n ({HASHED_COLUMNS})
"""


def compare(bench, sizes: list[int]) -> None:
    """Measure every row at every size."""
    with server() as running:
        for users in sizes:
            url = filled(bench, running, users)
            _reads(bench, url, users)
            _writes(bench, url, users)
            if users == sizes[-1]:
                console.compare(bench, url, users, ENGINE)
            if users == sizes[len(sizes) // 2]:
                neighbours.compare(bench, url, users, ENGINE)


def filled(bench, running: str, users: int) -> str:
    """Create a database with that many users, and return its URL."""
    url = postgres.create_database(running)
    bench.run_muster(url, "demo", "--users", str(users), "--workspace", "default")
    for statement in ("VACUUM ANALYZE", "CHECKPOINT"):
        asyncio.run(run(url, statement))
    return url


@contextlib.contextmanager
def server() -> Iterator[str]:
    """Run PostgreSQL with fsync on, pinned to the server's core."""
    with postgres.own(**SETTINGS) as made:
        pinned = ["taskset", "-a", "-p", "-c", servers.SERVER_CORE, str(made.pid())]
        subprocess.run(pinned, stdout=subprocess.DEVNULL, check=False)
        yield made.url


async def run(url: str, statement: str, *values: object) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(statement, *values)
    finally:
        await connection.close()


def _column(bench, url: str, statement: str) -> list[str]:
    return bench.drawn([row[0] for row in asyncio.run(run(url, statement))])


def _reads(bench, url: str, users: int) -> None:
    ids = _column(bench, url, "SELECT id FROM resources WHERE type = 'User'")
    names = _column(bench, url, "SELECT value FROM unique_values WHERE type = 'User'")
    token = bench.token(url)

    def items(name: str, found: list[str]):
        return scripts.lines(bench.folder / f"postgres-{name}", found)

    filters, empty = (
        items("filters", [quote(f'userName eq "{name}"') for name in names]),
        items("empty", [""]),
    )
    works = (
        (
            "GET by id",
            0.75,
            "/scim/v2/Users/",
            items("ids", ids),
            "/key/",
            items("keys", [str(key_of(one)) for one in ids]),
        ),
        ("userName eq", 0.7, "/scim/v2/Users?filter=", filters, "/name/", items("names", names)),
        ("list of 100", 0.6, "/scim/v2/Users?count=100", empty, "/list", empty),
    )
    with servers.muster(url) as ours, servers.ceiling(url, "bench.ceiling_postgres:app") as bare:
        for work, floor, path, drawn, its_path, its_drawn in works:
            mine, its = scripts.get(drawn, path, token), scripts.get(its_drawn, its_path)
            bench.compare(
                work,
                floor,
                bench.wrk(ours.port, mine),
                bench.wrk(bare.port, its),
                _CEILING,
                engine=ENGINE,
                users=users,
            )


def _writes(bench, url: str, users: int) -> None:
    """POST and PATCH, compared with a process that writes the same rows, 32 per transaction."""
    ids, token = (
        _column(bench, url, "SELECT id FROM resources WHERE type = 'User'"),
        bench.token(url),
    )
    fresh = bench.fresh_bodies(token)
    patching = scripts.patch(
        scripts.lines(bench.folder / "postgres-ids", ids), "/scim/v2/Users/", token
    )
    where = {"engine": ENGINE, "users": users}
    with servers.muster(url) as ours:
        loop = "one process, 32 a transaction"
        post, seconds = (lambda: servers.wrk(ours.port, next(fresh), bench.seconds)), bench.seconds
        bench.compare(
            "POST", 0.3, post, lambda: {"rate": asyncio.run(_posts(url, seconds))}, loop, **where
        )
        patch = bench.wrk(ours.port, patching)
        bench.compare(
            "PATCH",
            0.3,
            patch,
            lambda: {"rate": asyncio.run(_patches(url, seconds, ids))},
            loop,
            **where,
        )


async def _posts(url: str, seconds: float) -> float:
    """Return users created per second; the rows are prepared beforehand."""
    first = next(_firsts)
    puts = iter(make_batch(first, first + int(8000 * seconds), 99, int(time.time() * 1000)))
    return await _loop(url, seconds, puts, _insert)


async def _patches(url: str, seconds: float, ids: list[str]) -> float:
    """Return users changed per second; each change sets another title."""
    keys = [key_of(one) for one in random.sample(ids, min(len(ids), 8_000))]
    found = await run(
        url,
        'SELECT document FROM resources WHERE workspace = 1 AND "key" = ANY($1::bigint[])',
        keys,
    )
    return await _loop(url, seconds, writes.changed([row[0].encode() for row in found]), _update)


async def _loop(url: str, seconds: float, puts: Iterator[Put], write) -> float:
    connection = await asyncpg.connect(url)
    written, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        batch = list(itertools.islice(puts, writes.BATCH))
        async with connection.transaction():
            await write(connection, batch)
        written += len(batch)
    rate = written / (time.perf_counter() - started)
    await connection.close()
    return rate


async def _execute(connection, statement: str, found: list[tuple]) -> None:
    if found:
        await connection.execute(
            statement, 1, *(list(column) for column in zip(*found, strict=True))
        )


async def _insert(connection, batch: list[Put]) -> None:
    keyed = [(key_of(put.stored.id), put) for put in batch]
    made = [("User", k, p.stored.id, 1, p.stored.document.decode(), p.display) for k, p in keyed]
    await _execute(connection, rows.SQL.insert, made)
    await _execute(
        connection, rows.SQL.insert_body, [("User", key, put.search.decode()) for key, put in keyed]
    )
    await _execute(
        connection,
        rows.SQL.add_unique,
        [("User", e.attribute, e.value, k) for k, p in keyed for e in p.index.unique],
    )
    added = [("User", e.attribute, e.value, k, e.first) for k, p in keyed for e in p.index.lookups]
    await _execute(connection, rows.SQL.add_lookups, added)
    await _record(connection, batch, "create")
    await _execute(connection, rows.SQL.count, [("User", len(batch))])


async def _update(connection, batch: list[Put]) -> None:
    keyed = list({key_of(put.stored.id): put for put in batch}.items())
    changed = [
        (key, put.stored.version, put.stored.document.decode(), put.display) for key, put in keyed
    ]
    await _execute(connection, rows.SQL.update, changed)
    await _execute(
        connection, rows.SQL.update_body, [(key, put.search.decode()) for key, put in keyed]
    )
    dropped = [
        ("User", e.attribute, e.value, k)
        for k, p in keyed
        for e in p.before.lookups - p.index.lookups
    ]
    await _execute(connection, rows.SQL.drop_lookups, dropped)
    added = [
        ("User", e.attribute, e.value, k, e.first)
        for k, p in keyed
        for e in p.index.lookups - p.before.lookups
    ]
    await _execute(connection, f"{rows.SQL.add_lookups} ON CONFLICT DO NOTHING", added)
    await _record(connection, batch, "update")


async def _record(connection, batch: list[Put], action: str) -> None:
    origin = (writes.NOW, "bench", "bench", "User")
    told = [
        (*origin, p.stored.id, action, p.stored.version, p.stored.document.decode(), None, "")
        for p in batch
    ]
    await _execute(connection, _ADD_CHANGES, told)

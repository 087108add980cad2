"""The figures of docs/explanation/scale.md for 100 million users and 10,000 requests a second.

`python -m bench.scale` prints them for a load: which tables grow, what a second of the load costs,
and what partitions of `changes` save. It computes from bench/results/scale.json, which
`python -m bench.scale --measure` writes: bytes per row on PostgreSQL, and the statements that
partitions change.
"""

import argparse
import asyncio
import json
import random
import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from tests.support import postgres as database

from bench import postgres, report
from bench.budget import Budget
from bench.harness import Bench
from muster.storage.postgres import PostgresStorage
from muster.storage.records.leases import Leases
from muster.upkeep.trimmer import Trimmer

BASIS = Path(__file__).parent / "results" / "scale.json"
_DAY = 86_400
_TRIES = 200
_CHANGES = 100_000
_RESOURCES = 5_000
_DOCUMENT_BYTES = 1_200
_MEMBERS_EACH = 5
_SIZES = """
SELECT relname, pg_table_size(oid), pg_indexes_size(oid), reltuples FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND reltuples > 100
"""
_JOIN = f"""
INSERT INTO members (workspace, group_key, member_key)
SELECT 1, g.n, r."key" FROM resources r, generate_series(1, {_MEMBERS_EACH}) AS g (n)
"""
_LAST = "SELECT 1 FROM {} WHERE workspace = $1 ORDER BY sequence DESC LIMIT 1 FOR UPDATE"  # lock.py
_ROWS = """
INSERT INTO {table} (sequence, workspace, time, actor, request_id, type, id, action, version,
    document, chain)
SELECT n, 1 + n % 100, to_char(n, 'FM000000000000'), 'key:okta', 'r' || n, 'User',
    'u' || (n * 7919) % {resources}, 'update', n, repeat(md5(n::text), {document} / 32),
    decode(md5(n::text), 'hex')
FROM generate_series({first}, {last}) AS s (n)
"""
"""Rows of a hundred workspaces; the changes of a resource lie far apart."""
_OLD = """
INSERT INTO changes (workspace, time, actor, request_id, type, id, action, version, document, chain)
SELECT 1, '2020-01-01T00:00:00.000Z', 'key:okta', 'r' || n, 'User', 'u' || n % 1000, 'update', n,
    repeat(md5(n::text), {document} / 32), decode(md5(n::text), 'hex')
FROM generate_series(1, {rows}) AS s (n)
"""
_OLD_ROWS = 10_000


@dataclass(frozen=True)
class Load:
    """A load.

    Attributes:
        requests: Requests per second.
        writes: The share of them that write.
        groups: The groups of a user.
        days: The retention of changes.
        spread: How unequally users change: the shape of a gamma distribution of their rates. With
            0.5 a tenth of the users makes almost half of the changes.
    """

    users: int = 100_000_000
    requests: float = 10_000
    writes: float = 0.05
    groups: int = 5
    days: int = 90
    spread: float = 0.5

    @property
    def changes_a_day(self) -> float:
        """The rows that `changes` gains in a day."""
        return self.requests * self.writes * _DAY


def kept_share(load: Load) -> float:
    """Return the share of the rows of a day that are still the newest of their resource.

    When the retention of that day ends these rows have to be kept. A user with r changes a day has
    no later one with probability e^(-r T); r is gamma-distributed, and a user with a high r has
    more rows in the day, which gives (1 + m T / k)^-(k + 1) for the mean m and the shape k.
    """
    mean = load.changes_a_day / load.users
    return (1 + mean * load.days / load.spread) ** -(load.spread + 1)


def simulated_kept_share(load: Load, users: int, chance: random.Random) -> float:
    """Return the same share by drawing the changes of some users; the test of the formula."""
    mean = load.changes_a_day / load.users
    rows = kept = 0.0
    for _ in range(users):
        rate = chance.gammavariate(load.spread, mean / load.spread)
        rows += rate
        kept += rate * (chance.expovariate(rate) > load.days if rate > 0 else 1)
    return kept / rows


def growth(load: Load, basis: dict) -> list[tuple[str, float, float]]:
    """Return each table with its bytes, and the bytes that it gains in a day."""
    per_user, per_row = basis["bytes_per_user"], basis["bytes_per_row"]
    state = ("resources", "searchable", "lookups", "unique_values")
    found = [(name, per_user[name] * load.users, 0.0) for name in state]
    found.append(("members", per_row["members"] * load.users * load.groups, 0.0))
    daily = load.changes_a_day * per_row["changes"]
    newest = per_row["changes"] * load.users
    found.append(("changes", newest + daily * load.days, daily))
    return found


def lines(load: Load, basis: dict) -> list[str]:
    """Return the report, which docs/explanation/scale.md shows for the usual load."""
    tables = growth(load, basis)
    total = sum(size for _, size, _ in tables)
    daily = load.changes_a_day
    statements = basis["statements"]
    kept = kept_share(load)
    trimming = daily * statements["trim_microseconds_per_row"] / 1e6
    indexes = basis["index_bytes_per_change"] * (load.users + daily * load.days)
    copying = daily * kept * statements["keep_microseconds_per_row"] / 1e6
    return [
        f"{load.users:,} users, {load.requests:,.0f} requests a second, {load.writes:.0%} writes,"
        f" {load.days} days of changes",
        "",
        *(f"{name:<14} {_size(size):>10}  {_size(gain):>9} a day" for name, size, gain in tables),
        f"{'all':<14} {_size(total):>10}",
        "",
        f"changes: {daily:,.0f} rows a day; after {load.days} days {kept:.2%} of them are the newest"
        " of their resource",
        f"trimming a day, row by row: {trimming / 3600:.1f} hours of a core, and a vacuum that reads"
        f" {_size(indexes)} of indexes",
        f"trimming a day, by dropping a partition: {copying:.1f} s of a core for the rows that are"
        f" kept, and {statements['drop_partition_milliseconds']:.0f} ms for the rest",
        *(
            f"lock of the last change, {name} partitions: {micros:.0f} microseconds"
            for name, micros in statements["last_change_microseconds"].items()
        ),
    ]


def cores(load: Load, rows: list[dict]) -> float:
    """Return the cores of the benchmark's machine that the load keeps busy, PostgreSQL's included.

    Args:
        rows: The rows of the benchmark; those of PostgreSQL at a million users count.
    """
    rates = {
        row["work"]: row["rate"]
        for row in rows
        if row["engine"] == postgres.ENGINE and row["users"] == 1_000_000
    }
    writes = load.requests * load.writes
    return (load.requests - writes) / rates["GET by id"] + writes / rates["PATCH"]


def _size(count: float) -> str:
    return f"{count / 1e12:,.2f} TB" if count >= 1e12 else f"{count / 1e9:,.1f} GB"


async def _sizes(url: str) -> dict[str, tuple[float, float]]:
    """Return the bytes and the rows of each table."""
    await postgres.run(url, _JOIN)
    await postgres.run(url, "VACUUM ANALYZE")
    return {row[0]: (row[1] + row[2], row[3]) for row in await postgres.run(url, _SIZES)}


async def _partitioned(connection: asyncpg.Connection, partitions: int) -> str:
    """Create and fill a copy of `changes`, in partitions by sequence, and return its name."""
    name = f"changes_{partitions}"
    split = "PARTITION BY RANGE (sequence)" if partitions else ""
    # An identity column cannot be copied into a partitioned table; the rows have their numbers.
    await connection.execute(f"CREATE TABLE {name} (LIKE changes INCLUDING DEFAULTS) {split}")
    each = -(-_CHANGES // max(1, partitions))  # rounded up
    for number in range(partitions):
        bounds = f"FROM ({number * each + 1}) TO ({(number + 1) * each + 1})"
        await connection.execute(
            f"CREATE TABLE {name}_{number} PARTITION OF {name} FOR VALUES {bounds}"
        )
    for columns in ("(workspace, sequence)", "(workspace, id, sequence)", "(sequence)"):
        unique = "UNIQUE" if columns == "(workspace, sequence)" else ""
        await connection.execute(f"CREATE {unique} INDEX ON {name} {columns}")
    rows = {"resources": _RESOURCES, "document": _DOCUMENT_BYTES}
    await connection.execute(_ROWS.format(table=name, first=1, last=_CHANGES, **rows))
    await connection.execute(f"VACUUM ANALYZE {name}")
    return name


async def _fastest(connection: asyncpg.Connection, statement: str) -> float:
    """Return the microseconds of the fastest of many runs, which other programs disturb least."""
    prepared = await connection.prepare(statement)
    times = []
    for number in range(_TRIES):
        began = time.perf_counter()
        await prepared.fetchval(1 + number % 100)
        times.append(time.perf_counter() - began)
    return 1e6 * min(times)


async def _statements(url: str, pid: int) -> dict:
    """Measure the lock of the last change by partitions, and both ways to trim."""
    connection = await asyncpg.connect(url)
    last = {}
    try:
        for partitions in (0, 13, 90):
            name = await _partitioned(connection, partitions)
            last[str(partitions)] = await _fastest(connection, _LAST.format(name))
        before = _processor_seconds(pid)
        await connection.execute("CREATE TABLE kept AS SELECT * FROM changes_13_1")
        keep = _processor_seconds(pid) - before
        began = time.perf_counter()
        await connection.execute("DROP TABLE changes_13_0")
        drop = time.perf_counter() - began
    finally:
        await connection.close()
    return {
        "last_change_microseconds": last,
        "keep_microseconds_per_row": 1e6 * keep / (_CHANGES // 13),
        "drop_partition_milliseconds": 1e3 * drop,
    }


async def _trimming(url: str, pid: int) -> float:
    """Return the microseconds of processor time in which muster trims a row, PostgreSQL's included."""
    await postgres.run(url, _OLD.format(rows=_OLD_ROWS, document=_DOCUMENT_BYTES))
    storage = PostgresStorage(url)
    await storage.start()
    try:
        before = _processor_seconds(pid) + _own_seconds()
        await Trimmer(storage, Leases(storage), 90).trim(1, 90)
        await postgres.run(url, "VACUUM changes")
        used = _processor_seconds(pid) + _own_seconds() - before
    finally:
        await storage.close()
    [(left,)] = await postgres.run(url, "SELECT count(*) FROM changes WHERE time < '2021'")
    if left > _OLD_ROWS / 2:
        raise RuntimeError(f"{left} of {_OLD_ROWS} old rows were not trimmed")
    return 1e6 * used / (_OLD_ROWS - left)


def _own_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _processor_seconds(pid: int) -> float:
    """Return the processor time of a server and of its processes."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    used = 0
    for process in (str(pid), *children):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        used += int(fields[11]) + int(fields[12])
    return used / 100


def measure(users: int) -> dict:
    """Fill a database and measure it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        database.own(**postgres.SETTINGS) as server,
    ):
        bench = Bench(Path(folder), 1, 1, Budget(None, 0))
        url = postgres.filled(bench, server.url, users)
        sizes = asyncio.run(_sizes(url))
        indexes = asyncio.run(postgres.run(url, "SELECT pg_indexes_size('changes')"))[0][0]
        statements = asyncio.run(_statements(url, server.pid()))
        fresh = database.create_database(server.url)
        bench.run_muster(fresh, "workspaces", "list")
        trimming = asyncio.run(_trimming(fresh, server.pid()))
    return {
        "users": users,
        "bytes_per_user": {name: round(size / users) for name, (size, _) in sizes.items()},
        "bytes_per_row": {name: round(size / rows) for name, (size, rows) in sizes.items()},
        "rows_per_user": {name: round(rows / users, 2) for name, (_, rows) in sizes.items()},
        "index_bytes_per_change": round(indexes / users),
        "statements": {**statements, "trim_microseconds_per_row": trimming},
    }


def main() -> int:
    usual = Load()
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--measure", action="store_true", help="measure the basis again")
    parser.add_argument("--fill", type=int, default=20_000, help="users to measure it with")
    for name, value in vars(usual).items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    options = vars(parser.parse_args())
    again, fill = options.pop("measure"), options.pop("fill")
    if again:
        BASIS.write_text(json.dumps(measure(fill), indent=1) + "\n")
    load = Load(**options)
    print("\n".join(lines(load, json.loads(BASIS.read_text()))))
    busy = cores(load, json.loads(report.RESULTS.read_text())["rows"])
    print(f"cores that muster and PostgreSQL keep busy, if all is in memory: {busy:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

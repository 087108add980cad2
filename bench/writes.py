"""The reference for writes: a loop that writes prepared rows and commits every 32."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import orjson

from muster.cli.people import make_batch, person
from muster.directory.documents import parse
from muster.directory.versions import index_of_document, make_put
from muster.scim.dialects import Dialect
from muster.scim.document import read
from muster.scim.schema.model import registry
from muster.storage.ids import key_of
from muster.storage.port.resources import Put
from muster.storage.sqlite.connection import connect

BATCH = 32
USER_TYPE = registry().types["/Users"]
NOW = "2030-01-01T00:00:00.000Z"
_TIMES = 5
"""The number of changes prepared for each user."""


def posts(path: Path, seconds: float, first: int) -> float:
    """Return users created per second."""
    puts = iter(make_batch(first, first + 40_000, 99, int(time.time() * 1000)))
    return _loop(path, seconds, lambda connection: _insert(connection, next(puts)))


def patches(path: Path, seconds: float, ids: list[str]) -> float:
    """Return users changed per second; each change sets another title."""
    connection = connect(str(path), 24 * 1024)
    drawn, select = (
        random.sample(ids, min(len(ids), 8_000)),
        'SELECT document FROM resources WHERE "key" = ?',
    )
    found = [connection.execute(select, (key_of(one),)).fetchone()[0].encode() for one in drawn]
    connection.close()
    puts = changed(found)
    return _loop(path, seconds, lambda connection: _update(connection, next(puts)))


def changed(documents: list[bytes]) -> Iterator[Put]:
    """Yield stored forms of users with new titles; each replaces a look-up, as a PATCH does."""
    made = []
    for number in range(_TIMES):
        for place, document in enumerate(map(parse, documents)):
            before = (
                made[-len(documents)].index if number else index_of_document(document, USER_TYPE)
            )
            created = document.pop("meta")["created"]
            document["title"] = f"{random.random()}"
            modified = f"2030-01-01T00:{number:02}:00.{place % 1000:03}Z"
            made.append(
                make_put(document, USER_TYPE, document["id"], 2 + number, created, modified, before)
            )
    return iter(made)


def _loop(path: Path, seconds: float, write) -> float:
    connection = connect(str(path), 24 * 1024)
    written, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        connection.execute("BEGIN IMMEDIATE")
        for _ in range(BATCH):
            write(connection)
        connection.execute("COMMIT")
        written += BATCH
    rate = written / (time.perf_counter() - started)
    connection.close()
    return rate


def _insert(connection, put: Put) -> None:
    key = key_of(put.stored.id)
    for entry in put.index.unique:
        connection.execute(
            'INSERT INTO unique_values (workspace, type, attribute, value, "key")'
            " VALUES (1, 'User', ?, ?, ?)",
            (entry.attribute, entry.value, key),
        )
    connection.execute(
        'INSERT INTO resources (workspace, type, "key", id, version, document, display)'
        " VALUES (1, 'User', ?, ?, ?, ?, ?)",
        (key, put.stored.id, put.stored.version, put.stored.document.decode(), put.display),
    )
    connection.execute(
        "INSERT INTO searchable (workspace, type, \"key\", body) VALUES (1, 'User', ?, ?)",
        (key, put.search.decode()),
    )
    connection.executemany(
        "INSERT OR IGNORE INTO lookups VALUES (1, 'User', ?, ?, ?, ?)",
        [(entry.attribute, entry.value, key, entry.first) for entry in put.index.lookups],
    )
    _record(connection, put, "create")
    connection.execute("UPDATE counts SET total = total + 1 WHERE workspace = 1 AND type = 'User'")


def _update(connection, put: Put) -> None:
    key = key_of(put.stored.id)
    connection.execute(
        'UPDATE resources SET version = 2, document = ? WHERE "key" = ?',
        (put.stored.document.decode(), key),
    )
    connection.execute('UPDATE searchable SET body = ? WHERE "key" = ?', (put.search.decode(), key))
    for entry in put.before.lookups - put.index.lookups:
        row = (1, "User", entry.attribute, entry.value, key)
        connection.execute(
            'DELETE FROM lookups WHERE workspace = ? AND type = ? AND attribute = ? AND value = ? AND "key" = ?',
            row,
        )
    for entry in put.index.lookups - put.before.lookups:
        row = (1, "User", entry.attribute, entry.value, key, entry.first)
        connection.execute("INSERT OR IGNORE INTO lookups VALUES (?, ?, ?, ?, ?, ?)", row)
    _record(connection, put, "update")


def _record(connection, put: Put, action: str) -> None:
    connection.execute(
        "INSERT INTO changes (workspace, time, actor, request_id, type, id, action, version, document)"
        " VALUES (1, ?, 'bench', 'bench', 'User', ?, ?, ?, ?)",
        (NOW, put.stored.id, action, put.stored.version, put.stored.document.decode()),
    )


def bodies(first: int, count: int) -> list[bytes]:
    """Return the bodies of users as a client POSTs them."""
    chance = random.Random(7)
    return [
        orjson.dumps(read(person(first + n, chance), USER_TYPE, Dialect())) for n in range(count)
    ]

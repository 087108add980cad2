"""The ceiling of writes: the same rows, made beforehand, written by a plain loop that commits every 32, synchronous=FULL."""

import random
import time
from pathlib import Path

import orjson

from muster.demo import make_batch, person
from muster.directory.documents import index_of_document, make_put, parse
from muster.scim.quirks import Dialect
from muster.scim.resource import read
from muster.scim.schema import registry
from muster.storage.ids import key_of
from muster.storage.port import Put
from muster.storage.sqlite import rows
from muster.storage.sqlite.connection import connect

BATCH = 32
USER_TYPE = registry().types["/Users"]
NOW = "2030-01-01T00:00:00.000Z"


def posts(path: Path, seconds: float, first: int) -> float:
    """New users a second."""
    puts = iter(make_batch(first, first + 40_000, 99, int(time.time() * 1000)))
    return _loop(path, seconds, lambda connection: _insert(connection, next(puts)))


def patches(path: Path, seconds: float, ids: list[str]) -> float:
    """Changed users a second: a document with another title."""
    connection = connect(str(path), 24 * 1024)
    made = []
    for resource_id in random.sample(ids, min(len(ids), 20_000)):
        row = connection.execute('SELECT document FROM resources WHERE "key" = ?', (key_of(resource_id),)).fetchone()
        made.append(changed(parse(row[0].encode())))
    connection.close()
    puts = iter(made * 20)
    return _loop(path, seconds, lambda connection: _update(connection, next(puts)))


def changed(document) -> Put:
    """What a document with another title is kept as."""
    before = index_of_document(document, USER_TYPE)
    meta = document.pop("meta")
    document["title"] = f"{random.random()}"
    return make_put(document, USER_TYPE, document["id"], 2, meta["created"], NOW, before)


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
    rows.insert(connection, 1, "User", put)
    _record(connection, put, "create")
    connection.execute("UPDATE counts SET total = total + 1 WHERE workspace = 1 AND type = 'User'")


def _update(connection, put: Put) -> None:
    key = key_of(put.stored.id)
    connection.execute('UPDATE resources SET version = 2, document = ? WHERE "key" = ?', (put.stored.document.decode(), key))
    connection.execute('UPDATE searchable SET body = ? WHERE "key" = ?', (put.search.decode(), key))
    for entry in put.before.lookups - put.index.lookups:
        row = (1, "User", entry.attribute, entry.value, key)
        connection.execute(
            'DELETE FROM lookups WHERE workspace = ? AND type = ? AND attribute = ? AND value = ? AND "key" = ?', row
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
    """Users as a client POSTs them."""
    chance = random.Random(7)
    return [orjson.dumps(read(person(first + n, chance), USER_TYPE, Dialect())) for n in range(count)]

"""Bulk requests of a thousand creates, compared with a loop that writes the same rows."""

import http.client
import itertools
import statistics
import time
from pathlib import Path

import orjson

from bench import peer, servers, writes
from muster.scim.bulk import BULK_REQUEST

_OPERATIONS = 1000
_firsts = itertools.count(200_000_000, 1_000_000)


def compare(bench, path: Path, users: int) -> None:
    """Measure the row of bulk requests on a copy of a database."""
    mine, loop = bench.copy(path, "bulk.db"), bench.copy(path, "bulk-loop.db")
    token = bench.token(mine)
    with servers.muster(mine) as ours:
        bench.compare(
            f"bulk of {_OPERATIONS:,} creates",
            0.5,
            lambda: _bulk(ours.port, "/scim/v2/Bulk", token, bench.seconds),
            lambda: {"rate": writes.posts(loop, bench.seconds, next(_firsts))},
            "plain loop, 32 a commit",
            users=users,
        )
        with peer.started(
            peer.scim2_command(peer.export(bench.folder / "bulk.jsonl", path))
        ) as its:
            bench.compare(
                f"bulk of {_OPERATIONS:,} creates",
                1,
                peer.alone(lambda: _bulk(ours.port, "/scim/v2/Bulk", token, bench.seconds), its),
                lambda: _bulk(its.port, "/Bulk", token, bench.seconds),
                peer.SCIM2,
                users=users,
            )
    for used in (mine, loop):
        used.unlink()


def _bulk(port: int, path: str, token: str, seconds: float) -> dict[str, float]:
    """Return users created per second by one client, and the milliseconds of a request."""
    first = next(_firsts)
    bodies = [_body(first + n * _OPERATIONS) for n in range(int(seconds * 6) + 2)]
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/scim+json"}
    took: list[float] = []
    for body in bodies:
        started = time.perf_counter()
        connection.request("POST", path, body, headers)
        answer = orjson.loads(connection.getresponse().read())
        took.append(time.perf_counter() - started)
        assert {item["status"] for item in answer["Operations"]} == {"201"}
        if sum(took) > seconds:
            break
    connection.close()
    milliseconds = [1000 * each for each in took]
    return {
        "rate": _OPERATIONS * len(took) / sum(took),
        "p50": statistics.median(milliseconds),
        "p99": max(milliseconds),
    }


def _body(first: int) -> bytes:
    operations = [
        {"method": "POST", "path": "/Users", "bulkId": str(n), "data": orjson.loads(body)}
        for n, body in enumerate(writes.bodies(first, _OPERATIONS))
    ]
    return orjson.dumps({"schemas": [BULK_REQUEST], "Operations": operations})

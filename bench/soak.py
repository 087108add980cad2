"""Checks that memory, file descriptors and p99 do not grow under a long load.

First it sends a million requests of every kind that is refused. Then it sends mixed load, in which
every created user is deleted again. Each part compares its last third with its second.
"""

import argparse
import asyncio
import json
import os
import random
import re
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from bench import servers
from bench.budget import Budget
from bench.harness import Bench

_CLIENTS = 8
_PAUSE = 0.01
"""Seconds between the requests of a client: a soak looks for growth, not for the highest rate."""
_SAMPLE_SECONDS = 10
_REFUSALS_SECONDS = 0.2
_USER = "urn:ietf:params:scim:schemas:core:2.0:User"
_PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


@dataclass
class Sample:
    """Measurements at one moment.

    Attributes:
        milliseconds: The duration of each request since the sample before.
    """

    memory: float
    descriptors: int
    milliseconds: list[float] = field(default_factory=list)

    def p99(self) -> float:
        return statistics.quantiles(self.milliseconds, n=100)[98]


class Load:
    """Clients that find, read, list, create, change and delete."""

    def __init__(self, url: str, token: str, ids: list[str], names: list[str]) -> None:
        self._client = httpx.AsyncClient(
            base_url=f"{url}/scim/v2", headers={"Authorization": f"Bearer {token}"}, timeout=60
        )
        self._ids = ids
        self._names = names
        self._number = 0
        self.milliseconds: list[float] = []
        self.failed: list[str] = []

    async def run(self, end: float) -> None:
        await asyncio.gather(*(self._one(end) for _ in range(_CLIENTS)))
        await self._client.aclose()

    async def _one(self, end: float) -> None:
        while time.monotonic() < end:
            await random.choice(
                (
                    self._read,
                    self._read,
                    self._find,
                    self._list,
                    self._change,
                    self._live,
                    self._wrong,
                )
            )()
            await asyncio.sleep(_PAUSE)

    async def _ask(self, method: str, path: str, status: int, **rest: object) -> httpx.Response:
        started = time.perf_counter()
        answer = await self._client.request(method, path, **rest)
        self.milliseconds.append((time.perf_counter() - started) * 1000)
        if answer.status_code != status:
            self.failed.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        return answer

    async def _read(self) -> None:
        await self._ask("GET", f"/Users/{random.choice(self._ids)}", 200)

    async def _find(self) -> None:
        await self._ask(
            "GET", "/Users", 200, params={"filter": f'userName eq "{random.choice(self._names)}"'}
        )

    async def _list(self) -> None:
        page = {"count": 20, "sortBy": "name.familyName", "startIndex": random.randint(1, 500)}
        await self._ask("GET", "/Users", 200, params=page)

    async def _change(self) -> None:
        body = {
            "schemas": [_PATCH],
            "Operations": [{"op": "replace", "path": "title", "value": str(random.random())}],
        }
        await self._ask("PATCH", f"/Users/{random.choice(self._ids)}", 200, json=body)

    async def _live(self) -> None:
        self._number += 1
        made = await self._ask(
            "POST", "/Users", 201, json={"userName": f"soak-{os.getpid()}-{self._number}"}
        )
        await self._ask("DELETE", f"/Users/{made.json()['id']}", 204)

    async def _wrong(self) -> None:
        await self._ask("GET", "/Users", 400, params={"filter": "nosuch eq 1"})


class Refusals:
    """Refused requests, sent over raw connections: faster than a client library."""

    _MANY_TERMS = "%20or%20".join(f"nickName%20co%20%22zz{n}%22" for n in range(100))

    def __init__(self, port: int, token: str, ids: list[str], names: list[str]) -> None:
        self._port = port
        key = f"Authorization: Bearer {token}\r\n"
        change = json.dumps(
            {
                "schemas": [_PATCH],
                "Operations": [{"op": "replace", "path": "active", "value": "perhaps"}],
            }
        )
        kinds = [
            (404, _request("GET", "/Users/0190163d-8694-739b-aea5-966c26f8ad91", key)),
            (404, _request("GET", "/nothing/here", key)),
            (400, _request("GET", "/Users?filter=nosuch%20eq%201", key)),
            (400, _request("PATCH", f"/Users/{ids[0]}", key, change)),
            (400, _request("POST", "/Users", key, "{")),
            (
                409,
                _request(
                    "POST", "/Users", key, json.dumps({"schemas": [_USER], "userName": names[0]})
                ),
            ),
            (412, _request("DELETE", f"/Users/{ids[0]}", key + 'If-Match: W/"77"\r\n')),
            (401, _request("GET", "/Users", "Authorization: Bearer a.b.c\r\n")),
            (405, _request("PUT", "/Users", key, "{}")),
        ]
        self._kinds = kinds * 3 + [
            (400, _request("GET", f"/Users?filter={self._MANY_TERMS}", key))
        ]  # tooMany, which takes longer
        self.sent = 0
        self.failed: list[str] = []

    async def run(self, count: int) -> None:
        await asyncio.gather(*(self._one(count) for _ in range(_CLIENTS)))

    async def _one(self, count: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        while self.sent < count:
            status, request = self._kinds[self.sent % len(self._kinds)]
            self.sent += 1
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            await reader.readexactly(int(length[1]) if length else 0)
            if not head.startswith(b"HTTP/1.1 %d" % status):
                self.failed.append(f"{request[:100]!r}: {head[:60]!r}, and not {status}")
        writer.close()


def _request(method: str, path: str, headers: str, body: str = "") -> bytes:
    told = f"Content-Type: application/scim+json\r\nContent-Length: {len(body)}\r\n" if body else ""
    return (
        f"{method} /scim/v2{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}{told}\r\n{body}".encode()
    )


async def _refuse(refusals: Refusals, process: int, count: int) -> list[float]:
    """Return the memory in MB at each thirtieth of the refusals."""
    memory: list[float] = []
    running = asyncio.create_task(refusals.run(count))
    while not running.done():
        await asyncio.wait([running], timeout=_REFUSALS_SECONDS)
        if refusals.sent >= len(memory) * count // 30:
            memory.append(_sample(process, []).memory)
    await running
    return memory


def _refusals_verdict(memory: list[float], refusals: Refusals) -> int:
    """Print and judge the growth of memory over the refusals; the first third warms up."""
    third = max(1, len(memory) // 3)
    before, after = (
        statistics.median(memory[third : 2 * third]),
        statistics.median(memory[2 * third :]),
    )
    print(
        f"memory over refusals: {before:.1f} MB, then {after:.1f} MB: ratio {after / before:.2f}, limit 1.05"
    )
    print(
        f"{refusals.sent:,} refusals, {len(refusals.failed)} with a wrong answer",
        *refusals.failed[:5],
        sep="\n",
    )
    return 0 if after <= before * 1.05 and not refusals.failed else 1


def _sample(process: int, milliseconds: list[float]) -> Sample:
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    memory, descriptors = 0.0, 0
    for pid in children:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        memory += pages * os.sysconf("SC_PAGE_SIZE") / 1e6
        descriptors += len(os.listdir(f"/proc/{pid}/fd"))
    return Sample(memory, descriptors, milliseconds)


async def _soak(load: Load, process: int, seconds: float) -> list[Sample]:
    samples = []
    running = asyncio.create_task(load.run(time.monotonic() + seconds))
    while not running.done():
        await asyncio.wait([running], timeout=_SAMPLE_SECONDS)
        taken, load.milliseconds = load.milliseconds, []
        if len(taken) < 100:
            break
        samples.append(_sample(process, taken))
        if len(samples) % 6 == 0:
            last = samples[-1]
            told = f"{last.memory:6.1f} MB, {last.descriptors} descriptors, p99 {last.p99():.1f} ms"
            print(f"{len(samples) // 6:3} min: {told}", flush=True)
    await running
    return samples


def _verdict(samples: list[Sample], failed: list[str]) -> int:
    """Print and judge the growth of each figure; the first third warms up."""
    third = len(samples) // 3
    middle, last = samples[third : 2 * third], samples[2 * third :]
    figures = []
    for name, read, allowed in (
        ("memory", lambda sample: sample.memory, 1.05),
        ("descriptors", lambda sample: sample.descriptors, 1.05),
        ("p99", Sample.p99, 1.5),  # the machine is shared
    ):
        before, after = statistics.median(map(read, middle)), statistics.median(map(read, last))
        figures.append(after <= before * allowed)
        print(
            f"{name}: {before:.1f}, then {after:.1f}: ratio {after / before:.2f}, limit {allowed:g}"
        )
    requests = sum(len(sample.milliseconds) for sample in samples)
    print(f"{requests:,} requests, {len(failed)} with a wrong answer", *failed[:5], sep="\n")
    return 0 if all(figures) and not failed else 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--refusals", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "muster-bench")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    bench = Bench(options.folder, 1, 1, Budget(None, 0))
    path = bench.copy(bench.database(options.users), "soak.db")
    token, ids, names = bench.token(path), bench.ids(path), bench.names(path)
    worst = 0
    if options.refusals:
        with servers.muster(path, MUSTER_SCAN_SECONDS="0.001") as ours:
            refusals = Refusals(ours.port, token, ids, names)
            memory = asyncio.run(_refuse(refusals, ours.process.pid, options.refusals))
            worst = _refusals_verdict(memory, refusals)
    if not options.minutes:
        return worst
    with servers.muster(path) as ours:
        load = Load(f"http://127.0.0.1:{ours.port}", token, ids, names)
        samples = asyncio.run(_soak(load, ours.process.pid, options.minutes * 60))
    path.unlink()
    return max(worst, _verdict(samples, load.failed))


if __name__ == "__main__":
    sys.exit(main())

"""An open-loop load generator: requests are sent when they are due, whether or not others wait.

wrk sends the next request of a connection after the answer to the last one, so a server that stops
for a second delays the load instead of failing it (coordinated omission). Here the arrivals of many
independent clients are drawn beforehand (a Poisson process), and a latency is counted from the
moment at which its request was due. If all connections are busy the request waits, and its wait
counts.

Debian has neither wrk2 nor vegeta, and autocannon sends its requests of a second in one burst.

It runs as a process of its own, `python -m bench.openloop`, which reads a job from standard input
and writes the figures to standard output. It keeps its core busy, because the timers of an event
loop are too coarse.
"""

import asyncio
import json
import random
import statistics
import subprocess
import sys
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench import servers

CONNECTIONS = 64
_GRACE_SECONDS = 5.0
"""How long the last answers are waited for."""
_ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Job:
    """A load.

    Attributes:
        rate: Requests per second.
        requests: Each request in full; they are sent in turn, from the beginning again if need be.
    """

    port: int
    rate: float
    seconds: float
    requests: list[str] = field(repr=False)


def request(method: str, path: str, token: str, body: str = "") -> str:
    """Return a request in full."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {token}"]
    if body:
        lines += ["Content-Type: application/scim+json", f"Content-Length: {len(body.encode())}"]
    return "\r\n".join(lines) + "\r\n\r\n" + body


def run(job: Job) -> dict[str, float]:
    """Run a load in a process on the load generator's core, and return its figures.

    Returns:
        `offered` and `answered` requests per second, and `p50`, `p90`, `p99`, `p999` and `most` in
        milliseconds.

    Raises:
        RuntimeError: A request was refused.
    """
    command = [*servers.on(servers.LOAD_CORE), sys.executable, "-m", "bench.openloop"]
    done = subprocess.run(
        command,
        input=json.dumps(asdict(job)),
        capture_output=True,
        text=True,
        check=False,
        cwd=_ROOT,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


def figures(latencies: list[float], answered: int, seconds: float) -> dict[str, float]:
    """Return the figures of a load.

    Args:
        latencies: The seconds of every request that was due; those that were never answered have
            the seconds that they waited.
        answered: The requests that were answered before the load ended.
    """
    thousandths = statistics.quantiles(latencies, n=1000, method="inclusive")
    places = {"p50": 499, "p90": 899, "p99": 989, "p999": 998}
    return {
        "offered": len(latencies) / seconds,
        "answered": answered / seconds,
        **{name: 1000 * thousandths[place] for name, place in places.items()},
        "most": 1000 * max(latencies),
    }


def arrivals(rate: float, seconds: float, chance: random.Random) -> list[float]:
    """Return the moments at which requests are due, in seconds from the start."""
    found, moment = [], chance.expovariate(rate)
    while moment < seconds:
        found.append(moment)
        moment += chance.expovariate(rate)
    return found


class Load:
    """The requests that are due, and the connections that are free."""

    def __init__(self, job: Job) -> None:
        self._requests = [text.encode() for text in job.requests]
        self._due = arrivals(job.rate, job.seconds, random.Random(1))
        self._sent = 0
        self._waiting: deque[int] = deque()
        self._free: list[_Connection] = []
        self._open: set[int] = set()
        self._answered: list[float] = []
        self.latencies: list[float] = []
        self.refused: list[bytes] = []
        self._began = 0.0

    def send_due(self) -> bool:
        """Send what is due to free connections. Return whether requests are still to come."""
        now = time.perf_counter() - self._began
        while self._sent < len(self._due) and self._due[self._sent] <= now:
            self._waiting.append(self._sent)
            self._open.add(self._sent)
            self._sent += 1
        while self._waiting and self._free:
            self._free.pop().send(self._waiting.popleft())
        return self._sent < len(self._due)

    def text(self, number: int) -> bytes:
        return self._requests[number % len(self._requests)]

    def answered(self, connection: "_Connection", number: int, head: bytes) -> None:
        """Record an answer, and give the connection the next request that waits."""
        now = time.perf_counter() - self._began
        self._answered.append(now)
        self._open.remove(number)
        self.latencies.append(now - self._due[number])
        if head[9:10] != b"2":
            self.refused.append(head)
        if self._waiting:
            connection.send(self._waiting.popleft())
        else:
            self._free.append(connection)

    async def run(self, port: int) -> None:
        """Offer the load, and wait for the last answers."""
        loop = asyncio.get_running_loop()
        opened = [
            await loop.create_connection(lambda: _Connection(self), "127.0.0.1", port)
            for _ in range(CONNECTIONS)
        ]
        self._free = [connection for _, connection in opened]
        self._began = time.perf_counter()
        coming = True
        while coming:
            coming = self.send_due()
            await asyncio.sleep(0)
        end = time.perf_counter() + _GRACE_SECONDS
        while len(self.latencies) < len(self._due) and time.perf_counter() < end:
            self.send_due()
            await asyncio.sleep(0)
        for transport, _ in opened:
            transport.close()

    def result(self, seconds: float) -> dict[str, float]:
        """Return the figures after `run`."""
        now = time.perf_counter() - self._began
        waits = [now - self._due[number] for number in self._open]
        answered = sum(moment <= seconds for moment in self._answered)
        return figures(self.latencies + waits, answered, seconds)


class _Connection(asyncio.Protocol):
    """A connection with at most one request on its way."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._number = -1
        self._buffer = b""
        self._length = -1

    def connection_made(self, transport) -> None:
        self._transport = transport

    def send(self, number: int) -> None:
        self._number = number
        self._transport.write(self._load.text(number))

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        if self._length < 0:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            self._length = end + 4 + _content_length(self._buffer[:end])
        if len(self._buffer) >= self._length:
            head = self._buffer[:200]
            self._buffer, self._length = b"", -1
            self._load.answered(self, self._number, head)


def _content_length(head: bytes) -> int:
    lowered = head.lower()
    start = lowered.find(b"content-length:")
    return 0 if start < 0 else int(lowered[start + 15 :].split(b"\r\n", 1)[0])


def main() -> int:
    import uvloop

    job = Job(**json.load(sys.stdin))
    load = Load(job)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(load.run(job.port))
    if load.refused:
        print(f"{len(load.refused)} requests were refused: {load.refused[0]!r}", file=sys.stderr)
        return 1
    json.dump(load.result(job.seconds), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Starts and stops the measured servers, with one core for the server and one for the load."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BIN = Path(sys.executable).parent
SERVER_CORE, LOAD_CORE = ("0", "1") if (os.cpu_count() or 1) > 1 else ("0", "0")
CONNECTIONS = 32
NONE = 0.1
"""The rate of a server that answered nothing in time; not 0, because ratios divide by it."""


@dataclass
class Running:
    """A running server."""

    port: int
    process: subprocess.Popen

    def processes(self) -> list[int]:
        """Return the ids of the process and its children."""
        children = (
            Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        )
        return [self.process.pid, *map(int, children)]

    def rss(self) -> float:
        """Return the memory of its largest process in MB."""
        texts = [Path(f"/proc/{pid}/status").read_text() for pid in self.processes()]
        return max(int(re.search(r"VmRSS:\s+(\d+)", text)[1]) for text in texts) / 1024


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def on(core: str | None) -> list[str]:
    return ["taskset", "-c", core] if core is not None and shutil.which("taskset") else []


@contextlib.contextmanager
def started(
    command: list[str],
    port: int,
    path: str,
    environment: dict[str, str],
    patience: float = 30,
    core: str | None = SERVER_CORE,
) -> Iterator[Running]:
    """Run a command, pinned to a core if one is given, until the context ends.

    Waits up to the given seconds until it answers at `path`.
    """
    pinned = [*on(core), *command]
    process = subprocess.Popen(
        pinned,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[1],
    )
    try:
        for _ in range(int(patience * 10)):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2).read()
                break
            time.sleep(0.1)
        yield Running(port, process)
    finally:
        process.terminate()
        process.wait(30)


def url_of(database: Path | str) -> str:
    """Return the URL of a database file; return a URL unchanged."""
    return database if isinstance(database, str) else f"sqlite:///{database}"


def muster(database: Path | str, core: str | None = SERVER_CORE, **options: str):
    """Run muster with API keys, log, metrics, and a rate limit that is never reached."""
    port = free_port()
    environment = {
        "MUSTER_DATABASE": url_of(database),
        "MUSTER_PORT": str(port),
        "MUSTER_RATE_LIMIT": "1000000000",
        **options,
    }
    return started([str(BIN / "muster"), "serve"], port, "/healthz", environment, core=core)


def ceiling(database: Path | str, application: str = "bench.ceiling:app"):
    """Run a reference application on the same HTTP server as muster."""
    port = free_port()
    command = [
        str(BIN / "granian"),
        "--interface",
        "asgi",
        "--runtime-mode",
        "mt",
        "--loop",
        "uvloop",
        "--no-ws",
    ]
    command += ["--log-level", "error", "--port", str(port), application]
    return started(command, port, "/list", {"CEILING_DATABASE": str(database)})


def wrk(port: int, script: str, seconds: float, core: str | None = LOAD_CORE) -> dict[str, float]:
    """Return requests per second, and the p50 and p99 in milliseconds."""
    path = Path("/tmp") / f"muster-bench-{os.getpid()}.lua"
    path.write_text(script)
    command = [
        *on(core),
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{seconds:g}s",
        "--latency",
        "-s",
        str(path),
        f"http://127.0.0.1:{port}/",
    ]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    path.unlink()
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    if refused and int(refused[1]) > 0:
        raise RuntimeError(f"{refused[1]} requests were refused:\n{out}")
    percentiles = {int(p): _milliseconds(t) for p, t in re.findall(r"(50|99)%\s+([\d.]+\w+)", out)}
    return {
        "rate": max(NONE, float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])),
        "p50": percentiles[50],
        "p99": percentiles[99],
    }


def _milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(\w+)", text).groups()
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]

"""Compares the p99 of keyed reads beside another workspace's searches with the p99 alone."""

import contextlib
import http.client
import itertools
import random
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import orjson

from bench import scripts, servers

_SEARCHES = 4
_EVERY_SECONDS = 0.002
_FEW = 1000
_NOTHING = quote('title co "no such title"')


def compare(bench, database: Path | str, users: int, engine: str) -> None:
    """Measure reads at a steady pace, alone and while four clients search."""
    bench.run_muster(database, "workspaces", "create", "quiet")
    bench.run_muster(database, "demo", "--users", str(_FEW), "--workspace", "quiet")
    quiet = bench.run_muster(
        database, "keys", "create", "--name", "bench", "--workspace", "quiet"
    ).strip()
    search = scripts.get(
        scripts.lines(bench.folder / "searches", [_NOTHING]),
        "/scim/v2/Users?count=1&filter=",
        bench.token(database),
    )
    with servers.muster(database) as running:

        def alone() -> dict[str, float]:
            return _reads(running.port, quiet, bench.seconds)

        def beside() -> dict[str, float]:
            with _searched(running.port, search, bench.seconds):
                return alone()

        work = "GET while another workspace searches, p99"
        bench.compare(
            work, 0.5, beside, alone, "itself alone", engine=engine, users=users, by="p99"
        )


@contextlib.contextmanager
def _searched(port: int, script: str, seconds: float) -> Iterator[None]:
    path = Path(f"/tmp/muster-bench-searches-{port}.lua")
    path.write_text(script)
    command = [
        "wrk",
        "-t1",
        f"-c{_SEARCHES}",
        f"-d{seconds + 1:g}s",
        "-s",
        str(path),
        f"http://127.0.0.1:{port}/",
    ]
    searching = subprocess.Popen(
        [*servers.on(servers.LOAD_CORE), *command], stdout=subprocess.PIPE, text=True
    )
    time.sleep(0.5)
    try:
        yield
    finally:
        told, _ = searching.communicate()
        path.unlink()
    if "Non-2xx" in told or " 0 requests" in told:
        raise RuntimeError(f"the searches were refused:\n{told}")


def _reads(port: int, token: str, seconds: float) -> dict[str, float]:
    """Return the milliseconds of each read, counted from its scheduled start."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Authorization": f"Bearer {token}"}

    def ask(path: str) -> bytes:
        connection.request("GET", f"/scim/v2/{path}", headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(body)
        return body

    ids = [
        found["id"] for found in orjson.loads(ask("Users?count=1000&attributes=id"))["Resources"]
    ]
    took, begun = [], time.perf_counter()
    for turn in itertools.count():
        due = begun + turn * _EVERY_SECONDS
        now = time.perf_counter()
        if now - begun > seconds:
            break
        time.sleep(max(0.0, due - now))
        ask(f"Users/{random.choice(ids)}")
        took.append((time.perf_counter() - due) * 1000)
    connection.close()
    hundredths = statistics.quantiles(took, n=100)
    return {"rate": len(took) / seconds, "p50": hundredths[49], "p99": hundredths[98]}

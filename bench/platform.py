"""The platform API over 10,000 workspaces: the latency of each call, and the memory of a worker.

Run `python -m bench.platform [URL …]`. Each URL names an empty database; without one, a SQLite file
is made. It calls the application in process, so that the network adds nothing, and prints the
median of each call. Then it sends one SCIM request to each workspace, and plots the growth of the
resident memory to docs/images/platform-memory.png and .svg.
"""

import asyncio
import gc
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx

from muster.access.keys import KeyOptions, Keys
from muster.access.permissions import SCIM
from muster.access.platform_keys import PlatformKeys
from muster.app import Muster
from muster.config import Settings
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.engine import Statement
from muster.storage.port.items import INSTALLATION

WORKSPACES, ROUNDS, STEP = 10_000, 30, 500
ORIGIN = ChangeOrigin("bench", "", "2026-01-01T00:00:00.000Z")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident() -> int:
    """Return the memory of this process in bytes, without the pages of mapped files."""
    gc.collect()
    _, total, shared, *_ = Path("/proc/self/statm").read_text().split()
    return (int(total) - int(shared)) * _PAGE


async def fill(app: Muster) -> list[str]:
    """Create the workspaces, each with a key and usage. Returns the keys."""
    storage, keys = app.storage, Keys(app.storage)
    tokens = []
    options = KeyOptions((SCIM,))
    usage = (
        "INSERT INTO usage_days (workspace, day, connection, requests, refusals, last)"
        " VALUES ($1, $2, 'default', 5, 1, $3)"
    )
    days = [time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86400 * n)) for n in range(30)]
    for number in range(WORKSPACES):
        name = f"customer-{number:05}"
        made = await storage.add_workspace(name, "rfc7644", False, ORIGIN.time)
        tokens.append((await keys.create(made, "okta", options))[0])
        rows = [Statement(usage, (made.id, day, f"{day}T12:00:00.000Z")) for day in days]
        await storage.transact(INSTALLATION, rows)
    return tokens


def calls(round_: int) -> list[tuple[str, str, dict | None]]:
    """Return the calls of a round: method, path and body."""
    one = f"/workspaces/customer-{(round_ * 331) % WORKSPACES:05}"
    new = f"new-{os.getpid()}-{round_}"
    return [
        ("GET", "/workspaces?limit=100", None),
        ("GET", "/workspaces?limit=100&name=customer-07", None),
        ("GET", "/workspaces?limit=100&state=suspended", None),
        ("GET", one, None),
        ("PATCH", one, {"displayName": f"Customer {round_}"}),
        ("POST", "/workspaces", {"name": new}),
        ("POST", f"{one}/suspend", {"reason": "x"}),
        ("POST", f"{one}/resume", None),
        ("GET", f"{one}/keys", None),
        ("POST", f"{one}/keys", {"name": f"k{round_}"}),
        ("GET", f"{one}/connections", None),
        ("POST", f"{one}/connections", {"name": f"c{round_}"}),
        ("GET", f"{one}/invitations", None),
        ("POST", f"{one}/invitations", {}),
        ("GET", f"{one}/setup-links", None),
        ("POST", f"{one}/setup-links", {"expiresInDays": 7}),
        ("GET", f"{one}/usage", None),
        ("GET", "/usage", None),
        ("GET", "/usage?format=csv", None),
        ("GET", "/changes?cursor=end", None),
        ("GET", "/changes", None),
        ("GET", "/webhooks", None),
        ("GET", "/audit", None),
        ("DELETE", f"/workspaces/{new}?confirm={new}", None),
        ("POST", f"/workspaces/{new}/restore", None),
    ]


def named(method: str, path: str) -> str:
    """Return the name of a call, with its workspace replaced."""
    parts = [
        "{name}" if part.startswith(("customer-", "new-")) else part for part in path.split("/")
    ]
    return f"{method} {'/'.join(parts).split('?confirm')[0]}"


async def latencies(client: httpx.AsyncClient, token: str) -> dict[str, list[float]]:
    """Return the milliseconds of each call, by its name."""
    found: dict[str, list[float]] = {}
    headers = {"authorization": f"Bearer {token}"}
    for round_ in range(ROUNDS):
        for method, path, body in calls(round_):
            begun = time.perf_counter()
            answer = await client.request(
                method, f"/api/v1/platform{path}", json=body, headers=headers, timeout=60
            )
            took = 1000 * (time.perf_counter() - begun)
            if answer.status_code >= 300:
                raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
            found.setdefault(named(method, path), []).append(took)
    return found


async def growth(client: httpx.AsyncClient, tokens: list[str]) -> list[tuple[int, int]]:
    """Send a request to each workspace. Returns the resident memory by active workspaces."""
    for token in tokens[:50] * 4:  # what the first requests load once
        await client.get("/scim/v2/Users?count=1", headers={"authorization": f"Bearer {token}"})
    points = [(0, resident())]
    for number, token in enumerate(tokens[50:], 1):
        await client.get("/scim/v2/Users?count=1", headers={"authorization": f"Bearer {token}"})
        if number % STEP == 0:
            points.append((number, resident()))
    return points


async def measure(url: str) -> tuple[str, list[tuple[int, int]]]:
    """Measure one database. Returns its engine and the points of the plot."""
    engine = "PostgreSQL" if url.startswith("postgres") else "SQLite"
    options: dict = {"database": url, "rate_limit": 1_000_000, "request_log": False}
    app = Muster(Settings(**options))
    async with app.lifespan():
        begun = time.perf_counter()
        tokens = await fill(app)
        print(f"{engine}: {WORKSPACES:,} workspaces in {time.perf_counter() - begun:.0f} s")
        token, _ = await PlatformKeys(app.storage).create("bench", ORIGIN)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            for name, took in (await latencies(client, token)).items():
                print(f"  {statistics.median(took):7.1f} ms  {name}", flush=True)
            points = await growth(client, tokens)
    (_, first), (last, now) = points[0], points[-1]
    print(f"  {(now - first) / last:.0f} bytes for each active workspace")
    return engine, points


def plot(series: dict[str, list[tuple[int, int]]], path: Path) -> None:
    """Draw path.png and path.svg."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams |= {"svg.hashsalt": "muster", "font.size": 9}
    figure = Figure(figsize=(5, 3.4), layout="constrained")
    panel = figure.subplots()
    for (engine, points), colour in zip(series.items(), ("#2463eb", "#0f766e"), strict=False):
        first = points[0][1]
        panel.plot(
            [number for number, _ in points],
            [(size - first) / 2**20 for _, size in points],
            color=colour,
            label=engine,
        )
    most = max(number for points in series.values() for number, _ in points)
    panel.plot((0, most), (0, most * 2048 / 2**20), color="#888", ls=":", label="2 KB each")
    panel.set(xlabel="active workspaces", ylabel="growth of a worker's memory, MB")
    panel.grid(alpha=0.3)
    panel.legend(frameon=False)
    for kind in ("png", "svg"):
        date = {"Date": None} if kind == "svg" else None
        figure.savefig(path.with_suffix(f".{kind}"), dpi=150, metadata=date)


def main() -> None:
    """Measure the databases that the arguments name."""
    with tempfile.TemporaryDirectory() as folder:
        urls = sys.argv[1:] or [f"sqlite:///{folder}/muster.db"]
        series = dict(asyncio.run(measure(url)) for url in urls)
    plot(series, Path(__file__).parents[1] / "docs" / "images" / "platform-memory")


if __name__ == "__main__":
    main()

"""How fast commands fill, copy and check a database: demo, export, import and check.

Both cores are the command's, as they are for an operator; on PostgreSQL it shares them with the
server. The reference is the target of each, in users per second.
"""

import re
import resource
import subprocess
import time
from pathlib import Path

from tests.support.postgres import create_database

from bench import postgres, servers
from bench.harness import SQLITE, Bench

_TARGETS = {
    SQLITE: {"demo": 20_000, "import": 20_000, "check": 8_334},
    postgres.ENGINE: {"demo": 15_000, "import": 15_000, "check": 8_334},
}
"""Users per second; a check of a million takes two minutes at most."""


def compare(bench: Bench, sizes: list[int]) -> None:
    """Add a row for each command and engine."""
    users = sizes[len(sizes) // 2]
    first, second = (bench.folder / f"load-{name}.db" for name in ("demo", "import"))
    _clean([first, second])
    _commands(bench, SQLITE, servers.url_of(first), servers.url_of(second), users)
    _clean([first, second])
    with postgres.server() as server:
        _commands(bench, postgres.ENGINE, create_database(server), create_database(server), users)


def _clean(paths: list[Path]) -> None:
    for path in paths:
        for tail in ("", "-wal", "-shm", ".key"):
            Path(f"{path}{tail}").unlink(missing_ok=True)


def _commands(bench: Bench, engine: str, first: str, second: str, users: int) -> None:
    exported = bench.folder / "load.jsonl"
    exported.unlink(missing_ok=True)
    place = ("--workspace", "default")
    bench.run_muster(first, "migrate")
    bench.run_muster(second, "migrate")
    _row(bench, engine, users, "demo", [*place, "--users", str(users)], first)
    _row(bench, engine, users, "check", [], first)
    _row(bench, engine, users, "export", [*place, "--output", str(exported)], first)
    _row(bench, engine, users, "import", [*place, str(exported)], second)
    exported.unlink()


def _row(bench: Bench, engine: str, users: int, command: str, options: list[str], url: str) -> None:
    left = bench.budget.left()
    if left is not None and left <= 0:
        bench.skipped.append(f"{engine}, muster {command}")
        return
    seconds, processor, memory = timed(
        [str(servers.BIN / "muster"), command, *options, "--database", url]
    )
    rate = users / seconds
    target = _TARGETS[engine].get(command)
    row = {
        "work": f"muster {command}",
        "engine": engine,
        "users": users,
        "rate": rate,
        "against": "the target" if target else "none",
        "by": "rate",
        "other": target or rate,
        "ratio": rate / (target or rate),
        "processor": 1e6 * processor / users,
        "memory": memory,
        "floor": None,
    }
    bench.add(row)
    print(
        f"{engine}, {users:,} users, muster {command}: {rate:,.0f}/s,"
        f" {row['processor']:.0f} microseconds of processor time each, {memory:.0f} MB",
        flush=True,
    )


def timed(command: list[str]) -> tuple[float, float, float]:
    """Run a command.

    Returns:
        Its seconds, the processor seconds of its processes, which other programs disturb less, and
        the most memory of the largest of them, in MB.
    """
    before = _processor_seconds()
    began = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    most = 0.0
    while process.poll() is None:
        most = max([most, *map(_resident, _family(process.pid))])
        time.sleep(0.05)
    seconds = time.perf_counter() - began
    if process.returncode:
        raise RuntimeError(process.stderr.read())
    return seconds, _processor_seconds() - before, most


def _processor_seconds() -> float:
    """Return the processor time of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _family(pid: int) -> list[int]:
    """Return a process and its children."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *map(int, children)]


def _resident(pid: int) -> float:
    try:
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0

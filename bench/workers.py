"""Compares two workers with one by requests per second of their processor time.

The load generator shares the two cores with them, so wall-clock rates would not be comparable.
"""

import os
from pathlib import Path

from bench import scripts, servers

_TICKS = os.sysconf("SC_CLK_TCK")


def compare(bench, path: Path, users: int) -> None:
    """Measure GET by id with two workers and with one, both on all cores."""
    script = scripts.get(
        scripts.lines(bench.folder / "ids", bench.ids(path)), "/scim/v2/Users/", bench.token(path)
    )
    with servers.muster(path, None, MUSTER_WORKERS="2") as two, servers.muster(path, None) as one:

        def measure(running: servers.Running):
            def measured() -> dict[str, float]:
                before = _seconds(running)
                told = servers.wrk(running.port, script, bench.seconds, None)
                return {**told, "rate": told["rate"] * bench.seconds / (_seconds(running) - before)}

            return measured

        work = "GET by id with two workers, a second of their time"
        bench.compare(work, 0.8, measure(two), measure(one), "itself with one", users=users)


def _seconds(running: servers.Running) -> float:
    """Return the processor time in seconds of all processes of a service."""
    used = 0
    for pid in running.processes():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        used += int(fields[11]) + int(fields[12])
    return used / _TICKS

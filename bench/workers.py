"""Two workers against one. The load runs on the same two cores, so what a second of the servers' time answers is compared."""

import os
from pathlib import Path

from bench import scripts, servers

_TICKS = os.sysconf("SC_CLK_TCK")


def compare(bench, path: Path, users: int) -> None:
    """GET by id with two workers, on all cores, against one worker, on all cores as well."""
    script = scripts.get(scripts.lines(bench.folder / "ids", bench.ids(path)), "/scim/v2/Users/", bench.token(path))
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
    """The processor time that a service has used, all of its processes."""
    used = 0
    for pid in running.processes():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        used += int(fields[11]) + int(fields[12])
    return used / _TICKS

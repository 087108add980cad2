"""The databases, API keys and rows of one run."""

import os
import random
import shutil
import sqlite3
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import scripts, servers, writes
from bench.budget import Budget
from muster.cli.output import progress

_DRAWN = 50_000
Measure = Callable[[], dict[str, float]]
SQLITE = "SQLite"
_ASKED_FROM = 100_000


class Bench:
    """The databases, API keys and rows of one run."""

    def __init__(self, folder: Path, rounds: int, seconds: float, budget: Budget) -> None:
        self.folder = folder
        self.rounds = rounds
        self.seconds = seconds
        self.budget = budget
        self.suite = ""
        self.rows: list[dict] = []
        self.latency: list[dict] = []
        self.skipped: list[str] = []
        self._first = 50_000_000

    def database(self, users: int) -> Path:
        """Return a database with that many users, creating it on first use."""
        path = self.folder / f"{users}.db"
        if not path.exists():
            self.run_muster(path, "demo", "--users", str(users), "--workspace", "default")
        return path

    def copy(self, path: Path, name: str = "writes.db") -> Path:
        copied = self.folder / name
        for tail in ("", "-wal", "-shm"):
            Path(f"{copied}{tail}").unlink(missing_ok=True)
        shutil.copyfile(path, copied)
        key = Path(f"{path}.key")  # of its encrypted secrets
        if key.exists():
            shutil.copyfile(key, f"{copied}.key")
        os.sync()  # otherwise the first commits would write the copy to disk
        return copied

    def token(self, database: Path | str) -> str:
        return self.run_muster(database, "keys", "create", "--name", "bench").strip()

    def ids(self, path: Path) -> list[str]:
        """Return a sample of ids.

        With more ids the load generator pauses for its own garbage collection.
        """
        return self._column(path, "SELECT id FROM resources WHERE type = 'User'")

    def names(self, path: Path) -> list[str]:
        return self._column(path, "SELECT value FROM unique_values WHERE type = 'User'")

    @staticmethod
    def _column(path: Path, statement: str) -> list[str]:
        connection = sqlite3.connect(path)
        found = [row[0] for row in connection.execute(statement)]
        connection.close()
        return Bench.drawn(found)

    @staticmethod
    def drawn(found: list[str]) -> list[str]:
        """Return a random sample, the same for each run."""
        return random.Random(1).sample(found, min(len(found), _DRAWN))

    @staticmethod
    def run_muster(database: Path | str, *arguments: str) -> str:
        """Run a muster command and return its output."""
        command = [str(servers.BIN / "muster"), *arguments, "--database", servers.url_of(database)]
        return subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True
        ).stdout

    def fresh_users(self) -> Iterator[str]:
        """Yield bodies of users that nothing else creates."""
        while True:
            made = writes.bodies(self._first, 5000)
            self._first += len(made)
            yield from (body.decode() for body in made)

    def fresh_bodies(self, token: str) -> Iterator[str]:
        """Yield a script per round that POSTs users which no other round creates."""
        while True:
            made = [
                body.decode()
                for body in writes.bodies(self._first, int(4000 * self.seconds) + 2000)
            ]
            self._first += len(made)
            yield scripts.post(scripts.lines(self.folder / "bodies", made), "/scim/v2/Users", token)

    def compare(
        self,
        work: str,
        floor: float | None,
        muster: Measure,
        other: Measure,
        against: str,
        *,
        engine: str = SQLITE,
        users: int,
        by: str = "rate",
    ) -> None:
        """Measure muster and a reference in turns, and add the row.

        The row is skipped if the budget has no time for a single round.

        Args:
            floor: The ratio to reach; ignored for small databases.
            by: The figure to compare. The ratio of times is inverted, so that more is better.
        """
        named = f"{engine}, {users:,} users, {work}"
        rounds = self.budget.rounds(self.seconds, self.rounds)
        if not rounds:
            self.skipped.append(f"{named} ({against})")
            return
        with progress(named, rounds + 1) as advance:
            pairs = []
            for _ in range(rounds + 1):
                pairs.append((muster(), other()))
                advance(1)
        del pairs[0]  # it has warmed both
        ratios = [(mine[by] / its[by]) ** (1 if by == "rate" else -1) for mine, its in pairs]
        row = {
            "work": work,
            "engine": engine,
            "users": users,
            **{key: statistics.median(pair[0][key] for pair in pairs) for key in pairs[0][0]},
            "against": against,
            "by": by,
            "other": statistics.median(pair[1][by] for pair in pairs),
            "ratio": statistics.median(ratios),
            "ratios": [round(ratio, 3) for ratio in ratios],
            "floor": floor if users >= _ASKED_FROM else None,
        }
        self.add(row)
        print(
            f"{named}: {row['rate']:,.0f}/s beside {other_figure(row)} ({against}):"
            f" {row['ratio']:.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
            flush=True,
        )

    def add(self, row: dict) -> None:
        """Add a row, with its suite and the day."""
        self.rows.append({"suite": self.suite, **row, "measured": time.strftime("%Y-%m-%d")})

    def wrk(self, port: int, script: str) -> Measure:
        return lambda: servers.wrk(port, script, self.seconds)


def other_figure(row: dict) -> str:
    """Format the figure of the reference: a rate, or a time in milliseconds."""
    if row["by"] != "rate":
        return f"{row['other']:.2f} ms"
    return f"{row['other']:,.0f}/s" if row["other"] > servers.NONE else "none in time"

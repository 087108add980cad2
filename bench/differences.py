"""Compares the rows of a run with the committed ones, and points out differences beyond noise.

Rates depend on the machine and on everything else that runs on it. The ratio of muster to its
reference, measured in turns, depends on them much less, so ratios are compared.
"""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

SUITE_NOISE = 0.1
"""Ratios of one version differ by so much from run to run, whatever their rounds say."""


@dataclass(frozen=True)
class Difference:
    """A row that both runs have.

    Attributes:
        before: The committed ratio.
        after: The new ratio.
        beyond_noise: Whether the rounds of both runs do not overlap, and the ratios differ by more
            than runs of one version do.
    """

    engine: str
    users: int
    work: str
    against: str
    before: float
    after: float
    beyond_noise: bool

    def __str__(self) -> str:
        change = 100 * (self.after / self.before - 1)
        verdict = ("faster" if change > 0 else "SLOWER") if self.beyond_noise else "noise"
        named = f"{self.engine}, {self.users:,} users, {self.work} ({self.against})"
        return (
            f"{verdict:>6}  {change:+6.1f} %  {named}: {self.before:.2f} before, {self.after:.2f}"
        )


def committed(path: Path) -> list[dict]:
    """Return the rows of the last commit; none if the file is not in it."""
    shown = subprocess.run(
        ["git", "show", f"HEAD:./{path.name}"], cwd=path.parent, capture_output=True, check=False
    )
    return json.loads(shown.stdout)["rows"] if shown.returncode == 0 else []


def key(row: dict) -> tuple[str, int, str, str]:
    """Return what identifies a row in every run."""
    return row["engine"], row["users"], row["work"], row["against"]


def differences(before: list[dict], after: list[dict]) -> list[Difference]:
    """Return the rows that both runs have, those beyond the noise first."""
    former = {key(row): row for row in before}
    found = []
    for row in after:
        old = former.get(key(row))
        if old is not None:
            engine, users, work, against = key(row)
            ratios = (old["ratio"], row["ratio"])
            found.append(Difference(engine, users, work, against, *ratios, _differs(old, row)))
    return sorted(found, key=lambda one: not one.beyond_noise)


def merged(before: list[dict], after: list[dict]) -> list[dict]:
    """Return the committed rows, each replaced by the new one if there is one."""
    fresh = {key(row): row for row in after}
    kept = [fresh.pop(key(row), row) for row in before]
    return [*kept, *fresh.values()]


def _differs(before: dict, after: dict) -> bool:
    if abs(after["ratio"] / before["ratio"] - 1) <= SUITE_NOISE:
        return False
    (least, most), (low, high) = _range(before), _range(after)
    return low > most or high < least


def _range(row: dict) -> tuple[float, float]:
    """Return the lowest and the highest ratio of a row's rounds."""
    ratios = row.get("ratios") or [row["ratio"]]
    return min(ratios), max(ratios)

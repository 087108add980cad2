"""Prints the lines and branches that the tests ran: python -m tests.support.coverage_figures.

With `--at-least NUMBER`, the exit code is 1 if the tests ran a smaller percentage of the lines.
"""

import argparse
import json
import tempfile
from pathlib import Path

from coverage import Coverage

LEAST_OF_A_FILE = 95.0


def figures(report: dict) -> tuple[list[str], float]:
    """Return the lines to print for a report of coverage as JSON, and the percentage of lines."""
    totals = report["totals"]
    lines = totals["covered_lines"], totals["num_statements"]
    branches = totals["covered_branches"], totals["num_branches"]
    said = [
        f"lines: {percentage(*lines):.1f} % of {lines[1]:,}",
        f"branches: {percentage(*branches):.1f} % of {branches[1]:,}",
    ]
    low = []
    for name, file in report["files"].items():
        found = file["summary"]
        share = percentage(found["covered_lines"], found["num_statements"])
        if share < LEAST_OF_A_FILE:
            low.append(f"  {share:5.1f} %  {found['missing_lines']:4} lines missing  {name}")
    if low:
        said += [f"files of which less than {LEAST_OF_A_FILE:g} % of the lines ran:", *sorted(low)]
    return said, percentage(*lines)


def percentage(part: int, whole: int) -> float:
    """Return a share in percent; 100 of nothing."""
    return 100 * part / whole if whole else 100.0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--at-least", type=float, default=0.0)
    least = parser.parse_args().at_least
    measured = Coverage()
    measured.load()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        measured.json_report(outfile=str(path))
        said, share = figures(json.loads(path.read_text()))
    print("\n".join(said))
    return int(share < least)


if __name__ == "__main__":
    raise SystemExit(main())

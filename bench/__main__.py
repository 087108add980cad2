"""Measures the named suites: medians and ratios of rounds that run in turns.

Without names it runs all. The results replace their rows in bench/results/latest.json, and are
compared with the committed ones. `make bench SUITE=reads MINUTES=5` runs one suite in five minutes.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from bench import differences, plot, report
from bench.budget import Budget
from bench.harness import Bench
from bench.suites import SUITES

_SIZES = [10_000, 100_000, 1_000_000]
_SHORT_MINUTES = 60
"""A shorter run measures at 100,000 users only: a million take minutes to create."""
_IMAGES = Path(__file__).parents[1] / "docs" / "images"


def _parser() -> argparse.ArgumentParser:
    listed = "\n".join(f"  {name:<11} {suite.about}" for name, suite in SUITES.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        epilog=f"suites:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("suites", nargs="*", metavar="SUITE", help="default: all")
    parser.add_argument("--minutes", type=float, help="the length of the run; default: no limit")
    parser.add_argument("--rounds", type=int, default=5, help="the most rounds of a row")
    parser.add_argument("--seconds", type=float, default=4, help="the length of a round")
    parser.add_argument("--users", type=int, nargs="+", help="numbers of users to measure at")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(tempfile.gettempdir()) / "muster-bench",
        help="folder for the databases, which the next run uses again",
    )
    parser.add_argument("--out", type=Path, default=report.RESULTS, help="the JSON file to write")
    parser.add_argument("--page", type=Path, default=report.PAGE, help="the page with the tables")
    parser.add_argument(
        "--only-page", action="store_true", help="measure nothing: write the page and the plots"
    )
    return parser


def _sizes(options: argparse.Namespace) -> list[int]:
    if options.users:
        return sorted(options.users)
    short = options.minutes is not None and options.minutes < _SHORT_MINUTES
    return [_SIZES[1]] if short else _SIZES


def _run(options: argparse.Namespace, names: list[str]) -> Bench:
    sizes = _sizes(options)
    rows = sum(SUITES[name].rows(len(sizes)) for name in names)
    options.folder.mkdir(parents=True, exist_ok=True)
    budget = Budget(options.minutes, rows)
    bench = Bench(options.folder, options.rounds, budget.seconds(options.seconds), budget)
    for number, name in enumerate(names, 1):
        print(f"[{number}/{len(names)}] {name}: {SUITES[name].about}", flush=True)
        bench.suite = name
        SUITES[name].run(bench, sizes)
    return bench


def _compare(before: list[dict], bench: Bench) -> None:
    """Print the differences to the committed rows, and the rows below their targets."""
    found = differences.differences(before, bench.rows)
    if found:
        print("\nBeside the committed results (ratios to the reference):")
    for one in found:
        print(one)
    for row in bench.rows:
        if row["floor"] is not None and row["ratio"] < row["floor"]:
            named = f"{row['engine']}, {row['users']:,} users, {row['work']} ({row['against']})"
            print(f"BELOW ITS TARGET: {named}: {row['ratio']:.2f}, target {row['floor']:g}")
    for skipped in bench.skipped:
        print(f"skipped, no time left: {skipped}")


def main() -> int:
    parser = _parser()
    options = parser.parse_args()
    unknown = [name for name in options.suites if name not in SUITES]
    if unknown:
        parser.error(f"unknown suite {unknown[0]!r}; suites: {', '.join(SUITES)}")
    if not options.only_page:
        if shutil.which("wrk") is None:
            print("the bench needs wrk (on Debian: apt-get install wrk)", file=sys.stderr)
            return 1
        bench = _run(options, options.suites or list(SUITES))
        _compare(differences.committed(report.RESULTS), bench)
        report.write_json(options.out, bench.rows, bench.latency)
        print(f"\n{report.machine()}; results in {options.out}")
    result = json.loads(options.out.read_text())
    report.write_page(options.page, result)
    if options.page == report.PAGE:  # the plots of docs/images belong to that page
        plot.growth(result["rows"], _IMAGES / "growth")
        if result.get("latency"):
            plot.latency(result["latency"], _IMAGES / "latency")
    return 0


if __name__ == "__main__":
    sys.exit(main())

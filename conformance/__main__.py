"""`make conformance`: run the suites, write their results, and render the page."""

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from conformance import page, requirements
from conformance.measure import measure
from conformance.results import ENGINES, FILE, MODES, Run, load, merged, save, worse
from conformance.suites import Suite, every
from conformance.target import Target, started

_console = Console(highlight=False, soft_wrap=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chosen suites. Returns 1 if a number is worse than before or has no reason."""
    parser = argparse.ArgumentParser(prog="make conformance", description=__doc__)
    parser.add_argument("--suite", default="", help="one suite, or several with commas")
    parser.add_argument("--engine", choices=ENGINES, help="one engine")
    parser.add_argument("--json", type=Path, default=FILE, help="the file of the results")
    parser.add_argument("--minutes", type=float, default=10, help="start no run after this time")
    given = parser.parse_args(arguments)
    suites = _chosen(given.suite)
    before = load()
    new, left = _run_all(suites, [given.engine] if given.engine else ENGINES, given.minutes * 60)
    told = worse(before, new)
    save(merged(load(given.json), new), given.json)
    if given.json == FILE:
        page.write(load())
        requirements.write()
    for name in left:
        _console.print(f"[yellow]not run, the time is over:[/] {name}")
    for line in told:
        _console.print(f"[red]worse:[/] {line}", markup=True)
    _console.print(f"results: {given.json}")
    return 1 if told or left else 0


def _chosen(names: str) -> list[Suite]:
    known = every()
    wanted = [name.strip() for name in names.split(",") if name.strip()] or list(known)
    unknown = [name for name in wanted if name not in known]
    if unknown:
        sys.exit(f"unknown suite {', '.join(unknown)}; the suites are {', '.join(known)}")
    return [known[name] for name in wanted]


def _run_all(
    suites: Sequence[Suite], engines: Sequence[str], seconds: float
) -> tuple[list[Run], list[str]]:
    """Run suites in each mode on each engine. Returns the results and the runs left out."""
    end, done, left = time.monotonic() + seconds, [], []
    with _postgres():
        for engine in engines:
            with started(engine) as server:
                for suite in suites:
                    for mode in MODES:
                        if time.monotonic() > end:
                            left.append(f"{suite.name} {engine} {mode}")
                            continue
                        done.append(_run(suite, Target(server, engine, mode)))
    return done, left


def _run(suite: Suite, target: Target) -> Run:
    begun = time.monotonic()
    with _console.status(f"{suite.name}, {target.engine}, {target.mode}"):
        found = measure(suite, target)
    colour = "red" if found.unexplained else "yellow" if found.failed else "green"
    _console.print(
        f"{suite.name:30} {target.engine:9} {target.mode:8} {found.passed:5} passed"
        f" [{colour}]{found.failed:4} failed[/] {found.skipped:3} skipped"
        f" {time.monotonic() - begun:6.1f} s"
    )
    return found


@contextlib.contextmanager
def _postgres() -> Iterator[None]:
    """The PostgreSQL of the tests, which starts when a database is first asked for."""
    from tests.support import postgres

    postgres.prepare()
    try:
        yield
    finally:
        postgres.finish()


if __name__ == "__main__":
    os.environ.setdefault("MUSTER_TEST_EXAMPLES", "200")
    sys.exit(main())

"""Renders docs/reference/conformance.md from the results."""

from collections.abc import Sequence
from pathlib import Path

from conformance.results import ENGINES, MODES, Run
from conformance.suites import Suite, every

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "conformance.md"
_NAMES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}
_HEAD = """\
# Conformance

muster is measured against public SCIM test suites, replayed clients and independent oracles. Each
suite runs on SQLite and on PostgreSQL, in lenient and in strict workspaces. A cell shows the cases
that passed, and in brackets those that did not; each of these has its reason below.

Requirement by requirement, with the module and the test for each: see
[Requirements](requirements/index.md).
"""
_RUN = """\
## Run it yourself

<!-- not run: it takes several minutes -->
```bash
make conformance                      # every suite: about ten minutes on two cores
make conformance SUITE=okta-spec      # one suite, or several with commas
```

The command starts a fresh server for each engine, prints a line for each run, writes
`conformance/results.json`, and renders this page from it. It ends with an error if a number is
worse than the committed one, or if a case fails without a reason in `conformance/suites/`.

## What the tests check

`make test` runs the same suites, and each of them once:

- `tests/outside/test_suites.py` runs the suites that take seconds, and compares their numbers
  with `conformance/results.json`.
- `tests/outside/test_schemathesis.py` and `tests/outside/test_generated_*.py` run the cases of
  schemathesis and of the oracles as tests of their own, and `tests/clients/test_clients.py` runs
  those of the replayed clients. `tests/project/test_conformance.py` checks that there are no fewer
  cases than in `conformance/results.json`.

So a pull request that makes a number worse fails, and `make conformance` records better ones.
"""


def render(runs: Sequence[Run]) -> str:
    """Return the page."""
    suites = every()
    known = {run.place: run for run in runs}
    parts = [_HEAD, _table(suites, known), _sources(suites), _deviations(suites, runs), _RUN]
    return "\n".join(parts)


def write(runs: Sequence[Run]) -> None:
    """Write the page."""
    PAGE.write_text(render(runs))


def _table(suites: dict[str, Suite], known: dict[tuple[str, str, str], Run]) -> str:
    columns = [(engine, mode) for engine in ENGINES for mode in MODES]
    names = [f"{_NAMES[engine]}, {mode}" for engine, mode in columns]
    lines = ["## Results", "", f"| Suite | Version | Date | {' | '.join(names)} |"]
    lines.append("|---|---|---|" + "---|" * len(columns))
    for suite in suites.values():
        found = [known.get((suite.name, *column)) for column in columns]
        days = sorted(run.date for run in found if run)
        version = next((run.version for run in found if run), suite.version)
        cells = [suite.title, version, days[-1] if days else "", *map(_cell, found)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(run: Run | None) -> str:
    if run is None:
        return "not run"
    return f"{run.passed:,}" + (f" ({run.failed} failed)" if run.failed else "")


def _sources(suites: dict[str, Suite]) -> str:
    lines = ["## Suites", "", "| Suite | `SUITE=` | Cases | Source |", "|---|---|---|---|"]
    for suite in suites.values():
        sources = "<br>".join(
            f"<{source}>" if source.startswith("https:") else source for source in suite.sources
        )
        lines.append(f"| {suite.title} | `{suite.name}` | {suite.about} | {sources} |")
    return "\n".join(lines) + "\n"


def _deviations(suites: dict[str, Suite], runs: Sequence[Run]) -> str:
    """Return the cases that did not pass, each once, with the modes in which it fails."""
    found: dict[tuple[str, str, str, str], set[str]] = {}
    for run in runs:
        for deviation in run.deviations:
            key = (run.suite, deviation["case"], deviation["reason"], deviation["section"])
            found.setdefault(key, set()).add(run.mode)
    lines = ["## Deviations", ""]
    if not found:
        return "\n".join([*lines, "None: every case passes.", ""])
    lines += ["| Suite | Case | Workspaces | Reason | Section |", "|---|---|---|---|---|"]
    for (suite, case, reason, section), modes in sorted(found.items()):
        shown = " and ".join(mode for mode in MODES if mode in modes)
        lines.append(f"| {suites[suite].title} | {_code(case)} | {shown} | {reason} | {section} |")
    return "\n".join(lines) + "\n"


def _code(text: str) -> str:
    return "`" + text.replace("|", "\\|").replace("`", "'") + "`"

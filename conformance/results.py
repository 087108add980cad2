"""The results of suites: cases, runs, their file, and the comparison with the committed numbers."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx

FILE = Path(__file__).with_name("results.json")
"""The committed results."""
ENGINES = ("sqlite", "postgres")
MODES = ("lenient", "strict")


class Unexpected(Exception):
    """The service answers something else than the case wants."""


@dataclass(frozen=True, slots=True)
class Case:
    """The outcome of one case of a suite.

    Attributes:
        name: The name that the suite gives it.
        passed: Whether the service behaves as the suite wants.
        reason: The difference, if it does not.
        skipped: Whether the suite left it out.
    """

    name: str
    passed: bool
    reason: str = ""
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class Deviation:
    """A case that does not pass, and why muster behaves as it does.

    Attributes:
        pattern: A regular expression for the name and the reason of the case.
        reason: The explanation, as a sentence.
        section: The section of the RFC that muster follows.
    """

    pattern: str
    reason: str
    section: str

    def explains(self, case: Case) -> bool:
        """Return whether this is the explanation of a case."""
        return re.search(self.pattern, f"{case.name}: {case.reason}", re.DOTALL) is not None


@dataclass(slots=True)
class Run:
    """One suite against one engine in one mode.

    Attributes:
        suite: The name of the suite.
        version: The version of the suite, or of the document that it is written from.
        date: The day of the run.
        engine: `sqlite` or `postgres`.
        mode: `lenient` or `strict`.
        passed: The number of cases that passed.
        failed: The number of cases that did not pass.
        skipped: The number of cases that the suite left out.
        deviations: The cases that failed, each with its reason and section.
        unexplained: The cases that failed without a reason; empty in committed results.
    """

    suite: str
    version: str
    date: str
    engine: str
    mode: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    deviations: list[dict[str, str]] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)

    @property
    def place(self) -> tuple[str, str, str]:
        """The key of the run: suite, engine and mode."""
        return self.suite, self.engine, self.mode

    def add(self, cases: Iterable[Case], known: Sequence[Deviation]) -> None:
        """Count cases, and explain those that failed."""
        for case in cases:
            if case.skipped:
                self.skipped += 1
            elif case.passed:
                self.passed += 1
            else:
                self.failed += 1
                self._explain(case, known)

    def _explain(self, case: Case, known: Sequence[Deviation]) -> None:
        for deviation in known:
            if deviation.explains(case):
                found = {
                    "case": case.name,
                    "reason": deviation.reason,
                    "section": deviation.section,
                }
                if found not in self.deviations:
                    self.deviations.append(found)
                return
        self.unexplained.append(f"{case.name}: {case.reason}"[:2000])


class Cases:
    """Collects the cases of a suite of our own."""

    def __init__(self) -> None:
        self.found: list[Case] = []

    @contextmanager
    def case(self, name: str) -> Iterator[None]:
        """Run the body as a case: it fails if the body raises."""
        try:
            yield
        except (Unexpected, LookupError, TypeError, ValueError, httpx.HTTPError) as error:
            self.found.append(Case(name, passed=False, reason=f"{type(error).__name__}: {error}"))
        else:
            self.found.append(Case(name, passed=True))


def expect(shown: Any, wanted: Any, what: str) -> None:
    """Raise Unexpected unless a value is the one that is wanted."""
    if shown != wanted:
        raise Unexpected(f"{what}: expected {wanted!r}, got {shown!r}"[:1000])


def expect_status(answer: httpx.Response, *wanted: int) -> Any:
    """Raise Unexpected unless an answer has one of the statuses. Returns its JSON, if any."""
    if answer.status_code not in wanted:
        raise Unexpected(
            f"{answer.request.method} {answer.request.url}: expected"
            f" {' or '.join(map(str, wanted))}, got {answer.status_code}: {answer.text[:500]}"
        )
    return answer.json() if answer.content else None


def load(path: Path = FILE) -> list[Run]:
    """Read results from a file; none if there is no file."""
    if not path.exists():
        return []
    return [Run(**found) for found in json.loads(path.read_text())["runs"]]


def save(runs: Sequence[Run], path: Path = FILE) -> None:
    """Write results, sorted so that a change shows as a small difference."""
    ordered = sorted(runs, key=lambda run: (run.suite, ENGINES.index(run.engine), run.mode))
    text = json.dumps({"runs": [asdict(run) for run in ordered]}, indent=1, ensure_ascii=False)
    path.write_text(text + "\n")


def merged(before: Sequence[Run], new: Sequence[Run]) -> list[Run]:
    """Return earlier results with those of the suites that ran in their places."""
    found = {run.place: run for run in before} | {run.place: run for run in new}
    return list(found.values())


def worse(before: Sequence[Run], new: Sequence[Run]) -> list[str]:
    """Describe each number that is worse than before, and each failure without a reason."""
    known = {run.place: run for run in before}
    told = []
    for run in new:
        name = " ".join(run.place)
        told += [f"{name}: {text}" for text in run.unexplained]
        old = known.get(run.place)
        if old is None:
            continue
        if run.failed > old.failed:
            told.append(f"{name}: {run.failed} failed, {old.failed} before")
        if run.passed < old.passed:
            told.append(f"{name}: {run.passed} passed, {old.passed} before")
    return told

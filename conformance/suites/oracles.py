"""Generated filters, PATCHes and documents against the independent oracles of tests/oracles.

An oracle predicts an answer from the text of the RFCs and shares no code with muster. A case is one
generated filter, PATCH or document; it depends on its number alone.
"""

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from conformance.results import Case
from conformance.suites import Suite
from conformance.target import Target


@contextlib.contextmanager
def host(engine: str) -> Iterator[Any]:
    """Muster in this process, on a new database, called without HTTP."""
    from tests.oracles.host import Host
    from tests.support.databases import migrated_database, migrated_file

    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        made = Host(
            migrated_database()
            if engine == "postgres"
            else f"sqlite:///{migrated_file(Path(folder) / 'm.db')}"
        )
        try:
            yield made
        finally:
            made.close()


def cases(faults: Iterator[tuple[int, str]]) -> list[Case]:
    """Return a case for each generated number."""
    from tests.oracles.examples import numbers

    found = dict(faults)
    return [
        Case(f"case {number}", passed=number not in found, reason=found.get(number, ""))
        for number in numbers()
    ]


def _filters(target: Target) -> Sequence[Case]:
    from tests.oracles.searches import Directory

    with host(target.engine) as made:
        return cases(Directory(made.space(target.strict)).faults())


def _broken_filters(target: Target) -> Sequence[Case]:
    from tests.oracles.searches import Directory

    with host(target.engine) as made:
        return cases(Directory(made.space(target.strict)).faults_of_broken())


def _writes(module: str) -> Callable[[Target], Sequence[Case]]:
    def run(target: Target) -> Sequence[Case]:
        from tests.oracles import documents, patches
        from tests.oracles.examples import run as run_cases
        from tests.oracles.ground import Ground

        fault = {"patches": patches, "documents": documents}[module].fault_of_case
        with host(target.engine) as made:
            made.decide_twice()
            ground = Ground(made.space(target.strict))
            return cases(run_cases(made.runner, lambda number: fault(ground, number)))

    return run


_SOURCES = ("tests/oracles", "RFC 7643", "RFC 7644")
SUITES = (
    Suite(
        "oracle-filters",
        "Generated filters",
        "oracle of this repository",
        "The results of generated filters, by GET and by `/.search`, against an oracle.",
        _SOURCES,
        _filters,
    ),
    Suite(
        "oracle-broken-filters",
        "Generated damaged filters",
        "oracle of this repository",
        "Damaged filters are refused with `invalidFilter`, or read alike by GET and `/.search`.",
        _SOURCES,
        _broken_filters,
    ),
    Suite(
        "oracle-patches",
        "Generated PATCHes",
        "oracle of this repository",
        "The results of generated PATCH requests on users and groups against an oracle.",
        _SOURCES,
        _writes("patches"),
    ),
    Suite(
        "oracle-documents",
        "Generated documents",
        "oracle of this repository",
        "The results of generated POST and PUT documents against an oracle.",
        _SOURCES,
        _writes("documents"),
    ),
)

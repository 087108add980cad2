"""The committed conformance results: complete, explained, and shown on their page."""

import json

import pytest

from conformance import page
from conformance.results import ENGINES, MODES, Case, Deviation, Run, load, merged, save, worse
from conformance.suites import every
from conformance.suites.clients import fixtures
from tests.oracles.examples import EXAMPLES
from tests.outside.test_schemathesis import CASES as SCHEMATHESIS
from tests.outside.test_schemathesis import MANAGEMENT

SUITES = every()
RUNS = {run.place: run for run in load()}
CASES = {
    "schemathesis-scim": len(SCHEMATHESIS),
    "schemathesis-management": len(MANAGEMENT),
    "clients": sum(len(json.loads(path.read_text())["steps"]) for path in fixtures()),
    "oracle-filters": EXAMPLES,
    "oracle-broken-filters": EXAMPLES,
    "oracle-patches": EXAMPLES,
    "oracle-documents": EXAMPLES,
}
"""The number of cases of the suites whose cases are tests of their own."""


def test_every_suite_has_results_on_each_engine_in_each_mode():
    assert set(RUNS) == {
        (name, engine, mode) for name in SUITES for engine in ENGINES for mode in MODES
    }


def test_the_results_are_those_of_the_installed_versions():
    assert {run.version for run in RUNS.values() if run.version != SUITES[run.suite].version} == (
        set()
    )


def test_every_failure_has_a_reason():
    assert [run.unexplained for run in RUNS.values() if run.unexplained] == []


@pytest.mark.parametrize("place", sorted(RUNS), ids="-".join)
def test_a_suite_has_no_fewer_cases_than_when_it_was_measured(place):
    if place[0] in CASES:
        assert RUNS[place].passed + RUNS[place].failed <= CASES[place[0]]


def test_the_page_shows_the_committed_results():
    assert page.PAGE.read_text() == page.render(load())


def run(**given):
    return Run("s", "1", "2026-01-01", "sqlite", "strict", **given)


def test_a_number_that_gets_worse_is_told():
    before = [run(passed=5, failed=1)]
    assert worse(before, [run(passed=6, failed=0)]) == []
    assert worse(before, [run(passed=5, failed=2)]) == ["s sqlite strict: 2 failed, 1 before"]
    assert worse(before, [run(passed=4, failed=1)]) == ["s sqlite strict: 4 passed, 5 before"]
    assert worse([], [run(unexplained=["x: y"])]) == ["s sqlite strict: x: y"]


def test_a_failure_is_explained_by_the_pattern_of_a_deviation():
    found = run()
    known = [Deviation("^one: ", "because", "RFC 7643 section 1")]
    cases = [Case("zero", passed=True), Case("one", passed=False, reason="a")]
    found.add(
        [*cases, Case("two", passed=False, reason="b"), Case("x", False, skipped=True)], known
    )
    assert (found.passed, found.failed, found.skipped) == (1, 2, 1)
    assert [deviation["reason"] for deviation in found.deviations] == ["because"]
    assert found.unexplained == ["two: b"]


def test_results_survive_their_file_and_are_replaced_by_place(tmp_path):
    path = tmp_path / "r.json"
    save([run(passed=1), Run("t", "1", "2026-01-01", "postgres", "lenient")], path)
    assert [found.passed for found in merged(load(path), [run(passed=2)])] == [2, 0]

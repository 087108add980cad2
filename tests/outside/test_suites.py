"""The conformance suites that take seconds: no number is worse than in conformance/results.json."""

import pytest

from conformance.measure import measure
from conformance.results import load, worse
from conformance.suites import every
from conformance.suites.sanity import SKIPPED, probe
from conformance.target import Target

ELSEWHERE = {
    "schemathesis-scim": "test_schemathesis.py",
    "schemathesis-management": "test_schemathesis.py",
    "clients": "tests/clients/test_clients.py",
    "oracle-filters": "test_generated_filters.py",
    "oracle-broken-filters": "test_generated_filters.py",
    "oracle-patches": "test_generated_patches.py",
    "oracle-documents": "test_generated_documents.py",
}
"""The suites whose cases are tests of their own, and where."""
SUITES = every()


def target_of(server, mode):
    sqlite = server.environment["MUSTER_DATABASE"].startswith("sqlite")
    return Target(server, "sqlite" if sqlite else "postgres", mode)


@pytest.mark.parametrize("mode", ["lenient", "strict"])
@pytest.mark.parametrize("name", [name for name in SUITES if name not in ELSEWHERE])
def test_no_number_is_worse_than_the_committed_one(server, name, mode):
    assert worse(load(), [measure(SUITES[name], target_of(server, mode))]) == []


def test_scim_sanity_skips_only_what_has_a_reason(server):
    report = probe(target_of(server, "lenient"))
    skipped = {result["name"] for result in report["results"] if result["status"] == "skip"}
    assert skipped == set(SKIPPED)

"""Requests by outcome over time, against a plain count."""

from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muster.insight import traffic
from muster.insight.ranges import RANGES
from muster.insight.traffic import Outcomes, TrafficCounts, summed
from muster.storage.records.request_figures import RequestFigures
from muster.storage.records.requests import RecordedRequest, RequestStore, number_of

NOW = datetime(2026, 1, 31, 13, 20, tzinfo=UTC)
_requests = st.lists(
    st.tuples(
        st.integers(0, 40 * 86_400),
        st.sampled_from(("", "k1", "k2")),
        st.sampled_from((200, 201, 304, 400, 401, 409, 499, 500, 503)),
    ),
    max_size=12,
    unique_by=lambda made: made[0],
)


def record(bench, workspace, requests):
    """Store requests, each made so many seconds ago, by a key, with a status."""
    kept = [
        RecordedRequest(
            number_of(NOW.timestamp() - ago),
            *("t", "r", key, "", "GET", "/Users", "", status, 1, "", "", "", "", "", ""),
        )
        for ago, key, status in requests
    ]
    if kept:
        bench.run(RequestStore(bench.storage).keep(workspace.id, kept))
    return kept


def outcome(status):
    return "succeeded" if status < 400 else "refused" if status < 500 else "errors"


def as_counts(outcomes):
    found = {name: getattr(outcomes, name) for name in ("succeeded", "refused", "errors")}
    return Counter({name: number for name, number in found.items() if number})


@pytest.mark.parametrize("wanted", RANGES.values(), ids=RANGES)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests=_requests)
def test_each_request_counts_in_its_part_and_for_its_key(bench, wanted, requests):
    workspace = bench.new_workspace()
    record(bench, workspace, requests)
    record(bench, bench.new_workspace(), [(1, "k1", 200)])
    found = bench.run(TrafficCounts(bench.storage).over(workspace.id, wanted, NOW))
    starts = [moment.timestamp() for moment in wanted.starts(NOW)]
    parts = [Counter() for _ in range(wanted.parts)]
    keys = {}
    for ago, key, status in requests:
        moment = NOW.timestamp() - ago
        if moment >= starts[0]:
            place = sum(start <= moment for start in starts) - 1
            parts[place][outcome(status)] += 1
            keys.setdefault(key, [Counter() for _ in parts])[place][outcome(status)] += 1
    assert [as_counts(part) for part in found.parts] == parts
    assert {key: [as_counts(part) for part in of] for key, of in found.keys.items()} == keys
    total = summed(found.parts)
    assert as_counts(total) == sum(parts, Counter())
    assert (total.failed, total.total) == (
        total.refused + total.errors,
        sum(part.total() for part in parts),
    )


def test_counts_of_very_many_requests_are_kept_for_a_minute(bench, monkeypatch):
    monkeypatch.setattr(traffic, "_LARGE", 2)
    workspace, counts, wanted = bench.new_workspace(), TrafficCounts(bench.storage), RANGES["24h"]

    def total(seconds=0):
        now = datetime.fromtimestamp(NOW.timestamp() + seconds, UTC)
        return summed(bench.run(counts.over(workspace.id, wanted, now)).parts).total

    record(bench, workspace, [(1, "k", 200), (2, "k", 200)])
    assert total() == 2
    record(bench, workspace, [(3, "k", 200)])
    assert total() == 3  # few requests are counted anew
    record(bench, workspace, [(4, "k", 200)])
    assert total(59) == 3
    assert total(61) == 4


def test_no_requests_are_no_outcomes():
    assert summed([]) == Outcomes()
    assert (Outcomes().total, Outcomes().failed) == (0, 0)


def test_the_latest_failure_of_each_key(bench):
    workspace = bench.new_workspace()
    kept = record(
        bench,
        workspace,
        [(5, "k1", 409), (4, "k1", 500), (3, "k1", 200), (2, "k2", 200), (1, "", 401)],
    )
    record(bench, bench.new_workspace(), [(0, "k2", 404)])
    figures = RequestFigures(bench.storage)
    assert bench.run(figures.last_refusals(workspace.id)) == {
        "k1": (kept[1].number, 500),
        "": (kept[4].number, 401),
    }
    assert bench.run(figures.extent(workspace.id)) == (5, kept[4].number)
    assert bench.run(figures.extent(bench.new_workspace().id)) == (0, 0)

"""The request log: what is found, counted and trimmed, against a plain list."""

import itertools
from collections import Counter

from hypothesis import example, given
from hypothesis import strategies as st

from muster.storage.records.request_figures import RequestFigures
from muster.storage.records.requests import (
    RecordedRequest,
    RequestFilter,
    RequestStore,
    number_of,
    time_of,
)

KEYS, PATHS, RESOURCES = ("k1", "k2"), ("/Users", "/Users/é%_1", "/users"), ("", "r1")
STATUSES = (200, 201, 400, 403, 404, 409, 499, 503)
REQUESTS = st.builds(
    RecordedRequest,
    st.just(0),
    st.sampled_from(("2026-01-01T00:59:00.000Z", "2026-01-01T01:00:00.000Z")),
    st.just("request"),
    st.sampled_from(KEYS),
    st.sampled_from(("createUser", "getUser", "bulk")),
    st.sampled_from(("GET", "POST")),
    st.sampled_from(PATHS),
    st.just(""),
    st.sampled_from(STATUSES),
    st.just(5),
    st.just("127.0.0.1"),
    st.just("agent"),
    st.sampled_from(("", "a b")),
    st.sampled_from(RESOURCES),
    st.just("{}"),
    st.sampled_from(("{}", '{"status":"403"}')),
)
LOGS = st.lists(REQUESTS, max_size=8).map(
    lambda kept: [request._replace(number=100 + n) for n, request in enumerate(kept)]
)
FILTERS = st.builds(
    RequestFilter,
    before=st.one_of(st.none(), st.integers(99, 109)),
    after=st.one_of(st.none(), st.integers(99, 109)),
    key=st.one_of(st.none(), st.sampled_from((*KEYS, "k3"))),
    status=st.one_of(st.none(), st.sampled_from((*STATUSES, 4, 5, 0, -1, 999, 10**30))),
    path=st.one_of(st.none(), st.sampled_from((*PATHS, "/U", "%", "_"))),
    resource=st.one_of(st.none(), st.sampled_from(RESOURCES)),
    failed=st.booleans(),
    limit=st.integers(1, 5),
)


def meets(request, wanted):
    digits = str(wanted.status)
    return (
        (wanted.before is None or request.number < wanted.before)
        and (wanted.after is None or request.number > wanted.after)
        and wanted.key in (None, request.key_id)
        and wanted.resource in (None, request.resource)
        and (not wanted.failed or request.status >= 400)
        and (wanted.path is None or request.path.startswith(wanted.path))
        and (
            wanted.status is None
            or (str(request.status)[0] if len(digits) == 1 else str(request.status)) == digits
        )
    )


def kept_in(bench, requests):
    store, workspace = RequestStore(bench.storage), bench.new_workspace().id
    if requests:
        bench.run(store.keep(workspace, requests))
    return store, workspace


ONE = RecordedRequest(
    100, "2026-01-01T00:00:00.000Z", "r", "k", "o", "GET", "/", "", 499, 5, "", "", "", "", "", ""
)


@given(LOGS, FILTERS)
@example([ONE], RequestFilter(status=4))
@example([ONE], RequestFilter(status=10**30))
def test_a_search_finds_the_newest_matching_requests(bench, requests, wanted):
    store, workspace = kept_in(bench, requests)
    expected = [request for request in reversed(requests) if meets(request, wanted)]
    assert bench.run(store.find(workspace, wanted)) == expected[: wanted.limit]


@given(LOGS)
def test_summaries_count_each_request_once(bench, requests):
    store, workspace = kept_in(bench, requests)
    quirky = [request for request in requests if request.quirks]
    assert bench.run(store.quirks(workspace)) == [
        (key, "a b", len(found), found[-1].number)
        for key in KEYS
        if (found := [request for request in quirky if request.key_id == key])
    ]
    failures = bench.run(store.failures(workspace))
    assert sum(row[3] for row in failures) == sum(request.status >= 400 for request in requests)
    refused = {
        key: found[-1].number
        for key in KEYS
        if (
            found := [
                request for request in requests if request.key_id == key and request.number > 101
            ]
        )
        and found[-1].status >= 400
    }
    assert dict(bench.run(store.refused_since(workspace, 101))) == refused
    doubles = [r.number for r in requests if r.operation == "createUser" and r.status == 409]
    assert [row[1] for row in bench.run(store.doubles(workspace))] == doubles[::-1]
    forbidden = [
        r.number
        for r in requests
        if r.status == 403 or (r.operation == "bulk" and r.status == 200 and '"403"' in r.answer)
    ]
    assert [row[3] for row in bench.run(store.forbidden(workspace))] == forbidden[::-1]


@given(LOGS, st.integers(0, 7), st.sampled_from((1, 3600)))
def test_outcomes_count_each_request_once_in_its_part(bench, requests, first, seconds):
    """Requests are spread over some hours; some of them are before the first one."""
    apart = [r._replace(number=number_of(1800 * n, n)) for n, r in enumerate(requests)]
    _, workspace = kept_in(bench, apart)
    figures, since = RequestFigures(bench.storage), number_of(1800 * first)
    wanted = [request for request in apart if request.number >= since]
    expected = Counter()
    for n, request in enumerate(apart):
        if request in wanted:
            place = (1800 * n // seconds, request.key_id)
            expected[place, "total"] += 1
            expected[place, "refused"] += 400 <= request.status < 500
            expected[place, "errors"] += request.status >= 500
    found = bench.run(figures.outcomes(workspace, since, seconds))
    counted = {
        ((row.part, row.key_id), name): getattr(row, name)
        for row in found
        for name in ("total", "refused", "errors")
    }
    assert counted == dict(expected)
    assert {row.unauthorized for row in found} <= {0}
    latest = max((request.number for request in apart), default=0)
    assert bench.run(figures.extent(workspace)) == (len(apart), latest)
    assert bench.run(figures.oldest(workspace)) == min((r.number for r in apart), default=None)
    failed = {r.key_id: (r.number, r.status) for r in apart if r.status >= 400}
    assert bench.run(figures.last_refusals(workspace)) == failed
    assert all(
        time_of(r.number) == f"1970-01-01T{n // 2:02}:{n % 2 * 30:02}:00.000Z"
        for n, r in enumerate(apart)
    )


@given(LOGS, st.integers(1, 5), st.integers(99, 108))
def test_trimming_keeps_the_newest_rows_that_are_young_enough(bench, requests, rows, oldest):
    store, workspace = kept_in(bench, requests)
    bench.run(store.trim(workspace, rows, oldest))
    left = bench.run(store.find(workspace, RequestFilter()))
    assert [each.number for each in left] == [
        request.number for request in requests[::-1][:rows] if request.number >= oldest
    ]


@given(LOGS, st.sampled_from(KEYS), st.sampled_from(RESOURCES), st.integers(99, 108))
def test_a_later_write_of_a_key_to_a_resource_is_known(bench, requests, key, resource, number):
    store, workspace = kept_in(bench, requests)
    assert bench.run(store.written_since(workspace, key, resource, number)) == any(
        request.key_id == key
        and request.resource == resource
        and request.number > number
        and request.status < 400
        and request.method != "GET"
        for request in requests
    )


def test_one_request_and_the_answers_of_several_are_read_by_number(bench):
    template = RecordedRequest(
        1, "2026-01-01T00:00:00.000Z", "r", "k", "o", "GET", "/", "", 200, 5, "", "", "", "", "", ""
    )
    requests = [template._replace(number=n, answer=f"answer {n}") for n in (1, 2, 3)]
    store, workspace = kept_in(bench, requests)
    assert bench.run(store.get(workspace, 2)) == requests[1]
    assert bench.run(store.get(workspace, 4)) is None
    assert sorted(bench.run(store.answers(workspace, [3, 1, 9]))) == [
        (1, "answer 1"),
        (3, "answer 3"),
    ]
    assert bench.run(store.answers(workspace, [])) == []
    other, elsewhere = kept_in(bench, [])
    assert bench.run(other.get(elsewhere, 2)) is None
    bench.run(store.keep(workspace, [requests[0]._replace(answer="another")]))
    assert bench.run(store.get(workspace, 1)) == requests[0]


def test_numbers_are_in_the_order_of_time_and_distinct_within_a_microsecond():
    seconds = (1.0, 1.0 + 2**-19, 1.0 + 2**-18)  # exact, and more than a microsecond apart
    numbers = [number_of(each, nth) for each, nth in itertools.product(seconds, range(64))]
    assert numbers == sorted(set(numbers))

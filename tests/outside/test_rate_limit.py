"""429 as the published page has it, right across workers."""

import concurrent.futures
import time

import pytest

from tests.conftest import DATABASES, client_of
from tests.support.people import name
from tests.support.server import Server
from tests.support.waiting import until


@pytest.fixture(scope="module", params=list(DATABASES))
def limited(tmp_path_factory, request):
    options = {"MUSTER_RATE_LIMIT": "200", **DATABASES[request.param]()}
    with Server(tmp_path_factory.mktemp("limited"), "--workers", "2", **options) as server:
        yield server


def _in_one_minute(attempt):
    """Return the result of an attempt during which no minute ended: the limit is by the minute."""
    for _ in range(10):
        minute = time.time() // 60
        result = attempt()
        if time.time() // 60 == minute:
            return result
    raise AssertionError("each attempt took longer than a minute")


def test_the_limit_holds_over_workers_and_says_how_long(limited):
    def attempt():
        token = limited.key("limited")

        def work(_):
            with client_of(limited, token) as client:  # of its own, so that both workers have some
                return [client.get("/Users?count=0").status_code for _ in range(30)]

        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            found = [status for answered in pool.map(work, range(10)) for status in answered]
        with client_of(limited, token) as client:
            last = until(
                lambda: (answer := client.get("/Users?count=0")).status_code == 429 and answer
            )
        return found, last

    statuses, response = _in_one_minute(attempt)
    assert (
        195 <= statuses.count(200) <= 200
    )  # a worker may be left with a lease that no one comes to spend
    assert statuses.count(200) + statuses.count(429) == 300
    problem = response.json()
    assert response.status_code == problem["status"] == 429
    assert response.headers["content-type"] == "application/problem+json"
    members = {"type", "title", "status", "detail", "instance", "retryAfter"}
    assert set(problem) == members
    assert response.headers["retry-after"] == str(problem["retryAfter"])
    assert 0 < problem["retryAfter"] <= 60
    assert response.headers["x-request-id"] in problem["instance"]


def test_the_limit_changes_for_one_key_at_once(limited):
    def attempt():
        token = limited.key(own := name("own"), "--rate-limit", "2")
        with client_of(limited, token) as client:
            return own, token, [client.get("/Users?count=0").status_code for _ in range(3)]

    own, token, statuses = _in_one_minute(attempt)
    assert statuses == [200, 200, 429]
    limited.muster("keys", "set", own, "--rate-limit", "0")
    with client_of(limited, token) as client:
        assert until(
            lambda: client.get("/Users?count=0").status_code == 200
        )  # PostgreSQL takes up to a second to tell all
        assert [client.get("/Users?count=0").status_code for _ in range(300)] == [200] * 300

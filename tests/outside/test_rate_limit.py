"""429 as the published page has it, right across workers."""

import concurrent.futures
import time

import pytest

from tests.conftest import DATABASES, client_of
from tests.support.server import Server
from tests.support.waiting import until


@pytest.fixture(scope="module", params=list(DATABASES))
def limited(tmp_path_factory, request):
    options = {"MUSTER_RATE_LIMIT": "200", **DATABASES[request.param]()}
    with Server(tmp_path_factory.mktemp("limited"), "--workers", "2", **options) as server:
        yield server


def _early_in_a_minute():
    """Wait until enough of the minute is left: the limit counts by the minute."""
    left = 60 - time.time() % 60
    if left < 20:
        time.sleep(left + 0.1)


def test_the_limit_holds_over_workers_and_says_how_long(limited):
    token = limited.key("limited")
    _early_in_a_minute()

    def work(_):
        with client_of(
            limited, token
        ) as client:  # a connection of its own, so that both workers have some
            return [client.get("/Users?count=0").status_code for _ in range(30)]

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        statuses = [status for answered in pool.map(work, range(10)) for status in answered]
    assert (
        195 <= statuses.count(200) <= 200
    )  # a worker may be left with a lease that no one comes to spend
    assert statuses.count(200) + statuses.count(429) == 300
    with client_of(limited, token) as client:
        response = client.get("/Users?count=0")
    problem = response.json()
    assert response.status_code == problem["status"] == 429
    assert response.headers["content-type"] == "application/problem+json"
    members = {"type", "title", "status", "detail", "instance", "retryAfter"}
    assert set(problem) == members
    assert response.headers["retry-after"] == str(problem["retryAfter"])
    assert 0 < problem["retryAfter"] <= 60
    assert response.headers["x-request-id"] in problem["instance"]


def test_the_limit_changes_for_one_key_at_once(limited):
    token = limited.key("own", "--rate-limit", "2")
    _early_in_a_minute()
    with client_of(limited, token) as client:
        assert [client.get("/Users?count=0").status_code for _ in range(3)] == [200, 200, 429]
        limited.muster("keys", "set", "own", "--rate-limit", "0")
        assert until(
            lambda: client.get("/Users?count=0").status_code == 200
        )  # PostgreSQL takes up to a second to tell all
        assert [client.get("/Users?count=0").status_code for _ in range(300)] == [200] * 300

"""/metrics: bounded labels, and one exposition over all workers."""

import os
import re

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest

from muster.http.observe.metrics import MAX_WORKSPACES, OTHER, Metrics, Times
from muster.storage.port.engine import Pressure
from tests.conftest import client_of
from tests.support.people import person
from tests.support.server import Server
from tests.support.waiting import until


def _exposed(metrics):
    return generate_latest(metrics.collected(workspaces=True)).decode()


def _sum(text, name, **labels):
    """The sum of a metric over the lines that have these labels."""
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    lines = [
        line
        for line in text.splitlines()
        if re.match(rf"{name}[ {{]", line) and all(part in line for part in wanted)
    ]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def test_workspaces_beyond_the_bound_share_a_label():
    metrics = Metrics()
    for number in range(MAX_WORKSPACES + 50):
        for _ in range(2):
            connection = "default" if number % 2 else f"c{number}"
            metrics.observe("getUser", 200, f"w{number}\0{connection}", 0.001)
    text = _exposed(metrics)
    assert _sum(text, "muster_requests_total") == 2 * (MAX_WORKSPACES + 50)
    assert _sum(text, "muster_requests_total", workspace=OTHER) == 100
    assert _sum(text, "muster_requests_total", connection=OTHER) == 100
    assert _sum(text, "muster_requests_total", workspace="w1", connection="default") == 2
    assert len(set(re.findall(r'workspace="([^"]*)"', text))) == MAX_WORKSPACES + 1


def test_connections_of_one_workspace_beyond_the_bound_share_a_label_too():
    metrics = Metrics()
    for number in range(MAX_WORKSPACES + 5):
        metrics.observe("getUser", 200, f"w\0c{number}", 0.001)
    text = _exposed(metrics)
    assert _sum(text, "muster_requests_total", workspace="w") == MAX_WORKSPACES
    assert _sum(text, "muster_requests_total", workspace=OTHER, connection=OTHER) == 5


@pytest.mark.outside
@pytest.mark.parametrize("workers", ["1", "2"])
def test_only_the_operator_sees_workspace_names(tmp_path, workers):
    options = {"MUSTER_RATE_LIMIT": "0", "MUSTER_METRICS_TOKEN": "s3cret words"}
    with Server(tmp_path, "--workers", workers, **options) as server:
        server.muster("workspaces", "create", "acme-corp")
        for name in ("default", "acme-corp"):
            with client_of(server, server.key("k", "--workspace", name)) as client:
                assert client.get("/Users?count=0").status_code == 200

        def told(**headers):
            return httpx.get(f"{server.url}/metrics", headers=headers)

        asked = {"operation": "findUsers", "status": "200"}
        assert until(lambda: _sum(told().text, "muster_requests_total", **asked) == 2)
        open_, named = told(), told(authorization="Bearer s3cret words")
        assert (open_.status_code, named.status_code) == (200, 200)
        assert "workspace" not in re.sub("# .*", "", open_.text)
        assert "connection=" not in open_.text
        assert "acme-corp" not in open_.text
        assert _sum(named.text, "muster_requests_total", workspace="acme-corp", **asked) == 1
        kinds = [re.findall("^# TYPE .*", answer.text, re.MULTILINE) for answer in (open_, named)]
        assert kinds[0] == kinds[1]
        for wrong in ("Bearer other", "Bearer", "Basic s3cret words", "s3cret words"):
            refused = told(authorization=wrong.encode())
            assert (refused.status_code, "acme" in refused.text) == (401, False)
            assert refused.headers["www-authenticate"].startswith("Bearer")


def test_without_a_token_no_workspace_is_named(server):
    for headers in ({}, {"authorization": "Bearer x"}, {"authorization": "Bearer"}):
        answer = httpx.get(f"{server.url}/metrics", headers=headers)
        assert (answer.status_code, 'workspace="' in answer.text) == (200, False)


def test_queues_are_reported():
    metrics = Metrics()
    metrics.tell(3, Pressure(writes_waiting=5, searches_waiting=7, connections_in_use=9), 2)
    metrics.tell_size(11)
    metrics.committed(4)
    text = _exposed(metrics)
    told = {
        name: _sum(text, f"muster_{name}")
        for name in re.findall(r"^muster_(\w+) ", text, re.MULTILINE)
    }
    assert told["requests_in_flight"] == 3
    assert told["writes_waiting"] == 5
    assert told["searches_waiting"] == 7
    assert told["connections_in_use"] == 9
    assert told["database_bytes"] == 11
    assert (told["write_batch_size_sum"], told["write_batch_size_count"]) == (4, 1)


@pytest.mark.outside
def test_metrics_sum_live_workers_and_drop_dead_ones(tmp_path):
    with Server(
        tmp_path, "--workers", "2", MUSTER_RATE_LIMIT="0", MUSTER_METRICS_TOKEN="t"
    ) as server:
        token = server.key("k")
        for _ in range(40):
            with client_of(
                server, token
            ) as client:  # a connection each, so that both workers have some
                assert client.get("/Users?count=0").status_code == 200

        def told():
            headers = {"authorization": "Bearer t"}
            return httpx.get(f"{server.url}/metrics", headers=headers).text

        def asked():
            return _sum(told(), "muster_requests_total", operation="findUsers", workspace="default")

        assert until(lambda: asked() == 40)
        dead = server.workers()[0]
        os.kill(dead, 9)
        assert until(lambda: len(server.workers()) == 2 and dead not in server.workers())
        text = told()
        assert asked() == 40
        assert _sum(text, "muster_request_seconds_count", operation="findUsers") == 40
        assert _sum(text, "muster_build_info") == 1


@given(st.lists(st.floats(0, 20) | st.sampled_from([0.001, 0.01, 10.0]), max_size=100))
def test_observe_all_equals_single_observations(seconds):
    made = [
        Times("t", "Times.", ("operation",), buckets=(0.001, 0.01, 10.0), registry=None).labels(
            "get"
        )
        for _ in range(2)
    ]
    for one in seconds:
        made[0].observe(one)
    made[1].observe_all(seconds)
    one_by_one, at_once = (
        {(s.name, *s.labels.values()): s.value for m in each.collect() for s in m.samples}
        for each in made
    )
    assert at_once.keys() == one_by_one.keys()
    for name, value in one_by_one.items():
        assert at_once[name] == pytest.approx(value) or name[0].endswith("_created")


def test_metrics_count_requests(server, client):
    client.get("/Users?count=0")
    client.post("/Users", json=person())
    text = httpx.get(f"{server.url}/metrics").text
    assert 'muster_request_seconds_count{operation="findUsers",status="200"}' in text
    assert 'muster_requests_total{operation="findUsers",status="200"}' in text
    assert "muster_write_batch_size_count" in text
    for gauge in (
        "requests_in_flight",
        "writes_waiting",
        "searches_waiting",
        "connections_in_use",
        "database_bytes",
    ):
        assert f"\nmuster_{gauge}" in text
    size = re.search(r"^muster_database_bytes\S* (\S+)", text, re.MULTILINE)
    assert float(size[1]) > 10_000

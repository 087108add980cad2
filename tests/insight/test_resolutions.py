"""Findings of the doctor that are marked as resolved, and their trends."""

import re

import pytest

from muster.access.permissions import SCIM
from muster.insight.doctor import Refusal, trend
from tests.console.browsing import Visitor, invitation
from tests.support.people import name, person
from tests.support.tenant import problem


@pytest.fixture(scope="module")
def root(server):
    made = Visitor(server).accept(invitation(server), name("doctor"))
    yield made
    made.close()


def refusals(fresh):
    return fresh.api.get("/doctor").json()["refusals"]


def notes(fresh, action):
    rows = fresh.api.get("/audit?limit=1000").json()["rows"]
    return [(row["type"], row["document"]["name"]) for row in rows if row["action"] == action]


def test_a_resolved_finding_comes_back_if_it_happens_again(fresh):
    fresh.scim.get("/Users/nobody")
    fresh.recorded(1)
    (finding,) = refusals(fresh)
    assert (finding["resolved"], finding["trend"]) == (None, [0] * 6 + [1])
    assert finding["latestRequest"] == fresh.recorded(1)[0]["number"]
    path = f"/doctor/{finding['id']}"
    assert fresh.api.post(f"{path}/resolve").status_code == 204
    (resolved,) = refusals(fresh)
    assert resolved["resolved"]
    problem(fresh.api.post(f"{path}/resolve"), 404)
    fresh.scim.post("/Users", json=person(active="perhaps"))
    fresh.recorded(2)
    assert [item["resolved"] is None for item in refusals(fresh)] == [True, False]
    fresh.scim.get("/Users/nobody")
    fresh.recorded(3)
    again = {item["id"]: item for item in refusals(fresh)}[finding["id"]]
    assert (again["resolved"], again["count"], again["trend"][-1]) == (None, 2, 2)
    problem(fresh.api.post(f"{path}/reopen"), 404)
    assert notes(fresh, "resolve") == [("Finding", "getUser 404: Not found")]


def test_a_resolution_can_be_undone(root, fresh):
    base = f"/w/{fresh.name}"
    user = fresh.user()
    fresh.scim.post("/Users", json=person(user["userName"]))
    fresh.recorded(2)
    page = root.get(f"{base}/doctor").text
    assert "Show resolved" not in page
    for path in re.findall(r'action="([^"]+/resolve)"', page):
        assert "It comes back if it happens again" in root.submit(path).text
    page = root.get(f"{base}/doctor").text
    assert "createUser" not in page
    assert "Show resolved (2)" in page
    shown = root.get(f"{base}/doctor", resolved="1").text
    paths = re.findall(r'action="([^"]+/reopen)"', shown)
    assert len(paths) == 2
    for path in paths:
        root.submit(path)
    assert "createUser" in root.get(f"{base}/doctor").text
    found = fresh.api.get("/doctor").json()
    assert [item["resolved"] for item in (*found["refusals"], *found["lostUsers"])] == [None] * 2
    assert len(notes(fresh, "reopen")) == 2


def test_the_key_of_a_provider_cannot_hide_its_own_findings(fresh):
    with fresh.client(fresh.key("--permission", SCIM), "/scim/v2") as provider:
        provider.get("/Users/nobody")
    fresh.recorded(1)
    (finding,) = refusals(fresh)
    with fresh.client(fresh.key("--permission", SCIM), "/api/v1") as provider:
        problem(provider.post(f"/doctor/{finding['id']}/resolve"), 403)


def test_findings_of_different_keys_are_resolved_apart(fresh):
    for _ in range(2):
        with fresh.client(fresh.key("--permission", SCIM), "/scim/v2") as provider:
            provider.get("/Users/nobody")
    fresh.recorded(2)
    first, second = refusals(fresh)
    fresh.api.post(f"/doctor/{first['id']}/resolve")
    state = {item["id"]: item["resolved"] is not None for item in refusals(fresh)}
    assert state == {first["id"]: True, second["id"]: False}


def test_a_trend_covers_the_last_seven_days():
    days = {93: 9, 94: 1, 97: 2, 100: 3, 101: 4}
    assert trend(Refusal("k", "o", 404, 19, 1, days=days), 100) == [1, 0, 0, 2, 0, 0, 3]

"""The page of the doctor."""

import re

import pytest

from muster.access.permissions import SCIM
from tests.console.browsing import Visitor, invitation, invited
from tests.insight.test_resolutions import notes
from tests.support.people import name, person, replace


def test_the_doctor_links_to_the_page_that_cures_each_cause(server, root, fresh):
    """An administrator gets no link to a page that they may not open."""
    user = fresh.user()
    fresh.scim.post("/Users", json=person(user["userName"]))
    fresh.api.patch("/settings", json={"automaticProvisioning": False})
    fresh.scim.post("/Users", json=person())
    fresh.recorded(3)
    base = f"/w/{fresh.name}"
    shown = root.get(f"{base}/doctor").text
    table = shown.partition("Failed requests")[2]
    assert "<small>Unique value</small>" in table
    assert "<small>Provisioning switch</small>" in table
    assert f'href="{base}/users">Search the users' in table
    assert f'href="{base}/settings">Open Settings' in table
    limited = invited(server, fresh.name, SCIM)
    table = limited.get(f"{base}/doctor").text.partition("Failed requests")[2]
    limited.close()
    assert f'href="{base}/users">Search the users' in table
    assert "Open Settings" not in table


def test_the_doctor_finds_lost_users(root, fresh):
    lost, found = fresh.user(), fresh.user()
    for _ in range(2):
        for user in (lost, found):
            fresh.scim.post("/Users", json=person(user["userName"].upper()))
    fresh.recorded(6)
    fresh.scim.patch(f"/Users/{found['id']}", json=replace("title", "x"))
    fresh.recorded(7)
    told = fresh.api.get("/doctor").json()["lostUsers"]
    assert [(item["user"], item["count"]) for item in told] == [(lost["id"], 2)]
    page = root.get(f"/w/{fresh.name}/doctor").text
    assert f"/users/{lost['id']}" in page
    assert f"/users/{found['id']}" not in page
    seen = fresh.api.get("/overview").json()
    assert (seen["users"], seen["active"], seen["failed"]) == (2, 2, 4)
    assert any("4 requests failed in the last 24 hours" in said for said in seen["attention"])


@pytest.fixture(scope="module")
def root(server):
    made = Visitor(server).accept(invitation(server), name("doctor"))
    yield made
    made.close()


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
    assert "Create user" not in page
    assert "Show resolved (2)" in page
    shown = root.get(f"{base}/doctor", resolved="1").text
    paths = re.findall(r'action="([^"]+/reopen)"', shown)
    assert len(paths) == 2
    for path in paths:
        root.submit(path)
    assert "Create user" in root.get(f"{base}/doctor").text
    found = fresh.api.get("/doctor").json()
    assert [item["resolved"] for item in (*found["refusals"], *found["lostUsers"])] == [None] * 2
    assert len(notes(fresh, "reopen")) == 2

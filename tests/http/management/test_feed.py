"""/api/v1/changes and /api/v1/audit."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from muster.scim.schema.model import GROUP
from tests.support.people import group, name, patch, replace
from tests.support.tenant import problem


def told(tenant, **parameters):
    answer = tenant.api.get("/changes", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_feed_lists_changes_in_order(fresh):
    start = told(fresh, cursor="end")["cursor"]
    user = fresh.user(title="a")
    path = f"/Users/{user['id']}"
    fresh.scim.patch(
        path, json=patch({"op": "replace", "value": {"title": "b", "name": {"givenName": "B"}}})
    )
    fresh.scim.patch(path, json=replace("active", False))
    fresh.scim.patch(path, json=replace("title", "b"))  # changes nothing
    fresh.scim.patch(path, json=replace("active", True))
    made = fresh.scim.post("/Groups", json=group(None, user)).json()
    fresh.scim.patch(f"/Groups/{made['id']}", json=replace("displayName", name("group")))
    fresh.scim.delete(path)
    fresh.scim.delete(f"/Groups/{made['id']}")
    page = told(fresh, cursor=start)
    assert [event["type"] for event in page["events"]] == [
        "user.created", "user.updated", "user.updated", "user.deactivated", "user.updated", "user.reactivated", "group.created",
        "group.member_added", "group.updated", "user.deleted", "group.member_removed", "group.deleted",
    ]  # fmt: skip
    events = page["events"]
    assert events[1]["attributes"] == ["name", "title"]
    assert events[2]["attributes"] == ["active"]
    assert events[7]["members"] == events[10]["members"] == [user["id"]]
    assert events[0]["resource"]["userName"] == user["userName"]
    assert events[9]["resource"]["id"] == user["id"]
    assert len({event["id"] for event in events}) == len(events)
    assert page["more"] is False
    assert told(fresh, cursor=page["cursor"])["events"] == []


def test_the_feed_skips_and_doubles_nothing_from_page_to_page(fresh):
    users = [fresh.user()["id"] for _ in range(7)]
    seen, cursor, more = [], "", True
    while more:
        page = told(fresh, cursor=cursor, limit=2)
        seen += [event["resourceId"] for event in page["events"]]
        cursor, more = page["cursor"], page["more"]
    assert seen == users


def test_the_feed_waits_for_new_changes(fresh):

    cursor = told(fresh, cursor="end")["cursor"]
    assert told(fresh, cursor=cursor, wait=1)["events"] == []
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(told, fresh, cursor=cursor, wait=30)
        user = fresh.user()
        assert [event["resourceId"] for event in waiting.result(40)["events"]] == [user["id"]]


@pytest.mark.parametrize(
    "query", ["cursor=x", "cursor=" + "a" * 200, "limit=x", "wait=x", "page=1", "cursor=%C3%A9"]
)
def test_a_wrong_question_of_the_feed(tenant, query):
    problem(tenant.api.get(f"/changes?{query}"), 400)


def test_custom_secrets_stay_out_of_the_audit_log(fresh):
    user = fresh.user(password="very secret words")
    key = fresh.api.post("/keys", json={"name": name("k")}).json()
    text = fresh.api.get("/audit?limit=1000").text
    assert user["id"] in text
    assert "very secret words" not in text
    assert key["token"] not in text
    assert GROUP not in text

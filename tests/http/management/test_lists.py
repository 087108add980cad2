"""Lists of the management REST: their form, and exact paging by cursor."""

import pytest

from muster.access.permissions import SCIM
from tests.support.people import name, replace
from tests.support.waiting import until


def pages(api, path, limit, **parameters):
    """The pages of a list, by its cursors."""
    cursor = ""
    while cursor is not None:
        answer = api.get(path, params={"limit": limit, "cursor": cursor, **parameters})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert list(page)[:2] == ["items", "nextCursor"]
        yield page["items"]
        cursor = page["nextCursor"]


def all_of(api, path, limit, **parameters):
    found = list(pages(api, path, limit, **parameters))
    assert all(len(page) == limit for page in found[:-1])
    return [item for page in found for item in page]


def test_keys_page_by_page(fresh):
    made = [fresh.api.post("/keys", json={"name": f"k{n}"}).json()["id"] for n in range(6)]
    whole = fresh.api.get("/keys").json()
    assert whole["nextCursor"] is None
    assert {key["id"] for key in whole["items"]} > set(made)
    for limit in (1, 3, 7, 100):
        assert all_of(fresh.api, "/keys", limit) == whole["items"]


def test_a_key_created_between_pages_is_neither_skipped_nor_repeated(fresh):
    for number in range(3):
        fresh.api.post("/keys", json={"name": f"k{number}"})
    first = fresh.api.get("/keys?limit=2").json()
    fresh.api.post("/keys", json={"name": "late"})
    rest = all_of(fresh.api, "/keys", 2)[2:]
    assert fresh.api.get(f"/keys?limit=9&cursor={first['nextCursor']}").json()["items"] == rest


def test_role_mappings_page_by_page(fresh):
    for number in range(5):
        body = {"idpValue": f"v{number}", "role": {"role": "r", "tag": str(number) or None}}
        assert fresh.api.post("/scim/role-mappings", json=body).status_code == 201
    fresh.api.post("/scim/role-mappings", json={"idpValue": "v3", "role": {"role": "r"}})
    whole = fresh.api.get("/scim/role-mappings").json()["items"]
    assert len(whole) == 6
    for limit in (1, 4):
        assert all_of(fresh.api, "/scim/role-mappings", limit) == whole
    first, *_ = pages(fresh.api, "/scim/role-mappings", 2)
    cursor = fresh.api.get("/scim/role-mappings?limit=2").json()["nextCursor"]
    fresh.api.delete(f"/scim/role-mappings/{first[1]['id']}")  # the one that the cursor names
    rest = fresh.api.get(f"/scim/role-mappings?cursor={cursor}").json()["items"]
    assert rest == whole[2:]


def test_requests_page_by_page_and_by_their_numbers(fresh):
    for _ in range(5):
        fresh.user()
    whole = fresh.recorded(5)
    for limit in (2, 5, 50):
        assert all_of(fresh.api, "/requests", limit) == whole
    before = fresh.api.get("/requests", params={"before": whole[1]["number"]}).json()["items"]
    assert before == whole[2:]
    assert all_of(fresh.api, "/requests", 2, status=409) == []


def test_history_page_by_page(fresh):
    user = fresh.user(title="0")
    for number in range(1, 5):
        fresh.scim.patch(f"/Users/{user['id']}", json=replace("title", str(number)))
    path = f"/history/{user['id']}"
    whole = fresh.api.get(path).json()
    assert whole["nextCursor"] is None
    titles = [change["resource"]["title"] for change in whole["items"]]
    assert titles == ["4", "3", "2", "1", "0"]
    for limit in (1, 2, 5):
        assert all_of(fresh.api, path, limit) == whole["items"]
    former = fresh.api.get(path, params={"before": whole["items"][0]["change"]}).json()
    assert former["items"] == whole["items"][1:]


def test_deliveries_page_by_page(fresh):
    hook = fresh.api.post("/webhooks", json={"url": "http://127.0.0.1:1/nobody"}).json()
    event = fresh.api.get("/changes").json()["items"]
    assert event == []
    fresh.user()
    (event,) = fresh.api.get("/changes").json()["items"]
    path = f"/webhooks/{hook['id']}/deliveries"
    for _ in range(4):
        sent = fresh.api.post(f"/webhooks/{hook['id']}/redeliver", json={"event": event["id"]})
        assert sent.json()["status"] is None
    assert until(lambda: len(fresh.api.get(path).json()["items"]) >= 4)
    whole = fresh.api.get(path).json()["items"]
    found = all_of(fresh.api, path, 2)
    assert found[-len(whole) :] == whole  # another attempt may have been made meanwhile


@pytest.mark.parametrize(("path", "former"), [("/changes", "events"), ("/audit", "rows")])
def test_the_feed_and_the_audit_log_have_their_former_names_too(fresh, path, former):
    fresh.user()
    page = fresh.api.get(path).json()
    assert list(page) == ["items", "nextCursor", "more", former, "cursor"]
    assert page["items"] == page[former] != []
    assert page["nextCursor"] == page["cursor"]
    assert fresh.api.get(path, params={"cursor": page["nextCursor"]}).json()["items"] == []


def test_lists_that_come_whole(fresh):
    fresh.api.post("/roles", json={"name": name("role"), "permissions": [SCIM]})
    for path in ("/roles", "/webhooks", "/schemas", "/resource-types"):
        page = fresh.api.get(path).json()
        assert list(page) == ["items", "nextCursor"]
        assert page["nextCursor"] is None

"""Lists of the management REST: their form, and exact paging by cursor."""

import base64
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.access.permissions import SCIM
from muster.http.management.pages import page, read_cursor, write_cursor
from muster.http.wire.errors import InvalidRequest
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


positions = st.tuples(st.text(max_size=3), st.integers(-(2**63), 2**63 - 1))


@given(st.lists(positions, unique=True, max_size=12), st.integers(1, 5))
def test_pages_joined_are_the_list(elements, limit):
    elements.sort()
    found, cursor = [], ""
    while cursor is not None:
        taken, cursor = page(elements, lambda element: element, cursor, limit)
        assert len(taken) <= limit
        assert cursor is None or len(taken) == limit
        found += taken
    assert found == elements


@given(positions)
def test_a_cursor_is_read_as_it_was_written(position):
    assert read_cursor(write_cursor(position), ("", 0)) == position


def _encoded(parts):
    text = json.dumps(parts).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


_forged = st.text(max_size=20) | st.lists(
    st.integers(-(2**70), 2**70) | st.text(max_size=3) | st.booleans() | st.none(), max_size=3
).map(_encoded)


@given(_forged)
def test_a_forged_cursor_is_refused_or_a_position(cursor):
    for like in ((0,), ("", 0)):
        found = None
        with contextlib.suppress(InvalidRequest):
            found = read_cursor(cursor, like)
        if found is not None:
            assert [type(part) for part in found] == [type(part) for part in like]
            assert all(-(2**63) <= part < 2**63 for part in found if isinstance(part, int))


def test_the_error_names_the_cursor():
    with pytest.raises(InvalidRequest, match="Not a cursor of this list") as refused:
        read_cursor("x", (0,))
    assert [error.pointer for error in refused.value.errors] == ["/cursor"]


@pytest.mark.parametrize("number", [-(2**63), -1, 0, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**30])
def test_a_forged_number_is_never_an_error_of_the_server(fresh, number):
    hook = fresh.api.post("/webhooks", json={"url": "http://127.0.0.1:1/", "events": ["*"]}).json()
    for path in ("/requests", f"/webhooks/{hook['id']}/deliveries", "/keys"):
        answer = fresh.api.get(path, params={"cursor": _encoded([number])})
        assert answer.status_code in (200, 400), (path, answer.text)

"""The audit log: names and values, a time range, and exports that honour the filter."""

import json
import re
import time
from datetime import UTC, datetime

import pytest

from muster.access.permissions import SCIM
from tests.support.people import name, person, replace


def log(root, fresh, **asked):
    return root.get(f"/w/{fresh.name}/audit", **asked)


def lines(root, fresh, **asked):
    text = root.get(f"/w/{fresh.name}/audit/export.jsonl", **asked).text
    return [json.loads(line) for line in text.splitlines()]


def rows(page):
    return re.findall(r"<tr><td.*?</tr>", page.text, re.S)


def test_a_target_has_its_name_and_values(root, fresh):
    user = fresh.user(userName=name(), title="a")
    fresh.scim.patch(f"/Users/{user['id']}", json=replace("title", "b"))
    row = rows(log(root, fresh, type="User", action="update"))[0]
    assert f">{user['userName']}</a>" in row
    assert f"/users/{user['id']}" in row
    assert "title: a → b" in row


def test_a_setting_has_its_values_before_and_after(root, fresh):
    fresh.api.patch("/settings", json={"guardMode": "watch"})
    fresh.api.patch("/settings", json={"guardMode": "hold"})
    assert "guardMode: watch → hold" in rows(log(root, fresh, type="Settings"))[0]


def test_actors_have_names(root, fresh):
    made = fresh.api.post("/keys", json={"name": "okta", "permissions": [SCIM]}).json()
    client = fresh.client(made["token"], "/scim/v2")
    client.post("/Users", json=person())
    (row,) = rows(log(root, fresh, type="User"))
    assert 'data-label="Actor">key &#34;okta&#34;' in row
    assert f"key:{made['id']}" not in row
    client.close()


def test_a_decision_names_the_user(root, fresh):
    user = fresh.user(userName=name())
    fresh.api.patch("/settings", json={"guardMode": "hold", "guardShare": 0, "guardLeast": 0})
    fresh.scim.delete(f"/Users/{user['id']}")
    fresh.api.post(f"/guard/{user['id']}/keep")
    for action, word in (("hold", "Held for review"), ("keep", "Discarded")):
        (row,) = rows(log(root, fresh, action=action))
        assert word in row
        assert user["userName"] in row


@pytest.fixture
def three(fresh):
    """Three users, created one after another, and the moments between them."""
    found = []
    for _ in range(3):
        user = fresh.user(userName=name())
        time.sleep(0.01)  # the log has milliseconds
        found.append((user, datetime.now(UTC).isoformat()))
        time.sleep(0.01)
    return found


def test_a_time_range_selects_entries(root, fresh, three):
    (first, one), (second, two), (third, _) = three
    for asked, wanted in (
        ({"until": one}, [first]),
        ({"since": one, "until": two}, [second]),
        ({"since": two}, [third]),
        ({"since": one}, [third, second]),
        ({"since": "2999-01-01T00:00"}, []),
        ({"until": "2001-01-01T00:00"}, []),
    ):
        found = [row["resource"] for row in lines(root, fresh, type="User", **asked)]
        assert found == [user["id"] for user in reversed(wanted)], asked
        shown = rows(log(root, fresh, type="User", **asked))
        assert len(shown) == len(wanted), asked
        for row, user in zip(shown, wanted, strict=True):
            assert user["id"] in row


def test_an_export_honours_the_filter(root, fresh, three):
    fresh.scim.delete(f"/Users/{three[1][0]['id']}")
    found = lines(root, fresh, action="delete")
    assert [(row["action"], row["resource"]) for row in found] == [("delete", three[1][0]["id"])]
    assert {row["type"] for row in lines(root, fresh, type="ApiKey")} == {"ApiKey"}
    table = root.get(f"/w/{fresh.name}/audit/export.csv", action="delete").text
    assert len(table.splitlines()) == 2
    assert (
        "export.csv?type=User&amp;action=create"
        in log(root, fresh, action="create", type="User").text
    )


def test_a_time_that_cannot_be_read_is_named_beside_its_field(root, fresh):
    page = log(root, fresh, since="noon")
    assert page.status_code == 400
    assert 'id="wrong-since"' in page.text
    assert root.get(f"/w/{fresh.name}/audit/export.csv", until="x").status_code == 400


def test_older_entries_stay_within_the_range(root, fresh):
    time.sleep(0.01)
    start = datetime.now(UTC).isoformat()
    time.sleep(0.01)
    user = fresh.user(userName=name())
    for number in range(104):
        fresh.scim.patch(f"/Users/{user['id']}", json=replace("title", f"{number}"))
    page = log(root, fresh, since=start)
    assert len(rows(page)) == 100
    older = re.search(r'class="btn" href="([^"]+)">Older', page.text)[1].replace("&amp;", "&")
    page = root.get(older)
    assert len(rows(page)) == 5
    assert "Older" not in page.text


def test_the_audit_log_is_exported(root, fresh):
    fresh.user(userName=name("=cmd"))
    fresh.api.post("/keys", json={"name": "=1+1", "permissions": [SCIM]})
    base = f"/w/{fresh.name}/audit"
    lines = root.get(f"{base}/export.jsonl").text.splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["type"] for row in rows] == ["ApiKey", "User", "ApiKey"]
    assert all(re.fullmatch("[0-9a-f]{64}", row["hash"]) for row in rows)
    table = root.get(f"{base}/export.csv").text.splitlines()
    assert len(table) == 5  # and the entry of the export before
    assert table[0].startswith("time,actor,address")
    assert "create" in root.get(base, action="create").text
    assert "No matching entries" in root.get(base, type="Nothing").text


def test_the_audit_log_is_searched(root, fresh):
    """An administrator's acts are found among later changes, and actors have names."""
    base = f"/w/{fresh.name}/audit"
    fresh.api.post("/keys", json={"name": "the first", "permissions": [SCIM]})
    root.get(f"/w/{fresh.name}/keys")
    root.post(f"/w/{fresh.name}/keys", name="by hand", permission=SCIM)
    user = fresh.user()
    for number in range(110):
        fresh.scim.patch(f"/Users/{user['id']}", json=replace("title", f"{number}"))
    page = root.get(base, actor="admin:").text
    assert re.search('data-label="Actor">[^<@:]+@[^<:]+<', page)
    assert page.count("<tr>") == 2
    assert "Older" not in page
    assert root.get(base, actor="key:", type="ApiKey").text.count("<tr>") == 2
    newest = root.get(base).text
    assert newest.count("<tr>") == 101
    assert "Older" in newest
    rows = fresh.api.get("/audit", params={"actor": "admin:"}).json()["rows"]
    assert [(row["type"], row["action"]) for row in rows] == [("ApiKey", "create")]
    assert fresh.api.get("/audit", params={"actors": "x"}).status_code == 400

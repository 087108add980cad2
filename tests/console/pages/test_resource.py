"""The page of a user or group: history, past states, restoring."""

import re

import pytest

from muster.access.permissions import RESTORE, SCIM, SETTINGS
from muster.scim.bulk import BULK_REQUEST
from tests.console.browsing import invited
from tests.support.people import group, replace
from tests.support.waiting import this_moment


def test_restoring_a_user_restores_its_groups(root, fresh):
    user = fresh.user(title="first", password="a secret of theirs")
    made = fresh.scim.post("/Groups", json=group(None, user)).json()
    fresh.scim.patch(f"/Users/{user['id']}", json=replace("title", "second"))
    path = f"/w/{fresh.name}/users/{user['id']}"
    page = root.get(path).text
    assert "first" in page
    sequences = re.findall(r'name="change" value="([^"]+)"', page)
    assert root.post(f"{path}/restore", change=sequences[-1]).status_code == 303
    back = fresh.scim.get(f"/Users/{user['id']}").json()
    assert (back["title"], back["meta"]["version"][:5]) == ("first", 'W/"3-')
    fresh.scim.delete(f"/Users/{user['id']}")
    page = root.get(path).text
    assert ">Deleted<" in page
    newest = re.findall(r'name="change" value="([^"]+)"', page)[0]
    assert root.post(f"{path}/restore", change=newest).status_code == 303
    again = fresh.scim.get(f"/Users/{user['id']}").json()
    assert again["title"] == "first"
    assert [item["value"] for item in again["groups"]] == [made["id"]]
    assert [
        item["value"] for item in fresh.scim.get(f"/Groups/{made['id']}").json()["members"]
    ] == [user["id"]]
    assert fresh.findings() == []
    root.get(path)
    other = fresh.api.get("/changes?cursor=end").json()["cursor"]
    assert root.post(f"{path}/restore", change=other).status_code in (303, 404)
    assert root.post(f"{path}/restore", change="x").status_code == 400


def test_restoring_a_group_restores_its_members(root, fresh):
    users = [fresh.user() for _ in range(3)]
    made = fresh.scim.post("/Groups", json=group(None, *users)).json()
    path = f"/w/{fresh.name}/groups/{made['id']}"
    fresh.scim.put(f"/Groups/{made['id']}", json=group("other"))
    fresh.scim.delete(f"/Groups/{made['id']}")
    first = re.findall(r'name="change" value="([^"]+)"', root.get(path).text)[-1]
    assert root.post(f"{path}/restore", change=first).status_code == 303
    back = fresh.scim.get(f"/Groups/{made['id']}").json()
    assert back["displayName"] == made["displayName"]
    assert {item["value"] for item in back["members"]} == {user["id"] for user in users}
    assert fresh.findings() == []


def test_a_user_is_viewed_and_restored_as_of_a_time(root, fresh):
    user = fresh.user(title="as it was")
    made = fresh.scim.post("/Groups", json=group("Crew of then", user)).json()
    then = this_moment()
    fresh.scim.patch(f"/Users/{user['id']}", json=replace("title", "as it is"))
    fresh.scim.delete(f"/Groups/{made['id']}")
    path = f"/w/{fresh.name}/users/{user['id']}"
    page = root.get(f"{path}?at={then}").text
    assert "As of" in page
    assert re.search(r">Crew of then</a> <small>deleted</small>", page)
    assert ">as it was</div></td>" in page
    whole = re.search(r'name="time" value="([^"]+)"', page)[1]
    assert root.post(f"{path}/restore", time=whole).status_code == 303
    assert fresh.scim.get(f"/Users/{user['id']}").json()["title"] == "as it was"
    assert "did not exist, or its history" in root.get(f"{path}?at=2020-01-01T00:00").text
    wrong = root.get(f"{path}?at=noon")
    assert (wrong.status_code, "At: expected a time such as" in wrong.text) == (400, True)
    assert root.get(f"{path}?before=x").status_code == 400


def test_restoring_a_group_names_deleted_members(root, fresh):
    user, other = fresh.user(), fresh.user()
    made = fresh.scim.post("/Groups", json=group("Crew", user, other)).json()
    path = f"/w/{fresh.name}/groups/{made['id']}"
    fresh.scim.put(f"/Groups/{made['id']}", json=group("Other"))
    fresh.scim.delete(f"/Users/{user['id']}")
    first = re.findall(r'name="change" value="([^"]+)"', root.get(path).text)[-1]
    answer = root.submit(f"{path}/restore", change=first)
    assert (answer.status_code, f"no longer exist: {user['id']}" in answer.text) == (200, True)
    assert [
        item["value"] for item in fresh.scim.get(f"/Groups/{made['id']}").json()["members"]
    ] == [other["id"]]


def test_members_and_history_are_paged(root, fresh):
    users = [fresh.user() for _ in range(130)]
    made = fresh.scim.post("/Groups", json=group("Crew", *users)).json()
    for number in range(60):
        fresh.scim.patch(f"/Groups/{made['id']}", json=replace("displayName", f"Crew {number}"))
    path = f"/w/{fresh.name}/groups/{made['id']}"
    page = root.get(path).text
    more = page
    for following, once in (
        ("Next page", r"/users/([0-9a-f-]{36})"),
        ("Older", r'name="change" value="([^"]+)"'),
    ):
        link = re.search(rf'href="([^"]+)">{following}<', page)[1].replace("&amp;", "&")
        more = root.get(link).text
        assert f">{following}<" not in more
        first, second = (set(re.findall(once, text)) for text in (page, more))
        assert not first & second
        assert len(first | second) in (130, 60)


def test_the_groups_of_a_user_are_paged(root, fresh):
    user = fresh.user()
    operations = [
        {"method": "POST", "path": "/Groups", "bulkId": str(number), "data": group(None, user)}
        for number in range(205)
    ]
    assert fresh.scim.post(
        "/Bulk", json={"schemas": [BULK_REQUEST], "Operations": operations}
    ).is_success
    path, found = f"/w/{fresh.name}/users/{user['id']}", set()
    for shown, more in ((100, "and 105 more"), (100, "and 5 more"), (5, None)):
        page = root.get(path).text
        ids = set(re.findall(r'<li><span><a href="[^"]*/groups/([0-9a-f-]{36})"', page))
        found |= ids
        assert (len(ids), page.count("&#34;$ref&#34;")) == (shown, shown)
        assert (more is None) == ("more</small>" not in page)
        assert more is None or more in page
        following = re.search(r'href="([^"]+)">Next page<', page)
        assert (following is None) == (more is None)
        path = following and following[1]
    assert len(found) == 205
    for odd in ("-1", "x", "9" * 40, "²"):
        assert root.get(f"/w/{fresh.name}/users/{user['id']}", groups=odd).status_code == 200


def test_restoring_a_user_rejects_a_taken_name(root, fresh):
    user = fresh.user()
    fresh.scim.delete(f"/Users/{user['id']}")
    fresh.user(user_name=user["userName"])
    path = f"/w/{fresh.name}/users/{user['id']}"
    newest = re.findall(r'name="change" value="([^"]+)"', root.get(path).text)[0]
    answer = root.post(f"{path}/restore", change=newest)
    assert (answer.status_code, "userName" in answer.text) == (409, True)


@pytest.mark.parametrize(
    "held",
    [(RESTORE, SCIM), (RESTORE, SCIM, SETTINGS)],
    ids=["restores", "restores and changes settings"],
)
def test_overriding_the_guard_requires_the_checkbox_and_permission(server, fresh, held):
    user = fresh.user(active=False)
    change = fresh.api.get(f"/history/{user['id']}").json()["items"][0]["change"]
    fresh.scim.patch(f"/Users/{user['id']}", json=replace("active", True))
    fresh.api.patch(
        "/settings",
        json={
            "guardMode": "hold",
            "guardShare": 0,
            "guardLeast": 0,
            "automaticDeprovisioning": False,
        },
    )
    admin = invited(server, fresh.name, *held)
    page, form = (
        f"/w/{fresh.name}/users/{user['id']}",
        f"/w/{fresh.name}/users/{user['id']}/restore",
    )
    assert ('name="override"' in admin.get(page).text) == (SETTINGS in held)
    assert admin.post(form, change=change).status_code == 403
    assert fresh.scim.get(f"/Users/{user['id']}").json()["active"] is True
    overridden = admin.post(form, change=change, override="on")
    assert overridden.status_code == (303 if SETTINGS in held else 403)
    assert fresh.scim.get(f"/Users/{user['id']}").json()["active"] is (SETTINGS not in held)
    rows = [
        row
        for row in fresh.api.get("/audit", params={"limit": 1000}).json()["rows"]
        if row["action"] == "override"
    ]
    assert [row["actor"] for row in rows] == ([f"admin:{admin.email}"] if SETTINGS in held else [])
    admin.close()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"guardMode": "watch"}, ""),
        ({"guardMode": "hold"}, "Override the deprovisioning guard<"),
        ({"automaticDeprovisioning": False}, "Override the automatic provisioning settings<"),
    ],
)
def test_overriding_is_offered_only_where_something_could_refuse(root, fresh, settings, named):
    user = fresh.user()
    fresh.api.patch("/settings", json=settings)
    page = root.get(f"/w/{fresh.name}/users/{user['id']}").text
    assert ('name="override"' in page) == bool(named)
    assert named in page
    assert ("Without this tick, the change may be held" in page) == bool(named)


def test_a_deleted_user_is_restored_with_the_button_at_the_top(root, fresh):
    user = fresh.user()
    crew = fresh.scim.post("/Groups", json=group(None, user)).json()
    path = f"/w/{fresh.name}/users/{user['id']}"
    root.get(path)
    page = root.submit(f"{path}/delete").text
    head = page[page.index('class="page-head"') : page.index("<p><code")]
    token = re.search(r'name="change" value="([^"]+)"', head)[1]
    assert "Restore the state before the deletion" in page
    assert root.post(f"{path}/restore", change=token).status_code == 303
    back = fresh.scim.get(f"/Users/{user['id']}").json()
    assert [each["value"] for each in back["groups"]] == [crew["id"]]
    assert 'name="change"' not in root.get(path).text.partition("<p><code")[0]


def test_a_restore_names_who_has_the_user_name_now(root, fresh):
    user = fresh.user()
    path = f"/w/{fresh.name}/users/{user['id']}"
    root.get(path)
    page = root.submit(f"{path}/delete").text
    again = fresh.user(userName=user["userName"].upper(), displayName="Bea Ox")
    token = re.search(r'name="change" value="([^"]+)"', page)[1]
    refused = root.post(f"{path}/restore", change=token)
    assert refused.status_code == 409
    assert f'/users/{again["id"]}">Open Bea Ox, who has this Username now' in refused.text

"""Role mappings: whom a change affects is shown before it is made."""

import re

import pytest

from muster.access.permissions import IDENTITY_MAPPINGS
from tests.console.browsing import invited


def users_in(page):
    return re.findall(r"/users/([\da-f-]{36})\"", page.partition("<main")[2])


def test_a_mapping_is_added_and_removed_after_showing_whom_it_affects(root, fresh):
    path = f"/w/{fresh.name}/role-mappings"
    root.get(path)
    first, _ = fresh.user(roles=[{"value": "eng"}]), fresh.user(roles=[{"value": "sales"}])
    fresh.user(roles=[{"value": "ENG"}])  # a mapping compares exactly
    review = root.post(path, idpValue="eng", role="Engineer")
    assert (review.status_code, users_in(review.text)) == (200, [first["id"]])
    assert "1 user gets the role" in review.text
    assert fresh.api.get("/scim/role-mappings").json()["items"] == []
    assert root.post(path, idpValue="eng", role="Engineer", reviewed="on").status_code == 303
    assert "exists already" in root.post(path, idpValue="eng", role="Engineer").text
    mapping = fresh.api.get("/scim/role-mappings").json()["items"][0]
    removal = root.post(f"{path}/{mapping['id']}/remove").text
    assert "1 user loses the role" in removal
    assert users_in(removal) == [first["id"]]
    assert len(fresh.api.get("/scim/role-mappings").json()["items"]) == 1
    assert root.post(f"{path}/none/remove").status_code == 404
    fresh.api.post("/scim/role-mappings", json={"idpValue": "dev", "role": {"role": "Engineer"}})
    both = fresh.user(roles=[{"value": "eng"}, {"value": "dev"}])
    removal = root.post(f"{path}/{mapping['id']}/remove").text
    assert users_in(removal) == [first["id"]]  # another mapping grants the role to the other
    assert "2 users have the value" in removal
    assert both["id"] not in removal
    assert root.post(f"{path}/{mapping['id']}/remove", reviewed="on").status_code == 303


@pytest.mark.parametrize("value", ['a "quoted" value', "back\\slash", "Größe"])
def test_a_mapping_that_affects_nobody_says_so(root, fresh, value):
    path = f"/w/{fresh.name}/role-mappings"
    root.get(path)
    assert "No user is affected now" in root.post(path, idpValue=value, role="Engineer").text


def test_who_may_not_read_users_changes_mappings_without_a_preview(server, fresh):
    path = f"/w/{fresh.name}/role-mappings"
    user = fresh.user(roles=[{"value": "eng"}])
    admin = invited(server, fresh.name, IDENTITY_MAPPINGS)
    admin.get("/account")
    answer = admin.post(path, idpValue="eng", role="Engineer")
    assert (answer.status_code, user["id"] in answer.text) == (303, False)
    admin.close()


def test_the_preview_of_the_api_counts_roles_gained_and_lost(fresh):
    old = {"idpValue": "eng", "role": {"role": "Engineer"}}
    mapping = fresh.api.post("/scim/role-mappings", json=old).json()
    user = fresh.user(roles=[{"value": "eng"}])
    fresh.user(roles=[{"value": "ops"}])
    change = {
        "add": [
            {"idpValue": "eng", "role": {"role": "Developer", "tag": "eu"}},
            {"idpValue": "ops", "role": {"role": "Operator"}},
        ],
        "remove": [mapping["id"]],
    }
    preview = fresh.api.post("/scim/role-mappings/preview", json=change).json()
    named = preview.pop("users")
    numbers = {"matched": 2, "affected": 2, "gaining": 2, "losing": 1}
    assert preview == {**numbers, "complete": True}
    assert named[0] == {
        "id": user["id"],
        "userName": user["userName"],
        "displayName": user.get("displayName"),
        "gained": [{"role": "Developer", "tag": "eu"}],
        "lost": [{"role": "Engineer", "tag": None}],
    }
    assert fresh.api.get("/scim/role-mappings").json()["items"] == [mapping]
    nothing = fresh.api.post("/scim/role-mappings/preview", json={}).json()
    assert (nothing["matched"], nothing["affected"], nothing["users"]) == (0, 0, [])
    gone = fresh.api.post("/scim/role-mappings/preview", json={"remove": ["0" * 24]})
    assert gone.status_code == 404


def test_a_role_mapping_is_added_and_removed(root, fresh):
    base = f"/w/{fresh.name}"
    root.get(f"{base}/settings")
    assert (
        root.post(
            f"{base}/role-mappings", idpValue="<b>eng", role="Engineer", tag="x", reviewed="on"
        ).status_code
        == 303
    )
    page = root.get(f"{base}/role-mappings").text
    assert "&lt;b&gt;eng" in page
    assert "idpValue" in root.post(f"{base}/role-mappings", idpValue=" ", role="Engineer").text
    user = fresh.user(roles=[{"value": "<b>eng"}])
    assert fresh.api.get(f"/users/{user['id']}/roles").json()["roles"][0]["role"] == "Engineer"
    remove = re.search(rf'action="({base}/role-mappings/\w+/remove)"', page)[1]
    assert root.post(remove, reviewed="on").status_code == 303
    assert fresh.api.get(f"/users/{user['id']}/roles").json()["roles"] == []

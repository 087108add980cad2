"""Protected users in the console."""

import pytest

from muster.access.permissions import SCIM
from tests.console.browsing import invited


@pytest.fixture
def user(fresh):
    return fresh.user(displayName="Ada Lovelace")


def test_a_user_is_protected_from_their_page_and_listed(root, fresh, user):
    base = f"/w/{fresh.name}"
    root.get(f"{base}/users/{user['id']}")
    page = root.submit(f"{base}/users/{user['id']}/protect", reason="Emergency access")
    assert "Ada Lovelace is protected from deactivation." in page.text
    assert "Protected from deactivation</span>" in page.text
    listed = root.get(f"{base}/protected-users").text
    assert "Ada Lovelace" in listed
    assert "Emergency access" in listed
    page = root.submit(f"{base}/users/{user['id']}/unprotect", **{"from": "list"})
    assert "Provisioning may deactivate and delete this user again." in page.text
    assert "Ada Lovelace" not in page.text


def test_a_user_is_protected_by_their_name(root, fresh, user):
    path = f"/w/{fresh.name}/protected-users"
    root.get(path)
    page = root.submit(path, userName=user["userName"].upper(), reason="")
    assert "Ada Lovelace" in page.text
    answer = root.post(path, userName="nobody@example.com")
    assert answer.status_code == 400
    assert "No user has this user name" in answer.text


def test_an_administrator_takes_their_access_only_on_purpose(root, fresh, user):
    base = f"/w/{fresh.name}/users/{user['id']}"
    fresh.api.put(f"/protected-users/{user['id']}", json={})
    assert "Override the protection of this user" in root.get(base).text
    assert "is a protected user" in root.submit(f"{base}/deactivate").text
    root.submit(f"{base}/deactivate", override="on")
    assert fresh.scim.get(f"/Users/{user['id']}").json()["active"] is False
    rows = fresh.api.get("/audit", params={"action": "override"}).json()["items"]
    assert [row["resource"] for row in rows] == [user["id"]]
    assert "Overridden" in root.get(base).text


def test_who_may_not_change_settings_cannot_protect(server, fresh, user):
    admin = invited(server, fresh.name, SCIM)
    base = f"/w/{fresh.name}/users/{user['id']}"
    assert f"{base}/protect" not in admin.get(base).text
    assert admin.post(f"{base}/protect").status_code == 403
    admin.close()


def test_the_guard_shows_which_users_are_protected(root, fresh, user):
    fresh.api.put(f"/protected-users/{user['id']}", json={})
    assert fresh.scim.delete(f"/Users/{user['id']}").status_code == 403
    page = root.get(f"/w/{fresh.name}/guard").text
    assert user["userName"] in page
    assert "Protected from deactivation</span>" in page

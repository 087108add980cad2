"""Users and groups are created, changed and deleted in the console, as SCIM requests of the administrator."""

import re

import pytest

from muster.access.permissions import AUDIT, SCIM
from muster.scim.schema.model import ENTERPRISE_USER
from tests.console.browsing import invited
from tests.support.people import group, name, person, replace


def fields_of(page):
    """The fields of the page's edit form, as a browser would send them."""
    form = page.text[page.text.index("<main") :]
    sent = {}
    for tag in re.findall(r"<input[^>]*>", form):
        found = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if found.get("type") not in ("checkbox", "search", "password") and "name" in found:
            sent[found["name"]] = found.get("value", "")
    for field, text in re.findall(r'<textarea[^>]* name="([^"]+)"[^>]*>([^<]*)</textarea>', form):
        sent[field] = text
    for field, options in re.findall(r'<select[^>]* name="([^"]+)"[^>]*>(.*?)</select>', form):
        chosen = re.search(r'value="([^"]*)" selected', options)
        sent[field] = chosen[1] if chosen else ""
    sent.pop("csrf", None)
    return sent


def latest(fresh):
    return fresh.api.get("/audit", params={"limit": 1000}).json()["items"][-1]


def test_a_user_is_created_as_the_administrator(root, fresh):
    user_name = name("made")
    root.get(f"/w/{fresh.name}/users/new")
    page = root.submit(
        f"/w/{fresh.name}/users/new",
        userName=user_name,
        password="a secret of theirs",
        **{
            "name.givenName": "Zoe",
            "emails.rows": "1",
            "emails.0.value": f"{user_name}@x.org",
            f"{ENTERPRISE_USER}:department": "Tours",
        },
    )
    assert f"Created {user_name}." in page.text
    found = fresh.scim.get("/Users", params={"filter": f'userName eq "{user_name}"'}).json()
    user = found["Resources"][0]
    assert user["name"] == {"givenName": "Zoe"}
    assert user["emails"] == [{"value": f"{user_name}@x.org"}]
    assert user[ENTERPRISE_USER] == {"department": "Tours"}
    assert user["active"] is True
    row = latest(fresh)
    assert (row["action"], row["actor"][:6]) == ("create", "admin:")
    assert fresh.api.post(
        "/passwords/verify", json={"userName": user_name, "password": "a secret of theirs"}
    ).status_code in (200, 404)


def test_an_edit_changes_its_own_attribute_alone(root, fresh):
    user = fresh.user(title="one", nickName="Z", roles=[{"value": "eng"}])
    path = f"/w/{fresh.name}/users/{user['id']}"
    sent = fields_of(root.get(f"{path}/edit"))
    assert (sent["title"], sent["nickName"]) == ("one", "Z")
    page = root.submit(f"{path}/edit", **{**sent, "title": "two"})
    assert "Changes saved." in page.text
    after = fresh.scim.get(f"/Users/{user['id']}").json()
    assert {**after, "title": "one", "meta": ""} == {**user, "meta": ""}
    assert after["meta"]["version"] == 'W/"2"'


def test_an_edit_without_a_change_writes_nothing(root, fresh):
    user = fresh.user(title="one")
    path = f"/w/{fresh.name}/users/{user['id']}"
    page = root.submit(f"{path}/edit", **fields_of(root.get(f"{path}/edit")))
    assert "Nothing to change." in page.text
    assert fresh.scim.get(f"/Users/{user['id']}").json() == user


def test_an_edit_does_not_undo_a_change_made_meanwhile(root, fresh):
    user = fresh.user(title="one")
    path = f"/w/{fresh.name}/users/{user['id']}"
    sent = fields_of(root.get(f"{path}/edit"))
    fresh.scim.patch(f"/Users/{user['id']}", json=replace("title", "theirs"))
    answer = root.post(f"{path}/edit", **{**sent, "title": "mine", "nickName": "typed"})
    assert answer.status_code == 412
    assert "Somebody else has changed this" in answer.text
    assert 'value="mine"' in answer.text
    assert 'value="typed"' in answer.text
    assert fresh.scim.get(f"/Users/{user['id']}").json()["title"] == "theirs"


def test_an_error_is_shown_beside_its_field_and_what_was_typed_is_kept(root, fresh):
    taken = fresh.user()["userName"]
    root.get(f"/w/{fresh.name}/users/new")
    answer = root.post(f"/w/{fresh.name}/users/new", userName=taken, title="kept")
    assert answer.status_code == 409
    assert 'aria-describedby="wrong-userName"' in answer.text
    assert 'value="kept"' in answer.text
    missing = root.post(f"/w/{fresh.name}/users/new", title="kept")
    assert missing.status_code == 400
    assert "userName" in missing.text


MANAGER = f"{ENTERPRISE_USER}:manager.value"


@pytest.mark.parametrize("by", ["userName", "emails", "id"])
def test_a_manager_is_named_by_user_name_address_or_id(root, fresh, by):
    address = name("boss")
    boss = fresh.user(emails=[{"value": address, "type": "work"}])
    user = fresh.user()
    path = f"/w/{fresh.name}/users/{user['id']}"
    given = address.upper() if by == "emails" else boss[by]
    sent = {**fields_of(root.get(f"{path}/edit")), MANAGER: given}
    assert root.post(f"{path}/edit", **sent).status_code == 303
    stored = fresh.scim.get(f"/Users/{user['id']}").json()
    assert stored[ENTERPRISE_USER]["manager"]["value"] == boss["id"]
    form = root.get(f"{path}/edit")
    assert fields_of(form)[MANAGER] == boss["userName"]
    again = root.submit(f"{path}/edit", **fields_of(form))
    assert "Nothing to change." in again.text


def test_a_manager_who_is_nobody_is_refused_beside_the_field(root, fresh):
    user = fresh.user()
    path = f"/w/{fresh.name}/users/{user['id']}/edit"
    sent = {**fields_of(root.get(path)), MANAGER: "nobody@example.com"}
    answer = root.post(path, **sent)
    assert answer.status_code == 400
    assert f'id="wrong-{MANAGER}">No user has this user name' in answer.text
    assert 'value="nobody@example.com"' in answer.text


def test_a_manager_whom_the_provider_has_not_sent_yet_is_kept(root, fresh):
    user = fresh.user(**{ENTERPRISE_USER: {"manager": {"value": "elsewhere"}}})
    path = f"/w/{fresh.name}/users/{user['id']}/edit"
    sent = {**fields_of(root.get(path)), "title": "Clerk"}
    assert root.post(path, **sent).status_code == 303
    stored = fresh.scim.get(f"/Users/{user['id']}").json()
    assert (stored["title"], stored[ENTERPRISE_USER]["manager"]["value"]) == ("Clerk", "elsewhere")


def test_a_leaver_is_cut_off_and_comes_back(root, fresh):
    user = fresh.user()
    path = f"/w/{fresh.name}/users/{user['id']}"
    assert "Deactivate" in root.get(path).text
    assert "loses access" in root.get(path).text
    page = root.submit(f"{path}/deactivate")
    assert "Deactivated" in page.text
    assert fresh.scim.get(f"/Users/{user['id']}").json()["active"] is False
    assert "Reactivated" in root.submit(f"{path}/reactivate").text
    assert fresh.scim.get(f"/Users/{user['id']}").json()["active"] is True
    assert "Deleted" in root.submit(f"{path}/delete").text
    assert fresh.scim.get(f"/Users/{user['id']}").status_code == 404
    assert "Restore this version" in root.get(path).text


@pytest.mark.parametrize("action", ["deactivate", "delete"])
def test_the_guard_holds_an_administrator_until_they_override_it(root, fresh, action):
    user = fresh.user()
    fresh.api.patch("/settings", json={"guardMode": "hold", "guardShare": 0, "guardLeast": 0})
    path = f"/w/{fresh.name}/users/{user['id']}"
    root.get(path)
    page = root.submit(f"{path}/{action}")
    assert "still has access: the deprovisioning guard holds this change" in page.text
    assert fresh.scim.get(f"/Users/{user['id']}").json()["active"] is True
    at_once = page.text.partition('class="at-once"')[0].rpartition("<form")[2]
    assert f'action="{path}/{action}"' in at_once
    assert 'class="at-once"' not in root.get(path).text
    root.submit(f"{path}/{action}", override="on")
    gone = fresh.scim.get(f"/Users/{user['id']}")
    assert gone.status_code == 404 or gone.json()["active"] is False


@pytest.mark.parametrize(
    ("setting", "action"),
    [("automaticProvisioning", "new"), ("automaticDeprovisioning", "deactivate")],
)
def test_the_switches_hold_an_administrator_until_they_override_them(root, fresh, setting, action):
    user = fresh.user()
    fresh.api.patch("/settings", json={setting: False})
    path = f"/w/{fresh.name}/users/" + (action if action == "new" else f"{user['id']}/{action}")
    root.get(f"/w/{fresh.name}/users/new")
    assert " is off for this workspace" in root.submit(path, userName=name("switch")).text
    answer = root.post(path, userName=name("switch"), override="on")
    assert answer.status_code == 303


def test_who_may_not_override_the_guard_is_offered_no_way_around_it(root, server, fresh):
    user = fresh.user()
    fresh.api.patch("/settings", json={"guardMode": "hold", "guardShare": 0, "guardLeast": 0})
    helper = invited(server, fresh.name, SCIM)
    helper.get(f"/w/{fresh.name}/users/{user['id']}")
    page = helper.submit(f"/w/{fresh.name}/users/{user['id']}/deactivate").text
    helper.close()
    assert "still has access" in page
    assert 'class="at-once"' not in page


def test_a_password_is_set_and_shown_nowhere(root, fresh):
    user = fresh.user()
    path = f"/w/{fresh.name}/users/{user['id']}"
    root.get(path)
    assert "Password changed." in root.submit(f"{path}/password", password="Qu1et words").text
    for place in (path, f"/w/{fresh.name}/requests", f"/w/{fresh.name}/audit"):
        assert "Qu1et words" not in root.get(place).text
    assert "Enter a new password" in root.submit(f"{path}/password", password="").text


def test_members_are_found_added_and_removed(root, fresh):
    user = fresh.user(displayName=name("Zora"))
    crew = fresh.scim.post("/Groups", json=group(name("Crew"))).json()
    path = f"/w/{fresh.name}/groups/{crew['id']}"
    page = root.get(f"{path}/members", q=user["displayName"])
    assert f'name="chosen" value="{user["id"]}"' in page.text
    assert "Added 1 member." in root.submit(f"{path}/members", chosen=[user["id"]]).text
    members = fresh.scim.get(f"/Groups/{crew['id']}").json()["members"]
    assert [member["value"] for member in members] == [user["id"]]
    assert "Removed from the group." in root.submit(f"{path}/remove", member=user["id"]).text
    assert fresh.scim.get(f"/Groups/{crew['id']}").json()["members"] == []


def test_a_user_joins_groups_and_leaves_one(root, fresh):
    user = fresh.user()
    crews = [fresh.scim.post("/Groups", json=group(name("Crew"))).json() for _ in range(2)]
    path = f"/w/{fresh.name}/users/{user['id']}"
    root.get(f"{path}/groups", q="Crew")
    page = root.submit(f"{path}/groups", chosen=[crew["id"] for crew in crews])
    assert "Added to 2 groups." in page.text
    shown = fresh.scim.get(f"/Users/{user['id']}").json()["groups"]
    assert {found["value"] for found in shown} == {crew["id"] for crew in crews}
    page = root.submit(
        f"/w/{fresh.name}/groups/{crews[0]['id']}/remove",
        **{"member": user["id"], "from": "users"},
    )
    assert "Removed from the group." in page.text
    shown = fresh.scim.get(f"/Users/{user['id']}").json()["groups"]
    assert [found["value"] for found in shown] == [crews[1]["id"]]


def test_nothing_chosen_is_said(root, fresh):
    crew = fresh.scim.post("/Groups", json=group(name("Crew"))).json()
    root.get(f"/w/{fresh.name}/groups/new")
    page = root.submit(f"/w/{fresh.name}/groups/{crew['id']}/members")
    assert "Choose at least one user or group." in page.text


def test_whoever_may_not_write_sees_no_buttons(server, fresh):
    user = fresh.user()
    admin = invited(server, fresh.name, AUDIT)
    path = f"/w/{fresh.name}/users/{user['id']}"
    assert admin.get(path).status_code == 403
    admin.get("/account")
    assert admin.post(f"{path}/delete").status_code == 403
    assert fresh.scim.get(f"/Users/{user['id']}").status_code == 200
    admin.close()


@pytest.mark.parametrize("plural", ["users", "groups"])
@pytest.mark.parametrize("action", ["edit", "delete"])
def test_an_unknown_resource_is_not_found(root, fresh, plural, action):
    root.get(f"/w/{fresh.name}/{plural}/new")
    assert root.post(f"/w/{fresh.name}/{plural}/{'0' * 8}/{action}").status_code == 404


def test_a_resource_of_another_workspace_is_not_found(root, fresh, server):
    from tests.support.tenant import Tenant

    with Tenant(server) as other:
        stranger = other.scim.post("/Users", json=person()).json()
        root.get(f"/w/{fresh.name}/users/new")
        for action in ("edit", "delete", "deactivate", "password"):
            answer = root.post(f"/w/{fresh.name}/users/{stranger['id']}/{action}", password="x")
            assert answer.status_code == 404, action
        assert other.scim.get(f"/Users/{stranger['id']}").json()["active"] is True

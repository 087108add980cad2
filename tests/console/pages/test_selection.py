"""Actions on a selection of users or groups."""

import html
import re

import pytest

from muster.access.permissions import SCIM
from tests.console.browsing import invited
from tests.console.pages.test_directory import ids
from tests.support.people import group, name

# ---- selections


def select(root, fresh, action, **parameters):
    return root.get(f"/w/{fresh.name}/users/selection", action=action, **parameters)


def confirm(root, page, **fields):
    ids = re.search(r'name="ids" value="([^"]*)"', page.text)[1]
    action = re.search(r'name="action" value="([^"]*)"', page.text)[1]
    path = re.search(r'action="(/w/[^"]+/selection)"', page.text)[1]
    return root.submit(path, action=action, ids=ids, **fields)


def active(fresh, people):
    return [fresh.scim.get(f"/Users/{user['id']}").json().get("active", "gone") for user in people]


def test_a_selection_is_previewed_and_then_changed(root, fresh, people):
    page = select(root, fresh, "deactivate", chosen=ids(people, 2, 3))
    assert "Deactivate: 2 users" in page.text
    assert people[2]["displayName"] in page.text
    assert active(fresh, people) == [False, False, True, True, True, True]
    assert "Deactivate: 2 of 2 users." in confirm(root, page).text
    assert active(fresh, people) == [False, False, False, False, True, True]
    rows = fresh.api.get("/audit", params={"limit": 1000}).json()["items"][-2:]
    assert [row["actor"][:6] for row in rows] == ["admin:"] * 2


def test_all_that_a_search_finds_are_selected(root, fresh, people):
    page = select(root, fresh, "reactivate", all="1", active="no")
    assert "Reactivate: 2 users" in page.text
    confirm(root, page)
    assert active(fresh, people) == [True] * 6


def test_a_selection_joins_a_group(root, fresh, people):
    crew = fresh.scim.post("/Groups", json=group(name("Crew"))).json()
    page = select(root, fresh, "join", chosen=ids(people, 0, 5))
    assert crew["displayName"] in page.text
    assert "Choose a group" in confirm(root, page).text
    confirm(root, page, group=crew["id"])
    members = fresh.scim.get(f"/Groups/{crew['id']}").json()["members"]
    assert sorted(member["value"] for member in members) == sorted(ids(people, 0, 5))


def test_the_refused_ones_are_named_with_the_reason(root, fresh, people):
    page = select(root, fresh, "delete", chosen=ids(people, 4, 5))
    fresh.scim.delete(f"/Users/{people[4]['id']}")
    shown_after = confirm(root, page).text
    assert "Delete: 1 of 2 users." in shown_after
    assert people[4]["id"] in shown_after


def test_the_guard_holds_a_selection(root, fresh, people):
    fresh.api.patch("/settings", json={"guardMode": "hold", "guardShare": 0, "guardLeast": 1})
    page = select(root, fresh, "deactivate", chosen=ids(people, 2, 3, 4))
    after = confirm(root, page).text
    assert "Deactivate: 1 of 3 users." in after
    assert "the deprovisioning guard holds this change" in after
    assert active(fresh, people)[2:] == [False, True, True, True]


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"action": "deactivate"}, "Select at least one"),
        ({"action": "", "chosen": ["x"]}, "Choose an action."),
        ({"action": "explode", "chosen": ["x"]}, "Choose an action."),
        ({"action": "delete", "chosen": ["x"]}, "Select at least one"),
    ],
)
def test_an_incomplete_selection_changes_nothing(root, fresh, people, parameters, said):
    page = root.get(f"/w/{fresh.name}/users/selection", **parameters)
    assert said in page.text
    assert 'name="ids"' not in page.text
    assert active(fresh, people) == [False, False, True, True, True, True]


def test_too_many_are_refused(root, fresh, people, monkeypatch):
    page = root.get(f"/w/{fresh.name}/users")
    token = re.search(r'name="csrf" value="([^"]*)"', page.text)[1]
    answer = root.post(
        f"/w/{fresh.name}/users/selection",
        csrf=html.unescape(token),
        action="delete",
        ids=",".join(str(n) for n in range(1001)),
    )
    assert answer.status_code == 400
    assert active(fresh, people) == [False, False, True, True, True, True]


def protected(fresh):
    rows = fresh.api.get("/protected-users").json()["items"]
    return {row["user"]: row["reason"] for row in rows}


def test_a_selection_is_protected_from_deactivation_and_no_longer(root, fresh, people):
    first, second = ids(people, 2, 3)
    fresh.api.put(f"/protected-users/{first}", json={"reason": "Chief"})
    page = select(root, fresh, "protect", chosen=[first, second])
    assert "Protect 2 users from deactivation</button>" in page.text
    done = confirm(root, page, reason="Emergency access").text
    assert "Protect from deactivation: 2 of 2 users." in done
    assert protected(fresh) == {first: "Chief", second: "Emergency access"}
    assert fresh.scim.delete(f"/Users/{second}").status_code == 403
    page = select(root, fresh, "unprotect", chosen=ids(people, 3, 4))
    assert "Allow deactivation of 2 users</button>" in page.text
    assert "Allow deactivation: 2 of 2 users." in confirm(root, page).text
    assert protected(fresh) == {first: "Chief"}
    rows = fresh.api.get("/audit", params={"limit": 1000}).json()["items"]
    assert [row["action"] for row in rows if row["resource"] == second][-1] == "unprotect"


def test_who_may_not_change_settings_cannot_protect_a_selection(server, fresh, people):
    admin = invited(server, fresh.name, SCIM)
    assert "Protect from deactivation" not in admin.get(f"/w/{fresh.name}/users").text
    page = select(admin, fresh, "protect", chosen=ids(people, 2))
    assert "Choose an action." in page.text
    path = f"/w/{fresh.name}/users/selection"
    assert admin.post(path, action="protect", ids=people[2]["id"]).status_code == 400
    assert protected(fresh) == {}
    admin.close()

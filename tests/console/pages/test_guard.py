"""The guard's page: what is held, decisions one by one and in bulk, the count in the sidebar."""

import re

import pytest

from muster.access.permissions import SCIM
from tests.console.browsing import invited
from tests.http.management.test_connections import connect, scim_of
from tests.support.people import name, replace


@pytest.fixture
def held(fresh):
    """Four users, of whom the key asked to delete three; the guard holds these."""
    people = [fresh.user(userName=name()) for _ in range(4)]
    fresh.api.patch("/settings", json={"guardMode": "hold", "guardShare": 0, "guardLeast": 0})
    for user in people[:3]:
        assert fresh.scim.delete(f"/Users/{user['id']}").status_code == 403
    return people


def badge(page):
    found = re.search(r"side-badge[^>]*>(\d+)", page.text)
    return int(found[1]) if found else 0


def ids(people):
    return [user["id"] for user in people]


def exists(fresh, people):
    return [fresh.scim.get(f"/Users/{user['id']}").status_code == 200 for user in people]


def decide(root, fresh, decision, people):
    root.get(f"/w/{fresh.name}/guard")
    return root.submit(f"/w/{fresh.name}/guard/selection", decision=decision, user=ids(people))


def test_the_page_names_each_held_change(root, fresh, held):
    page = root.get(f"/w/{fresh.name}/guard")
    for user in held[:3]:
        row = re.search(rf"<tr>(?:(?!</tr>).)*{user['id']}.*?</tr>", page.text, re.S)[0]
        assert user["userName"] in row
        assert "Delete" in row
        assert "data-moment" in row
        assert "key " in row
    assert held[3]["id"] not in page.text


def test_the_page_names_the_connection_if_there_are_several(root, fresh, held):
    path = f"/w/{fresh.name}/guard"
    assert ">Connection</th>" not in root.get(path).text
    okta = connect(fresh, name="Okta & Co")
    assert scim_of(fresh, okta).delete(f"/Users/{held[3]['id']}").status_code == 403
    page = root.get(path).text
    rows = {
        user["id"]: re.search(rf"<tr>(?:(?!</tr>).)*{user['id']}.*?</tr>", page, re.S)[0]
        for user in held
    }
    assert f'/connections/{okta["id"]}">Okta &amp; Co</a>' in rows[held[3]["id"]]
    assert '/connections/default">default</a>' in rows[held[0]["id"]]
    fresh.api.delete(f"/connections/{okta['id']}").raise_for_status()
    connect(fresh, name="Another")
    assert okta["id"] in root.get(path).text


def test_the_page_says_first_what_the_guard_is(root, fresh):
    main = root.get(f"/w/{fresh.name}/guard").text.partition("<main")[2]
    assert re.search(r"</h1>\s*<p>The guard stops a mistake", main)
    assert f'/w/{fresh.name}/settings#guard">' in main
    assert 'id="guard"' in root.get(f"/w/{fresh.name}/settings").text


def test_a_selection_is_approved(root, fresh, held):
    page = decide(root, fresh, "approve", held[:2])
    assert "Approved 2 changes." in page.text
    assert badge(page) == 1
    assert exists(fresh, held) == [False, False, True, True]
    rows = fresh.api.get("/audit", params={"limit": 1000, "action": "let"}).json()["items"]
    assert [row["actor"] for row in rows] == [f"admin:{root_email(root)}"] * 2


def test_a_selection_is_rejected(root, fresh, held):
    page = decide(root, fresh, "reject", held[1:3])
    assert "Rejected 2 changes." in page.text
    assert exists(fresh, held) == [True] * 4
    assert badge(page) == 1
    assert held[0]["id"] in page.text


def test_a_change_that_is_no_longer_held_is_named(root, fresh, held):
    fresh.api.post(f"/guard/{held[0]['id']}/keep")
    page = decide(root, fresh, "approve", held[:2])
    assert "Approved 1 of 2 changes." in page.text
    assert "holds no change of the user" in page.text
    assert exists(fresh, held) == [True, False, True, True]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"decision": "approve"}, "Select at least one change."),
        ({"decision": "perhaps", "user": "x"}, "Choose whether to approve or reject."),
    ],
)
def test_an_incomplete_decision_changes_nothing(root, fresh, held, fields, said):
    root.get(f"/w/{fresh.name}/guard")
    answer = root.post(f"/w/{fresh.name}/guard/selection", **fields)
    assert answer.status_code == 400
    assert said in answer.text
    assert badge(answer) == 3
    assert exists(fresh, held) == [True] * 4


def test_all_are_approved(root, fresh, held):
    assert "Approve all 3" in root.get(f"/w/{fresh.name}/guard").text
    page = root.submit(f"/w/{fresh.name}/guard/let-all")
    assert "Approved 3 changes." in page.text
    assert exists(fresh, held) == [False, False, False, True]
    assert badge(page) == 0


def shown(root, fresh):
    """The fields of the guard's form, as a browser sends them: those of each row, and of all."""
    page = root.get(f"/w/{fresh.name}/guard").text
    fields = re.findall(r'<input type="hidden" name="(held|all)" value="([^"]*)"', page)
    return {name: [value for key, value in fields if key == name] for name in ("held", "all")}


def test_what_was_held_after_the_page_was_opened_is_not_approved(root, fresh, held):
    fields = shown(root, fresh)
    assert fresh.scim.delete(f"/Users/{held[3]['id']}").status_code == 403
    answer = root.post(f"/w/{fresh.name}/guard/let-all", **fields)
    assert answer.status_code == 409
    assert "has changed since you opened this page" in answer.text
    assert exists(fresh, held) == [True] * 4
    page = root.submit(f"/w/{fresh.name}/guard/let-all", **shown(root, fresh))
    assert "Approved 4 changes." in page.text
    assert exists(fresh, held) == [False] * 4


def test_a_repeated_request_does_not_keep_anybody_from_approving_all(root, fresh, held):
    fields = shown(root, fresh)
    assert fresh.scim.delete(f"/Users/{held[0]['id']}").status_code == 403
    assert "Approved 3 changes." in root.submit(f"/w/{fresh.name}/guard/let-all", **fields).text


@pytest.mark.parametrize("way", ["one", "selected"])
def test_a_deactivation_that_became_a_deletion_is_not_approved(root, fresh, way):
    user = fresh.user(userName=name())
    fresh.api.patch("/settings", json={"guardMode": "hold", "guardShare": 0, "guardLeast": 0})
    off = fresh.scim.patch(f"/Users/{user['id']}", json=replace("active", False))
    assert off.status_code == 403
    fields = shown(root, fresh)
    assert fresh.scim.delete(f"/Users/{user['id']}").status_code == 403
    base = f"/w/{fresh.name}/guard"
    if way == "one":
        page = root.submit(f"{base}/{user['id']}/let", **fields)
    else:
        page = root.submit(f"{base}/selection", decision="approve", user=user["id"], **fields)
    assert "The held change is a deletion now." in page.text
    assert exists(fresh, [user]) == [True]
    page = root.submit(f"{base}/{user['id']}/let", **shown(root, fresh))
    assert "Change approved." in page.text
    assert exists(fresh, [user]) == [False]


def test_all_are_rejected(root, fresh, held):
    assert "Reject all 3" in root.get(f"/w/{fresh.name}/guard").text
    fields = {"decision": "reject-all", **shown(root, fresh)}
    assert fresh.scim.delete(f"/Users/{held[3]['id']}").status_code == 403
    answer = root.post(f"/w/{fresh.name}/guard/selection", **fields)
    assert (answer.status_code, "Nothing was rejected." in answer.text) == (409, True)
    page = root.submit(f"/w/{fresh.name}/guard/selection", **(fields | shown(root, fresh)))
    assert "Rejected 4 changes." in page.text
    assert exists(fresh, held) == [True] * 4
    assert badge(page) == 0


def test_the_page_leads_to_the_rollback_once_users_have_lost_access(root, fresh):
    user = fresh.user(userName=name())
    assert "Bring the users back" not in root.get(f"/w/{fresh.name}/guard").text
    fresh.scim.delete(f"/Users/{user['id']}").raise_for_status()
    assert f'/w/{fresh.name}/undo">Bring the users back' in root.get(f"/w/{fresh.name}/guard").text


def test_the_page_says_what_its_mode_does(root, fresh):
    page = root.get(f"/w/{fresh.name}/guard").text
    assert "Mode: Warn only. Every change is made" in page
    assert "in the mode “Hold for review”, changes above an hourly limit" in page
    fresh.api.patch("/settings", json={"guardMode": "hold"})
    page = root.get(f"/w/{fresh.name}/guard").text
    assert "Every change is made" not in page
    assert "at once: changes above an hourly limit are held here" in page


def test_changes_made_by_other_means_leave_the_count(root, fresh, held):
    assert badge(root.get(f"/w/{fresh.name}/users")) == 3
    fresh.api.patch("/settings", json={"guardMode": "off"})
    fresh.scim.delete(f"/Users/{held[0]['id']}")
    root.get(f"/w/{fresh.name}/guard")
    assert badge(root.get(f"/w/{fresh.name}/users")) == 2


def test_only_who_may_decide_sees_the_count(server, fresh, held):
    admin = invited(server, fresh.name, SCIM)
    assert badge(admin.get(f"/w/{fresh.name}/users")) == 0
    admin.close()


def root_email(root):
    return re.search(r"[\w.+-]+@[\w.-]+", root.get("/account").text)[0]

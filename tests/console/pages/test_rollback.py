"""The rollback page: recent events, what each step changes, the question, and what is left."""

import html
import re

import pytest

from tests.support.people import name, person, replace
from tests.support.tenant import key_id, oauth_client


class Provider:
    """A key that has deactivated three users and created one."""

    def __init__(self, fresh):
        self.people = [fresh.user(title="a") for _ in range(3)]
        self.token = fresh.key()
        self.id = key_id(self.token)
        self.scim = fresh.client(self.token, "/scim/v2")
        for user in self.people:
            self.scim.patch(f"/Users/{user['id']}", json=replace("active", False))
        self.made = self.scim.post("/Users", json=person()).json()


@pytest.fixture
def provider(fresh):
    return Provider(fresh)


def review(root, fresh, provider):
    """The preview that the key's newest event leads to."""
    page = root.get(f"/w/{fresh.name}/undo")
    links = re.findall(r'href="([^"]+/undo\?key=[^"]+)"', page.text)
    link = next(link for link in links if provider.id in link)
    return root.get(html.unescape(link))


def fields(page):
    found = re.findall(r'type="hidden" name="(key|since|until|at)" value="([^"]*)"', page.text)
    return {field: html.unescape(value) for field, value in found}


def boxes(page, field="resource"):
    """The ids of the steps; those that are selected."""
    found = re.findall(rf'name="{field}" value="([^"]+)"[^>]*?( checked)?>', page.text)
    return [step for step, _ in found], {step for step, checked in found if checked}


def follow(root, page, label):
    """The page behind a link."""
    return root.get(html.unescape(re.search(rf'href="([^"]+)">{re.escape(label)}', page.text)[1]))


def ids(provider):
    return {user["id"] for user in provider.people}


def actives(fresh, provider):
    return [fresh.scim.get(f"/Users/{id}").json()["active"] for id in sorted(ids(provider))]


def roll_back(root, fresh, page, selected, **more):
    return root.submit(f"/w/{fresh.name}/undo", **fields(page), resource=sorted(selected), **more)


def test_the_page_begins_with_events(root, fresh, provider):
    text = root.get(f"/w/{fresh.name}/undo").text
    assert "3 users deactivated, 1 user created" in text
    assert provider.id[:8] in text


def test_a_step_shows_values_and_no_deletion_is_preselected(root, fresh, provider):
    page = review(root, fresh, provider)
    steps, selected = boxes(page)
    assert set(steps) == selected == ids(provider)
    assert boxes(page, "delete") == ([provider.made["id"]], set())
    assert "1 resource created by this key" in page.text
    assert page.text.count("Status: inactive → active") == 3


def test_the_question_has_the_numbers(root, fresh, provider):
    page = review(root, fresh, provider)
    asked = roll_back(root, fresh, page, ids(provider), delete=provider.made["id"])
    assert "Roll back 3 resources and delete 1?" in asked.text
    effects = dict(re.findall(r"<li><strong>([^<]+)</strong>: ([^<]+)</li>", asked.text))
    assert set(effects) == {"Reactivate 3 users", "Delete 1 user"}
    restored = set(effects["Reactivate 3 users"].split(", "))
    assert restored == {user["userName"] for user in provider.people}
    assert effects["Delete 1 user"] == provider.made["userName"]
    assert actives(fresh, provider) == [False] * 3


def test_what_was_rolled_back_is_not_offered_again(root, fresh, provider):
    page = review(root, fresh, provider)
    done = roll_back(root, fresh, page, ids(provider), confirmed="yes")
    toast = re.search(r'Rolled back 3 resources\. <a href="([^"]+)">', done.text)[1]
    assert "Rolled back</td>" in root.get(html.unescape(toast)).text
    assert actives(fresh, provider) == [True] * 3
    assert "1 user created" in (events := root.get(f"/w/{fresh.name}/undo").text)
    assert "deactivated" not in events
    page = review(root, fresh, provider)
    assert boxes(page) == ([], set())
    assert boxes(page, "delete") == ([provider.made["id"]], set())


def test_a_rollback_is_not_a_change_by_others(root, fresh, provider):
    page = review(root, fresh, provider)
    roll_back(root, fresh, page, ids(provider), confirmed="yes")
    user = provider.people[0]
    provider.scim.patch(f"/Users/{user['id']}", json=replace("title", "b"))
    page = review(root, fresh, provider)
    assert user["id"] in boxes(page)[1]
    assert "Changed by others" not in page.text
    assert "Title: b → a" in page.text
    assert "Status: " not in page.text
    roll_back(root, fresh, page, {user["id"]}, confirmed="yes")
    now = fresh.scim.get(f"/Users/{user['id']}").json()
    assert (now["title"], now["active"]) == ("a", True)


def test_a_change_by_others_is_named_and_not_preselected(root, fresh, provider):
    user = provider.people[0]
    fresh.scim.patch(f"/Users/{user['id']}", json=replace("nickName", name()))
    page = review(root, fresh, provider)
    assert "Changed by others" in page.text
    assert boxes(page)[1] == ids(provider) - {user["id"]}


def test_reactivations_and_other_changes_are_told_apart(root, fresh, provider):
    for user in provider.people[:2]:
        provider.scim.patch(f"/Users/{user['id']}", json=replace("active", True))
    provider.scim.patch(f"/Users/{provider.made['id']}", json=replace("title", "z"))
    text = root.get(f"/w/{fresh.name}/undo").text
    assert "3 users deactivated" in text
    assert "2 users reactivated" in text
    assert "1 user changed" in text


def test_a_user_whom_somebody_else_has_deleted_is_not_selectable(root, fresh, provider):
    gone = provider.people[0]
    fresh.scim.delete(f"/Users/{gone['id']}")
    page = review(root, fresh, provider)
    assert "Deleted by somebody else since" in page.text
    assert re.search(rf'value="{gone["id"]}"[^>]* disabled>', page.text)
    assert gone["id"] not in boxes(page)[1]
    answer = roll_back(root, fresh, page, [gone["id"]])
    assert answer.status_code == 409


def test_a_user_whom_the_key_created_and_deleted_again_is_left_out(root, fresh, provider):
    provider.scim.delete(f"/Users/{provider.made['id']}")
    assert provider.made["id"] not in review(root, fresh, provider).text


def test_a_user_whom_the_key_deleted_is_brought_back(root, fresh, provider):
    gone = provider.people[0]
    provider.scim.delete(f"/Users/{gone['id']}")
    page = review(root, fresh, provider)
    assert gone["id"] in boxes(page)[1]


def test_the_deactivations_of_an_event_are_reviewed_alone(root, fresh, provider):
    """The key created a user, then deactivated them and others: they are not to be deleted."""
    made = provider.made["id"]
    provider.scim.patch(f"/Users/{provider.people[0]['id']}", json=replace("title", "b"))
    provider.scim.patch(f"/Users/{made}", json=replace("active", False))
    page = root.get(f"/w/{fresh.name}/undo").text
    link = re.search(r'href="([^"]+)">Review the deactivations', page)[1]
    page = root.get(html.unescape(link))
    assert boxes(page)[1] == {*ids(provider), made}
    assert boxes(page, "delete") == ([made], set())


def test_deactivations_after_the_creations_are_undone_without_deleting(root, fresh):
    scim = fresh.client(fresh.key(), "/scim/v2")
    users = [scim.post("/Users", json=person()).json() for _ in range(3)]
    for user in users:
        scim.patch(f"/Users/{user['id']}", json=replace("active", False))
    link = re.search(
        r'href="([^"]+)">Review the deactivations', root.get(f"/w/{fresh.name}/undo").text
    )[1]
    page = root.get(html.unescape(link))
    assert boxes(page)[1] == {user["id"] for user in users}
    roll_back(root, fresh, page, boxes(page)[1], confirmed="yes")
    for user in users:
        assert fresh.scim.get(f"/Users/{user['id']}").json()["active"] is True


@pytest.fixture
def burst(fresh):
    """A key that has created three users and deactivated two of them, in one event."""
    token = fresh.key()
    scim = fresh.client(token, "/scim/v2")
    users = [scim.post("/Users", json=person()).json()["id"] for _ in range(3)]
    for user in users[:2]:
        scim.patch(f"/Users/{user}", json=replace("active", False))
    return key_id(token), users


def test_users_whom_the_key_created_and_deactivated_become_active_again(root, fresh, burst):
    key, users = burst
    page = follow(root, root.get(f"/w/{fresh.name}/undo"), "Review<")
    assert key in str(page.url)
    assert boxes(page) == ([users[1], users[0]], set(users[:2]))
    assert page.text.count("Status: inactive → active") == 2
    assert page.text.count("Nothing else is undone: the key created this user.") == 2
    asked = roll_back(root, fresh, page, users[:2])
    assert "Roll back 2 resources?" in asked.text
    assert 'name="delete"' not in asked.text
    done = roll_back(root, fresh, page, users[:2], confirmed="yes")
    assert "Rolled back 2 resources." in done.text
    found = {user: fresh.scim.get(f"/Users/{user}").json()["active"] for user in users}
    assert found == dict.fromkeys(users, True)
    events = root.get(f"/w/{fresh.name}/undo").text
    assert "3 users created" in events
    assert "deactivated" not in events
    page = review_of(root, fresh, key)
    assert boxes(page) == ([], set())
    assert offered(page) == (set(users), set())


def offered(page):
    """The ids of the users who can be deleted; those who are selected."""
    found, selected = boxes(page, "delete")
    return set(found), selected


def review_of(root, fresh, key):
    page = root.get(f"/w/{fresh.name}/undo")
    links = re.findall(r'href="([^"]+/undo\?key=[^"]+)"', page.text)
    return root.get(html.unescape(next(link for link in links if key in link)))


def test_select_all_leaves_deletions_out(root, fresh, burst):
    key, users = burst
    page = follow(root, review_of(root, fresh, key), "Select all<")
    assert boxes(page)[1] == set(users[:2])
    assert offered(page) == (set(users), set())
    page = follow(root, page, "Select all deletions (3)")
    assert boxes(page)[1] == set()
    assert boxes(page, "delete")[1] == set(users)
    page = follow(root, page, "Select no deletions")
    assert boxes(page)[1] == set(users[:2])
    assert boxes(page, "delete")[1] == set()


def test_deletions_are_confirmed_apart(root, fresh, burst):
    key, users = burst
    page = review_of(root, fresh, key)
    asked = roll_back(root, fresh, page, [], delete=users)
    assert "Delete 3 resources?" in asked.text
    assert "Delete these 3 resources" in asked.text
    refused = roll_back(root, fresh, page, [], delete=users, confirmed="yes")
    assert refused.status_code == 400
    assert "Tick this box" in refused.text
    assert offered(refused)[0] == set(users)
    assert fresh.scim.get("/Users").json()["totalResults"] == 3
    agreed = {"confirmed": "yes", "deleting": "yes"}
    done = roll_back(root, fresh, page, [], delete=users[2], **agreed)
    assert "Deleted 1 resource." in done.text
    assert {user["id"] for user in fresh.scim.get("/Users").json()["Resources"]} == set(users[:2])


def test_a_user_cannot_be_both_reactivated_and_deleted(root, fresh, burst):
    key, users = burst
    page = review_of(root, fresh, key)
    refused = roll_back(root, fresh, page, users[:1], delete=users[:1])
    assert refused.status_code == 400
    assert "Choose whether to reactivate or to delete" in refused.text
    assert (boxes(refused)[1], boxes(refused, "delete")[1]) == (set(users[:1]), set(users[:1]))


def test_what_an_oauth_client_did_is_rolled_back(root, fresh):
    client, scim = oauth_client(fresh)
    users = [fresh.user()["id"] for _ in range(2)]
    for user in users:
        scim.patch(f"/Users/{user}", json=replace("active", False))
    page = root.get(f"/w/{fresh.name}/undo")
    assert "2 users deactivated" in page.text
    assert "OAuth client Entra" in page.text
    page = follow(root, page, "Review<")
    assert f'value="oauth:{client}" selected' in page.text
    assert boxes(page)[1] == set(users)
    done = roll_back(root, fresh, page, users, confirmed="yes")
    assert "Rolled back 2 resources." in done.text
    assert "2 users deactivated" not in root.get(f"/w/{fresh.name}/undo").text
    answer = root.get(f"/w/{fresh.name}/undo", **fields(page) | {"key": "oauth:7.x"})
    assert answer.status_code == 404


def test_what_a_deleted_oauth_client_did_is_rolled_back(root, fresh):
    client, scim = oauth_client(fresh)
    user = fresh.user()["id"]
    scim.patch(f"/Users/{user}", json=replace("active", False))
    fresh.api.delete(f"/connections/default/oauth-clients/{client}").raise_for_status()
    page = root.get(f"/w/{fresh.name}/undo")
    assert "A deleted OAuth client" in page.text
    page = follow(root, page, "Review<")
    assert boxes(page)[1] == {user}

"""The page of a user says why they can or cannot sign in."""

import html
import re

import pytest

from muster.access.permissions import SCIM
from tests.console.browsing import Visitor, invitation
from tests.support.people import name, person, replace


@pytest.fixture(scope="module")
def root(server):
    made = Visitor(server).accept(invitation(server), name("story"))
    yield made
    made.close()


@pytest.fixture
def okta(fresh):
    """A client with a key of its own, named okta."""
    key = fresh.api.post("/keys", json={"name": "okta", "permissions": [SCIM]}).json()
    with fresh.client(key["token"], "/scim/v2") as client:
        yield client


def told(root, fresh, user):
    """The sentences about a user, and their links."""
    page = root.get(f"/w/{fresh.name}/users/{user['id']}").text
    facts = page[page.index('<ul class="facts">') : page.index("</section>", page.index("facts"))]
    sentences = [
        html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row)).strip())
        for row in re.findall(r"<li[^>]*>(.*?)</li>", facts, re.S)
    ]
    return sentences, re.findall(r'href="([^"]+)"', facts)


def test_an_active_user(root, fresh, okta):
    user = okta.post("/Users", json=person()).json()
    (sentence,), links = told(root, fresh, user)
    assert sentence.startswith('Active since it was created by key "okta".')
    assert root.get(links[0]).status_code == 200


def test_a_user_created_inactive(root, fresh, okta):
    user = okta.post("/Users", json=person(active=False)).json()
    assert told(root, fresh, user)[0][0].startswith('Created inactive by key "okta".')


def test_a_deactivated_user_names_who_did_it_and_the_request(root, fresh, okta):
    user = fresh.user()
    okta.patch(f"/Users/{user['id']}", json=replace("active", False))
    fresh.scim.patch(f"/Users/{user['id']}", json=replace("title", "later"))
    fresh.recorded(3)
    (sentence,), links = told(root, fresh, user)
    assert sentence.startswith('Deactivated by key "okta".')
    assert "PATCH" in root.get(links[0]).text
    okta.patch(f"/Users/{user['id']}", json=replace("active", True))
    assert told(root, fresh, user)[0][0].startswith('Reactivated by key "okta".')


def test_a_deleted_user(root, fresh, okta):
    user = fresh.user()
    okta.delete(f"/Users/{user['id']}")
    assert told(root, fresh, user)[0][0].startswith('Deleted by key "okta".')


def test_a_change_that_the_guard_holds(root, fresh, okta):
    user = fresh.user()
    fresh.api.patch("/settings", json={"guardMode": "hold", "guardShare": 0, "guardLeast": 0})
    okta.delete(f"/Users/{user['id']}")
    sentences, links = told(root, fresh, user)
    assert sentences[0].startswith("Active")
    assert sentences[1].startswith(
        'The guard holds a request to delete this user, made by key "okta".'
    )
    assert any(link.endswith("/guard") for link in links)


def test_a_refused_request_is_told_with_its_reason(root, fresh, okta):
    user = fresh.user()
    taken = fresh.user()["userName"]
    okta.patch(f"/Users/{user['id']}", json=replace("userName", taken))
    fresh.recorded(3)
    sentences, links = told(root, fresh, user)
    assert sentences[1].startswith('A PATCH request by key "okta" was refused: userName')
    assert "userName" in root.get(links[-1]).text


def test_nobody_of_this_name_but_a_refused_creation(root, fresh, okta):
    lena = name("lena")
    okta.post("/Users", json=person(lena, emails=[{"email": "x"}]))
    fresh.recorded(1)
    page = root.get(f"/w/{fresh.name}/users", q=lena.upper()[:8]).text
    assert f"A creation of {lena} by key &#34;okta&#34; was refused" in page
    other = root.get(f"/w/{fresh.name}/users", q="somebody else").text
    assert "was refused" not in other


def test_a_refused_creation_of_an_existing_user_is_told_on_their_page(root, fresh, okta):
    user, other = fresh.user(), fresh.user()
    assert okta.post("/Users", json=person(user["userName"].upper())).status_code == 409
    fresh.recorded(3)
    sentences, links = told(root, fresh, user)
    assert sentences[1].startswith(f'A creation of {user["userName"]} by key "okta" was refused: ')
    assert "409" in root.get(links[-1]).text
    assert len(told(root, fresh, other)[0]) == 1

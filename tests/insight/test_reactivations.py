"""Deactivations by an administrator that a key reverses, and the warning of them."""

from datetime import timedelta

import httpx
import pytest

from muster.access.permissions import SCIM
from muster.base import clock
from muster.base.clock import timestamp
from muster.insight.reactivations import _SAYS_INACTIVE, Reactivations
from muster.storage.port.changes import Change, ChangeOrigin
from tests.console.browsing import Visitor, invitation
from tests.insight.test_access_story import told
from tests.support.people import name, person, replace
from tests.support.tenant import oauth_client
from tests.support.waiting import until


@pytest.fixture(scope="module")
def root(server):
    made = Visitor(server).accept(invitation(server), name("leaver"))
    yield made
    made.close()


@pytest.fixture
def key(fresh):
    return fresh.api.post("/keys", json={"name": "okta", "permissions": [SCIM]}).json()


@pytest.fixture
def okta(fresh, key):
    with fresh.client(key["token"], "/scim/v2") as client:
        yield client


def switch(root, fresh, user, action):
    path = f"/w/{fresh.name}/users/{user['id']}"
    root.get(path)
    return root.submit(f"{path}/{action}").text


def attention(fresh):
    alerts = fresh.api.get("/overview").json()["alerts"]
    return [alert["text"] for alert in alerts if alert["name"] == "reactivated"]


def test_a_reversed_deactivation_is_shown_until_the_user_is_inactive_again(root, fresh, okta):
    user = okta.post("/Users", json=person(displayName="Bea Ox")).json()
    switch(root, fresh, user, "deactivate")
    okta.patch(f"/Users/{user['id']}", json=replace("title", "still inactive"))
    assert attention(fresh) == []
    okta.patch(f"/Users/{user['id']}", json=replace("active", True))
    okta.patch(f"/Users/{user['id']}", json=replace("title", "later"))
    (text,) = attention(fresh)
    assert text.startswith('Bea Ox was reactivated by key "okta" at ')
    assert "@" in text[text.index(", after ") : text.index(" had deactivated them at ")]
    sentences, _ = told(root, fresh, user)
    assert sentences[0].startswith('Reactivated by key "okta".')
    assert sentences[1].startswith("This reversed the deactivation by leaver")
    assert "Bea Ox was reactivated by key &#34;okta&#34;" in root.get(f"/w/{fresh.name}").text
    switch(root, fresh, user, "deactivate")
    assert attention(fresh) == []


@pytest.mark.parametrize(
    "agrees",
    [
        replace("active", False),
        replace("active", "False"),
        {**replace("x", 0), "Operations": [{"op": "replace", "value": {"active": False}}]},
        "PUT",
    ],
    ids=["path", "text", "value", "put"],
)
def test_a_provider_that_deactivated_the_user_too_may_bring_them_back(root, fresh, okta, agrees):
    """It has learned of the decision, and made another one since: a rehire, for example."""
    user = okta.post("/Users", json=person(displayName="Bea Ox")).json()
    switch(root, fresh, user, "deactivate")
    if agrees == "PUT":
        sent = {key: value for key, value in user.items() if key not in ("id", "meta")}
        answer = okta.put(f"/Users/{user['id']}", json={**sent, "active": False})
    else:
        answer = okta.patch(f"/Users/{user['id']}", json=agrees)
    assert (answer.status_code, answer.json()["active"]) == (200, False)
    answer = okta.patch(f"/Users/{user['id']}", json=replace("active", True))
    assert answer.json()["active"] is True  # a deactivation by an administrator does not bind it
    assert until(lambda: attention(fresh) == [])  # once the request log has the requests
    sentences, _ = told(root, fresh, user)
    assert sentences[0].startswith('Reactivated by key "okta".')
    assert not any("reversed" in sentence for sentence in sentences)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ('{"active": false}', True),
        ('{"Active":"False","x":1', True),
        ('{"Operations":[{"op":"replace","path":"active","value":false}]}', True),
        ('{"Operations":[{"value":"False","op":"Replace","path":"active"}]}', True),
        ('{"Operations":[{"path":"urn:x:User:active","op":"Replace","value":"false"', True),
        ('{"active": true}', False),
        ('{"Operations":[{"path":"active","value":true},{"path":"x","value":false}]}', False),
        ('{"Operations":[{"path":"x","value":false},{"path":"active","value":true}]}', False),
        ('{"inactive": false, "active": "falsehood"}', False),
        ("", False),
    ],
)
def test_a_body_that_makes_inactive_is_recognised(body, says):
    assert bool(_SAYS_INACTIVE.search(body)) == says


def test_reactivations_that_reverse_nobody(root, fresh, okta):
    by_key = okta.post("/Users", json=person()).json()
    for active in (False, True):
        okta.patch(f"/Users/{by_key['id']}", json=replace("active", active))
    by_hand = okta.post("/Users", json=person()).json()
    for action in ("deactivate", "reactivate"):
        switch(root, fresh, by_hand, action)
    okta.patch(f"/Users/{by_hand['id']}", json=replace("title", "later"))
    deleted = okta.post("/Users", json=person()).json()
    switch(root, fresh, deleted, "deactivate")
    okta.patch(f"/Users/{deleted['id']}", json=replace("active", True))
    okta.delete(f"/Users/{deleted['id']}")
    assert attention(fresh) == []


def returns(fresh):
    alerts = fresh.api.get("/overview").json()["alerts"]
    return [alert["text"] for alert in alerts if alert["name"] == "recreated"]


def test_a_deleted_leaver_who_is_created_again_is_shown(root, fresh, okta):
    user = okta.post("/Users", json=person(displayName="Bea Ox")).json()
    switch(root, fresh, user, "delete")
    assert returns(fresh) == []
    again = okta.post("/Users", json=person(user["userName"].upper(), displayName="Bea Ox")).json()
    (text,) = returns(fresh)
    assert text.startswith('Bea Ox was created again by key "okta" at ')
    assert "@" in text[text.index(", after ") : text.index(" had deleted them at ")]
    sentences, links = told(root, fresh, again)
    assert sentences[1].startswith("This reversed the deletion by leaver")
    assert any(link.endswith(f"/users/{user['id']}") for link in links)
    assert "Bea Ox was created again" in root.get(f"/w/{fresh.name}").text
    switch(root, fresh, again, "deactivate")
    assert returns(fresh) == []


def test_an_oauth_client_that_reverses_an_administrator_is_shown_too(root, fresh):
    made = fresh.api.post("/connections/default/oauth-clients", json={"name": "Entra"}).json()
    with httpx.Client(base_url=fresh.server.url) as http:
        token = http.post(
            "/oauth/token",
            data={"grant_type": "client_credentials"},
            auth=(made["clientId"], made["clientSecret"]),
        ).json()["access_token"]
    with fresh.client(token, "/scim/v2") as entra:
        back, again = (
            entra.post("/Users", json=person(displayName=text)).json() for text in ("Bea", "Cleo")
        )
        warning = "OAuth client Entra manages this user, and its identity provider may"
        assert warning in switch(root, fresh, back, "deactivate")
        switch(root, fresh, again, "delete")
        entra.patch(f"/Users/{back['id']}", json=replace("active", True))
        entra.post("/Users", json=person(again["userName"], displayName="Cleo"))
        (reactivated,), (recreated,) = attention(fresh), returns(fresh)
        assert reactivated.startswith('Bea was reactivated by OAuth client "Entra" at ')
        assert recreated.startswith('Cleo was created again by OAuth client "Entra" at ')
        switch(root, fresh, back, "deactivate")
        entra.patch(f"/Users/{back['id']}", json=replace("active", False))  # it knows, and agrees
        entra.patch(f"/Users/{back['id']}", json=replace("active", True))
        assert until(lambda: attention(fresh) == [])  # once the request log has the requests


def test_creations_that_reverse_no_administrator(root, fresh, okta):
    by_key = okta.post("/Users", json=person()).json()
    okta.delete(f"/Users/{by_key['id']}")
    again = okta.post("/Users", json=person(by_key["userName"])).json()
    assert not any("deletion" in sentence for sentence in told(root, fresh, again)[0])
    deleted = okta.post("/Users", json=person()).json()
    path = f"/w/{fresh.name}/users"
    switch(root, fresh, deleted, "delete")
    root.get(f"{path}/new")
    assert root.post(f"{path}/new", userName=deleted["userName"]).status_code == 303
    assert returns(fresh) == []


def test_a_deletion_warns_if_a_key_manages_the_user(root, fresh, okta):
    warning = "Key okta manages this user, and its identity provider may create them again"
    user = okta.post("/Users", json=person()).json()
    assert warning in root.get(f"/w/{fresh.name}/users/{user['id']}").text
    assert warning in switch(root, fresh, user, "delete")


WARNING = "Key okta manages this user, and its identity provider may reactivate them"


def test_a_deactivation_warns_if_a_key_manages_the_user(root, fresh, okta, key):
    user = okta.post("/Users", json=person()).json()
    path = f"/w/{fresh.name}/users/{user['id']}"
    assert root.get(path).text.count(WARNING) == 1
    assert WARNING in switch(root, fresh, user, "deactivate")
    assert WARNING not in switch(root, fresh, user, "reactivate").split("<h1>")[0]
    fresh.api.delete(f"/keys/{key['id']}").raise_for_status()
    assert WARNING not in root.get(path).text
    assert WARNING not in switch(root, fresh, user, "deactivate")


def test_the_deactivation_of_a_selection_warns_too(root, fresh, okta):
    users = [okta.post("/Users", json=person()).json()["id"] for _ in range(2)]
    path = f"/w/{fresh.name}/users/selection"
    warning = WARNING.replace("this user", "some of these users")
    assert warning not in root.get(path, action="delete", chosen=users).text
    assert warning in root.get(path, action="deactivate", chosen=users).text
    assert warning in root.submit(path, action="deactivate", ids=",".join(users)).text


AGAIN = "manages this user, and its identity provider may deactivate them again at its next sync."


@pytest.fixture
def entra(fresh):
    """An OAuth client of the connection Staff."""
    body = {"name": "Staff", "provider": "entra"}
    connection = fresh.api.post("/connections", json=body).json()["id"]
    return oauth_client(fresh, connection, "Sync")[1]


def test_an_oauth_client_that_reverses_a_deactivation_is_shown_too(root, fresh, entra):
    user = entra.post("/Users", json=person(displayName="Bea Ox")).json()
    warning = "Connection Staff (OAuth client Sync) manages this user"
    assert warning in switch(root, fresh, user, "deactivate")
    entra.patch(f"/Users/{user['id']}", json=replace("active", True))
    (text,) = attention(fresh)
    assert text.startswith('Bea Ox was reactivated by OAuth client "Sync" at ')
    sentences, _ = told(root, fresh, user)
    assert sentences[0].startswith('Reactivated by OAuth client "Sync".')
    assert sentences[1].startswith("This reversed the deactivation by leaver")
    switch(root, fresh, user, "delete")
    entra.post("/Users", json=person(user["userName"], displayName="Bea Ox"))
    (text,) = returns(fresh)
    assert text.startswith('Bea Ox was created again by OAuth client "Sync" at ')


def test_a_reactivation_warns_and_names_the_connections(root, fresh, okta, entra):
    users = [client.post("/Users", json=person()).json() for client in (okta, entra)]
    ids = [user["id"] for user in users]
    for user in users:
        switch(root, fresh, user, "deactivate")
    path = f"/w/{fresh.name}/users/selection"
    one = root.get(path, action="reactivate", chosen=ids[1:]).text
    assert f"Connection Staff (OAuth client Sync) {AGAIN} Activate them there too." in one
    warning = (
        "Key okta and connection Staff (OAuth client Sync) manage some of these users, and their"
        " identity providers may deactivate them again at their next sync."
    )
    assert warning in root.get(path, action="reactivate", chosen=ids).text
    assert warning in root.submit(path, action="reactivate", ids=",".join(ids)).text


def test_the_page_of_a_leaver_says_how_their_return_is_shown(root, fresh, okta):
    user = okta.post("/Users", json=person(displayName="Bea Ox")).json()
    words = "If the identity provider sends this user as active, they regain access."

    def says(*actions):
        for action in actions:
            switch(root, fresh, user, action)
        return told(root, fresh, user)

    assert not any(words in sentence for sentence in says()[0])
    sentences, links = says("deactivate")
    assert any(words in sentence for sentence in sentences)
    assert f"/w/{fresh.name}#attention" in links
    assert 'id="attention"' in root.get(f"/w/{fresh.name}").text
    assert not any(words in sentence for sentence in says("reactivate")[0])
    assert any("creates this user again, they regain" in each for each in says("delete")[0])
    by_key = okta.post("/Users", json=person()).json()
    okta.patch(f"/Users/{by_key['id']}", json=replace("active", False))
    assert not any("Needs attention" in each for each in told(root, fresh, by_key)[0])
    root.get(f"/w/{fresh.name}/users/new")
    made = root.post(f"/w/{fresh.name}/users/new", userName=name()).headers["location"]
    by_hand = {"id": made.rpartition("/")[2]}  # nobody provisions them
    switch(root, fresh, by_hand, "deactivate")
    assert not any("Needs attention" in each for each in told(root, fresh, by_hand)[0])


@pytest.mark.parametrize(
    ("actor", "days", "after", "watched"),
    [
        ("admin:ann@x.org", 6, b'{"active":false}', True),
        ("openid:*:ann@x.org", 6, b'{"active":false}', True),
        ("admin:ann@x.org", 8, b'{"active":false}', False),
        ("key:okta", 6, b'{"active":false}', False),
        ("admin:ann@x.org", 6, b"{}", False),
    ],
)
def test_the_return_of_a_leaver_is_watched_for_a_week(actor, days, after, watched):
    origin = ChangeOrigin(actor, "request", timestamp(clock.now() - timedelta(days=days)))
    later = Change(3, origin, "User", "u", "update", 3, after, before=after)
    change = Change(2, origin, "User", "u", "update", 2, after, before=b"{}")
    assert Reactivations(None).watched([later, change]) == watched

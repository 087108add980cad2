"""A workspace with the profile ipsie: the console changes no user and no group."""

import pytest

from tests.console.importing import Wizard, figures
from tests.support.people import group, name
from tests.support.signed import KEYS


@pytest.fixture
def profiled(fresh):
    """A workspace with the profile, a user and a group."""
    fresh.person = fresh.user()
    fresh.crew = fresh.scim.post("/Groups", json=group()).json()
    connection = fresh.api.post("/connections", json={"name": "IdP"}).json()["id"]
    client = {"name": "c", "auth": "private_key_jwt", "jwks": KEYS}
    fresh.api.post(f"/connections/{connection}/oauth-clients", json=client)
    assert fresh.api.patch("/settings", json={"profile": "ipsie"}).status_code == 200
    return fresh


def changes(tenant):
    rows = tenant.api.get("/audit", params={"limit": 1000}).json()["items"]
    return [row for row in rows if row["type"] in ("User", "Group")]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("users/new", {"userName": "new@example.com"}),
        ("users/{user}/edit", {"userName": "other@example.com"}),
        ("users/{user}/deactivate", {}),
        ("users/{user}/delete", {}),
        ("groups/new", {"displayName": "New"}),
        ("groups/{group}/delete", {}),
    ],
)
def test_the_console_changes_no_resource(root, profiled, path, fields):
    before = changes(profiled)
    place = path.format(user=profiled.person["id"], group=profiled.crew["id"])
    page = f"/w/{profiled.name}/{place}"
    root.get(f"/w/{profiled.name}/users/new")  # the page has the token of the forms
    answer = root.post(page, **fields)
    assert answer.status_code in (403, 303), answer.text
    if answer.status_code == 403:
        assert "over SCIM" in answer.text
    else:
        assert "over SCIM" in root.get(answer.headers["location"]).text
    assert changes(profiled) == before


def test_an_import_creates_nobody(root, profiled):
    before = changes(profiled)
    wizard = Wizard(root, profiled)
    wizard.uploaded(f"Login\n{name('new')}\n{profiled.person['userName']}\n")
    assert figures(wizard.rehearse())["Created"] == 0
    assert figures(wizard.start())["Created"] == 0
    assert changes(profiled) == before

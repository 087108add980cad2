"""/api/v1/setup-links."""

import pytest

from muster.access.permissions import ADMIN, SCIM, SETTINGS
from tests.support.people import name
from tests.support.tenant import Tenant


@pytest.fixture(scope="module")
def tenant(server):
    with Tenant(server) as made:
        yield made


def limited(tenant, *permissions):
    made = tenant.api.post("/keys", json={"name": name("k"), "permissions": list(permissions)})
    return tenant.client(made.json()["token"], "/api/v1")


def test_a_link_is_created_listed_and_revoked(tenant):
    body = {"provider": "entra", "expiresInDays": 3, "returnUrl": "https://app.example/done"}
    made = tenant.api.post("/setup-links", json=body)
    assert made.status_code == 201
    link = made.json()
    assert made.headers["location"].endswith(f"/api/v1/setup-links/{link['id']}")
    address, _, token = link.pop("url").rpartition("/setup/")
    assert address == tenant.server.url
    assert len(token) >= 43
    assert (link["state"], link["connection"], link["step"]) == ("new", "default", "credential")
    assert tenant.api.get(f"/setup-links/{link['id']}").json() == link
    assert link in tenant.api.get("/setup-links").json()["items"]
    assert tenant.api.delete(f"/setup-links/{link['id']}").status_code == 204
    assert tenant.api.delete(f"/setup-links/{link['id']}").status_code == 204
    assert tenant.api.get(f"/setup-links/{link['id']}").json()["state"] == "revoked"
    log = tenant.api.get("/audit", params={"type": "SetupLink"}).json()["rows"]
    log = [row for row in log if row["resource"] == link["id"]]
    assert [row["action"] for row in log] == ["create", "revoke"]
    assert token not in str(log)


def test_null_stands_for_no_choice(tenant):
    body = {"connection": None, "provider": None, "returnUrl": None, "contact": None}
    made = tenant.api.post("/setup-links", json=body)
    assert made.status_code == 201, made.text
    assert (made.json()["provider"], made.json()["step"]) == (None, "provider")


def test_links_are_listed_in_pages(tenant):
    made = {tenant.api.post("/setup-links", json={}).json()["id"] for _ in range(3)}
    seen, cursor = set(), ""
    while cursor is not None:
        found = tenant.api.get("/setup-links", params={"limit": 2, "cursor": cursor}).json()
        seen |= {link["id"] for link in found["items"]}
        cursor = found["nextCursor"]
    assert made <= seen


def test_a_link_gives_no_permission_that_its_creator_lacks(tenant):
    refused = limited(tenant, SETTINGS).post("/setup-links", json={})
    assert (refused.status_code, SCIM in refused.json()["detail"]) == (403, True)
    assert limited(tenant, SETTINGS, SCIM).post("/setup-links", json={}).status_code == 201
    assert limited(tenant, ADMIN).post("/setup-links", json={}).status_code == 201


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"connection": "nobody"}, "/connection"),
        ({"provider": "acme"}, "/provider"),
        ({"expiresInDays": 31}, "/expiresInDays"),
        ({"expiresInDays": 0}, "/expiresInDays"),
        ({"returnUrl": "http://app.example/"}, "/returnUrl"),
        ({"returnUrl": "javascript:alert(1)"}, "/returnUrl"),
        ({"contact": "a\nb"}, "/contact"),
    ],
)
def test_invalid_terms_are_refused_by_name(tenant, body, pointer):
    refused = tenant.api.post("/setup-links", json=body)
    assert refused.status_code == 400
    assert [error["pointer"] for error in refused.json()["errors"]] == [pointer]

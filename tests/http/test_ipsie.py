"""The profile ipsie of a workspace: what SCIM, the management API and OAuth refuse with it."""

import re

import pytest

from muster.scim.bulk import BULK_REQUEST
from muster.scim.schema.model import GROUP, USER
from tests.http.test_oauth import Provider
from tests.support.people import name, patch, person
from tests.support.signed import KEYS
from tests.support.tenant import problem

REQUIRED = {
    "strict": True,
    "contract": "rfc7644",
    "uniqueGroupNames": True,
    "scimCredentials": "oauth",
    "rateLimit": 1500,
    "profile": "ipsie",
}


class Profiled(Provider):
    """A workspace with the profile, and SCIM as its OAuth client sends it."""

    def __init__(self, tenant):
        super().__init__(tenant)
        self.public = self.client(auth="private_key_jwt", jwks=KEYS)
        changed = tenant.api.patch("/settings", json={"profile": "ipsie"})
        assert changed.status_code == 200, changed.text
        answer = self.by_assertion(self.assertion(self.public))
        assert answer.status_code == 200, answer.text
        self.users = self.scim(answer.json()["access_token"])

    def user(self, **attributes):
        made = self.users.post("/Users", json=person(**attributes))
        assert made.status_code == 201, made.text
        return made.json()

    def patch(self, user, *operations):
        return self.users.patch(f"/Users/{user['id']}", json=patch(*operations))


@pytest.fixture
def profiled(fresh):
    return Profiled(fresh)


def error(answer, status, scim_type=None):
    assert answer.status_code == status, answer.text
    assert answer.json().get("scimType") == scim_type, answer.text
    return answer.json()["detail"]


def test_the_profile_sets_what_it_requires_and_records_it(profiled):
    shown = profiled.tenant.api.get("/settings").json()
    assert {key: shown[key] for key in REQUIRED} == REQUIRED
    rows = profiled.tenant.api.get("/audit").json()["rows"]
    row = next(row for row in rows if row["type"] == "Settings")
    changed = {key: value for key, value in REQUIRED.items() if key != "contract"}
    assert row["document"]["after"] == changed


@pytest.mark.parametrize(
    "wrong",
    [
        {"strict": False},
        {"contract": "cortex"},
        {"uniqueGroupNames": False},
        {"scimCredentials": "any"},
        {"rateLimit": 1499},
        {"rateLimit": 0},
        {"rateLimit": None},
    ],
)
def test_a_setting_that_contradicts_the_profile_is_refused(profiled, wrong):
    before = profiled.tenant.api.get("/settings").json()
    detail = problem(profiled.tenant.api.patch("/settings", json=wrong), 409)
    assert next(iter(wrong)) in detail
    assert "Set profile to none first" in detail
    assert profiled.tenant.api.get("/settings").json() == before
    without = profiled.tenant.api.patch("/settings", json={**wrong, "profile": "none"})
    assert without.status_code == 200, without.text


def test_a_higher_rate_limit_is_kept(fresh):
    Provider(fresh).client(auth="private_key_jwt", jwks=KEYS)
    fresh.api.patch("/settings", json={"rateLimit": 3000})
    assert fresh.api.patch("/settings", json={"profile": "ipsie"}).json()["rateLimit"] == 3000


def test_the_profile_needs_an_oauth_client_with_a_key(fresh):
    provider = Provider(fresh)
    provider.client()
    detail = problem(fresh.api.patch("/settings", json={"profile": "ipsie"}), 409)
    assert "private_key_jwt" in detail


def test_the_profile_needs_schemas_without_secrets(fresh):
    Provider(fresh).client(auth="private_key_jwt", jwks=KEYS)
    schema = {
        "id": f"urn:{name('x').partition('@')[0]}:1.0:User",
        "name": "Tokens",
        "extends": ["User"],
        "attributes": [{"name": "token", "type": "string", "returned": "never"}],
    }
    assert fresh.api.post("/schemas", json=schema).status_code == 201
    detail = problem(fresh.api.patch("/settings", json={"profile": "ipsie"}), 409)
    assert "'token'" in detail
    plain = {**schema, "attributes": [{"name": "badge", "type": "string"}]}
    assert fresh.api.put(f"/schemas/{schema['id']}", json=plain).status_code == 200
    assert fresh.api.patch("/settings", json={"profile": "ipsie"}).status_code == 200
    detail = problem(fresh.api.put(f"/schemas/{schema['id']}", json=schema), 409)
    assert "token: " in detail


def test_scim_accepts_clients_with_a_key_alone(fresh):
    provider = Provider(fresh)
    secret = provider.client()
    earlier = provider.scim(provider.by_secret(secret).json()["access_token"])
    assert earlier.get("/Users").status_code == 200
    profiled = Profiled(fresh)
    for refused in (earlier, fresh.scim):
        assert "private_key_jwt" in error(refused.get("/Users"), 401)
    answer = provider.by_secret(secret)
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")
    made = fresh.api.post(f"{provider.path}/oauth-clients", json={"name": "another"})
    assert "private_key_jwt" in problem(made, 409)
    assert profiled.users.get("/Users").status_code == 200


def test_discovery_shows_the_profile(profiled):
    config = profiled.users.get("/ServiceProviderConfig").json()
    assert config["interopProfileConformant"] is True
    assert config["changePassword"] == {"supported": False}
    assert config["bulk"]["supported"] is True
    schemas = {found["id"]: found for found in profiled.users.get("/Schemas").json()["Resources"]}
    attributes = {found["name"]: found for found in schemas[USER]["attributes"]}
    assert "password" not in attributes
    for attribute in attributes.values():
        for sub in attribute.get("subAttributes", ()):
            if attribute["multiValued"] and sub["name"] == "type":
                assert sub["canonicalValues"], attribute["name"]
    types = profiled.users.get("/ResourceTypes").json()["Resources"]
    assert [found["id"] for found in types] == [found["name"] for found in types]


def test_other_workspaces_do_not_claim_the_profile(fresh):
    config = fresh.scim.get("/ServiceProviderConfig").json()
    assert "interopProfileConformant" not in config
    assert config["changePassword"] == {"supported": True}


@pytest.mark.parametrize(
    "body",
    [
        {"nickname2": "x"},
        {"password": "t1meMa$heen"},
        {"name": {"familyName": "A", "nobody": "x"}},
        {"emails": [{"value": "a@example.com", "kind": "x"}]},
        {"schemas": [USER, "urn:example:unknown"]},
        {"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"floor": "3"}},
        {"urn:example:unknown": {"x": 1}},
    ],
    ids=lambda body: next(iter(body)),
)
def test_undefined_attributes_and_schemas_are_refused(profiled, body):
    error(profiled.users.post("/Users", json=person(**body)), 400, "invalidSyntax")
    user = profiled.user()
    whole = {**person(), "userName": user["userName"], **body}
    error(profiled.users.put(f"/Users/{user['id']}", json=whole), 400, "invalidSyntax")


def test_read_only_attributes_are_ignored(profiled):
    user = profiled.user()
    sent = {**user, "displayName": "Seen", "groups": [{"value": "x"}]}
    answer = profiled.users.put(f"/Users/{user['id']}", json=sent)
    assert answer.status_code == 200, answer.text
    assert answer.json()["displayName"] == "Seen"


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "value": {"displayName": "x"}},
        {"op": "add", "value": {"displayName": "x"}},
        {"op": "replace", "path": "nickname2", "value": "x"},
        {"op": "replace", "path": "name.nobody", "value": "x"},
        {"op": "replace", "path": "name", "value": {"familyName": "x", "nobody": "x"}},
        {"op": "add", "path": "password", "value": "t1meMa$heen"},
    ],
    ids=str,
)
def test_a_patch_names_its_paths_and_defined_attributes(profiled, operation):
    user = profiled.user()
    error(profiled.patch(user, operation), 400, "invalidSyntax")
    assert profiled.users.get(f"/Users/{user['id']}").json() == user


def test_a_replace_of_a_complex_attribute_replaces_all_of_it_and_an_add_merges(profiled):
    user = profiled.user(name={"familyName": "Kato", "givenName": "Aki"})
    path = {"path": "name", "value": {"familyName": "Sato"}}
    merged = profiled.patch(user, {"op": "add", **path}).json()["name"]
    assert merged == {"familyName": "Sato", "givenName": "Aki"}
    assert profiled.patch(user, {"op": "replace", **path}).json()["name"] == {"familyName": "Sato"}


def test_a_filter_on_an_undefined_attribute_is_refused(profiled):
    error(profiled.users.get('/Users?filter=nickname2 eq "x"'), 400, "invalidFilter")


@pytest.mark.parametrize(
    "text",
    [
        'userName eq "{userName}"',
        'externalId eq "{externalId}"',
        'emails[value eq "{email}"]',
        'emails[type eq "work" and value eq "{email}"]',
    ],
)
def test_users_are_found_by_the_identifiers_of_the_profile(profiled, text):
    email = name("mail")
    user = profiled.user(externalId=name("e"), emails=[{"value": email, "type": "work"}])
    values = {"userName": user["userName"], "externalId": user["externalId"], "email": email}
    asked = re.sub(r"\{(\w+)\}", lambda found: values[found[1]], text)
    found = profiled.users.get("/Users", params={"filter": asked}).json()["Resources"]
    assert [one["id"] for one in found] == [user["id"]]


def test_fifty_members_are_added_and_removed_in_one_patch(profiled):
    people = [profiled.user()["id"] for _ in range(50)]
    empty = {"schemas": [GROUP], "displayName": name("g")}
    group = profiled.users.post("/Groups", json=empty).json()
    assert error(profiled.users.post("/Groups", json=empty), 409, "uniqueness")
    path = f"/Groups/{group['id']}"
    adds = [{"op": "add", "path": "members", "value": [{"value": one}]} for one in people]
    assert len(profiled.users.patch(path, json=patch(*adds)).json()["members"]) == 50
    removes = [{"op": "remove", "path": f'members[value eq "{one}"]'} for one in people]
    assert not profiled.users.patch(path, json=patch(*removes)).json().get("members")


def test_a_user_is_deactivated_reactivated_deleted_and_created_again(profiled):
    user = profiled.user()
    for active in (False, True):
        operation = {"op": "replace", "path": "active", "value": active}
        assert profiled.patch(user, operation).json()["active"] is active
    assert profiled.users.delete(f"/Users/{user['id']}").status_code == 204
    again = profiled.user(userName=user["userName"])
    assert again["id"] != user["id"]


def test_bulk_is_supported(profiled):
    operation = {"method": "POST", "path": "/Users", "bulkId": "a", "data": person()}
    body = {"schemas": [BULK_REQUEST], "Operations": [operation]}
    [answer] = profiled.users.post("/Bulk", json=body).json()["Operations"]
    assert answer["status"] == "201"


def test_resources_change_over_scim_alone(profiled):
    api, user = profiled.tenant.api, profiled.user()
    path = f"/history/{user['id']}"
    first = api.get(path).json()["items"][0]["change"]
    profiled.patch(user, {"op": "replace", "path": "displayName", "value": "Later"})
    before = profiled.users.get(f"/Users/{user['id']}").json()
    for answer in (
        api.post(f"{path}/restore", json={"change": first}),
        api.post(f"{path}/restore", json={"change": first, "override": True}),
        api.post("/wipe", json={"workspace": profiled.tenant.name}),
    ):
        assert "over SCIM" in problem(answer, 403)
    assert profiled.users.get(f"/Users/{user['id']}").json() == before
    api.patch("/settings", json={"profile": "none"})
    assert api.post(f"{path}/restore", json={"change": first}).status_code == 200


def test_passwords_are_not_verified(profiled):
    body = {"userName": profiled.user()["userName"], "password": "x"}
    answer = profiled.tenant.api.post("/passwords/verify", json=body)
    assert "passwords" in problem(answer, 403)


def test_a_connection_cannot_weaken_the_profile(profiled):
    given = {"strict": False, "contract": "cortex", "rateLimit": 10}
    changed = profiled.tenant.api.patch(profiled.path, json=given)
    assert changed.status_code == 200, changed.text
    assert profiled.users.post("/Users", json=person()).status_code == 201
    error(profiled.users.post("/Users", json=person(nickname2="x")), 400, "invalidSyntax")


def test_a_workspace_without_the_profile_is_as_before(profiled):
    profiled.tenant.api.patch("/settings", json={"profile": "none", "scimCredentials": "any"})
    made = profiled.tenant.scim.post("/Users", json=person(password="t1meMa$heen", nickname2="x"))
    assert made.status_code == 201, made.text

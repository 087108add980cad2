"""Requirements of the RFCs and profiles that no other test covers; see conformance/requirements."""

import re

import httpx
import pytest

from tests.support.people import error_of, group, name, patch, person, replace


def found(client, endpoint, text):
    page = client.get(endpoint, params={"filter": text}).json()
    return [one["id"] for one in page["Resources"]]


def test_an_id_and_an_external_id_are_case_exact(fresh):
    user = fresh.user(externalId="ABC-def")
    assert fresh.scim.get(f"/Users/{user['id'].upper()}").status_code == 404
    assert found(fresh.scim, "/Users", 'externalId eq "ABC-def"') == [user["id"]]
    assert found(fresh.scim, "/Users", 'externalId eq "abc-DEF"') == []
    assert found(fresh.scim, "/Users", f'id eq "{user["id"]}"') == [user["id"]]
    assert found(fresh.scim, "/Users", f'id eq "{user["id"].upper()}"') == []


def test_a_resource_is_addressed_by_its_id_alone(fresh):
    user = fresh.user(externalId="the-external-id")
    for other in (user["userName"], "the-external-id"):
        error_of(fresh.scim.get(f"/Users/{other}"), 404)
        error_of(fresh.scim.delete(f"/Users/{other}"), 404)
    assert user["meta"]["location"].endswith(f"/Users/{user['id']}")


def test_a_deleted_resource_is_404_and_in_no_list(fresh):
    user = fresh.user()
    path = f"/Users/{user['id']}"
    assert fresh.scim.delete(path).status_code == 204
    for answer in (
        fresh.scim.get(path),
        fresh.scim.put(path, json=person()),
        fresh.scim.patch(path, json=replace("active", value=True)),
        fresh.scim.delete(path),
    ):
        error_of(answer, 404)
    assert found(fresh.scim, "/Users", f'userName eq "{user["userName"]}"') == []
    assert fresh.scim.get("/Users").json()["totalResults"] == 0
    assert fresh.scim.get("").json()["totalResults"] == 0


def test_groups_are_found_by_the_identifiers_of_ipsie(fresh):
    user = fresh.user()
    made = fresh.scim.post("/Groups", json=group("Crew", user, externalId="g-1")).json()
    fresh.scim.post("/Groups", json=group("Others"))
    for text in (
        'displayName eq "Crew"',
        'externalId eq "g-1"',
        f'members[value eq "{user["id"]}"]',
    ):
        assert found(fresh.scim, "/Groups", text) == [made["id"]]


def test_each_write_is_in_the_audit_log(fresh):
    user = fresh.user()
    path = f"/Users/{user['id']}"
    fresh.scim.patch(path, json=replace("displayName", "B"))
    fresh.scim.put(path, json=person(user["userName"]))
    fresh.scim.delete(path)
    rows = fresh.api.get("/audit").json()["rows"]
    actions = [row["action"] for row in rows if row["resource"] == user["id"]]
    assert actions == ["create", "update", "update", "delete"]


def test_a_cursor_has_unreserved_characters_alone(fresh):
    for _ in range(3):
        fresh.user()
    for query in ({}, {"sortBy": "userName"}, {"filter": 'userName sw "user"'}):
        page = fresh.scim.get("/Users", params={"cursor": "", "count": 1, **query}).json()
        assert re.fullmatch(r"[A-Za-z0-9._~-]+", page["nextCursor"])


def test_a_negative_count_with_a_cursor_is_zero(fresh):
    fresh.user()
    page = fresh.scim.get("/Users", params={"cursor": "", "count": -3}).json()
    assert (page["totalResults"], page.get("Resources", [])) == (1, [])


def test_the_default_pagination_method_is_used_without_parameters(fresh):
    for _ in range(3):
        fresh.user()
    paging = fresh.scim.get("/ServiceProviderConfig").json()["pagination"]
    assert (paging["defaultPaginationMethod"], paging["cursor"], paging["index"]) == (
        "index", True, True,
    )  # fmt: skip
    page = fresh.scim.get("/Users", params={"count": 2}).json()
    assert (page["startIndex"], page["itemsPerPage"], page["totalResults"]) == (1, 2, 3)
    assert "nextCursor" not in page


def test_a_cursor_grants_nothing_to_a_revoked_key(fresh):
    for _ in range(3):
        fresh.user()
    made = fresh.api.post("/keys", json={"name": name("key"), "permissions": ["Admin"]}).json()
    client = fresh.client(made["token"], "/scim/v2")
    cursor = client.get("/Users", params={"cursor": "", "count": 1}).json()["nextCursor"]
    assert client.get("/Users", params={"cursor": cursor, "count": 1}).status_code == 200
    assert fresh.api.delete(f"/keys/{made['id']}").status_code in (200, 204)
    assert client.get("/Users", params={"cursor": cursor, "count": 1}).status_code == 401


@pytest.mark.parametrize("path", ["/Users", "/Groups"])
def test_patch_answers_the_resource_or_nothing(fresh, path):
    made = fresh.scim.post(path, json=person() if path == "/Users" else group()).json()
    answer = fresh.scim.patch(f"{path}/{made['id']}", json=patch(
        {"op": "replace", "path": "displayName", "value": "Named"}
    ))  # fmt: skip
    assert answer.status_code == 200
    assert answer.json()["displayName"] == "Named"
    assert answer.headers["etag"] == answer.json()["meta"]["version"]


def test_a_negative_count_is_zero(fresh):
    fresh.user()
    page = fresh.scim.get("/Users", params={"count": -3}).json()
    assert (page["totalResults"], page.get("Resources", [])) == (1, [])


def test_a_start_index_below_1_is_1(fresh):
    users = {fresh.user()["id"] for _ in range(2)}
    for start in (0, -7):
        page = fresh.scim.get("/Users", params={"startIndex": start}).json()
        assert page["startIndex"] == 1
        assert {one["id"] for one in page["Resources"]} == users


def test_a_query_without_matches_is_200(fresh):
    answer = fresh.scim.get("/Users", params={"filter": 'userName eq "nobody"'})
    assert (answer.status_code, answer.json()["totalResults"]) == (200, 0)


def test_unknown_query_parameters_are_ignored(fresh):
    user = fresh.user()
    assert fresh.scim.get("/Users", params={"x": "1"}).json()["totalResults"] == 1
    assert fresh.scim.get(f"/Users/{user['id']}", params={"x": "1"}).json() == user
    assert fresh.scim.post("/Users?x=1", json=person()).status_code == 201


def test_put_creates_nothing(fresh):
    user = fresh.user()
    unknown = user["id"][:-6] + "abcdef"
    for path in (f"/Users/{unknown}", "/Users/new", f"/Groups/{user['id']}"):
        body = person() if path.startswith("/Users") else group()
        error_of(fresh.scim.put(path, json=body), 404)
    assert fresh.scim.put("/Users", json=person()).status_code == 405
    assert fresh.scim.get("").json()["totalResults"] == 1


def test_meta_is_set_by_the_server(fresh):
    given = {"id": "mine", "meta": {"resourceType": "Group", "created": "2001-01-01T00:00:00Z"}}
    answer = fresh.scim.post("/Users", json=person(**given))
    made = answer.json()
    assert answer.headers["location"] == made["meta"]["location"]
    assert made["id"] != "mine"
    assert made["meta"]["resourceType"] == "User"
    assert made["meta"]["created"] == made["meta"]["lastModified"] > "2001-01-01"
    assert fresh.scim.post("/Groups", json=group()).json()["meta"]["resourceType"] == "Group"


def test_an_external_id_is_the_clients(fresh):
    assert "externalId" not in fresh.user()
    one, other = (fresh.user(externalId="shared") for _ in range(2))
    assert one["externalId"] == other["externalId"] == "shared"
    assert set(found(fresh.scim, "/Users", 'externalId eq "shared"')) == {one["id"], other["id"]}


def test_a_user_name_is_free_after_the_deletion(fresh):
    user = fresh.user()
    assert fresh.scim.delete(f"/Users/{user['id']}").status_code == 204
    again = fresh.scim.post("/Users", json=person(user["userName"]))
    assert again.status_code == 201
    assert again.json()["id"] != user["id"]


def test_results_are_sorted_by_the_type_of_the_attribute(fresh):
    for text, number in (("b", "b"), ("A", "A"), ("c", "C"), ("B2", "a")):
        fresh.user(displayName=text, externalId=number)

    def order(**query):
        page = fresh.scim.get("/Users", params=query).json()
        return [one[query["sortBy"]] for one in page["Resources"]]

    assert order(sortBy="displayName") == ["A", "b", "B2", "c"]
    assert order(sortBy="displayName", sortOrder="descending") == ["c", "B2", "b", "A"]
    assert order(sortBy="externalId") == ["A", "C", "a", "b"]


def test_an_attribute_of_another_type_has_no_value_at_the_root(fresh):
    user = fresh.user()
    made = fresh.scim.post("/Groups", json=group("Only here")).json()
    assert found(fresh.scim, "", f'userName eq "{user["userName"]}"') == [user["id"]]
    assert found(fresh.scim, "", "not (userName pr)") == [made["id"]]


def test_discovery_ignores_paging_and_sorting(fresh):
    for endpoint in ("/ServiceProviderConfig", "/ResourceTypes", "/Schemas"):
        whole = fresh.scim.get(endpoint).json()
        query = {"count": 1, "startIndex": 2, "sortBy": "name", "attributes": "id"}
        assert fresh.scim.get(endpoint, params=query).json() == whole


def test_another_version_is_refused(fresh):
    headers = {"authorization": f"Bearer {fresh.token}"}
    for path in ("/scim/v1/Users", "/scim/v3/Users", "/scim/Users"):
        answer = httpx.get(fresh.server.url + path, headers=headers)
        assert answer.status_code == 404, path


def test_a_reference_leads_to_its_resource(fresh):
    user = fresh.user()
    made = fresh.scim.post("/Groups", json=group("Crew", user)).json()
    headers = {"authorization": f"Bearer {fresh.token}"}
    [member] = made["members"]
    assert httpx.get(member["$ref"], headers=headers).json()["id"] == user["id"]
    [joined] = fresh.scim.get(f"/Users/{user['id']}").json()["groups"]
    assert joined["value"] == made["id"]
    assert httpx.get(joined["$ref"], headers=headers).json()["id"] == made["id"]


def test_the_order_of_attributes_has_no_effect(fresh):
    body = person(externalId="x", title="T", active=False)
    one = fresh.scim.post("/Users", json=dict(sorted(body.items()))).json()
    body["userName"] = name()
    other = fresh.scim.post("/Users", json=dict(sorted(body.items(), reverse=True))).json()
    varying = ("id", "userName", "meta")
    assert [(key, value) for key, value in one.items() if key not in varying] == [
        (key, value) for key, value in other.items() if key not in varying
    ]


def test_a_required_extension_is_required(fresh):
    urn = "urn:example:1.0:Badge"
    schema = {
        "id": urn,
        "name": "Badge",
        "extends": ["User"],
        "required": True,
        "attributes": [{"name": "serial", "type": "string", "required": True}],
    }
    assert fresh.api.post("/schemas", json=schema).status_code == 201
    types = {one["id"]: one for one in fresh.scim.get("/ResourceTypes").json()["Resources"]}
    assert {"schema": urn, "required": True} in types["User"]["schemaExtensions"]
    assert urn in error_of(fresh.scim.post("/Users", json=person()), 400, "invalidValue")
    made = fresh.scim.post("/Users", json=person(**{urn: {"serial": "1"}}))
    assert made.status_code == 201, made.text
    assert urn in made.json()["schemas"]


def test_ids_are_unique_over_types(fresh):
    user, made = fresh.user(), fresh.scim.post("/Groups", json=group()).json()
    assert user["id"] != made["id"]
    error_of(fresh.scim.get(f"/Groups/{user['id']}"), 404)
    error_of(fresh.scim.get(f"/Users/{made['id']}"), 404)

"""Dialects that only occur over HTTP, in lenient and strict workspaces."""

import json

import orjson
import pytest

from muster.scim.messages import SEARCH_REQUEST
from muster.scim.schema.model import ENTERPRISE_USER, GROUP, USER
from tests.support.people import error_of, name, patch, person


def made(client, **attributes):
    return client.post("/Users", json={**person(), **attributes}).json()


def group_of(client, *members):
    body = {
        "schemas": [GROUP],
        "displayName": name("group"),
        "members": [{"value": member["id"]} for member in members],
    }
    return client.post("/Groups", json=body).json()


def members(client, group):
    return sorted(
        item["value"] for item in client.get(f"/Groups/{group['id']}").json().get("members", [])
    )


def put_user(client, user, **attributes):
    body = {"schemas": [USER], "userName": user["userName"], **attributes}
    answer = client.put(f"/Users/{user['id']}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["active"]


def test_a_user_without_active_is_stored_as_active(client):
    body = {key: value for key, value in person().items() if key != "active"}
    user = client.post("/Users", json=body).json()
    assert user["active"] is True
    found = client.get(
        "/Users", params={"filter": f'userName eq "{user["userName"]}" and active eq true'}
    ).json()
    assert found["totalResults"] == 1


def test_put_without_active_keeps_it_in_a_lenient_workspace(client, strict):
    user = made(client, active=False)
    assert put_user(client, user) is False
    assert put_user(client, user, active=None) is False
    assert put_user(client, user, active=[]) is False
    assert put_user(client, user, active=True) is True
    assert (
        put_user(strict, made(strict, active=False)) is True
    )  # RFC 7644 section 3.5.1: what is omitted takes its default


@pytest.mark.parametrize("given", [{}, {"members": None}])
def test_put_without_members_keeps_them_in_a_lenient_workspace(client, strict, given):
    for asked, kept in ((client, True), (strict, False)):
        user = made(asked)
        group = group_of(asked, user)
        body = {"schemas": [GROUP], "displayName": group["displayName"], **given}
        assert asked.put(f"/Groups/{group['id']}", json=body).status_code == 200
        assert members(asked, group) == ([user["id"]] if kept else [])


def test_put_with_an_empty_array_of_members_removes_them(client):
    group = group_of(client, made(client))
    body = {"schemas": [GROUP], "displayName": group["displayName"], "members": []}
    assert client.put(f"/Groups/{group['id']}", json=body).status_code == 200
    assert members(client, group) == []


def test_a_byte_order_mark_is_ignored_in_a_lenient_workspace(client, strict):
    body = b"\xef\xbb\xbf" + orjson.dumps(person())
    headers = {"content-type": "application/scim+json"}
    assert client.post("/Users", content=body, headers=headers).status_code == 201
    error_of(strict.post("/Users", content=body, headers=headers), 400, "invalidSyntax")


@pytest.mark.parametrize("key", ["Filter", "FILTER"])
def test_a_filter_is_never_ignored_for_its_case(client, strict, key):
    message = {"schemas": [SEARCH_REQUEST], key: 'userName eq "nobody"'}
    assert client.post("/Users/.search", json=message).json()["totalResults"] == 0
    assert client.get("/Users", params={key: 'userName eq "nobody"'}).json()["totalResults"] == 0
    error_of(strict.post("/Users/.search", json=message), 400, "invalidSyntax")
    error_of(strict.get("/Users", params={key: 'userName eq "nobody"'}), 400, "invalidSyntax")


def test_an_unknown_member_of_a_search_is_refused(client):
    message = {"schemas": [SEARCH_REQUEST], "filters": 'userName eq "nobody"'}
    assert "filters" in error_of(client.post("/Users/.search", json=message), 400, "invalidSyntax")


def test_a_search_needs_no_schemas_in_a_lenient_workspace(client, strict):
    assert (
        client.post("/Users/.search", json={"filter": 'userName eq "nobody"'}).json()[
            "totalResults"
        ]
        == 0
    )
    error_of(strict.post("/Users/.search", json={"count": 1}), 400, "invalidSyntax")


@pytest.mark.parametrize("key", ["groups", "Operations", "schemas"])
def test_members_are_never_emptied_by_a_value_that_names_nobody(client, strict, key):
    for asked in (client, strict):
        user = made(asked)
        group = group_of(asked, user)
        path = f"/Groups/{group['id']}"
        for value in (
            [{"id": user["id"]}],
            [{"display": "x"}],
            [None],
            [""],
            [{}],
            {},
            {key: [{"value": user["id"]}]},
            "",
            0,
        ):
            for operation in ("add", "remove", "replace"):
                answer = asked.patch(
                    path, json=patch({"op": operation, "path": "members", "value": value})
                )
                assert answer.status_code == 400, (operation, value, answer.text)
            body = {"schemas": [GROUP], "displayName": group["displayName"], "members": value}
            error_of(asked.put(path, json=body), 400, "invalidValue")
            error_of(
                asked.post("/Groups", json={**body, "displayName": name("group")}),
                400,
                "invalidValue",
            )
            assert members(asked, group) == [user["id"]]


def test_members_are_removed_by_an_empty_array_not_at_all(client):
    user = made(client)
    group = group_of(client, user)
    assert (
        client.patch(
            f"/Groups/{group['id']}", json=patch({"op": "remove", "path": "members", "value": []})
        ).status_code
        == 200
    )
    assert members(client, group) == [user["id"]]


def test_schemas_of_another_type_are_refused(client, strict):
    for asked in (client, strict):
        error_of(asked.post("/Users", json={**person(), "schemas": [GROUP]}), 400, "invalidValue")
        body = {"schemas": [ENTERPRISE_USER], "displayName": name("group")}
        error_of(asked.post("/Groups", json=body), 400, "invalidValue")


def test_app_roles_as_json_are_found_and_removed_by_their_value(client, strict):
    for asked, found in ((client, 1), (strict, 0)):
        value = name("role")
        user = made(asked, roles=[{"value": value}, {"value": "other"}])
        role = json.dumps({"id": "1", "value": value, "displayName": "Shown"})
        for path in ("roles", "roles.value"):
            answer = asked.get("/Users", params={"filter": f"{path} eq {json.dumps(role)}"})
            assert answer.json()["totalResults"] == found, answer.text
        answer = asked.get("/Users", params={"filter": f"roles[value eq {json.dumps(role)}]"})
        assert answer.json()["totalResults"] == found, answer.text
        removed = patch({"op": "remove", "path": f"roles[value eq {json.dumps(role)}]"})
        answer = asked.patch(f"/Users/{user['id']}", json=removed)
        if found:
            assert answer.json()["roles"] == [{"value": "other"}]
        else:
            error_of(answer, 400, "noTarget")

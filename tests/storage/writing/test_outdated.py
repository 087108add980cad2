"""A write of a batch sees the versions that the writes before it gave to the groups they touch."""

import pytest

from tests.support.people import group, name, replace

BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"


def bulk(fresh, *operations):
    body = {"schemas": [BULK], "Operations": list(operations)}
    return fresh.scim.post("/Bulk", json=body).json()["Operations"]


def change(path, attribute, value, **more):
    return {"method": "PATCH", "path": path, "data": replace(attribute, value), **more}


@pytest.fixture
def crew(fresh):
    """A user, their group, and a group around it."""
    user = fresh.user(displayName="A")
    inner = fresh.scim.post("/Groups", json=group(name("Inner"), user)).json()
    outer = fresh.scim.post("/Groups", json=group(name("Outer"), inner)).json()
    return user, inner, outer


def check_versions(fresh, results):
    """The last answer about each resource has its current version, and it can be used."""
    latest = {result["location"]: result for result in results}
    for location, result in latest.items():
        path = location.partition("/scim/v2")[2]
        assert result["status"] == "200", result
        assert fresh.scim.get(path).json()["meta"]["version"] == result["version"], path
    for location, result in latest.items():
        path = location.partition("/scim/v2")[2]
        again = fresh.scim.patch(
            path, json=replace("externalId", name()), headers={"If-Match": result["version"]}
        )
        assert again.status_code == 200, path


def test_a_group_after_a_rename_of_its_member(fresh, crew):
    user, inner, _ = crew
    results = bulk(
        fresh,
        change(f"/Users/{user['id']}", "displayName", "B"),
        change(f"/Groups/{inner['id']}", "externalId", "x"),
    )
    check_versions(fresh, results[1:])


def test_a_member_after_a_rename_of_its_group(fresh, crew):
    user, inner, outer = crew
    for renamed in (inner, outer):
        results = bulk(
            fresh,
            change(f"/Groups/{renamed['id']}", "displayName", name("Renamed")),
            change(f"/Users/{user['id']}", "title", name()),
        )
        check_versions(fresh, results[1:])


def test_a_precondition_sees_the_touch(fresh, crew):
    user, inner, _ = crew
    version = fresh.scim.get(f"/Groups/{inner['id']}").json()["meta"]["version"]
    results = bulk(
        fresh,
        change(f"/Users/{user['id']}", "displayName", "C"),
        change(f"/Groups/{inner['id']}", "externalId", "y", version=version),
    )
    assert [result["status"] for result in results] == ["200", "412"]


def test_a_long_chain_of_dependent_writes(fresh, crew):
    user, inner, outer = crew
    operations = []
    for number in range(6):
        operations += [
            change(f"/Users/{user['id']}", "displayName", f"Name {number}"),
            change(f"/Groups/{inner['id']}", "displayName", name("Inner")),
            change(f"/Groups/{outer['id']}", "externalId", f"e{number}"),
        ]
    results = bulk(fresh, *operations)
    assert {result["status"] for result in results} == {"200"}
    assert fresh.scim.get(f"/Users/{user['id']}").json()["displayName"] == "Name 5"
    assert fresh.scim.get(f"/Groups/{outer['id']}").json()["externalId"] == "e5"


def test_a_deleted_member_leaves_before_the_next_write_of_its_group(fresh, crew):
    user, inner, _ = crew
    results = bulk(
        fresh,
        {"method": "DELETE", "path": f"/Users/{user['id']}"},
        change(f"/Groups/{inner['id']}", "externalId", "z"),
    )
    check_versions(fresh, results[1:])
    assert fresh.scim.get(f"/Groups/{inner['id']}").json()["members"] == []

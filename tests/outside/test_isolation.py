"""Workspaces are walls: nothing of one is seen from another."""

from tests.support.people import error_of, name, person, replace


def test_nothing_of_one_workspace_is_seen_from_another(client, cortex):
    user = client.post("/Users", json=person(externalId="wall")).json()
    at = f"/Users/{user['id']}"
    error_of(cortex.get(at), 404)
    error_of(cortex.get(at, headers={"If-None-Match": user["meta"]["version"]}), 404)
    error_of(cortex.put(at, json=person()), 404)
    error_of(cortex.patch(at, json=replace("active", False)), 404)
    error_of(cortex.delete(at), 404)
    for filter_ in (
        f'userName eq "{user["userName"]}"',
        f'id eq "{user["id"]}"',
        'externalId eq "wall"',
        'externalId co "wal"',
    ):
        assert cortex.get("/Users", params={"filter": filter_}).json()["totalResults"] == 0
        assert client.get("/Users", params={"filter": filter_}).json()["totalResults"] == 1
    assert client.get(at).json() == user


def test_two_workspaces_may_hold_one_name_and_count_apart(client, cortex):
    user_name = name("shared")
    before = cortex.get("/Users?count=0").json()["totalResults"]
    assert client.post("/Users", json=person(user_name)).status_code == 201
    assert cortex.get("/Users?count=0").json()["totalResults"] == before
    assert cortex.post("/Users", json=person(user_name)).status_code == 200
    error_of(cortex.post("/Users", json=person(user_name)), 409, "uniqueness")

"""/api/v1/requests."""

from tests.support.people import patch, person
from tests.support.tenant import problem


def test_requests_and_the_doctor(fresh):
    user = fresh.user(password="quite a secret")
    fresh.scim.patch(
        f"/Users/{user['id']}", json=patch({"op": "Replace", "path": "active", "value": "True"})
    )
    found = fresh.recorded(2)
    assert [(item["method"], item["status"]) for item in found] == [("PATCH", 200), ("POST", 201)]
    assert found[0]["quirks"] == ["operation-case", "boolean-as-string"]
    whole = fresh.api.get(f"/requests/{found[1]['number']}").json()
    assert user["userName"] in whole["body"]
    assert "quite a secret" not in whole["body"]
    assert [item["number"] for item in fresh.api.get("/requests?status=201").json()["items"]] == [
        found[1]["number"]
    ]
    assert {item["dialect"] for item in fresh.api.get("/doctor").json()["dialects"]} == set(
        found[0]["quirks"]
    )
    problem(fresh.api.get("/requests/x"), 404)


def test_requests_are_found_by_person_time_and_id(fresh):
    ann, ben = fresh.user(), fresh.user()
    fresh.scim.post("/Users", json=person(ann["userName"]))
    with fresh.client(fresh.key() + "x", "/scim/v2") as stranger:
        assert stranger.get("/Users").status_code == 401
    fresh.recorded(4)

    def found(**parameters):
        items = fresh.api.get("/requests", params=parameters).json()["items"]
        return [(item["method"], item["status"]) for item in items]

    assert found(person=ann["userName"]) == [("POST", 409), ("POST", 201)]
    assert found(person=ben["userName"].upper(), failed="true") == []
    assert found(failed="true") == [("GET", 401), ("POST", 409)]
    times = [item["time"] for item in fresh.recorded(4)][::-1]
    assert found(until=times[0]) == []
    assert len(found(since=times[0])) == 4
    assert found(since="2100-01-01T00:00:00Z") == []
    latest = fresh.recorded(4)[0]
    assert found(request=latest["request_id"]) == [("GET", 401)]
    first = fresh.api.get("/requests", params={"limit": 1, "until": "2100-01-01"}).json()
    second = fresh.api.get(
        "/requests", params={"limit": 1, "until": "2100-01-01", "cursor": first["nextCursor"]}
    ).json()
    assert second["items"][0]["number"] == fresh.recorded(4)[1]["number"]
    for name_ in ("since", "until"):
        refused = fresh.api.get("/requests", params={name_: "noon"})
        assert refused.json()["errors"][0]["pointer"] == f"/{name_}"
        problem(refused, 400)

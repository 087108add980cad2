"""POST /Bulk (RFC 7644 section 3.7)."""

import pytest

from muster.scim.bulk import BULK_REQUEST, BULK_RESPONSE
from muster.scim.schema import USER
from tests.people import error_of, group, name, patch, person


def bulk(client, *operations, **more):
    answer = client.post("/Bulk", json={"schemas": [BULK_REQUEST], "Operations": list(operations), **more})
    assert answer.status_code == 200, answer.text
    assert answer.json()["schemas"] == [BULK_RESPONSE]
    return answer.json()["Operations"]


def post(bulk_id, data):
    return {"method": "POST", "path": "/Users" if "userName" in data else "/Groups", "bulkId": bulk_id, "data": data}


def crew(*bulk_ids, **attributes):
    return {**group(), "members": [{"value": f"bulkId:{bulk_id}"} for bulk_id in bulk_ids], **attributes}


def read(client, result):
    assert result["location"].startswith(str(client.base_url).rstrip("/"))
    answer = client.get(result["location"])
    assert answer.status_code == 200
    assert answer.headers["etag"] == result.get("version", answer.headers["etag"])
    return answer.json()


def values(resource):
    return sorted(item["value"] for item in resource.get("members", ()))


def test_every_method_on_every_type(client):
    kept, gone = (client.post("/Users", json=person()).json() for _ in range(2))
    made = client.post("/Groups", json=group()).json()
    results = bulk(
        client,
        post("u", person()),
        {"method": "put", "path": f"/Users/{kept['id']}", "data": person(kept["userName"], title="put"), "version": 'W/"1"'},
        {
            "method": "PATCH",
            "path": f"/Groups/{made['id']}",
            "data": patch({"op": "replace", "path": "displayName", "value": "x"}),
        },
        {"method": "DELETE", "path": f"/Users/{gone['id']}"},
    )
    assert [(item["method"], item["status"]) for item in results] == [
        ("POST", "201"), ("PUT", "200"), ("PATCH", "200"), ("DELETE", "204"),
    ]  # fmt: skip
    assert results[0]["bulkId"] == "u"
    assert results[0]["version"] == 'W/"1"'
    assert read(client, results[1])["title"] == "put"
    assert read(client, results[2])["displayName"] == "x"
    assert results[3]["location"].endswith(gone["id"])
    assert "version" not in results[3]
    assert client.get(f"/Users/{gone['id']}").status_code == 404


def test_each_operation_fails_alone_with_its_error(client):
    taken = client.post("/Users", json=person()).json()
    good = post("good", person())
    results = bulk(
        client,
        post("dup", person(taken["userName"].upper())),
        good,
        {"method": "DELETE", "path": "/Users/nobody"},
        {"method": "PUT", "path": f"/Users/{taken['id']}", "data": person(taken["userName"]), "version": 'W/"7"'},
        {
            "method": "PATCH",
            "path": f"/Users/{taken['id']}",
            "data": patch({"op": "replace", "path": "active", "value": "perhaps"}),
        },
        {"method": "POST", "path": "/Robots", "bulkId": "r", "data": {}},
        post("bad", {"schemas": [USER], "userName": ""}),
    )
    told = [(item["status"], item.get("response", {}).get("scimType")) for item in results]
    assert told == [
        ("409", "uniqueness"), ("201", None), ("404", None), ("412", None), ("400", "invalidValue"), ("400", "invalidPath"),
        ("400", "invalidValue"),
    ]  # fmt: skip
    for item in results:
        if item["status"] != "201":
            assert item["response"]["status"] == item["status"]
            assert item["response"]["detail"]
    assert "location" not in results[0]
    assert results[2]["location"].endswith("/Users/nobody")
    assert results[6]["bulkId"] == "bad"


@pytest.mark.parametrize(
    ("operation", "scim_type"),
    [
        (7, "invalidSyntax"),
        ({}, "invalidSyntax"),
        ({"method": "GET", "path": "/Users/x"}, "invalidSyntax"),
        ({"method": "POST", "data": {}}, "invalidPath"),
        ({"method": "POST", "path": "/Users/x", "data": {}}, "invalidPath"),
        ({"method": "DELETE", "path": "/Users"}, "invalidPath"),
        ({"method": "DELETE", "path": "/Users/x/y"}, "invalidPath"),
        ({"method": "DELETE", "path": "https://elsewhere.example/Users/x"}, "invalidPath"),
        ({"method": "POST", "path": "/Users", "bulkId": "b"}, "invalidSyntax"),
        ({"method": "POST", "path": "/Users", "bulkId": "a b", "data": {}}, "invalidValue"),
        ({"method": "POST", "path": "/Users", "bulkId": 7, "data": {}}, "invalidValue"),
        ({"method": "POST", "path": "/Bulk", "bulkId": "b", "data": {}}, "invalidPath"),
        ({"method": "DELETE", "path": "/Users/x", "version": 7}, "invalidValue"),
        ({"method": "DELETE", "path": "/Users/bulkId:nothing"}, None),
        ({"method": "POST", "path": "/Groups", "bulkId": "b", "data": crew("nothing")}, "invalidValue"),
    ],
)
def test_an_operation_that_is_none_is_its_own_error(client, operation, scim_type):
    results = bulk(client, operation, post("ok", person()))
    assert results[0]["response"].get("scimType") == scim_type
    assert results[0]["status"] == ("400" if scim_type else "404")
    assert results[1]["status"] == "201"


@pytest.mark.parametrize(
    ("body", "status", "scim_type"),
    [
        ([], 400, "invalidSyntax"),
        ({"schemas": [BULK_REQUEST]}, 400, "invalidSyntax"),
        ({"schemas": [BULK_REQUEST], "Operations": []}, 400, "invalidSyntax"),
        ({"schemas": [BULK_REQUEST], "Operations": [{}], "failOnErrors": 0}, 400, "invalidValue"),
        ({"schemas": [BULK_REQUEST], "Operations": [{}] * 1001}, 413, None),
    ],
)
def test_a_request_that_is_none_is_refused_whole(client, body, status, scim_type):
    error_of(client.post("/Bulk", json=body), status, scim_type)


def test_the_limits_are_what_is_advertised(client):
    advertised = client.get("/ServiceProviderConfig").json()["bulk"]
    assert advertised["supported"] is True
    assert advertised["maxOperations"] == 1000
    body = b'{"schemas":["%b"],"Operations":[{"method":"%b"}]}' % (BULK_REQUEST.encode(), b"x" * advertised["maxPayloadSize"])
    error_of(client.post("/Bulk", content=body, headers={"content-type": "application/scim+json"}), 413)


def test_bulk_ids_lead_forward_and_back(client):
    before = client.post("/Users", json=person()).json()
    results = bulk(
        client,
        post("g", crew("u", "v")),  # forward
        {"method": "PATCH", "path": "/Groups/bulkId:g", "data": patch({"op": "remove", "path": 'members[value eq "bulkId:u"]'})},
        post("u", person()),
        post("v", person()),
        post(
            "boss", person(**{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": {"value": "bulkId:v"}}})
        ),
        {"method": "PUT", "path": f"/Users/{before['id']}", "data": person(before["userName"], title="bulkId:none of ours")},
        {"method": "DELETE", "path": "/Users/bulkId:boss"},
    )
    assert [item["status"] for item in results] == ["201", "200", "201", "201", "201", "400", "204"]
    made = read(client, results[0] | {"version": results[1]["version"]})
    v = read(client, results[3] | {"version": client.get(results[3]["location"]).headers["etag"]})
    assert values(made) == [v["id"]]
    assert results[1]["location"] == results[0]["location"]
    assert client.get(results[4]["location"]).status_code == 404


def test_a_circle_is_made_and_then_linked(client):
    results = bulk(client, post("a", crew("b", "u")), post("b", crew("c")), post("c", crew("a", "c")), post("u", person()))
    assert [item["status"] for item in results] == ["201"] * 4
    a, b, c, u = (client.get(item["location"]).json() for item in results)
    assert values(a) == sorted([b["id"], u["id"]])
    assert values(b) == [c["id"]]
    assert values(c) == sorted([a["id"], c["id"]])
    assert [item["version"] for item in results[:3]] == [item["meta"]["version"] for item in (a, b, c)]
    assert {item["value"] for item in u["groups"]} == {a["id"], b["id"], c["id"]}


def test_who_refers_to_what_failed_fails_with_it(client):
    taken = client.post("/Users", json=person()).json()["userName"]
    results = bulk(client, post("g", crew("u", "w")), post("u", person(taken)), post("w", person()))
    assert [item["status"] for item in results] == ["409", "409", "201"]
    assert "'u'" in results[0]["response"]["detail"]
    circle = bulk(client, post("a", crew("b")), post("b", crew("a", displayName="")), post("w", person()))
    assert [item["status"] for item in circle] == ["409", "400", "201"]
    assert client.get("/Groups", params={"filter": f'displayName eq "{name()}"'}).json()["totalResults"] == 0


def test_after_so_many_errors_the_rest_is_left(client):
    bad = {"method": "DELETE", "path": "/Users/nobody"}
    users = [post(str(n), person()) for n in range(3)]
    results = bulk(client, users[0], bad, users[1], bad, users[2], failOnErrors=2)
    assert [item["status"] for item in results] == ["201", "404", "201", "404"]
    found = client.get("/Users", params={"filter": f'userName eq "{users[2]["data"]["userName"]}"'})
    assert found.json()["totalResults"] == 0


def test_what_is_done_to_one_resource_is_done_in_order(client):
    user = client.post("/Users", json=person()).json()
    path = f"/Users/{user['id']}"
    steps = [
        {"method": "PATCH", "path": path, "data": patch({"op": "replace", "path": "title", "value": f"t{n}"})} for n in range(20)
    ]
    results = bulk(client, *steps)
    assert [item["version"] for item in results] == [f'W/"{n}"' for n in range(2, 22)]
    assert client.get(path).json()["title"] == "t19"
    reborn = post("again", person(user["userName"]))
    assert [item["status"] for item in bulk(client, {"method": "DELETE", "path": path}, reborn)] == ["204", "201"]


def test_a_thousand_at_once(client):
    results = bulk(client, *(post(f"{n}", person()) for n in range(999)), post("all", crew(*map(str, range(999)))))
    assert {item["status"] for item in results} == {"201"}
    assert len(values(client.get(results[-1]["location"]).json())) == 999


def test_contracts_and_strictness(cortex, strict):
    results = bulk(cortex, post("u", person()), {"method": "DELETE", "path": "/Users/bulkId:u"})
    assert [item["status"] for item in results] == ["200", "200"]
    without = {"method": "POST", "path": "/Users", "data": person()}
    assert bulk(strict, without)[0]["response"]["scimType"] == "invalidSyntax"
    assert bulk(cortex, without)[0]["status"] == "200"


def test_only_post(client):
    response = client.get("/Bulk")
    error_of(response, 405)
    assert response.headers["allow"] == "POST"

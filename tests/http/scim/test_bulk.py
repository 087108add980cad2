"""POST /Bulk (RFC 7644 section 3.7)."""

import asyncio

import pytest

import muster
from muster.directory.bulk import MAX_CYCLE, execute
from muster.directory.caller import Caller
from muster.directory.service import Directory
from muster.http.scim import bulk as bulk_answers
from muster.scim.bulk import BULK_REQUEST, BULK_RESPONSE, read_bulk
from muster.scim.schema.model import ENTERPRISE_USER, USER
from muster.storage.port.errors import StorageFull
from tests.support.databases import migrated_file
from tests.support.people import error_of, group, name, patch, person


def bulk(client, *operations, **more):
    answer = client.post(
        "/Bulk", json={"schemas": [BULK_REQUEST], "Operations": list(operations), **more}
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["schemas"] == [BULK_RESPONSE]
    return answer.json()["Operations"]


def post(bulk_id, data):
    return {
        "method": "POST",
        "path": "/Users" if "userName" in data else "/Groups",
        "bulkId": bulk_id,
        "data": data,
    }


def crew(*bulk_ids, **attributes):
    return {
        **group(),
        "members": [{"value": f"bulkId:{bulk_id}"} for bulk_id in bulk_ids],
        **attributes,
    }


def read(client, result):
    assert result["location"].startswith(str(client.base_url).rstrip("/"))
    answer = client.get(result["location"])
    assert answer.status_code == 200
    assert answer.headers["etag"] == result.get("version", answer.headers["etag"])
    return answer.json()


def values(resource):
    return sorted(item["value"] for item in resource.get("members", ()))


def test_bulk_supports_every_method_on_every_type(client):
    kept, gone = (client.post("/Users", json=person()).json() for _ in range(2))
    made = client.post("/Groups", json=group()).json()
    results = bulk(
        client,
        post("u", person()),
        {
            "method": "put",
            "path": f"/Users/{kept['id']}",
            "data": person(kept["userName"], title="put"),
            "version": 'W/"1"',
        },
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
        {
            "method": "PUT",
            "path": f"/Users/{taken['id']}",
            "data": person(taken["userName"]),
            "version": 'W/"7"',
        },
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
        (
            {"method": "POST", "path": "/Groups", "bulkId": "b", "data": crew("nothing")},
            "invalidValue",
        ),
    ],
)
def test_a_malformed_operation_fails_alone(client, operation, scim_type):
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
def test_a_malformed_bulk_request_is_rejected(client, body, status, scim_type):
    error_of(client.post("/Bulk", json=body), status, scim_type)


def test_limits_match_service_provider_config(client):
    advertised = client.get("/ServiceProviderConfig").json()["bulk"]
    assert advertised["supported"] is True
    assert advertised["maxOperations"] == 1000
    body = b'{"schemas":["%b"],"Operations":[{"method":"%b"}]}' % (
        BULK_REQUEST.encode(),
        b"x" * advertised["maxPayloadSize"],
    )
    error_of(
        client.post("/Bulk", content=body, headers={"content-type": "application/scim+json"}), 413
    )


def test_bulk_ids_resolve_forward_and_backward(client):
    before = client.post("/Users", json=person()).json()
    results = bulk(
        client,
        post("g", crew("u", "v")),  # forward
        {
            "method": "PATCH",
            "path": "/Groups/bulkId:g",
            "data": patch({"op": "remove", "path": 'members[value eq "bulkId:u"]'}),
        },
        post("u", person()),
        post("v", person()),
        post(
            "boss",
            person(
                **{
                    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
                        "manager": {"value": "bulkId:v"}
                    }
                }
            ),
        ),
        {
            "method": "PUT",
            "path": f"/Users/{before['id']}",
            "data": person(before["userName"], title="bulkId:u in a title"),
        },
        {"method": "DELETE", "path": "/Users/bulkId:boss"},
    )
    assert [item["status"] for item in results] == ["201", "200", "201", "201", "201", "200", "204"]
    made = read(client, results[0] | {"version": results[1]["version"]})
    v = read(client, results[3] | {"version": client.get(results[3]["location"]).headers["etag"]})
    assert values(made) == [v["id"]]
    assert results[1]["location"] == results[0]["location"]
    assert client.get(results[4]["location"]).status_code == 404


def test_a_cycle_is_created_and_then_linked(client):
    results = bulk(
        client,
        post("a", crew("b", "u")),
        post("b", crew("c")),
        post("c", crew("a", "c")),
        post("u", person()),
    )
    assert [item["status"] for item in results] == ["201"] * 4
    a, b, c, u = (client.get(item["location"]).json() for item in results)
    assert values(a) == sorted([b["id"], u["id"]])
    assert values(b) == [c["id"]]
    assert values(c) == sorted([a["id"], c["id"]])
    assert [item["version"] for item in results[:3]] == [
        item["meta"]["version"] for item in (a, b, c)
    ]
    assert {item["value"] for item in u["groups"]} == {a["id"], b["id"], c["id"]}


def test_operations_fail_with_the_one_they_refer_to(client):
    taken = client.post("/Users", json=person()).json()["userName"]
    results = bulk(client, post("g", crew("u", "w")), post("u", person(taken)), post("w", person()))
    assert [item["status"] for item in results] == ["409", "409", "201"]
    assert "'u'" in results[0]["response"]["detail"]
    cycle = bulk(
        client, post("a", crew("b")), post("b", crew("a", displayName="")), post("w", person())
    )
    assert [item["status"] for item in cycle] == ["409", "400", "201"]
    assert (
        client.get("/Groups", params={"filter": f'displayName eq "{name()}"'}).json()[
            "totalResults"
        ]
        == 0
    )


def managed(by, **attributes):
    return person(**{ENTERPRISE_USER: {"manager": {"value": f"bulkId:{by}"}}, **attributes})


def found(scim, *documents):
    """The userNames and displayNames of the documents that exist."""
    users = scim.get("/Users", params={"count": 1000}).json().get("Resources", [])
    groups = scim.get("/Groups", params={"count": 1000}).json().get("Resources", [])
    names = {user["userName"] for user in users} | {made["displayName"] for made in groups}
    return names & {
        document.get("userName") or document.get("displayName") for document in documents
    }


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"automaticDeprovisioning": False},
        {"guardMode": "hold", "guardShare": 0, "guardLeast": 0},
    ],
)
@pytest.mark.parametrize("length", [2, 3, 5])
@pytest.mark.parametrize("strict_reading", [False, True])
def test_a_cycle_is_created_whole_or_not_at_all(fresh, settings, length, strict_reading):
    taken = fresh.user()["userName"]
    assert (
        fresh.api.patch("/settings", json={**settings, "strict": strict_reading}).status_code == 200
    )
    for bad in range(length):
        users = [
            managed((n + 1) % length, userName=taken if n == bad else name()) for n in range(length)
        ]
        results = bulk(
            fresh.scim,
            *(post(str(n), user) for n, user in enumerate(users)),
            post("apart", person()),
        )
        assert [item["status"] for item in results] == ["409"] * length + ["201"]
        assert results[bad]["response"]["scimType"] == "uniqueness"
        assert found(fresh.scim, *users) == {taken}
    assert fresh.api.get("/guard").json()["done"] == 0
    users = [managed((n + 1) % length) for n in range(length)]
    results = bulk(fresh.scim, *(post(str(n), user) for n, user in enumerate(users)))
    made = [read(fresh.scim, result) for result in results]
    managers = [user[ENTERPRISE_USER]["manager"]["value"] for user in made]
    assert managers == [made[(n + 1) % length]["id"] for n in range(length)]
    assert all(user[ENTERPRISE_USER].keys() == {"manager"} for user in made)


def test_linked_cycles_are_resolved(fresh):
    posts = {
        "a": crew("b", "c"), "b": crew("a"), "c": crew("d", "a"), "d": crew("e"), "e": crew("f", "e"), "f": crew("e", "u"),
        "u": person(), "g": crew("a", "f"),
    }  # fmt: skip
    results = bulk(fresh.scim, *(post(bulk_id, data) for bulk_id, data in posts.items()))
    assert [item["status"] for item in results] == ["201"] * len(posts)
    ids = {item["bulkId"]: item["location"].rpartition("/")[2] for item in results}
    for item, data in zip(results, posts.values(), strict=True):
        referred = {member["value"].removeprefix("bulkId:") for member in data.get("members", ())}
        assert values(fresh.scim.get(item["location"]).json()) == sorted(
            ids[bulk_id] for bulk_id in referred
        )
    posts = {
        bulk_id: {**data, "displayName": name()} if "members" in data else person()
        for bulk_id, data in posts.items()
    }
    posts["f"]["displayName"] = ""  # what depends on f fails, and nothing else
    results = bulk(fresh.scim, *(post(bulk_id, data) for bulk_id, data in posts.items()))
    statuses = {item["bulkId"]: item["status"] for item in results}
    assert statuses == dict.fromkeys(posts, "409") | {"f": "400", "u": "201"}
    assert found(fresh.scim, *posts.values()) == {posts["u"]["userName"]}


def test_a_resource_of_a_failed_cycle_that_cannot_be_deleted_is_named(tmp_path):
    """If the storage fails at the end, the other operations have their results."""

    async def run():
        async with app.lifespan():
            workspace = await app.storage.find_workspace("default")
            caller, directory = Caller(workspace, "key:test", "r"), Directory(app.storage)

            async def full(*_):
                raise StorageFull("the disk is full")

            directory.delete = full
            posts = [
                post("a", managed("b")),
                post("b", managed("a", userName="")),
                post("w", person()),
            ]
            operations = read_bulk(
                {"schemas": [BULK_REQUEST], "Operations": posts},
                10,
                caller.registry.types,
                caller.dialect(),
            )
            return await execute(directory, caller, operations.operations, None)

    app = muster.create_app(
        muster.Settings(database=f"sqlite:///{migrated_file(tmp_path / 'm.db')}", request_log=False)
    )
    results = asyncio.run(run())
    assert [getattr(result.error, "status", None) for result in results] == [507, 400, None]
    assert "was created and could not be deleted again (the disk is full)" in str(results[0].error)


def test_bulk_ids_are_replaced_in_references_only(fresh):
    text = "bulkId:u"
    user = person(
        title=text,
        nickName=f"see {text}",
        roles=[{"value": text, "display": text}],
        profileUrl=f"https://x/{text}",
    )
    user[ENTERPRISE_USER] = {
        "department": text,
        "manager": {"value": "bulkId:u", "displayName": text},
    }
    crowd = {
        **group(f"{text} and others"),
        "members": [{"$ref": "/Users/bulkId:u"}],
        "externalId": text,
    }
    results = bulk(
        fresh.scim,
        post("x", user),
        post("g", crowd),
        post("u", person(title=text)),
        {
            "method": "PATCH",
            "path": "/Users/bulkId:x",
            "data": patch({"op": "replace", "path": "displayName", "value": text}),
        },
        {
            "method": "PATCH",
            "path": "/Groups/bulkId:g",
            "data": patch({"op": "replace", "value": {"displayName": text}}),
        },
    )
    assert [item["status"] for item in results] == ["201", "201", "201", "200", "200"]
    x, g, u = (fresh.scim.get(item["location"]).json() for item in results[:3])
    assert (x["title"], x["nickName"], x["profileUrl"], x["displayName"]) == (
        text,
        f"see {text}",
        f"https://x/{text}",
        text,
    )
    assert x["roles"] == [{"value": text, "display": text}]
    assert x[ENTERPRISE_USER]["department"] == text
    assert x[ENTERPRISE_USER]["manager"]["value"] == u["id"]
    assert (g["displayName"], g["externalId"], u["title"]) == (text, text, text)
    assert values(g) == [u["id"]]


def test_fail_on_errors_stops_the_rest(client):
    bad = {"method": "DELETE", "path": "/Users/nobody"}
    users = [post(str(n), person()) for n in range(3)]
    results = bulk(client, users[0], bad, users[1], bad, users[2], failOnErrors=2)
    assert [item["status"] for item in results] == ["201", "404", "201", "404"]
    found = client.get("/Users", params={"filter": f'userName eq "{users[2]["data"]["userName"]}"'})
    assert found.json()["totalResults"] == 0


def test_operations_on_one_resource_run_in_order(client):
    user = client.post("/Users", json=person()).json()
    path = f"/Users/{user['id']}"
    steps = [
        {
            "method": "PATCH",
            "path": path,
            "data": patch({"op": "replace", "path": "title", "value": f"t{n}"}),
        }
        for n in range(20)
    ]
    results = bulk(client, *steps)
    assert [item["version"] for item in results] == [f'W/"{n}"' for n in range(2, 22)]
    assert client.get(path).json()["title"] == "t19"
    reborn = post("again", person(user["userName"]))
    assert [
        item["status"] for item in bulk(client, {"method": "DELETE", "path": path}, reborn)
    ] == ["204", "201"]


def test_a_bulk_request_of_1_000_operations(client):
    results = bulk(
        client,
        *(post(f"{n}", person()) for n in range(999)),
        post("all", crew(*map(str, range(999)))),
    )
    assert {item["status"] for item in results} == {"201"}
    assert len(values(client.get(results[-1]["location"]).json())) == 999


def test_bulk_honours_contract_and_strictness(cortex, strict):
    results = bulk(cortex, post("u", person()), {"method": "DELETE", "path": "/Users/bulkId:u"})
    assert [item["status"] for item in results] == ["200", "200"]
    without = {"method": "POST", "path": "/Users", "data": person()}
    assert bulk(strict, without)[0]["response"]["scimType"] == "invalidSyntax"
    assert bulk(cortex, without)[0]["status"] == "200"


def test_bulk_accepts_only_post(client):
    response = client.get("/Bulk")
    error_of(response, 405)
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("patches", "each"), [(0, 100_000), (1, 100_000), (10, 100_000), (20, 50_000), (1000, 1000)]
)
def test_patches_of_a_bulk_request_share_their_comparisons(patches, each):
    assert bulk_answers._share(100_000, patches) == each


def test_a_bulk_request_of_many_heavy_patches_is_refused_patch_by_patch(client):
    emails = [{"value": f"u{number}@example.com"} for number in range(600)]
    user = client.post("/Users", json=person(emails=emails)).json()
    heavy = patch(
        *(
            {"op": "replace", "path": 'emails[value eq "u1@example.com"].display', "value": str(n)}
            for n in range(2)
        )
    )
    operations = [
        {"method": "PATCH", "path": f"/Users/{user['id']}", "data": heavy} for _ in range(1000)
    ]
    answer = client.post(
        "/Bulk", json={"schemas": [BULK_REQUEST], "Operations": operations, "failOnErrors": 1}
    )
    assert answer.status_code == 200, answer.text
    failed = answer.json()["Operations"][-1]
    assert (failed["status"], failed["response"]["scimType"]) == ("400", "tooMany")
    assert client.patch(f"/Users/{user['id']}", json=heavy).status_code == 200


def test_a_cycle_may_have_so_many_operations_and_no_more(client):
    """A cycle is limited, because each resource in it is written twice."""
    for number, status in ((MAX_CYCLE, "201"), (MAX_CYCLE + 1, "400")):
        stem = name("cycle")
        operations = [
            {
                "method": "POST",
                "path": "/Groups",
                "bulkId": f"g{n}",
                "data": group(f"{stem}-{n}", members=[{"value": f"bulkId:g{(n + 1) % number}"}]),
            }
            for n in range(number)
        ]
        assert {result["status"] for result in bulk(client, *operations)} == {status}


def test_a_cycle_that_fails_counts_before_later_operations(client):
    """failOnErrors counts a cycle in its place (RFC 7644 section 3.7)."""
    stem, later = name("cycle"), person()
    data = [
        group(f"{stem}-a", members=[{"value": "bulkId:b"}]),
        group(f"{stem}-b", members=[{"value": "bulkId:a"}, {"value": "nobody"}]),
    ]
    cycle = [
        {"method": "POST", "path": "/Groups", "bulkId": key, "data": one}
        for key, one in zip("ab", data, strict=True)
    ]
    last = {"method": "POST", "path": "/Users", "bulkId": "z", "data": later}
    results = bulk(client, *cycle, last, failOnErrors=1)
    assert sorted(result["status"] for result in results) == ["400", "409"]
    assert (
        client.get("/Users", params={"filter": f'userName eq "{later["userName"]}"'}).json()[
            "totalResults"
        ]
        == 0
    )

"""Groups over HTTP (RFC 7643 section 4.2), and `groups` of users (section 4.1.2)."""

import pytest

from muster.scim.messages import SEARCH_REQUEST
from muster.scim.schema.model import GROUP
from tests.conftest import client_of
from tests.support.people import error_of, name, patch, person, replace


def group(*members, **attributes):
    return {
        "schemas": [GROUP],
        "displayName": name("group"),
        "members": [{"value": m} for m in members],
        **attributes,
    }


def make(client, body):
    answer = client.post("/Users" if "userName" in body else "/Groups", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def members_of(client, group_id):
    return [item["value"] for item in client.get(f"/Groups/{group_id}").json().get("members", [])]


@pytest.fixture
def users(client):
    return [make(client, person())["id"] for _ in range(4)]


def test_a_created_group_is_returned(client, users):
    person_0 = client.get(f"/Users/{users[0]}").json()
    inner = make(client, group())
    posted = client.post(
        "/Groups", json=group(users[0], inner["id"], users[0], externalId="x-1", unknown=1)
    )
    assert posted.status_code == 201
    body = posted.json()
    assert posted.headers["location"] == body["meta"]["location"]
    assert body["meta"]["location"].endswith(f"/scim/v2/Groups/{body['id']}")
    assert posted.headers["etag"] == body["meta"]["version"] == 'W/"1"'
    base = str(client.base_url).rstrip("/")
    assert sorted(body["members"], key=lambda item: item["type"]) == [
        {
            "value": inner["id"],
            "$ref": f"{base}/Groups/{inner['id']}",
            "display": inner["displayName"],
            "type": "Group",
        },
        {
            "value": users[0],
            "$ref": f"{base}/Users/{users[0]}",
            "display": person_0["userName"],
            "type": "User",
        },
    ]
    assert "unknown" not in body
    read = client.get(f"/Groups/{body['id']}")
    assert read.json() == body
    assert read.headers["etag"] == posted.headers["etag"]
    listed = client.get("/Groups", params={"filter": f'id eq "{body["id"]}"'}).json()
    assert listed["Resources"] == [body]


def test_an_empty_group_shows_an_empty_array(client, strict):
    for workspace in (client, strict):
        body = make(workspace, {"schemas": [GROUP], "displayName": name("empty")})
        path, named = f"/Groups/{body['id']}", f'displayName eq "{body["displayName"]}"'
        assert body["members"] == []
        assert workspace.get(path).json() == body
        assert workspace.get("/Groups", params={"filter": named}).json()["Resources"] == [body]
        assert workspace.get("/", params={"filter": named}).json()["Resources"] == [body]
        renamed = workspace.put(
            path, json={"schemas": [GROUP], "displayName": body["displayName"], "externalId": "e"}
        )
        assert renamed.json()["members"] == []
        assert workspace.patch(path, json=replace("externalId", "f")).json()["members"] == []
        for shown, wanted in {"members": [], "members.value": [], "displayName": None}.items():
            assert workspace.get(path, params={"attributes": shown}).json().get("members") == wanted
        assert "members" not in workspace.get(path, params={"excludedAttributes": "members"}).json()
        for text, total in (("members pr", 0), ("not (members pr)", 1), ("members eq null", 1)):
            asked = {"filter": f"{named} and {text}"}
            assert workspace.get("/Groups", params=asked).json()["totalResults"] == total


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({"schemas": [GROUP]}, "displayName"),
        ({"schemas": [GROUP], "displayName": " "}, "displayName"),
        (group("nobody"), "'nobody'"),
        (group("01a20b4a-6b4f-700c-a4f4-9a46cf5870fd"), "01a20b4a"),
        (group() | {"members": [{"type": "User"}]}, "members[0]"),
        (group() | {"members": [{"value": 7}]}, "members[0].value"),
        (group() | {"members": "x"}, "members"),
    ],
)
def test_an_invalid_group_is_rejected(client, body, names):
    before = client.get("/Groups?count=0").json()["totalResults"]
    assert names in error_of(client.post("/Groups", json=body), 400, "invalidValue")
    assert client.get("/Groups?count=0").json()["totalResults"] == before


def test_members_of_another_workspace_are_rejected(client, strict, users):
    error_of(strict.post("/Groups", json=group(users[0])), 400, "invalidValue")


def test_a_member_can_be_given_by_reference(client, users):
    body = make(
        client,
        group() | {"members": [{"$ref": f"https://elsewhere.example/scim/v2/Users/{users[0]}"}]},
    )
    assert [item["value"] for item in body["members"]] == [users[0]]


def test_projection_of_groups(client, users):
    made = make(client, group(users[0]))
    path = f"/Groups/{made['id']}"
    without = client.get(path, params={"excludedAttributes": "members"}).json()
    assert without == {key: value for key, value in made.items() if key != "members"}
    assert client.get(path, params={"attributes": "displayName"}).json().keys() == {
        "schemas",
        "id",
        "displayName",
    }
    assert client.get(path, params={"attributes": "members.value"}).json()["members"] == [
        {"value": users[0]}
    ]
    less = client.get(path, params={"excludedAttributes": "members.$ref,members.display"}).json()
    assert less["members"] == [{"value": users[0], "type": "User"}]
    listed = client.get(
        "/Groups", params={"filter": f'id eq "{made["id"]}"', "attributes": "members.type"}
    ).json()
    assert listed["Resources"][0]["members"] == [{"type": "User"}]


@pytest.mark.parametrize("path", ["/Users", "/"])
@pytest.mark.parametrize(
    "chosen",
    [{"attributes": "displayName,groups.value"}, {"excludedAttributes": "emails,groups.display"}],
)
def test_lists_and_reads_return_the_same_group(client, path, chosen):
    mark = name("page")
    made = [
        client.post("/Users", json=person(displayName=mark, title='"}}')).json()["id"]
        for _ in range(60)
    ]
    make(client, group(*made[::7], displayName=mark))
    found = client.get(
        path, params={"filter": f'displayName eq "{mark}"', "count": 100, **chosen}
    ).json()["Resources"]
    users = [one for one in found if one["id"] in made]
    assert [one["id"] for one in users] == made
    assert users == [client.get(f"/Users/{one}", params=chosen).json() for one in made]
    assert sum("groups" in one for one in users) == len(made[::7])


def changes(client, path, *operations, status=200):
    answer = client.patch(path, json=patch(*operations))
    assert answer.status_code == status, answer.text
    assert answer.json() == client.get(path).json()
    assert answer.headers["etag"] == client.get(path).headers["etag"]
    return answer.headers["etag"]


def test_members_are_added_and_removed_by_patch(client, users):
    made = make(client, group())
    path = f"/Groups/{made['id']}"
    a, b, c, d = users
    add = {"op": "add", "path": "members", "value": [{"value": a}, {"value": b}]}
    assert changes(client, path, add) == 'W/"2"'
    assert members_of(client, made["id"]) == [a, b]
    assert changes(client, path, add) == 'W/"2"'  # who is there already is not added again
    assert changes(client, path, {"op": "remove", "path": f'members[value eq "{a}"]'}) == 'W/"3"'
    assert changes(client, path, {"op": "remove", "path": f'members[value eq "{a}"]'}) == 'W/"3"'
    assert members_of(client, made["id"]) == [b]
    changes(
        client, path, {"op": "replace", "path": "members", "value": [{"value": c}, {"value": d}]}
    )
    assert members_of(client, made["id"]) == [c, d]
    changes(client, path, {"op": "Remove", "path": "members", "value": [{"value": c}]})  # Entra's
    assert members_of(client, made["id"]) == [d]
    changes(
        client, path, {"op": "add", "value": {"members": [{"value": a}], "displayName": "together"}}
    )
    assert members_of(client, made["id"]) == sorted([a, d])
    changes(
        client, path, {"op": "remove", "path": 'members[type eq "User"]'}, {"op": "add", **_one(b)}
    )
    assert members_of(client, made["id"]) == [b]
    changes(
        client,
        path,
        {"op": "add", **_one(a)},
        {"op": "remove", "path": f'members[value eq "{a}" or value eq "{b}"]'},
    )
    assert members_of(client, made["id"]) == []
    changes(client, path, {"op": "add", **_one(a)})
    changes(client, path, {"op": "remove", "path": "members"})
    assert members_of(client, made["id"]) == []


def _one(user_id):
    return {"path": "members", "value": [{"value": user_id}]}


def test_a_patch_returns_the_requested_attributes(client, users):
    made = make(client, group())
    operation = patch({"op": "add", **_one(users[0])})
    answer = client.patch(f"/Groups/{made['id']}", json=operation, params={"attributes": "members"})
    assert answer.status_code == 200
    assert [item["value"] for item in answer.json()["members"]] == [users[0]]


@pytest.mark.parametrize(
    ("operation", "scim_type"),
    [
        ({"op": "add", "path": "members", "value": [{"value": "nobody"}]}, "invalidValue"),
        ({"op": "replace", "path": 'members[value eq "x"]', "value": {"value": "y"}}, "mutability"),
        ({"op": "replace", "path": "members.value", "value": "y"}, "mutability"),
        ({"op": "replace", "path": "members.display", "value": "y"}, "mutability"),
        ({"op": "remove", "path": 'members[display eq "nobody is called this"]'}, "noTarget"),
        ({"op": "remove", "path": "displayName"}, "mutability"),
        ({"op": "remove", "path": 'members[$ref eq "x"]'}, "invalidFilter"),
        ({"op": "add", "path": "memberz", "value": []}, "invalidPath"),
    ],
)
def test_an_invalid_patch_changes_nothing(client, users, operation, scim_type):
    made = make(client, group(users[0]))
    add = {"op": "add", **_one(users[1])}
    error_of(client.patch(f"/Groups/{made['id']}", json=patch(operation)), 400, scim_type)
    assert client.patch(f"/Groups/{made['id']}", json=patch(add, operation)).status_code == 400
    assert client.get(f"/Groups/{made['id']}").json() == made


def test_strict_removal_requires_an_existing_member(strict):
    made = make(strict, group())
    user = make(strict, person())["id"]
    path = f"/Groups/{made['id']}"
    remove = {"op": "remove", "path": f'members[value eq "{user}"]'}
    assert user in error_of(strict.patch(path, json=patch(remove)), 400, "noTarget")
    assert strict.patch(path, json=patch({"op": "add", **_one(user)}, remove)).status_code == 200


def test_put_writes_only_the_difference(client, users):
    made = make(client, group(users[0], users[1]))
    path = f"/Groups/{made['id']}"
    same = {**group(users[1], users[0]), "displayName": made["displayName"]}
    assert client.put(path, json=same).json() == made
    other = client.put(path, json={**same, "members": [{"value": users[1]}, {"value": users[2]}]})
    assert other.json()["meta"]["version"] == other.headers["etag"] == 'W/"2"'
    assert members_of(client, made["id"]) == [users[1], users[2]]
    error_of(client.put(path, json={**same, "members": [{"value": "nobody"}]}), 400, "invalidValue")
    none = client.put(path, json={**same, "members": []})
    assert none.json()["members"] == []
    error_of(client.put("/Groups/01a20b4a-6b4f-700c-a4f4-9a46cf5870fd", json=same), 404)
    error_of(
        client.patch(
            "/Groups/01a20b4a-6b4f-700c-a4f4-9a46cf5870fd",
            json=patch({"op": "add", **_one("nobody")}),
        ),
        404,
    )


def test_writes_honour_conditions(client, users):
    made = make(client, group())
    path = f"/Groups/{made['id']}"
    add = patch({"op": "add", **_one(users[0])})
    error_of(client.patch(path, json=add, headers={"If-Match": 'W/"2"'}), 412)
    assert client.patch(path, json=add, headers={"If-Match": 'W/"1"'}).status_code == 200
    error_of(client.delete(path, headers={"If-Match": 'W/"1"'}), 412)
    assert client.get(path, headers={"If-None-Match": 'W/"2"'}).status_code == 304
    assert client.get(path, headers={"If-None-Match": 'W/"1"'}).status_code == 200


def groups_of(client, user_id):
    found = client.get(f"/Users/{user_id}").json().get("groups", [])
    return {item["value"]: (item["type"], item["display"]) for item in found}


def test_the_groups_of_a_user_are_computed(client, users):
    user = users[0]
    inner = make(client, group(user))
    outer = make(client, group(inner["id"]))
    both = make(client, group(inner["id"], user))
    base = str(client.base_url).rstrip("/")
    assert groups_of(client, user) == {
        inner["id"]: ("direct", inner["displayName"]),
        outer["id"]: ("indirect", outer["displayName"]),
        both["id"]: ("direct", both["displayName"]),
    }
    shown = client.get(f"/Users/{user}").json()
    assert {item["$ref"] for item in shown["groups"]} == {
        f"{base}/Groups/{item['id']}" for item in (inner, outer, both)
    }
    listed = client.get("/Users", params={"filter": f'userName eq "{shown["userName"]}"'}).json()[
        "Resources"
    ]
    assert listed == [shown]
    assert client.get("/Users", params={"filter": f'id eq "{user}"', "sortBy": "title"}).json()[
        "Resources"
    ] == [shown]
    assert client.get(f"/Users/{user}", params={"attributes": "groups.value"}).json()["groups"] == [
        {"value": item["value"]} for item in shown["groups"]
    ]
    client.patch(f"/Groups/{outer['id']}", json=replace("displayName", "renamed"))
    assert groups_of(client, user)[outer["id"]] == ("indirect", "renamed")
    client.delete(f"/Groups/{inner['id']}")
    assert groups_of(client, user) == {both["id"]: ("direct", both["displayName"])}


def test_a_user_gets_a_new_etag_when_its_groups_change(client, users):
    user = f"/Users/{users[0]}"
    seen = [client.get(user).headers["etag"]]

    def changed():
        answer = client.get(user)
        assert answer.json()["meta"]["version"] == answer.headers["etag"]
        assert (
            client.get(user, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
        )
        assert client.get(user, headers={"If-None-Match": seen[-1]}).status_code == 200
        seen.append(answer.headers["etag"])
        return len(set(seen)) == len(seen)

    inner = make(client, group(users[0]))
    assert changed()
    outer = make(client, group(inner["id"]))
    assert changed()
    client.patch(f"/Groups/{outer['id']}", json=replace("displayName", name("renamed")))
    assert changed()
    stale = {"If-Match": seen[-2]}
    error_of(client.patch(user, json=replace("title", "t"), headers=stale), 412)
    error_of(client.delete(user, headers=stale), 412)
    answer = client.patch(user, json=replace("title", "t"), headers={"If-Match": seen[-1]})
    assert answer.status_code == 200
    assert len(answer.json()["groups"]) == 2
    assert (
        answer.headers["etag"]
        == answer.json()["meta"]["version"]
        == client.get(user).headers["etag"]
    )
    assert changed()
    client.delete(f"/Groups/{inner['id']}")
    assert client.get(user).headers["etag"] == 'W/"2"'


def test_groups_cannot_be_written_on_a_user(client, users):
    made = make(client, group())
    mine = [{"value": made["id"]}]
    user = make(client, person(groups=mine))
    path = f"/Users/{user['id']}"
    assert (
        "groups" not in client.put(path, json={**person(user["userName"]), "groups": mine}).json()
    )
    error_of(
        client.patch(path, json=patch({"op": "add", "path": "groups", "value": mine})),
        400,
        "mutability",
    )
    error_of(
        client.patch(
            path, json=patch({"op": "remove", "path": f'groups[value eq "{made["id"]}"]'})
        ),
        400,
        "mutability",
    )
    assert (
        client.patch(
            path, json=patch({"op": "add", "value": {"groups": mine, "title": "t"}})
        ).status_code
        == 200
    )
    assert groups_of(client, user["id"]) == {}
    assert members_of(client, made["id"]) == []


def test_a_deleted_user_leaves_every_group(client, users):
    inner = make(client, group(users[0], users[1]))
    outer = make(client, group(inner["id"], users[0]))
    assert client.delete(f"/Users/{users[0]}").status_code == 204
    for made, left in ((inner, [users[1]]), (outer, [inner["id"]])):
        answer = client.get(f"/Groups/{made['id']}")
        assert [item["value"] for item in answer.json()["members"]] == left
        assert answer.headers["etag"] == 'W/"2"'
        assert answer.json()["meta"]["lastModified"] > made["meta"]["lastModified"]


def test_membership_cycles_are_harmless(client, users):
    a, b = make(client, group(users[0])), make(client, group())
    client.patch(f"/Groups/{b['id']}", json=patch({"op": "add", **_one(a["id"])}))
    client.patch(
        f"/Groups/{a['id']}",
        json=patch(
            {"op": "add", "path": "members", "value": [{"value": b["id"]}, {"value": a["id"]}]}
        ),
    )
    assert {key: kind for key, (kind, _) in groups_of(client, users[0]).items()} == {
        a["id"]: "direct",
        b["id"]: "indirect",
    }
    for text in (
        f'groups.value eq "{b["id"]}"',
        f'groups[value eq "{b["id"]}" and type eq "indirect"]',
    ):
        assert client.get("/Users", params={"filter": text}).json()["totalResults"] == 1
    assert client.delete(f"/Groups/{a['id']}").status_code == 204
    assert groups_of(client, users[0]) == {}


def test_filters_on_members_and_groups(client, users):
    made = make(client, group(users[0], users[1]))
    outer = make(client, group(made["id"]))

    def found(path, text, **more):
        answer = client.get(path, params={"filter": text, **more})
        assert answer.status_code == 200, answer.text
        return sorted(item["id"] for item in answer.json()["Resources"])

    assert (
        found("/Groups", f'members[value eq "{users[0]}"]')
        == found("/Groups", f'members eq "{users[0]}"')
        == [made["id"]]
    )
    assert found(
        "/Groups", f'id eq "{made["id"]}" and members eq "{users[0]}"', excludedAttributes="members"
    ) == [made["id"]]
    assert found("/Groups", f'id eq "{made["id"]}" and members eq "{users[2]}"') == []
    assert found("/Groups", f'displayName eq "{made["displayName"].upper()}"') == [made["id"]]
    assert found("/Users", f'groups.value eq "{made["id"]}"') == sorted(users[:2])
    assert found("/Users", f'groups[display eq "{outer["displayName"].upper()}"]') == sorted(
        users[:2]
    )
    assert (
        found("/Users", f'groups[display eq "{outer["displayName"]}" and type eq "direct"]') == []
    )
    assert found(
        "/Users", f'groups.value eq "{made["id"]}" and userName pr', sortBy="userName"
    ) == sorted(users[:2])
    for path, text in (
        ("/Groups", 'members.$ref eq "x"'),
        ("/Users", 'groups.$ref co "x"'),
        ("/Groups", "members.value eq 7"),
    ):
        error_of(client.get(path, params={"filter": text}), 400, "invalidFilter")
    for path, by in (
        ("/Groups", "members"),
        ("/Groups", "members.value"),
        ("/Users", "groups.display"),
    ):
        error_of(client.get(path, params={"sortBy": by}), 400, "invalidPath")


def test_a_search_over_everything(client):
    mark = name("across")
    user = make(client, person(displayName=f"{mark} b", title="t"))
    groups = [make(client, group(user["id"], displayName=f"{mark} {letter}")) for letter in "ca"]

    def search(**message):
        answer = client.post(
            "/.search",
            json={"schemas": [SEARCH_REQUEST], "filter": f'displayName sw "{mark}"', **message},
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    wanted = [groups[1]["id"], user["id"], groups[0]["id"]]
    ordered = search(sortBy="displayName")
    assert [item["id"] for item in ordered["Resources"]] == wanted
    assert ordered["totalResults"] == ordered["itemsPerPage"] == 3
    assert ordered["Resources"][0]["members"][0]["value"] == user["id"]
    assert {item["value"] for item in ordered["Resources"][1]["groups"]} == {
        item["id"] for item in groups
    }
    down = search(sortBy="displayName", sortOrder="descending", startIndex=2, count=1)
    assert [item["id"] for item in down["Resources"]] == [user["id"]]
    assert down["totalResults"] == 3
    by_user_name = search(
        sortBy="userName", attributes=["displayName"]
    )  # groups have none: they come last
    assert [item["id"] for item in by_user_name["Resources"]] == [
        user["id"],
        groups[0]["id"],
        groups[1]["id"],
    ]
    assert [
        item["id"]
        for item in search(filter=f'title eq "t" and displayName sw "{mark}"')["Resources"]
    ] == [user["id"]]
    assert search(filter=f'members.value eq "{user["id"]}"')["totalResults"] == 2
    assert search(filter=f'displayName sw "{mark}" and not (title pr)')["totalResults"] == 2
    error_of(
        client.post("/.search", json={"schemas": [SEARCH_REQUEST], "filter": 'nothing eq "x"'}),
        400,
        "invalidFilter",
    )
    error_of(
        client.post("/.search", json={"schemas": [SEARCH_REQUEST], "sortBy": "nothing"}),
        400,
        "invalidPath",
    )
    asked = client.get("", params={"filter": f'displayName sw "{mark}"', "sortBy": "displayName"})
    assert asked.json() == ordered
    for sort in (None, "displayName", "title"):
        seen, cursor = [], ""
        while cursor is not None:
            page = search(count=1, cursor=cursor, **({"sortBy": sort} if sort else {}))
            assert page["totalResults"] == 3
            seen += [item["id"] for item in page["Resources"]]
            cursor = page.get("nextCursor")
        assert sorted(seen) == sorted(wanted)
        if sort == "displayName":
            assert seen == wanted


@pytest.fixture(scope="module")
def crowd(server):
    """A workspace with more people than are read at a time."""
    if "crowd" not in server.muster("workspaces", "list").stdout:
        server.muster("workspaces", "create", "crowd")
        server.muster("demo", "--workspace", "crowd", "--users", "2100")
    with client_of(server, server.key("crowd", "--workspace", "crowd")) as made:
        yield made


def test_a_large_group_is_streamed_whole(crowd):
    ids, cursor = [], ""
    while cursor is not None:
        page = crowd.get(
            "/Users", params={"cursor": cursor, "count": 1000, "attributes": "id"}
        ).json()
        ids += [item["id"] for item in page["Resources"]]
        cursor = page.get("nextCursor")
    made = make(crowd, group(*ids[:100]))
    path = f"/Groups/{made['id']}"
    answer = crowd.patch(
        path,
        json=patch({"op": "add", "path": "members", "value": [{"value": item} for item in ids]}),
    )
    assert answer.status_code == 204  # it is large
    read = crowd.get(path)
    assert answer.headers["etag"] == read.headers["etag"]
    assert "content-length" not in read.headers
    assert [item["value"] for item in read.json()["members"]] == ids
    few = crowd.get(path, params={"attributes": "members.value"}).json()
    assert few == {
        "schemas": [GROUP],
        "id": made["id"],
        "members": [{"value": item} for item in ids],
    }
    listed = crowd.get(
        "/Groups", params={"filter": f'displayName eq "{made["displayName"]}"'}
    ).json()
    assert listed["Resources"] == [read.json()]
    assert crowd.request("HEAD", path).status_code == 200
    assert crowd.put(path, json=group(*ids[10:])).headers["etag"] == 'W/"3"'
    assert members_of(crowd, made["id"]) == ids[10:]
    assert crowd.delete(path).status_code == 204
    assert "groups" not in crowd.get(f"/Users/{ids[20]}").json()


def _by_filter(text):
    return {"op": "remove", "path": f"members[{text}]"}


def test_operations_on_members_by_filter_apply_in_order(client, users):
    a, b, c, d = users
    inner = make(client, group())["id"]
    made = make(client, group(a, b, c))
    path = f"/Groups/{made['id']}"
    both = [_by_filter(f'value eq "{user}" and type eq "User"') for user in (a, b)]
    assert client.patch(path, json=patch(*both)).status_code == 200
    assert members_of(client, made["id"]) == [c]
    after_adds = [
        {"op": "add", **_one(inner)},
        {"op": "add", **_one(d)},
        _by_filter('type eq "Group"'),
        _by_filter(f'value eq "{d}"'),
    ]
    assert client.patch(path, json=patch(*after_adds)).status_code == 200
    assert members_of(client, made["id"]) == [c]
    shown = client.get(f"/Users/{d}").json()["userName"]
    named = [
        {"op": "add", **_one(d)},
        _by_filter(f'display eq "{shown}"'),
        {"op": "add", **_one(a)},
    ]
    assert client.patch(path, json=patch(*named)).status_code == 200
    assert sorted(members_of(client, made["id"])) == sorted([a, c])
    rest = [_by_filter("value pr"), {"op": "add", **_one(b)}]
    assert client.patch(path, json=patch(*rest)).status_code == 200
    assert members_of(client, made["id"]) == [b]


def test_a_filter_that_matches_no_member_has_no_target_and_changes_nothing(client, users):
    made = make(client, group(users[0]))
    path = f"/Groups/{made['id']}"
    body = patch({"op": "add", **_one(users[1])}, _by_filter('type eq "Group"'))
    error_of(client.patch(path, json=body), 400, "noTarget")
    assert client.get(path).json() == made
    unknown = patch(_by_filter('type eq "User"'), {"op": "add", **_one("nobody")})
    error_of(client.patch(path, json=unknown), 400, "invalidValue")
    assert client.get(path).json() == made


def test_removing_someone_who_is_no_member_is_an_error_in_a_strict_workspace_alone(client, strict):
    for asked in (client, strict):
        user, other = (make(asked, person())["id"] for _ in range(2))
        made = make(asked, group(user))
        path = f"/Groups/{made['id']}"
        either = patch(_by_filter(f'value eq "{other}" or value eq "{user}"'))
        assert (
            asked.patch(f"/Groups/{make(asked, group(user))['id']}", json=either).status_code == 200
        )
        emptied = patch({"op": "remove", "path": "members"}, _by_filter(f'value eq "{user}"'))
        assert asked.patch(path, json=emptied).status_code == (400 if asked is strict else 200)
        for more in ([], [{"op": "remove", "path": "members"}], [_by_filter("type pr")]):
            answer = asked.patch(path, json=patch(_by_filter(f'value eq "{other}"'), *more))
            if asked is strict:
                error_of(answer, 400, "noTarget")
                assert asked.get(path).json() == made
            else:
                assert answer.status_code in (200, 400)


def test_removing_a_non_member_still_removes_the_others(client, users):
    a, b, c, d = users
    made = make(client, group(a, b, c))
    named = {"op": "remove", "path": "members", "value": [{"value": d}, {"value": a}]}
    body = patch(named, _by_filter(f'value eq "{b}" and type eq "User"'))
    assert client.patch(f"/Groups/{made['id']}", json=body).status_code == 200
    assert members_of(client, made["id"]) == [c]

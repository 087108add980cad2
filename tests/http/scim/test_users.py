"""The six operations of the published API page, over HTTP."""

from urllib.parse import quote

import pytest

from muster.scim.schema.model import ENTERPRISE_USER, USER
from tests.support.people import error_of, group, name, patch, person, replace

SCIM = "application/scim+json"


@pytest.fixture
def user(client):
    response = client.post("/Users", json=person())
    assert response.status_code == 201
    return response.json()


def find(client, **parameters):
    response = client.get("/Users", params=parameters)
    assert response.status_code == 200, response.text
    return response.json()


def test_post_answers_201_with_the_user(client):
    response = client.post("/Users", json=person(password="s3cret", nosuch=1))
    body = response.json()
    assert response.status_code == 201
    assert response.headers["content-type"] == SCIM
    assert (
        response.headers["location"]
        == body["meta"]["location"]
        == f"{client.base_url}Users/{body['id']}"
    )
    assert response.headers["etag"] == body["meta"]["version"] == 'W/"1"'
    assert body["meta"]["created"] == body["meta"]["lastModified"]
    assert body["meta"]["resourceType"] == "User"
    assert body["schemas"] == [USER, ENTERPRISE_USER]
    assert not {"password", "nosuch"} & set(body)
    assert client.get(response.headers["location"]).json() == body


def test_get_put_patch_delete(client, user):
    at = f"/Users/{user['id']}"
    assert client.get(at).json() == user
    replaced = client.put(at, json=person(user["userName"], title="Guide", emails=None)).json()
    assert replaced["title"] == "Guide"
    assert "emails" not in replaced
    assert replaced["id"] == user["id"]
    assert replaced["meta"]["created"] == user["meta"]["created"]
    assert replaced["meta"]["version"] == 'W/"2"'
    response = client.patch(at, json=replace("active", False))
    assert (response.status_code, response.json()["active"]) == (200, False)
    assert client.get(at).json() == response.json()
    response = client.delete(at)
    assert (response.status_code, response.content) == (204, b"")
    for answer in (
        client.get(at),
        client.put(at, json=person()),
        client.patch(at, json=replace("title", "x")),
        client.delete(at),
    ):
        assert user["id"] in error_of(answer, 404)


def test_the_contract_cortex_answers_200_on_post_and_delete(cortex):
    response = cortex.post("/Users", json=person())
    assert response.status_code == 200
    assert response.headers["location"] == response.json()["meta"]["location"]
    deleted = cortex.delete(f"/Users/{response.json()['id']}")
    assert (deleted.status_code, deleted.json()) == (200, response.json())


@pytest.mark.parametrize("accept", ["application/json", "application/json; charset=utf-8"])
def test_both_media_types_in_and_out(client, accept):
    for content_type in (
        SCIM,
        "application/json",
        "application/scim+json; charset=UTF-8",
        "APPLICATION/JSON;charset=utf-8",
    ):
        response = client.post(
            "/Users",
            content=_json(person()),
            headers={"Accept": accept, "Content-Type": content_type},
        )
        assert response.status_code == 201
        assert response.headers["content-type"] == "application/json"
    assert (
        client.get("/Users?count=0", headers={"Accept": accept}).headers["content-type"]
        == "application/json"
    )


@pytest.mark.parametrize(
    "accept",
    [SCIM, "*/*", "application/json, application/scim+json", "application/json, */*", "text/html"],
)
def test_scim_json_otherwise(client, accept):
    assert client.get("/Users?count=0", headers={"Accept": accept}).headers["content-type"] == SCIM


def _json(document):
    import json

    return json.dumps(document)


def test_names_match_in_any_case_and_script(client):
    user_name = name("zoë").replace("example", "exämple")
    client.post("/Users", json=person(user_name))
    found = find(client, filter=f'userName eq "{user_name.upper()}"')
    assert found["totalResults"] == 1
    assert found["Resources"][0]["userName"] == user_name


@pytest.mark.parametrize(
    "path",
    [
        "userName",
        "USERNAME",
        f"{USER}:userName",
        "displayName",
        "id",
        "password",
        "nosuch",
        "emails.value",
    ],
)
@pytest.mark.parametrize(
    "value",
    ["{name}", "{NAME}", "nobody@example.com", "o'hara@example.com", "a+b@example.com", "a b", ""],
)
@pytest.mark.parametrize("space", ["%20", "+"])
def test_a_look_up_by_name_returns_the_same_as_a_search(client, user, path, value, space):
    """A lone equality takes a short path; another parameter makes a full search."""
    client.post("/Groups", json=group(None, user))
    asked = value.format(name=user["userName"], NAME=user["userName"].upper())
    for quoted in (quote(asked, safe="@"), quote(asked)):
        query = f"filter={path}{space}eq{space}%22{quoted}%22"
        short, long = client.get(f"/Users?{query}"), client.get(f"/Users?{query}&startIndex=1")
        assert (short.status_code, short.json()) == (long.status_code, long.json())
        if value in ("{name}", "{NAME}") and path.lower().endswith("username"):
            assert [found["id"] for found in short.json()["Resources"]] == [user["id"]]
            assert short.json()["Resources"][0]["groups"]


def test_page_sizes_are_limited(client):
    mark = name("page")
    for number in range(5):
        client.post("/Users", json=person(title=mark, displayName=f"D{number}"))
    where = {"filter": f'title eq "{mark}"', "sortBy": "displayName"}

    def names(**parameters):
        page = find(client, **where, **parameters)
        assert page["totalResults"] == 5
        assert page["itemsPerPage"] == len(page["Resources"])
        return page["startIndex"], [item["displayName"] for item in page["Resources"]]

    assert names() == (1, ["D0", "D1", "D2", "D3", "D4"])
    assert names(startIndex=2, count=2) == (2, ["D1", "D2"])
    assert names(startIndex=0, count=1) == names(startIndex=-7, count=1) == (1, ["D0"])
    assert names(count=0) == names(count=-3) == (1, [])
    assert names(startIndex=6) == (6, [])
    assert names(startIndex=10**30) == (2**62, [])
    assert names(count=10**30)[1] == names(count=5000)[1] == ["D0", "D1", "D2", "D3", "D4"]
    assert names(sortOrder="descending")[1] == ["D4", "D3", "D2", "D1", "D0"]
    assert names(sortOrder="Descending", startIndex=5)[1] == ["D0"]


def test_the_default_count_is_100_and_the_maximum_1000(server):
    server.muster("demo", "--workspace", "many", "--users", "1200")
    from tests.conftest import client_of

    with client_of(server, server.key("many", "--workspace", "many")) as client:
        assert len(find(client)["Resources"]) == 100
        page = find(client, count=1_000_000)
        assert (page["totalResults"], len(page["Resources"])) == (1200, 1000)
        seen = {
            item["id"]
            for start in range(1, 1201, 250)
            for item in find(client, startIndex=start, count=250)["Resources"]
        }
        assert len(seen) == 1200


@pytest.mark.parametrize(
    ("parameters", "scim_type", "names"),
    [
        ({"count": "ten"}, "invalidValue", "count"),
        ({"startIndex": "1.5"}, "invalidValue", "startIndex"),
        ({"startIndex": ""}, "invalidValue", "startIndex"),
        ({"filter": ""}, "invalidFilter", "position 1"),
        ({"filter": "userName eq"}, "invalidFilter", "position 12"),
        ({"filter": 'password eq "x"'}, "invalidFilter", "password"),
        ({"filter": "active gt true"}, "invalidFilter", "active"),
        ({"sortBy": "nosuch"}, "invalidPath", "nosuch"),
        ({"sortBy": "password"}, "invalidPath", "password"),
        ({"sortBy": "name"}, "invalidPath", "name"),
        ({"sortBy": "userName", "sortOrder": "up"}, "invalidValue", "sortOrder"),
        ({"domain": ""}, "invalidValue", "domain"),
        ([("count", "1"), ("count", "2")], "invalidValue", "count"),
    ],
)
def test_an_invalid_parameter_is_named(client, parameters, scim_type, names):
    assert names in error_of(client.get("/Users", params=parameters), 400, scim_type)


def test_domain_follows_every_change_and_joins_with_filters(client):
    domain = name().partition("@")[0] + ".example"
    first = client.post("/Users", json=person(f"a@{domain.upper()}", emails=None)).json()
    client.post("/Users", json=person(emails=[{"value": f"b@{domain}"}], title="T"))
    client.post("/Users", json=person(f"c@sub.{domain}", emails=None))
    assert (
        find(client, domain=domain)["totalResults"]
        == find(client, domain=domain.upper())["totalResults"]
        == 2
    )
    assert find(client, domain=domain, filter='title eq "t"')["totalResults"] == 1
    assert (
        find(client, domain=domain, count=1, startIndex=2, sortBy="userName")["Resources"][0][
            "title"
        ]
        == "T"
    )
    client.patch(f"/Users/{first['id']}", json=replace("userName", name()))
    assert find(client, domain=domain)["totalResults"] == 1


def test_every_response_honours_the_projection(client):
    document = person(title="T")
    response = client.post("/Users", params={"attributes": "USERNAME,emails.value"}, json=document)
    body = response.json()
    assert set(body) == {"schemas", "id", "userName", "emails"}
    assert set(body["emails"][0]) == {"value"}
    at = f"/Users/{body['id']}"
    only = {"excludedAttributes": f"name,meta,id,{ENTERPRISE_USER}"}
    kept = {"schemas", "id", "userName", "emails", "active", "title"}
    assert set(client.get(at, params=only).json()) == kept
    assert set(client.put(at, params=only, json=document).json()) == kept
    assert set(client.patch(at, params=only, json=replace("active", False)).json()) == kept
    listed = find(client, filter=f'userName eq "{document["userName"]}"', **only)
    assert set(listed["Resources"][0]) == kept


def test_conditional_requests(client, user):
    at, etag = f"/Users/{user['id']}", user["meta"]["version"]
    for header in (etag, "*", f'"x", {etag}', etag.removeprefix("W/")):
        response = client.get(at, headers={"If-None-Match": header})
        assert (response.status_code, response.content, response.headers["etag"]) == (
            304,
            b"",
            etag,
        )
    assert client.get(at, headers={"If-None-Match": 'W/"99"'}).status_code == 200
    assert client.get(at, headers={"If-Match": etag}).status_code == 200
    for headers in ({"If-Match": 'W/"99"'}, {"If-None-Match": "*"}, {"If-None-Match": etag}):
        error_of(client.put(at, json=person(user["userName"]), headers=headers), 412)
        error_of(client.patch(at, json=replace("title", "x"), headers=headers), 412)
        error_of(client.delete(at, headers=headers), 412)
    error_of(client.get(at, headers={"If-Match": 'W/"99"'}), 412)
    error_of(client.post("/Users", json=person(), headers={"If-Match": "*"}), 412)
    assert client.get(at).json() == user
    response = client.patch(at, json=replace("title", "x"), headers={"If-Match": f'W/"7", {etag}'})
    assert (response.status_code, response.headers["etag"]) == (200, 'W/"2"')
    assert client.delete(at, headers={"If-Match": "*"}).status_code == 204


def test_a_write_that_changes_nothing_keeps_version_and_last_modified(client, user):
    at = f"/Users/{user['id']}"
    assert client.patch(at, json=replace("active", True)).json() == user
    assert (
        client.patch(
            at, json=patch({"op": "add", "path": "emails", "value": user["emails"]})
        ).json()
        == user
    )
    assert client.put(at, json=user).json() == user
    assert client.get(at).json() == user


def test_a_refused_patch_changes_nothing(client, user):
    at = f"/Users/{user['id']}"
    operations = patch(
        {"op": "replace", "path": "title", "value": "x"}, {"op": "remove", "path": "userName"}
    )
    assert "Operations[1]" in error_of(client.patch(at, json=operations), 400, "mutability")
    assert client.get(at).json() == user


def test_a_taken_user_name_is_409(client, user):
    taken = user["userName"].upper()
    assert "userName" in error_of(client.post("/Users", json=person(taken)), 409, "uniqueness")
    other = client.post("/Users", json=person()).json()
    error_of(client.put(f"/Users/{other['id']}", json=person(taken)), 409, "uniqueness")
    error_of(
        client.patch(f"/Users/{other['id']}", json=replace("userName", taken)), 409, "uniqueness"
    )
    assert client.get(f"/Users/{other['id']}").json() == other
    assert client.delete(f"/Users/{user['id']}").status_code == 204
    assert client.post("/Users", json=person(taken)).status_code == 201


def test_passwords_are_never_returned_or_searchable(client, server):
    secret = "correct horse battery"
    user = client.post(
        "/Users", params={"attributes": "password"}, json=person(password=secret)
    ).json()
    at = f"/Users/{user['id']}"
    assert set(user) == {"schemas", "id"}
    answers = [
        client.get(at),
        client.get(at, params={"attributes": "password"}),
        client.patch(at, json=replace("password", secret + "2")),
        client.put(at, json=person(password=secret)),
        client.get("/Users", params={"filter": f'password eq "{secret}"'}),
        client.get("/Users", params={"filter": f'userName pr and not (password ne "{secret}")'}),
        client.get(
            "/Users",
            params={"filter": 'urn:ietf:params:scim:schemas:core:2.0:User:password sw "c"'},
        ),
        client.post("/Users", json=person(password=secret, active="never")),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 400, 400, 400, 400]
    for answer in answers[:4]:
        assert "password" not in answer.json()
    assert not any(secret in answer.text for answer in answers)
    assert secret not in server.logged()
    stored = server.stored()
    assert secret.encode() not in stored
    assert b"$argon2id$" in stored


def test_dialects_are_accepted_and_rejected_in_strict_mode(client, strict, user):
    document = person(active="True") | {ENTERPRISE_USER: {"manager": "26"}}
    body = client.post("/Users", json=document).json()
    assert body["active"] is True
    assert body[ENTERPRISE_USER]["manager"] == {"value": "26"}
    assert "strict" in error_of(strict.post("/Users", json=document), 400, "invalidValue")
    mine = strict.post("/Users", json=person()).json()
    error_of(
        strict.patch(
            f"/Users/{mine['id']}", json=patch({"op": "Replace", "path": "title", "value": "x"})
        ),
        400,
        "invalidSyntax",
    )
    error_of(strict.post("/Users", json={"userName": "x"}), 400, "invalidSyntax")


def test_head_is_get_without_a_body(client, user):
    response = client.head(f"/Users/{user['id']}")
    assert (response.status_code, response.content, response.headers["etag"]) == (
        200,
        b"",
        user["meta"]["version"],
    )


@pytest.mark.parametrize("query", ["=0", "count=1&=x", "="])
def test_a_parameter_without_a_name_is_refused(client, query):
    detail = error_of(client.get(f"/Users?{query}"), 400, "invalidValue")
    assert "without a name" in detail


@pytest.mark.parametrize("query", ["&", "&count=1&&", ""])
def test_empty_parts_of_a_query_are_left_out(client, query):
    assert client.get(f"/Users?{query}").status_code == 200

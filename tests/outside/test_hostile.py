"""Hostile and mistaken requests cause neither a 500 nor a hang."""

import random
import socket
import string

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.people import error_of, patch, person

PATHS = [
    "/Users/" + "a" * 8000,
    "/Users/..%2f..%2fetc%2fpasswd",
    "/Users/%00",
    "/Users/%ff%fe",
    "/Users/'; DROP TABLE resources; --",
    "/Users/0193591c-1f00-7b5d-a1b2-3c4d5e6f7081%0d%0aSet-Cookie:x=1",
    "/Users//",
    "//Users",
    "/Users/{id}",
    "/Users/-1",
    "/Users/99999999999999999999999999999",
    "/Users/ffffffff-ffff-7fff-bfff-ffffffffffff",
    "/Users/ＵＳＥＲ",
    "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User%00",
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "DELETE", "PATCH"])
def test_paths(client, path, method):
    response = client.request(method, path, json=None if method == "GET" else {})
    assert 400 <= response.status_code < 500 or (
        response.status_code == 200 and path.strip("/") == "Users"
    )
    assert "set-cookie" not in response.headers


QUERIES = [
    "filter=%ff",
    "filter=" + "(" * 3000,
    "filter=" + "not%20(" * 500,
    "filter=userName%20eq%20%22%5Cud800%22",
    "filter=userName%20eq%20%22%00%22",
    "count=" + "9" * 5000,
    "count=-" + "9" * 5000,
    "count=%D9%A3",
    "count=0x10&startIndex=1e3",
    "startIndex=--1",
    "attributes=" + "a," * 5000,
    "attributes=..,.,:,::,[]",
    "excludedAttributes=%F0%9F%98%80",
    "sortBy=" + "." * 500,
    "sortBy=userName%3BDROP",
    "domain=" + "x" * 9000,
    "domain=%25",
    "&".join(f"p{n}=1" for n in range(500)),
    "=&=&&;;",
    "filter",
]


@pytest.mark.parametrize("query", QUERIES)
def test_queries(client, query):
    assert client.get(f"/Users?{query}").status_code in (200, 400, 414)


BODIES = [
    {"schemas": "x" * 1000, "userName": {}},
    {"schemas": [[]], "userName": "x"},
    {"userName": "x", "emails": [[[[]]]]},
    {"userName": "x", "emails": [{"value": {"value": {"value": 1}}}]},
    {"userName": "x", "name": [1, 2, 3]},
    {"userName": "x", "active": "True" * 10_000},
    {"userName": 1e308},
    {"userName": True, "name": None},
    {"userName": "x", "meta": {"created": 5}, "id": {"a": 1}, "groups": 7, "title": 9},
    {"userName": "x", "x509Certificates": [{"value": "A"}]},
    {"userName": "x", "password": ""},
    {"userName": "x", "password": ["a"]},
    {"": "", "userName": "", " ": 1},
    {"a" * 100_000: 1},
    {
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": [[]]},
        "userName": "x",
    },
]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_bodies(client, body):
    response = client.post("/Users", json=body)
    if response.status_code == 201:
        client.delete(f"/Users/{response.json()['id']}")
    else:
        assert response.status_code in (400, 409)
        assert response.json()["detail"]


@pytest.mark.parametrize(
    "attribute", ["userName", "externalId", "displayName", "familyName", "value"]
)
def test_the_longest_value_that_can_be_looked_up_by(client, attribute):
    """Indexed values of the allowed length are found; longer ones are refused."""
    longest = random.Random(1).randbytes(1000).hex()
    client.post("/Users", json=person())

    def body(value):
        at = {
            "familyName": {"name": {"familyName": value}},
            "value": {"emails": [{"value": value}]},
        }
        return person(**at.get(attribute, {attribute: value}))

    made = client.post("/Users", json=body(longest))
    assert made.status_code == 201
    path = {"familyName": "name.familyName", "value": "emails.value"}.get(attribute, attribute)
    found = client.get("/Users", params={"filter": f'{path} eq "{longest}"'}).json()
    assert [resource["id"] for resource in found["Resources"]] == [made.json()["id"]]
    refused = client.post("/Users", json=body(longest + "x"))
    assert (refused.status_code, refused.json()["scimType"]) == (400, "invalidValue")
    assert path in refused.json()["detail"]
    assert "2,000 bytes" in refused.json()["detail"]
    client.delete(f"/Users/{made.json()['id']}")


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "add", "path": "emails[" * 100, "value": 1}],
        [{"op": "add", "path": 'emails[type eq "work"]' * 50, "value": {}}],
        [{"op": "add", "path": "x" * 100_000, "value": 1}],
        [{"op": "add", "path": ["emails"], "value": 1}],
        [{"op": "add", "value": {"emails[": 1}}],
        [{"op": "add", "value": {"emails[type eq 1].value": 1}}],
        [{"op": "replace", "path": 'emails[value co "' + "a" * 7000 + '"].value', "value": "x"}],
        [{"op": ["add"], "path": "title", "value": 1}],
        [{"op": "add", "path": "__class__", "value": 1}],
        [{"op": "add", "path": "name.__dict__", "value": 1}],
        [{"op": "add", "path": "title", "value": "x"}] * 1001,
        [None, 1, "x", []],
    ],
    ids=range(12),
)
def test_patches(client, operations):
    user = client.post("/Users", json=person()).json()
    response = client.patch(f"/Users/{user['id']}", json=patch(*operations))
    assert response.status_code in (400, 413)
    assert client.get(f"/Users/{user['id']}").json() == user


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda children: (
        st.lists(children, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ("userName", "name", "emails", "value", "schemas", "op", "path", "Operations", "x")
            ),
            children,
            max_size=5,
        )
    ),
    max_leaves=15,
)


@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(body=_json, method=st.sampled_from(("POST", "PUT", "PATCH")))
def test_any_json(client, body, method):
    path = "/Users" if method == "POST" else "/Users/0193591c-1f00-7b5d-a1b2-3c4d5e6f7081"
    assert client.request(method, path, json=body).status_code in (201, 400, 404, 409)


@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(text=st.text(st.sampled_from(string.printable + "é\u0000\U0001f600"), max_size=80))
def test_any_filter(client, text):
    response = client.get("/Users", params={"filter": text})
    if response.status_code != 200:
        assert response.status_code == 400


def test_header_injection_and_odd_headers(client):
    for headers in (
        {"Authorization": "Bearer " + "a" * 20_000},
        {"If-Match": "," * 5000},
        {"Accept": "," * 5000},
        {"X-Request-Id": "<b>"},
    ):
        response = client.get("/Users?count=0", headers=headers)
        assert response.status_code in (200, 401, 431)
        assert "<b>" not in str(response.headers)


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /scim/v2/Users HTTP/1.1\r\n\r\n",
        b"GET /scim/v2/Users HTTP/9.9\r\nHost: x\r\n\r\n",
        b"\x00\x01\x02\r\n\r\n",
        b"POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n12345",
        b"POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    ],
)
def test_raw_bytes(server, raw):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(65536)
    assert not answer.startswith(b"HTTP/1.1 5")
    assert httpx.get(f"{server.url}/healthz").status_code == 200


def test_a_body_cut_short_changes_nothing(server, client, tokens):
    before = client.get("/Users?count=0").json()["totalResults"]
    head = (
        f"POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {tokens['default']}\r\n"
    )
    head += "Content-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(f"{head}Content-Length: 1000\r\n\r\n{{".encode())
    assert client.get("/Users?count=0").json()["totalResults"] == before


def test_nothing_was_a_bug_of_ours(server):
    assert "Traceback" not in server.logged()


def test_errors_show_nothing_of_the_inside(client):
    detail = error_of(client.get("/Users/x"), 404)
    assert "sqlite" not in detail.lower()

"""Errors of the management REST: problem documents that name each value in error."""

import pytest

from muster.access.permissions import AUDIT, SCIM
from tests.support.tenant import PROBLEM


def errors_of(response, status=400):
    """The values in error, by their pointers."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == PROBLEM
    body = response.json()
    assert list(body) == [
        "type",
        "title",
        "status",
        "detail",
        *(["errors"] if "errors" in body else []),
    ]
    assert body.get("errors") != []
    for error in body.get("errors", ()):
        assert error["detail"].lower() in body["detail"].lower()
    return {error["pointer"]: error["detail"] for error in body.get("errors", ())}


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, {"/name": "This field is required."}),
        ({"name": 7}, {"/name": "Expected a string, got a number."}),
        ({"name": ""}, {"/name": "Expected at least 1 character, got 0."}),
        ({"name": "  "}, {"/name": "Expected text, got white space only."}),
        ({"name": "x" * 201}, {"/name": "Expected at most 200 characters, got 201."}),
        ({"name": "k", "rateLimit": -1}, {"/rateLimit": "Expected at least 0, got -1."}),
        (
            {"name": "k", "rateLimit": 2**31},
            {"/rateLimit": "Expected at most 2,147,483,647, got 2,147,483,648."},
        ),
        ({"name": "k", "rateLimit": True}, {"/rateLimit": "Expected an integer, got a boolean."}),
        ({"name": "k", "permissions": []}, {"/permissions": "Expected at least 1 element, got 0."}),
        ({"name": "k", "permissions": {}}, {"/permissions": "Expected an array, got an object."}),
        ({"name": "k", "role": "none"}, None),
        (
            {"name": "k", "a/b~c": 1, "user": None},
            {
                "/a~1b~0c": "Unknown field. The fields are"
                " name, role, permissions, user, rateLimit, connection, expiresInSeconds."
            },
        ),
        (
            {"rateLimit": "x", "expiresInSeconds": 0},
            {
                "/name": "This field is required.",
                "/rateLimit": "Expected an integer, got a string.",
                "/expiresInSeconds": "Expected at least 1, got 0.",
            },
        ),
    ],
)
def test_a_body_in_error(tenant, body, errors):
    found = tenant.api.post("/keys", json=body)
    if errors is None:
        assert list(errors_of(found, 404)) == ["/role"]
    else:
        assert errors_of(found) == errors


def test_a_choice_names_the_choices(tenant):
    (detail,) = errors_of(tenant.api.patch("/settings", json={"guardMode": "on"})).values()
    assert detail == "Expected 'hold', 'pause', 'watch' or 'off', got another value."
    found = errors_of(tenant.api.post("/keys", json={"name": "k", "permissions": [SCIM, "fly"]}))
    assert list(found) == ["/permissions/1"]
    assert AUDIT in found["/permissions/1"]


def test_a_value_deep_within_a_body(tenant):
    schema = {
        "id": "urn:acme:scim:Deep",
        "name": "Deep",
        "extends": ["User"],
        "attributes": [
            {"name": "code"},
            {"name": "parts", "type": "complex", "subAttributes": [{"name": "x", "type": "y"}]},
        ],
    }
    answer = tenant.api.post("/schemas", json=schema)
    assert list(errors_of(answer)) == ["/attributes/1/subAttributes/0/type"]
    assert answer.json()["detail"].startswith("attributes[1].subAttributes[0].type: ")


@pytest.mark.parametrize(
    ("path", "errors"),
    [
        ("/keys?limit=0", {"/limit": "Expected at least 1, got 0."}),
        ("/keys?limit=1001", {"/limit": "Expected at most 1,000, got 1,001."}),
        ("/keys?limit=ten", {"/limit": "Expected an integer."}),
        ("/keys?limit=1.0", {"/limit": "Expected an integer."}),
        ("/keys?limits=1", {"/limits": "Unknown parameter. The parameters are cursor, limit."}),
        ("/settings?x=1", {"/x": "Unknown parameter. This operation takes none."}),
        (
            "/undo",
            {f"/{name}": "This parameter is required." for name in ("since", "until")},
        ),
        ("/changes?wait=61", {"/wait": "Expected at most 60, got 61."}),
        ("/requests?status=1000", {"/status": "Expected at most 599, got 1,000."}),
    ],
)
def test_a_query_in_error(tenant, path, errors):
    assert errors_of(tenant.api.get(path)) == errors


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("/changes?cursor=x", "/cursor"),
        ("/audit?cursor=x", "/cursor"),
        ("/requests?cursor=x", "/cursor"),
        ("/keys?cursor=WzFd", "/cursor"),
        ("/keys?cursor=WyJ4Il0", "/cursor"),
        ("/history/0193591c-1f00-7b5d-a1b2-3c4d5e6f7081?cursor=x", "/cursor"),
        ("/history/0193591c-1f00-7b5d-a1b2-3c4d5e6f7081/at?time=noon", "/time"),
        ("/undo?key=x&since=noon&until=2026-01-31T09:00:00Z", "/since"),
    ],
)
def test_a_parameter_that_names_nothing(tenant, path, pointer):
    assert list(errors_of(tenant.api.get(path))) == [pointer]


def test_errors_that_no_single_value_causes_have_no_pointer(tenant):
    assert errors_of(tenant.api.get("/keys/none"), 404) == {}
    assert errors_of(tenant.api.get("/nosuch"), 404) == {}
    assert errors_of(tenant.api.put("/settings", json={}), 405) == {}
    assert errors_of(tenant.api.post("/keys", content=b"[]"), 400) == {}
    assert errors_of(tenant.api.post("/keys", content=b"{"), 400) == {}


def test_more_errors_than_are_listed(tenant):
    body = {"name": "k", **{f"x{number}": 1 for number in range(50)}}
    answer = tenant.api.post("/keys", json=body)
    assert len(errors_of(answer)) == 20
    assert answer.json()["detail"].endswith(" 30 more errors are not listed.")

"""Every error of the contract over HTTP: status, scimType and detail."""

import httpx
import pytest

from tests.support.people import error_of, name, person


def test_a_request_without_a_key_is_401(server):
    for headers in (
        {},
        {"Authorization": "Basic eDp5"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer x.y.z"},
    ):
        for path in ("/Users", "/Users/1", "/Schemas", "/nosuch", ""):
            response = httpx.get(f"{server.url}/scim/v2{path}", headers=headers)
            error_of(response, 401)
            assert response.headers["www-authenticate"].startswith("Bearer")


def test_a_key_without_the_permission_is_403(server):
    token = server.key("auditor", "--permission", "View audit logs")
    response = httpx.get(
        f"{server.url}/scim/v2/Users", headers={"Authorization": f"Bearer {token}"}
    )
    assert "Configure Open ID Connector & SCIM" in error_of(response, 403)


def test_the_scim_permission_is_sufficient(server):
    token = server.key("scim", "--permission", "Configure Open ID Connector & SCIM")
    assert (
        httpx.get(
            f"{server.url}/scim/v2/Users", headers={"Authorization": f"Bearer {token}"}
        ).status_code
        == 200
    )


@pytest.mark.parametrize(
    "path",
    [
        "/nosuch",
        "/Users/a/b",
        "/Schemas/nosuch",
        "/ResourceTypes/nosuch",
        "/users",
        "/Users/%F0",
        "/ServiceProviderConfig/x",
    ],
)
def test_unknown_paths_are_404(client, path):
    error_of(client.get(path), 404)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/Users", "GET, POST"),
        ("DELETE", "/Users", "GET, POST"),
        ("POST", "/Users/1", "GET, PUT, PATCH, DELETE"),
        ("OPTIONS", "/Users/1", "GET, PUT, PATCH, DELETE"),
        ("POST", "/Schemas", "GET"),
        ("DELETE", "/ServiceProviderConfig", "GET"),
    ],
)
def test_405_lists_the_allowed_methods(client, method, path, allow):
    response = client.request(method, path)
    error_of(response, 405)
    assert response.headers["allow"] == allow


def test_me_without_a_bound_user_is_501(client):
    error_of(client.get("/Me"), 501)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  ",
        b"{",
        b"[1,2",
        b"nul",
        b'{"userName":NaN}',
        b'{"userName":Infinity}',
        b'{"a":1,}',
        b"{'a':1}",
        b'{"userName":"\xff\xfe"}',
        b'{"userName":"\xed\xa0\x80"}',
        b'{"userName":"\\ud800"}',
        b'{"userName":"a\\u0000b"}',
        b'{"userName":"a","\\u0000":1}',
        b'{"userName":"a\x00b"}',
        b"[" * 100_000,
        b'{"a":' * 2000 + b"1" + b"}" * 2000,
        b'{"a":' * 100 + b"1" + b"}" * 100,
        b"[]",
        b'"x"',
        b"null",
    ],
)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_malformed_body_is_invalid_syntax(client, body, method):
    path = "/Users" if method == "POST" else "/Users/0193591c-1f00-7b5d-a1b2-3c4d5e6f7081"
    error_of(
        client.request(
            method, path, content=body, headers={"Content-Type": "application/scim+json"}
        ),
        400,
        "invalidSyntax",
    )


def test_an_escaped_backslash_before_u0000_is_plain_text(client):
    body = (
        b'{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"'
        + name().encode()
        + b'","title":"\\\\u0000"}'
    )
    response = client.post(
        "/Users", content=body, headers={"Content-Type": "application/scim+json"}
    )
    assert response.json()["title"] == "\\u0000"


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin-1",
        "",
    ],
)
def test_415(client, content_type):
    refused = client.post("/Users", content=b"{}", headers={"Content-Type": content_type})
    error_of(refused, 415)
    assert refused.headers["accept"] == "application/scim+json, application/json"
    refused = client.post(
        "/Users",
        content=b"x",
        headers={"Content-Type": "application/json", "Content-Encoding": "gzip"},
    )
    error_of(refused, 415)
    assert refused.headers["accept-encoding"] == "identity"
    assert "accept" not in refused.headers


def test_413_with_and_without_content_length(client):
    error_of(
        client.post(
            "/Users", content=b" " * 2_000_001, headers={"Content-Type": "application/json"}
        ),
        413,
    )

    def chunks():
        for _ in range(400):
            yield b" " * 10_000

    try:
        response = client.post(
            "/Users", content=chunks(), headers={"Content-Type": "application/json"}
        )
    except httpx.WriteError:
        return  # the server had answered and closed before all was sent, as it may
    error_of(response, 413)


def test_a_large_body_within_the_limit_is_accepted(client):
    assert client.post("/Users", json=person(title="x" * 1_900_000)).status_code == 201


def test_discovery_cannot_be_filtered(client):
    for path in ("/Schemas", "/ResourceTypes", "/ServiceProviderConfig"):
        error_of(client.get(path, params={"filter": 'id eq "User"'}), 403)


def test_an_invalid_host_is_400(client):
    for host in ('a"b', "a b", "<script>", "a/b"):
        assert error_of(client.get("/Users?count=1", headers={"Host": host}), 400)


def test_request_ids_are_accepted_or_generated(client):
    assert (
        client.get("/Users?count=0", headers={"X-Request-Id": "abc-123"}).headers["x-request-id"]
        == "abc-123"
    )
    made = client.get("/Users?count=0", headers={"X-Request-Id": "x" * 500}).headers["x-request-id"]
    assert 8 <= len(made) <= 40
    assert client.get("/Users?count=0").headers["x-request-id"] != made


def test_outside_scim_errors_are_problems(server):
    response = httpx.get(f"{server.url}/nosuch")
    assert (response.status_code, response.headers["content-type"]) == (
        404,
        "application/problem+json",
    )
    response = httpx.get(f"{server.url}/scim/v2x")
    assert (response.status_code, response.headers["content-type"]) == (
        404,
        "application/problem+json",
    )
    response = httpx.post(f"{server.url}/healthz")
    assert (response.status_code, response.headers["allow"]) == (405, "GET")

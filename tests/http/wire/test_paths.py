"""Repeated slashes in a path count as one on every route."""

import re

import pytest

from tests.support.people import patch, person

SCIM = (
    "",
    "/Users",
    "/Users/nobody",
    "/Groups",
    "/Groups/nobody",
    "/Users/.search",
    "/.search",
    "/Bulk",
    "/Me",
    "/Schemas",
    "/ResourceTypes/User",
    "/ServiceProviderConfig",
    "/Nothing",
)
ELSEWHERE = (
    "/",
    "/healthz",
    "/docs",
    "/openapi.json",
    "/sign-in",
    "/first",
    "/w/default",
    "/w/default/users",
    "/static/style.css",
    "/api/v1/settings",
    "/api/v1/keys/none",
    "/api/v1/history/none/at",
    "/nothing/here",
)
PATHS = [f"/scim/v2{path}" for path in SCIM] + list(ELSEWHERE)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def _doubled(path):
    """Every spelling of a path with one of its slashes, and all of them, repeated."""
    places = [index for index, character in enumerate(path) if character == "/"]
    yield from (f"{path[:at]}//{path[at + 1 :]}" for at in places)
    yield path.replace("/", "///")
    yield f"{path}//"


def _answer(client, method, path):
    answer = client.request(
        method, str(client.base_url.copy_with(path=path)), json={} if method[0] == "P" else None
    )
    headers = {
        name: answer.headers.get(name)
        for name in ("allow", "location", "content-type", "www-authenticate")
    }
    keys = (
        sorted(answer.json())
        if "json" in (headers["content-type"] or "") and answer.content
        else None
    )
    return answer.status_code, headers, keys


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", PATHS)
def test_repeated_slashes_are_collapsed(client, method, path):
    for spelling in _doubled(path):
        assert _answer(client, method, spelling) == _answer(
            client, method, re.sub("/+", "/", spelling)
        ), spelling


def test_a_write_with_repeated_slashes_is_a_write_to_that_resource(client):
    root = str(client.base_url).rstrip("/")
    made = client.post(f"{root}//Users", json=person()).json()
    operation = {"op": "replace", "path": "title", "value": "x"}
    changed = client.patch(f"{root}/Users//{made['id']}", json=patch(operation))
    assert (changed.status_code, changed.json()["title"]) == (200, "x")
    assert client.get(f"{root}//Users///{made['id']}//").json() == changed.json()
    found = client.get(
        f"{root}//Users", params={"filter": f'userName eq "{made["userName"]}"'}
    ).json()
    assert [resource["id"] for resource in found["Resources"]] == [made["id"]]
    assert client.delete(f"{root}///Users//{made['id']}").status_code == 204


@pytest.mark.parametrize("path", ["//Users", "/Users//", "///Users"])
def test_a_bulk_path_with_repeated_slashes(client, path):
    operation = {"method": "POST", "bulkId": "a", "path": path, "data": person()}
    message = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [operation],
    }
    assert [
        result["status"] for result in client.post("/Bulk", json=message).json()["Operations"]
    ] == ["201"]

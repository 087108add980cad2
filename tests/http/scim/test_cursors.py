"""Cursors (RFC 9865) and startIndex list every resource once, despite writes."""

import base64
from datetime import UTC, datetime

import pytest

from muster.http.scim.cursors import Cursor, Cursors
from muster.scim.errors import ScimError
from muster.storage.port.resources import Position
from tests.conftest import client_of
from tests.support.people import error_of, name, person, replace


@pytest.fixture(scope="module")
def walked(server):
    """A client of a workspace with 600 people."""
    workspace = name("walk").partition("@")[0].replace(".", "-").lower()
    server.muster("demo", "--workspace", workspace, "--users", "600")
    with client_of(server, server.key("walk", "--workspace", workspace)) as client:
        yield client


def pages(client, method="GET", **parameters):
    """The pages of a listing by cursor."""
    cursor = ""
    while cursor is not None:
        asked = {"cursor": cursor, **parameters}
        if method == "GET":
            response = client.get("/Users", params=asked)
        else:
            schemas = ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]
            response = client.post(method, json={"schemas": schemas, **asked})
        assert response.status_code == 200, response.text
        page = response.json()
        assert "startIndex" not in page
        yield page
        cursor = page.get("nextCursor")


QUERIES = [
    {},
    {"sortBy": "userName"},
    {"sortBy": "userName", "sortOrder": "descending"},
    {"sortBy": "title"},
    {"sortBy": "nickName", "sortOrder": "descending"},
    {"sortBy": "active"},
    {"sortBy": "name.middleName"},
    {"filter": 'userType eq "Employee"'},
    {"filter": 'emails co "example"', "sortBy": "displayName"},
    {"filter": 'title sw "E"', "sortBy": "meta.lastModified", "sortOrder": "descending"},
]


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_walks_by_cursor_return_every_resource_in_order(walked, query):
    whole = walked.get("/Users", params={"count": 1000, **query}).json()
    found = list(pages(walked, count=77, **query))
    assert [item for page in found for item in page["Resources"]] == whole["Resources"]
    assert {page["totalResults"] for page in found} == {whole["totalResults"]}
    assert [page["itemsPerPage"] for page in found[:-1]] == [77] * (len(found) - 1)
    assert found[-1]["itemsPerPage"] > 0


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_walks_by_start_index_return_every_resource(walked, query):
    whole = walked.get("/Users", params={"count": 1000, **query}).json()
    found = []
    while len(found) < whole["totalResults"]:
        page = walked.get(
            "/Users", params={"count": 64, "startIndex": len(found) + 1, **query}
        ).json()
        assert (page["totalResults"], page["startIndex"]) == (whole["totalResults"], len(found) + 1)
        found += page["Resources"]
    assert found == whole["Resources"]


def test_a_walk_includes_concurrent_changes(client):
    mark = name("moving")
    users = [
        client.post("/Users", json=person(title=mark, displayName=f"{n:02}")).json()
        for n in range(9)
    ]
    where = {"filter": f'title eq "{mark}"', "sortBy": "displayName", "count": 3}

    def names(start):
        return [
            item["displayName"]
            for item in client.get("/Users", params={**where, "startIndex": start}).json()[
                "Resources"
            ]
        ]

    assert names(1) == ["00", "01", "02"]
    assert names(4) == ["03", "04", "05"]
    client.delete(f"/Users/{users[0]['id']}")
    assert names(7) == ["07", "08"]
    client.patch(f"/Users/{users[8]['id']}", json=replace("displayName", "00a"))
    assert names(1) == ["00a", "01", "02"]


def test_cursors_are_stable_during_concurrent_writes(client):
    mark = name("stable")
    before = [
        client.post("/Users", json=person(title=mark, displayName=f"{n:03}")).json()["id"]
        for n in range(30)
    ]
    seen = []
    for number, page in enumerate(
        pages(client, filter=f'title eq "{mark}"', sortBy="displayName", count=7)
    ):
        seen += [item["id"] for item in page["Resources"]]
        client.post(
            "/Users", json=person(title=mark, displayName=f"00{number}-")
        )  # before the cursor
        client.delete(f"/Users/{seen[-1]}")  # the very resource that the cursor stands at
    assert [item for item in seen if item in before] == before
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("path", ["/Users/.search", "/.search"])
def test_search_has_cursors_too(walked, path):
    found = list(pages(walked, path, count=250, sortBy="userName", attributes=["userName"]))
    names = [item["userName"] for page in found for item in page["Resources"]]
    assert len(names) == 600
    assert names == sorted(names)


def test_a_cursor_belongs_to_one_query_of_one_workspace(client, walked):
    cursor = next(pages(walked, count=10, sortBy="userName"))["nextCursor"]
    again = {"cursor": cursor, "sortBy": "userName"}
    assert walked.get("/Users", params={**again, "count": 500}).json()["itemsPerPage"] == 500
    error_of(walked.get("/Users", params={**again, "sortBy": "title"}), 400, "invalidCursor")
    error_of(
        walked.get("/Users", params={**again, "sortOrder": "descending"}), 400, "invalidCursor"
    )
    error_of(
        walked.get("/Users", params={**again, "filter": "active eq true"}), 400, "invalidCursor"
    )
    error_of(client.get("/Users", params=again), 400, "invalidCursor")


def test_a_cursor_cannot_be_changed(walked):
    cursor = next(pages(walked, count=10))["nextCursor"]
    raw = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    for place in range(0, len(raw), 3):
        changed = bytes(raw[:place]) + bytes([raw[place] ^ 1]) + bytes(raw[place + 1 :])
        text = base64.urlsafe_b64encode(changed).decode()
        error_of(walked.get("/Users", params={"cursor": text}), 400, "invalidCursor")
    for text in ("x", "é", "=", "a" * 10_000, cursor[:-4], cursor + "AAAA", "\u202e"):
        error_of(walked.get("/Users", params={"cursor": text}), 400, "invalidCursor")


def test_parameters_that_a_cursor_allows(client):
    client.post("/Users", json=person())
    error_of(client.get("/Users", params={"cursor": "", "startIndex": 1}), 400, "invalidValue")
    error_of(client.get("/Users", params={"cursor": "", "count": "ten"}), 400, "invalidCount")
    assert "nextCursor" not in client.get("/Users?cursor&count=0").json()
    assert client.get("/Users?cursor&count=1").json()["itemsPerPage"] == 1


class Accounts:
    async def signing_secret(self):
        return b"secret"


def test_a_cursor_expires(clock):
    import asyncio

    clock.moment = datetime(2026, 1, 1, tzinfo=UTC)
    cursors = Cursors(Accounts(), 60)
    cursor = Cursor(0, (Position("é", 2**62), None), 7)
    text = asyncio.run(cursors.write(cursor, (1, "q")))
    clock.advance(seconds=59.9)
    assert asyncio.run(cursors.read(text, (1, "q"))) == cursor
    clock.advance(seconds=0.1)
    with pytest.raises(ScimError) as raised:
        asyncio.run(cursors.read(text, (1, "q")))
    assert raised.value.scim_type == "expiredCursor"

"""Limits on a request, below, at and above; a refusal names limit and setting."""

import json
import socket
import time

import httpx
import pytest

from muster.http.wire.message import MAX_HEADER_BYTES
from muster.scim.bulk import BULK_REQUEST
from tests.conftest import DATABASES, client_of
from tests.support.people import USER, error_of, patch, person
from tests.support.server import Server

MAX_BODY, MAX_VALUES, MAX_ELEMENTS, MAX_PAGE_BYTES, MAX_COMPARISONS = (
    40_000,
    1_000,
    20,
    200_000,
    1_000,
)
OPTIONS = {
    "MUSTER_RATE_LIMIT": "0",
    "MUSTER_MAX_BODY": str(MAX_BODY),
    "MUSTER_MAX_VALUES": str(MAX_VALUES),
    "MUSTER_MAX_ELEMENTS": str(MAX_ELEMENTS),
    "MUSTER_MAX_PAGE_BYTES": str(MAX_PAGE_BYTES),
    "MUSTER_MAX_COMPARISONS": str(MAX_COMPARISONS),
}


@pytest.fixture(scope="module", params=list(DATABASES))
def small(tmp_path_factory, request):
    """A server with small limits."""
    with Server(
        tmp_path_factory.mktemp("small"), **OPTIONS, **DATABASES[request.param]()
    ) as started:
        yield started


@pytest.fixture(scope="module")
def here(small):
    with client_of(small, small.key("k")) as client:
        yield client


def count(client):
    return client.get("/Users?count=0").json()["totalResults"]


def padded(body, size):
    """A body as JSON of exactly so many bytes."""
    text = json.dumps(body)
    return text[:-1] + " " * (size - len(text)) + "}"


def post(client, content, path="/Users"):
    return client.post(path, content=content, headers={"content-type": "application/json"})


def test_bytes_of_a_body(here):
    for size in (MAX_BODY - 1, MAX_BODY):
        assert post(here, padded(person(), size)).status_code == 201
    before = count(here)
    refused = post(here, padded(person(), MAX_BODY + 1))
    said = f"The body is larger than {MAX_BODY:,} bytes (MUSTER_MAX_BODY)"
    assert error_of(refused, 413) == said
    assert count(here) == before


@pytest.mark.parametrize("filler", ["{}", "[]", "0", '{"a":1}', "[[]]", '","'])
def test_values_of_a_body(here, filler):
    """Whatever they are: a parser takes its time by their number."""

    def body(values):
        text = json.dumps(person(unknown="?"))
        own = sum(map(text.count, "{[,"))
        each = sum(map(filler.count, "{[,"))
        items = (values - own - 1 + 1) // (each + 1)
        made = text.replace('"?"', "[" + ",".join([filler] * items) + "]")
        spare = values - sum(map(made.count, "{[,"))
        return made.replace('"unknown"', '"unknown' + "," * spare + '"')

    for values in (MAX_VALUES - 1, MAX_VALUES):
        made = body(values)
        assert sum(map(made.count, "{[,")) == values
        assert post(here, made).status_code == 201, made[:300]
    before = count(here)
    detail = error_of(post(here, body(MAX_VALUES + 1)), 413)
    assert detail == "The body has 1,001 values; the limit is 1,000 (MUSTER_MAX_VALUES)."
    assert count(here) == before


def emails(number):
    return [{"value": f"u{n}@example.com"} for n in range(number)]


def test_elements_of_an_attribute(here):
    for number in (MAX_ELEMENTS - 1, MAX_ELEMENTS):
        user = here.post("/Users", json=person(emails=emails(number)))
        assert user.status_code == 201
    user = user.json()
    said = "emails has 21 elements; the limit is 20 (MUSTER_MAX_ELEMENTS)"
    over = person(emails=emails(MAX_ELEMENTS + 1))
    assert error_of(here.post("/Users", json=over), 400, "invalidValue") == said
    assert error_of(here.put(f"/Users/{user['id']}", json=over), 400, "invalidValue") == said
    one_more = {"op": "add", "path": "emails", "value": [{"value": "more@example.com"}]}
    assert (
        error_of(here.patch(f"/Users/{user['id']}", json=patch(one_more)), 400, "invalidValue")
        == said
    )
    assert here.get(f"/Users/{user['id']}").json() == user
    replaced = {"op": "replace", "path": "emails", "value": emails(MAX_ELEMENTS)}
    assert here.patch(f"/Users/{user['id']}", json=patch(replaced)).status_code == 200


def test_elements_of_a_user_in_a_bulk_request(here):
    operations = [
        {
            "method": "POST",
            "path": "/Users",
            "bulkId": str(number),
            "data": person(roles=[{"value": f"r{n}"} for n in range(number)]),
        }
        for number in (MAX_ELEMENTS, MAX_ELEMENTS + 1)
    ]
    results = here.post("/Bulk", json={"schemas": [BULK_REQUEST], "Operations": operations}).json()[
        "Operations"
    ]
    assert [result["status"] for result in results] == ["201", "400"]
    assert "MUSTER_MAX_ELEMENTS" in results[1]["response"]["detail"]


def test_members_of_a_group_have_no_such_limit(here):
    users = [here.post("/Users", json=person()).json()["id"] for _ in range(MAX_ELEMENTS + 5)]
    group = here.post(
        "/Groups",
        json={"displayName": person()["userName"], "members": [{"value": user} for user in users]},
    )
    assert len(group.json()["members"]) == len(users)


def test_names_of_an_object(here):
    """However they come: each name is looked up in the schemas."""
    for number in (MAX_ELEMENTS - 1, MAX_ELEMENTS):
        body = {"schemas": [USER], "userName": person()["userName"]}
        body |= {f"x{n}": 1 for n in range(number - len(body))}
        assert here.post("/Users", json=body).status_code == 201
    wide = {f"x{n}": 1 for n in range(MAX_ELEMENTS + 1)}
    said = "An object in the body has 21 names; the limit is 20 (MUSTER_MAX_ELEMENTS)"
    user = here.post("/Users", json=person()).json()
    for body in (person(name=wide), person(emails=[wide]), {**person(), **wide}):
        assert error_of(here.post("/Users", json=body), 400, "invalidSyntax").endswith(
            "(MUSTER_MAX_ELEMENTS)"
        )
    operation = {"op": "add", "value": wide}
    assert (
        error_of(here.patch(f"/Users/{user['id']}", json=patch(operation)), 400, "invalidSyntax")
        == said
    )


HEADERS = [
    "accept",
    "if-match",
    "if-none-match",
    "content-type",
    "x-forwarded-for",
    "user-agent",
    "cookie",
    "authorization",
]


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("filler", [",", ";", "\\", '"', "a=b;", 'W/"1",'])
def test_long_headers_are_answered_at_once(small, here, name, filler):
    user = here.post("/Users", json=person()).json()
    for length in (1_000, 16_000, 17_000, 60_000, 70_000):
        headers = {name: filler * (length // len(filler))}
        for method, path in (
            ("GET", f"/Users/{user['id']}"),
            ("PATCH", f"/Users/{user['id']}"),
            ("GET", "/../../sign-in"),
        ):
            try:
                answer = here.request(
                    method, path, headers=headers, content=b"{}" if method == "PATCH" else None
                )
            except httpx.TransportError:
                assert length > 65_000  # the server closes the connection on so many bytes
                continue
            assert 200 <= answer.status_code < 500
    assert here.get(f"/Users/{user['id']}").json() == user


def test_bytes_of_all_headers(here):
    for length in (MAX_HEADER_BYTES - 2_000, MAX_HEADER_BYTES + 10_000):
        answer = here.get("/Users?count=0", headers={"X-Padding": "x" * length})
        assert answer.status_code == (200 if length < MAX_HEADER_BYTES else 431)


def test_number_of_headers(here):
    own = len(here.build_request("GET", "/Users").headers)
    for number in (99, 100, 101):
        answer = here.get(
            "/Users?count=0", headers={f"X-Padding-{n}": "x" for n in range(number - own)}
        )
        assert answer.status_code == (200 if number <= 100 else 431)


def test_headers_may_take_so_long_and_no_longer(small):
    """A connection is closed if its headers are incomplete after ten seconds."""
    slow, late = (socket.create_connection(("127.0.0.1", small.port), timeout=30) for _ in range(2))
    began = time.monotonic()
    for connection in (slow, late):
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
    time.sleep(5)  # far from the limit, as a busy machine may be late
    slow.sendall(b"Connection: close\r\n\r\n")
    assert slow.recv(65_536).startswith(b"HTTP/1.1 200")
    assert late.recv(65_536) in (b"",) or time.monotonic() - began > 9
    assert time.monotonic() - began > 9
    slow.close()
    late.close()


def test_parameters_of_a_query(here):
    def query(number):
        return "/Users?" + "&".join(["count=0", *(f"p{n}=1" for n in range(number - 1))])

    for number in (49, 50):
        assert here.get(query(number)).status_code == 200
    refused = here.get(query(51))
    assert error_of(refused, 400, "invalidValue") == "The query has more than 50 parameters."


def test_bytes_of_a_page(here):
    """Bodies of refused requests are read by fewer at a time."""
    stem = person()["userName"]
    each = MAX_BODY - 1_000
    fits = MAX_PAGE_BYTES // (each + 1_000)
    for number in range(fits + 2):
        assert (
            here.post("/Users", json=person(f"{stem}-{number}", title="x" * each)).status_code
            == 201
        )
    searches = [
        {"filter": f'userName sw "{stem}"'},
        {"filter": f'userName sw "{stem}"', "sortBy": "userName"},
        {"filter": f'title co "xx" and userName sw "{stem}"', "cursor": ""},
        {"filter": f'userName sw "{stem}"', "attributes": "userName,title"},
    ]
    for search in searches:
        assert len(here.get("/Users", params={**search, "count": fits}).json()["Resources"]) == fits
        detail = error_of(here.get("/Users", params={**search, "count": fits + 2}), 400, "tooMany")
        assert (
            detail
            == "The page would exceed MUSTER_MAX_PAGE_BYTES. Ask for fewer resources with count."
        )
    total = count(here)
    assert error_of(here.get("/Users", params={"count": total}), 400, "tooMany")
    walked = [
        here.get("/Users", params={"startIndex": start, "count": 2})
        for start in range(1, total + 1, 2)
    ]
    assert sum(len(page.json()["Resources"]) for page in walked) == total


def test_bytes_of_the_feed_and_of_history(small, here):
    """They answer fewer changes than asked for, and nothing is passed over."""
    made = here.post("/Users", json=person()).json()
    for number in range(12):
        operation = {
            "op": "replace",
            "path": "title",
            "value": str(number) + "x" * (MAX_BODY - 2_000),
        }
        assert here.patch(f"/Users/{made['id']}", json=patch(operation)).status_code == 200
    api = httpx.Client(base_url=f"{small.url}/api/v1", headers=here.headers, timeout=30)
    found, cursor, answers = [], "", 0
    while True:
        page = api.get("/changes", params={"cursor": cursor, "limit": 1000}).json()
        assert page["events"] or not page["more"]
        found += [
            event["resource"].get("title", "-")[:3].rstrip("x")
            for event in page["events"]
            if event["resourceId"] == made["id"]
        ]
        cursor, answers = page["cursor"], answers + 1
        if not page["more"]:
            break
    assert found == ["-", *map(str, range(12))]
    assert answers > 3
    newest, before = [], None
    while page := api.get(
        f"/history/{made['id']}", params={"before": before} if before else None
    ).json()["items"]:
        newest += [change["version"] for change in page]
        assert sum(len(change["resource"].get("title", "")) for change in page) < MAX_PAGE_BYTES
        before = page[-1]["change"]
    assert newest == list(range(13, 0, -1))
    log, cursor = [], ""
    while True:
        page = api.get("/audit", params={"cursor": cursor, "limit": 1000}).json()
        log += [row["version"] for row in page["rows"] if row["resource"] == made["id"]]
        cursor = page["cursor"]
        if not page["more"]:
            break
    assert log == list(range(1, 14))
    api.close()


@pytest.mark.parametrize(
    "driver",
    [
        'userName sw "{stem}" and ',
        'emails.value eq "{stem}@x" and ',
        'userName eq "{stem}-0" and ',
        "",
    ],
)
def test_searches_with_many_terms_over_large_documents_leave_others_their_turns(here, driver):
    """Searches over many bytes must not stall the event loop, whatever their seek."""
    stem = person()["userName"]
    for number in range(60):
        emails = [{"value": f"{n}" + "y" * 1_800} for n in range(MAX_ELEMENTS - 1)] + [
            {"value": f"{stem}@x"}
        ]
        assert (
            here.post("/Users", json=person(f"{stem}-{number}", emails=emails)).status_code == 201
        )
    terms = " or ".join(f'emails[type eq "t{n}" or value ew "{n}z"]' for n in range(60))
    answer = here.get(
        "/Users", params={"filter": driver.replace("{stem}", stem) + f"({terms})", "count": 5}
    )
    assert answer.json().get("totalResults") == 0 or error_of(answer, 400, "tooMany")
    both = here.get(
        "/Users",
        params={"filter": f'userName eq "{stem}-0" and (title pr or emails[value eq "{stem}@x"])'},
    )
    assert both.json()["totalResults"] == 1


def test_comparisons_of_a_patch(here):
    """The limit is on operations times elements times conditions."""
    most = MAX_ELEMENTS // 2
    user = here.post("/Users", json=person(emails=emails(most))).json()

    def change(number, path, **value):
        operations = [
            {"op": "replace", "path": path, "value": f"t{n}", **value} for n in range(number)
        ]
        return here.patch(f"/Users/{user['id']}", json=patch(*operations))

    for path, each in (
        ('emails[value eq "u1@example.com"].display', most),
        ('emails[value eq "u1@example.com" or type eq "x" or type pr].display', 3 * most),
        ("emails.display", most),
    ):
        most_operations = MAX_COMPARISONS // each
        for number in (most_operations - 1, most_operations):
            assert change(number, path).status_code == 200, path
        before = here.get(f"/Users/{user['id']}").json()
        detail = error_of(change(most_operations + 1, path), 400, "tooMany")
        assert detail.startswith(f"Operations[{most_operations}]: emails")
        assert "is 1,000 (MUSTER_MAX_COMPARISONS)" in detail
        assert here.get(f"/Users/{user['id']}").json() == before


@pytest.mark.parametrize("name", ["attributes", "excludedAttributes"])
def test_names_of_a_projection(here, name):
    stem = person()["userName"]
    here.post("/Users", json=person(stem))
    for number in (999, 1000):
        found = here.get(
            "/Users", params={"filter": f'userName eq "{stem}"', name: ",".join(["title"] * number)}
        )
        assert found.json()["totalResults"] == 1
    detail = error_of(
        here.get("/Users", params={name: ",".join(["title"] * 1001)}), 400, "invalidValue"
    )
    assert detail == f"{name} has 1,001 names; the limit is 1,000"
    search = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
        name: ["title"] * 400,
        "count": 0,
    }
    assert here.post("/Users/.search", json=search).status_code == 200

"""Lists of users and groups: search, conditions, sorting, columns, pages, export and selections."""

import csv
import html
import io
import re
from urllib.parse import parse_qsl, urlsplit

import pytest

from muster.scim.schema.model import ENTERPRISE_USER
from tests.support.people import group, person


def shown(page):
    """The ids of the rows of a list."""
    return re.findall(r'name="chosen" value="([^"]+)"', page.text)


def ids(people, *numbers):
    return [people[number]["id"] for number in numbers]


@pytest.mark.parametrize(
    ("parameters", "numbers"),
    [
        ({}, [0, 1, 2, 3, 4, 5]),
        ({"q": "a."}, [5]),
        ({"q": "OF LISTS", "match": "co"}, [0, 1, 2, 3, 4, 5]),
        ({"q": "lists"}, []),
        ({"active": "no"}, [0, 1]),
        ({"active": "yes", "q": "b."}, [4]),
        ({"filter": 'title eq "lead"'}, [0, 1]),
        ({"filter": 'title eq "lead"', "q": "e"}, [1]),
        ({"filter": f'{ENTERPRISE_USER}:department eq "Sales"', "active": "yes"}, [3]),
        ({"since": "2999-01-01T00:00"}, []),
        ({"since": "2020-01-01T00:00"}, [0, 1, 2, 3, 4, 5]),
        ({"sort": "userName"}, [5, 4, 3, 2, 1, 0]),
        ({"sort": "userName", "order": "desc"}, [0, 1, 2, 3, 4, 5]),
        ({"sort": "displayName", "active": "no"}, [1, 0]),
        ({"q": "@lists.example"}, [0, 1, 2, 3, 4, 5]),
        ({"q": "@elsewhere.example"}, []),
    ],
)
def test_a_list_shows_what_its_parameters_say(root, fresh, people, parameters, numbers):
    page = root.get(f"/w/{fresh.name}/users", **parameters)
    assert shown(page) == ids(people, *numbers)
    rows = list(
        csv.reader(io.StringIO(root.get(f"/w/{fresh.name}/users/export.csv", **parameters).text))
    )
    assert [row[0] for row in rows[1:]] == ids(people, *numbers)


def test_members_of_a_group_are_listed(root, fresh, people):
    crew = fresh.scim.post("/Groups", json=group(None, people[2], people[4])).json()
    page = root.get(f"/w/{fresh.name}/users", group=crew["id"])
    assert shown(page) == ids(people, 2, 4)
    assert "Remove: In group" in page.text


@pytest.mark.parametrize(
    "parameters",
    [{"filter": "("}, {"since": "yesterday"}, {"first": "x"}, {"cursor": "x"}, {"first": "9" * 99}],
)
def test_a_malformed_parameter_is_said_and_nothing_is_listed(root, fresh, people, parameters):
    page = root.get(f"/w/{fresh.name}/users", **parameters)
    assert page.status_code == 200
    assert 'role="alert"' in page.text
    assert shown(page) == []
    export = root.get(f"/w/{fresh.name}/users/export.csv", **parameters)
    assert export.status_code == (200 if "cursor" in parameters else 400)


def test_a_condition_is_taken_away_by_a_click(root, fresh, people):
    page = root.get(f"/w/{fresh.name}/users", active="no", q="f")
    link = html.unescape(re.search(r'<ul class="chips".*?href="([^"]+)"', page.text, re.S)[1])
    assert dict(parse_qsl(urlsplit(link).query)) == {"q": "f"}


def test_columns_are_chosen_and_kept(root, fresh, people):
    department = f"{ENTERPRISE_USER}:department"
    page = root.http.get(
        f"/w/{fresh.name}/users", params=[("column", "userName"), ("column", department)]
    )
    assert re.findall(r'<td data-label="([^"]+)"', page.text)[:2] == ["Username", "Department"]
    link = html.unescape(re.search(r'href="([^"]+sort=userName[^"]*)"', page.text)[1])
    assert dict(parse_qsl(urlsplit(link).query))["columns"] == f"userName,{department}"
    export = root.get(f"/w/{fresh.name}/users/export.csv", columns=f"userName,{department}").text
    assert export.splitlines()[:2] == [
        "id,Username,Department",
        f"{people[0]['id']},{people[0]['userName']},Sales",
    ]


def test_pages_lead_forward_and_back(root, fresh):
    operations = [
        {"method": "POST", "path": "/Users", "bulkId": str(n), "data": person()} for n in range(130)
    ]
    body = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": operations,
    }
    fresh.scim.post("/Bulk", json=body)

    def follow(page, rel):
        return root.get(html.unescape(re.search(rf'rel="{rel}" href="([^"]+)"', page.text)[1]))

    first = root.get(f"/w/{fresh.name}/users")
    second = follow(first, "next")
    third = follow(second, "next")
    counts = [re.search(r'class="count">([^<]+)<', page.text)[1] for page in (first, second, third)]
    assert counts == ["1–50 of 130", "51–100 of 130", "101–130 of 130"]
    assert 'rel="next"' not in third.text
    assert 'rel="prev"' not in first.text
    again = follow(third, "prev")
    assert shown(again) == shown(second)
    assert shown(follow(again, "prev")) == shown(first)


def test_deleted_people_are_found_and_restored(root, fresh, people):
    fresh.scim.delete(f"/Users/{people[3]['id']}")
    page = root.get(f"/w/{fresh.name}/users/deleted").text
    assert people[3]["displayName"] in page
    assert people[2]["displayName"] not in page
    assert "Restore this version" in root.get(f"/w/{fresh.name}/users/{people[3]['id']}").text


def test_users_are_searched_as_you_type(root, fresh):
    users = [
        fresh.user(displayName=f"Person {n}", emails=[{"value": f"p{n}@find.example"}])
        for n in range(3)
    ]
    path = f"/w/{fresh.name}/users"
    assert users[1]["id"] in root.get(path, q="Person 1").text
    assert users[0]["id"] not in root.get(path, q="Person 1").text
    assert all(user["id"] in root.get(path, q="@find.example").text for user in users)
    assert users[2]["id"] in root.get(path, filter='displayName eq "person 2"').text
    assert "position" in root.get(path, filter="displayName eq").text
    assert "No matching users" in root.get(path, q="zz").text
    assert "none of the latest failed requests" in root.get(path, q="zz").text
    partial = root.http.get(path, headers={"hx-request": "true"}).text
    assert "<html" not in partial
    assert users[0]["id"] in partial
    for sort in ("userName", "name", "changed"):
        assert root.get(path, sort=sort).status_code == 200
    assert len(root.get(path).content) < 100_000


def test_lists_continue_from_a_cursor(root, fresh):
    operations = [
        {"method": "POST", "path": "/Users", "bulkId": str(n), "data": person()} for n in range(120)
    ]
    fresh.scim.post(
        "/Bulk",
        json={
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
            "Operations": operations,
        },
    )
    seen, path = set(), f"/w/{fresh.name}/users"
    while path:
        page = root.get(path).text
        seen |= set(re.findall(rf"/w/{fresh.name}/users/([0-9a-f-]{{36}})", page))
        following = re.search(r'rel="next" href="([^"]+)"', page)
        path = following and following[1].replace("&amp;", "&")
    assert len(seen) == 120


def test_matches_are_counted_beside_all_users(root, fresh, people):
    base = f"/w/{fresh.name}/users"
    assert '<p class="matches">2 of 6 users</p>' in root.get(base, active="no").text
    assert '<p class="matches">6 of 6 users</p>' in root.get(base, created="today").text
    ahead = root.get(base, created="date", day="2100-01-01").text
    assert '<p class="matches">0 of 6 users</p>' in ahead
    assert "Created since 2100-01-01" in ahead
    assert 'class="matches"' not in root.get(base).text
    assert root.get(base, created="date", day="nonsense").status_code == 200

"""Lists of users and groups: search, conditions, sorting, columns, pages, export and selections."""

import csv
import html
import io
import re
from urllib.parse import parse_qsl, urlsplit

import pytest

from muster.console.csv_rows import csv_row
from muster.console.listings import ListQuery
from muster.scim.schema.model import ENTERPRISE_USER
from tests.support.people import group, name, person


@pytest.fixture
def people(fresh):
    """Six users: two inactive, two in Sales, one in a group."""
    return [
        fresh.user(
            userName=f"{letter}.{number}@lists.example",
            displayName=f"{letter.title()} of lists {number}",
            title=("Lead" if number < 2 else None),
            active=number > 1,
            **{ENTERPRISE_USER: {"department": "Sales" if number in (0, 3) else "Tours"}},
        )
        for number, letter in enumerate("fedcba")
    ]


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


def test_a_trail_is_bounded():
    query = ListQuery("users")
    for number in range(50):
        place = query.following(f"c{number}", 50)
        query = ListQuery(
            "users",
            cursor=place["cursor"],
            first=place["first"],
            trail=tuple(place["trail"].split()),
        )
    assert len(query.trail) == 10
    assert query.first == 2501


def test_deleted_people_are_found_and_restored(root, fresh, people):
    fresh.scim.delete(f"/Users/{people[3]['id']}")
    page = root.get(f"/w/{fresh.name}/users/deleted").text
    assert people[3]["displayName"] in page
    assert people[2]["displayName"] not in page
    assert "Restore this version" in root.get(f"/w/{fresh.name}/users/{people[3]['id']}").text


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_an_export_holds_no_formula(text):
    found = next(csv.reader(io.StringIO(csv_row([text, 7, None]).decode(), newline="")))
    assert found == [f"'{text}", "7", ""]


def test_an_export_keeps_every_text():
    texts = ['a "quoted" one', "a,b", "two\nlines", "ünïcode", ""]
    assert next(csv.reader(io.StringIO(csv_row(texts).decode(), newline=""))) == texts


# ---- selections


def select(root, fresh, action, **parameters):
    return root.get(f"/w/{fresh.name}/users/selection", action=action, **parameters)


def confirm(root, page, **fields):
    ids = re.search(r'name="ids" value="([^"]*)"', page.text)[1]
    action = re.search(r'name="action" value="([^"]*)"', page.text)[1]
    path = re.search(r'action="(/w/[^"]+/selection)"', page.text)[1]
    return root.submit(path, action=action, ids=ids, **fields)


def active(fresh, people):
    return [fresh.scim.get(f"/Users/{user['id']}").json().get("active", "gone") for user in people]


def test_a_selection_is_previewed_and_then_changed(root, fresh, people):
    page = select(root, fresh, "deactivate", chosen=ids(people, 2, 3))
    assert "Deactivate: 2 users" in page.text
    assert people[2]["displayName"] in page.text
    assert active(fresh, people) == [False, False, True, True, True, True]
    assert "Deactivate: 2 of 2 users." in confirm(root, page).text
    assert active(fresh, people) == [False, False, False, False, True, True]
    rows = fresh.api.get("/audit", params={"limit": 1000}).json()["items"][-2:]
    assert [row["actor"][:6] for row in rows] == ["admin:"] * 2


def test_all_that_a_search_finds_are_selected(root, fresh, people):
    page = select(root, fresh, "reactivate", all="1", active="no")
    assert "Reactivate: 2 users" in page.text
    confirm(root, page)
    assert active(fresh, people) == [True] * 6


def test_a_selection_joins_a_group(root, fresh, people):
    crew = fresh.scim.post("/Groups", json=group(name("Crew"))).json()
    page = select(root, fresh, "join", chosen=ids(people, 0, 5))
    assert crew["displayName"] in page.text
    assert "choose a group" in confirm(root, page).text
    confirm(root, page, group=crew["id"])
    members = fresh.scim.get(f"/Groups/{crew['id']}").json()["members"]
    assert sorted(member["value"] for member in members) == sorted(ids(people, 0, 5))


def test_the_refused_ones_are_named_with_the_reason(root, fresh, people):
    page = select(root, fresh, "delete", chosen=ids(people, 4, 5))
    fresh.scim.delete(f"/Users/{people[4]['id']}")
    shown_after = confirm(root, page).text
    assert "Delete: 1 of 2 users." in shown_after
    assert people[4]["id"] in shown_after


def test_the_guard_holds_a_selection(root, fresh, people):
    fresh.api.patch("/settings", json={"guardMode": "hold", "guardShare": 0, "guardLeast": 1})
    page = select(root, fresh, "deactivate", chosen=ids(people, 2, 3, 4))
    after = confirm(root, page).text
    assert "Deactivate: 1 of 3 users." in after
    assert "the deprovisioning guard holds this change" in after
    assert active(fresh, people)[2:] == [False, True, True, True]


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"action": "deactivate"}, "Select at least one"),
        ({"action": "", "chosen": ["x"]}, "Choose an action."),
        ({"action": "explode", "chosen": ["x"]}, "Choose an action."),
        ({"action": "delete", "chosen": ["x"]}, "Select at least one"),
    ],
)
def test_an_incomplete_selection_changes_nothing(root, fresh, people, parameters, said):
    page = root.get(f"/w/{fresh.name}/users/selection", **parameters)
    assert said in page.text
    assert 'name="ids"' not in page.text
    assert active(fresh, people) == [False, False, True, True, True, True]


def test_too_many_are_refused(root, fresh, people, monkeypatch):
    page = root.get(f"/w/{fresh.name}/users")
    token = re.search(r'name="csrf" value="([^"]*)"', page.text)[1]
    answer = root.post(
        f"/w/{fresh.name}/users/selection",
        csrf=html.unescape(token),
        action="delete",
        ids=",".join(str(n) for n in range(1001)),
    )
    assert answer.status_code == 400
    assert active(fresh, people) == [False, False, True, True, True, True]

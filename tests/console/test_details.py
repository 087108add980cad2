"""The attributes of a user and a group as their pages show them."""

import re

from muster.console.details import DetailValue, details_of
from muster.scim.schema.model import ENTERPRISE_USER, registry
from tests.support.people import group, name

USERS = registry().types["/Users"]


def rows(document, names=()):
    parts = details_of(document, USERS, dict(names))
    return {row.label: list(row.values) for part in parts for row in part.rows}


def test_attributes_have_labels_and_values_as_people_read_them():
    found = rows(
        {
            "userName": "ada",
            "externalId": "00u1",
            "active": True,
            "name": {"givenName": "Ada", "familyName": "Lovelace"},
            "emails": [
                {"value": "ada+x@example.com", "type": "work", "primary": True},
                {"value": "ada@home.example", "type": "home"},
            ],
            "phoneNumbers": [{"value": "+44 (20) 7946-0018", "type": "mobile"}],
            "addresses": [{"type": "work", "locality": "London", "country": "GB"}],
            ENTERPRISE_USER: {"department": "Engines", "manager": {"value": "m1"}},
        },
        {"m1": "Charles Babbage"},
    )
    assert found == {
        "User name": [DetailValue("ada")],
        "External ID": [DetailValue("00u1")],
        "Given name": [DetailValue("Ada")],
        "Family name": [DetailValue("Lovelace")],
        "E-mail": [
            DetailValue("ada+x@example.com", "mailto:ada%2Bx@example.com", "work", True),
            DetailValue("ada@home.example", "mailto:ada@home.example", "home"),
        ],
        "Phone numbers": [DetailValue("+44 (20) 7946-0018", "tel:+442079460018", "mobile")],
        "Addresses": [DetailValue("London, GB", "", "work")],
        "Department": [DetailValue("Engines")],
        "Manager": [DetailValue("Charles Babbage", "users/m1")],
    }


def test_a_manager_who_does_not_exist_is_no_link():
    found = rows({"userName": "ada", ENTERPRISE_USER: {"manager": {"value": "gone"}}})
    assert found["Manager"] == [DetailValue("gone", "", "no such user")]


def test_a_value_never_becomes_another_kind_of_link():
    (value,) = rows({"emails": [{"value": "javascript:alert(1)"}]})["E-mail"]
    assert value.href == "mailto:javascript%3Aalert%281%29"


def test_the_page_links_the_manager_and_marks_inherited_groups(root, fresh):
    boss = fresh.user(displayName="Charles Babbage")
    user = fresh.user(**{ENTERPRISE_USER: {"manager": {"value": boss["id"]}}})
    team = fresh.scim.post("/Groups", json=group("Engines", user)).json()
    fresh.scim.post("/Groups", json=group("Everybody", team))
    page = root.get(f"/w/{fresh.name}/users/{user['id']}").text
    assert re.search(rf'<a href="[^"]*/users/{boss["id"]}">Charles Babbage</a>', page)
    assert f'<a href="mailto:{user["userName"]}">' in page
    everybody = re.search(r"<li><span><a [^>]*>Everybody</a>.*?</li>", page, re.S)[0]
    assert "inherited" in everybody
    assert "Remove" not in everybody
    assert "inherited" not in re.search(r"<li><span><a [^>]*>Engines</a>.*?</li>", page, re.S)[0]


def test_the_group_page_marks_inactive_members(root, fresh):
    active, inactive = fresh.user(displayName="Ada"), fresh.user(displayName="Bob", active=False)
    team = fresh.scim.post("/Groups", json=group("Engines", active, inactive)).json()
    page = root.get(f"/w/{fresh.name}/groups/{team['id']}").text
    assert "Inactive" in re.search(r">Bob</a>.*?</span>", page, re.S)[0]
    assert "Inactive" not in re.search(r">Ada</a>.*?</span>", page, re.S)[0]


def test_the_condition_names_the_group(root, fresh):
    team = fresh.scim.post("/Groups", json=group("Engines")).json()
    page = root.get(f"/w/{fresh.name}/users", group=team["id"]).text
    assert "In group Engines" in page


def test_a_new_group_begins_with_the_members_that_were_found_and_chosen(root, fresh):
    ada, bob = fresh.user(displayName="Ada"), fresh.user(displayName="Bob")
    path, title = f"/w/{fresh.name}/groups/new", name("team")
    root.get(path)
    found = root.post(path, displayName=title, q="Ada", search="1")
    assert found.status_code == 200
    assert f'value="{ada["id"]}">' in found.text
    assert f'value="{title}"' in found.text
    again = root.post(path, displayName=title, q="Bob", search="1", chosen=ada["id"])
    assert f'value="{ada["id"]}" checked>' in again.text
    assert f'value="{bob["id"]}">' in again.text
    made = root.post(path, displayName=title, chosen=[ada["id"], bob["id"]])
    assert made.status_code == 303
    group_id = made.headers["location"].rpartition("/")[2]
    members = fresh.scim.get(f"/Groups/{group_id}").json()["members"]
    assert {member["value"] for member in members} == {ada["id"], bob["id"]}

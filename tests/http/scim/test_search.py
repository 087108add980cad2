"""Searches by POST (RFC 7644 section 3.4.3)."""

import pytest

from muster.scim.messages import SEARCH_REQUEST
from muster.scim.schema.model import ENTERPRISE_USER
from tests.support.people import error_of, name, person


@pytest.mark.parametrize("path", ["/.search", "/Users/.search"])
def test_search_returns_the_same_as_get(client, path):
    mark = name("search")
    for number in range(3):
        client.post("/Users", json=person(title=mark, displayName=f"D{number}"))
    message = {
        "schemas": [SEARCH_REQUEST],
        "filter": f'title eq "{mark}"',
        "sortBy": "displayName",
        "sortOrder": "descending",
    }
    message |= {"startIndex": 2, "count": 1, "attributes": ["displayName"]}
    found = client.post(path, json=message)
    assert found.status_code == 200
    same = {
        key: value for key, value in message.items() if key not in ("schemas", "attributes")
    } | {"attributes": "displayName"}
    assert found.json() == client.get("/Users", params=same).json()
    assert found.json()["totalResults"] == 3
    assert found.json()["Resources"][0]["displayName"] == "D1"


@pytest.mark.parametrize(
    ("message", "scim_type", "names"),
    [
        ([], "invalidSyntax", "object"),
        ({"schemas": "x", "sort": "userName"}, "invalidSyntax", "'sort'"),
        ({"schemas": [SEARCH_REQUEST], "count": "1"}, "invalidValue", "count"),
        ({"schemas": [SEARCH_REQUEST], "attributes": "userName"}, "invalidValue", "attributes"),
        ({"schemas": [SEARCH_REQUEST], "filter": 7}, "invalidValue", "filter"),
        ({"schemas": [SEARCH_REQUEST], "filter": "x"}, "invalidFilter", "position"),
        ({"schemas": [SEARCH_REQUEST], "filter": 'password eq "x"'}, "invalidFilter", "password"),
    ],
)
def test_an_invalid_search_names_the_problem(client, message, scim_type, names):
    assert names in error_of(client.post("/Users/.search", json=message), 400, scim_type)


def test_other_methods_are_405(client):
    response = client.get("/Users/.search")
    error_of(response, 405)
    assert response.headers["allow"] == "POST"


SINGULAR = [
    ('name[familyName eq "Jensen"]', True),
    ('NAME[givenName sw "barb" and not (honorificPrefix pr)]', True),
    ('name[givenName eq "Ada"]', False),
    (f'{ENTERPRISE_USER}:manager[value eq "m1"]', True),
    (f'{ENTERPRISE_USER}:manager[value ne "m1"]', False),
    (f"{ENTERPRISE_USER}:manager[not (displayName pr)]", True),
    ("meta[created pr]", True),
    ('meta[resourceType eq "User" and lastModified gt "2020-01-01T00:00:00Z"]', True),
    ("not (meta[created pr])", False),
]


@pytest.mark.parametrize(("value_path", "found"), SINGULAR)
def test_a_value_path_may_name_a_single_complex_attribute(client, strict, value_path, found):
    """RFC 7644 section 3.4.2.2 allows any complex attribute before the brackets."""
    for workspace in (client, strict):
        made = person(**{ENTERPRISE_USER: {"manager": {"value": "m1"}}})
        assert workspace.post("/Users", json=made).status_code == 201
        answer = workspace.get(
            "/Users", params={"filter": f'userName eq "{made["userName"]}" and {value_path}'}
        )
        assert (answer.status_code, answer.json()["totalResults"]) == (200, int(found))

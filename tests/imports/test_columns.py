"""The guess which attribute a column means, and the changes that a row means."""

import pytest

from muster.imports.columns import guess, targets_of
from muster.imports.rows import ColumnMapping, Refusal, operations, written
from muster.scim.dialects import Dialect
from muster.scim.document import read
from muster.scim.schema.model import ENTERPRISE_USER, USER, registry

USERS = registry().types["/Users"]
TARGETS = targets_of(USERS)
WORK = f"{ENTERPRISE_USER}:"


@pytest.mark.parametrize(
    ("headings", "paths"),
    [
        (["Login", "E-mail", "First name", "Last name"],
         ["userName", "emails", "name.givenName", "name.familyName"]),
        (["E-mail address", "Department", "Manager"],
         ["emails+userName", f"{WORK}department", "manager"]),
        (["Username", "Name", "E-mail", "Status", "Updated"],
         ["userName", "displayName", "emails", "active", ""]),
        (["userPrincipalName", "objectId", "accountEnabled", "jobTitle"],
         ["userName", "externalId", "active", "title"]),
        (["User name", "Nick name", "employeeNumber", "Cost Centre", "Mobile"],
         ["userName", "nickName", f"{WORK}employeeNumber", f"{WORK}costCenter",
          "phoneNumbers[mobile]"]),
        (["Benutzername", "Vorname", "Straße", "Favourite colour"],
         ["userName", "name.givenName", "addresses[work].streetAddress", ""]),
        (["User name", "Login"], ["userName", ""]),
    ],
)  # fmt: skip
def test_columns_are_guessed_from_their_headings(headings, paths):
    assert guess(headings, [], TARGETS, {}) == paths


def test_an_earlier_choice_counts_more_than_the_guess():
    known = {"personnelno": f"{WORK}employeeNumber", "name": "", "gone": "nowhere"}
    headings = ["Personnel No.", "Name", "Login", "Gone"]
    assert guess(headings, [], TARGETS, known) == [f"{WORK}employeeNumber", "", "userName", ""]


def test_a_column_of_ids_is_told_apart_by_its_values():
    own = "0190163d-8694-739b-aea5-966c26f8ad91"
    assert guess(["id", "User name"], [[own, "x"]], TARGETS, {})[0] == "id"
    assert guess(["id", "User name"], [["00u1", "x"]], TARGETS, {})[0] == "externalId"


def mapping(*paths, clears=False):
    return ColumnMapping([f"H{n}" for n in range(len(paths))], paths, TARGETS, clears)


def changed(document, paths, cells, clears=False):
    made = mapping(*paths, clears=clears)
    return written(USERS, document, made.values(cells), made)


EVERYTHING = {
    "userName": "ada", "active": "yes", "emails": "ada@x.com", "emails[home]": "ada@home.x",
    "name.givenName": "Ada", "phoneNumbers[mobile]": "+44 20", "roles": "a; b;a",
    "addresses[work].locality": "London", "externalId": "7", f"{WORK}department": "Engines",
}  # fmt: skip


def test_a_row_becomes_a_document_that_the_schemas_accept():
    made = changed({}, list(EVERYTHING), list(EVERYTHING.values()))
    assert made == {
        "schemas": [USER, ENTERPRISE_USER],
        "userName": "ada",
        "active": True,
        "emails": [
            {"value": "ada@x.com", "type": "work", "primary": True},
            {"type": "home", "value": "ada@home.x"},
        ],
        "name": {"givenName": "Ada"},
        "phoneNumbers": [{"type": "mobile", "value": "+44 20"}],
        "roles": [{"value": "a"}, {"value": "b"}],
        "addresses": [{"type": "work", "locality": "London"}],
        "externalId": "7",
        ENTERPRISE_USER: {"department": "Engines"},
    }
    read(made, USERS, Dialect(strict=True))


def test_every_target_takes_a_value_that_the_schemas_accept():
    values = {"boolean": "no", "integer": "7", "decimal": "1.5", "dateTime": "2026-01-01T00:00:00Z"}
    for path, target in TARGETS.items():
        leaf = target.sub or target.attribute
        if leaf is None:
            continue
        paths = ["userName", path] if path != "userName" else [path]
        cells = ["ada", values.get(leaf.type, "text")][: len(paths)]
        made = changed({}, paths, cells)
        read(made, USERS, Dialect(strict=True))
        assert len(made) > len(paths) - (path == "userName") or path.startswith("urn:"), path


def test_the_same_row_again_changes_nothing():
    paths, cells = list(EVERYTHING), list(EVERYTHING.values())
    made = changed({}, paths, cells)
    assert operations(USERS, made, changed(made, paths, cells)) == []


STORED = {
    "schemas": [USER, ENTERPRISE_USER], "userName": "ada", "title": "Countess",
    "name": {"givenName": "Ada", "familyName": "King"},
    "emails": [
        {"value": "old@x.com", "type": "home", "display": "old"},
        {"value": "main@x.com", "type": "work", "primary": True},
    ],
    ENTERPRISE_USER: {"department": "Engines", "division": "D"},
}  # fmt: skip


def test_a_row_changes_only_its_own_attributes():
    paths = ["userName", "emails", "name.familyName", f"{WORK}department"]
    after = changed(STORED, paths, ["ada", "new@x.com", "Lovelace", "Maths"])
    assert operations(USERS, STORED, after) == [
        {"op": "replace", "path": "name.familyName", "value": "Lovelace"},
        {"op": "replace", "path": "emails", "value": [
            {"value": "old@x.com", "type": "home", "display": "old"},
            {"value": "new@x.com", "type": "work", "primary": True},
        ]},
        {"op": "replace", "path": f"{WORK}department", "value": "Maths"},
    ]  # fmt: skip


def test_an_empty_cell_keeps_the_value_or_removes_it():
    paths, cells = ["userName", "title", "emails[home]", f"{WORK}division"], ["ada", "", "", ""]
    assert operations(USERS, STORED, changed(STORED, paths, cells)) == []
    after = changed(STORED, paths, cells, clears=True)
    assert operations(USERS, STORED, after) == [
        {"op": "remove", "path": "title"},
        {"op": "replace", "path": "emails", "value": [
            {"value": "main@x.com", "type": "work", "primary": True}
        ]},
        {"op": "remove", "path": f"{WORK}division"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "active"), [("TRUE", True), ("Inactive", False), ("0", False), ("enabled", True)]
)
def test_a_status_is_read_as_people_write_it(cell, active):
    assert changed({}, ["userName", "active"], ["ada", cell])["active"] is active


def test_a_text_that_is_no_value_is_refused_with_its_column():
    with pytest.raises(Refusal) as refused:
        changed({}, ["userName", "active"], ["ada", "perhaps"])
    assert (str(refused.value), refused.value.heading) == ('"perhaps" is neither yes nor no', "H1")


def test_a_row_with_too_many_cells_is_refused():
    with pytest.raises(Refusal, match="3 cells, and the file has 2 columns"):
        mapping("userName", "title").values(["ada", "x", "y"])
    assert mapping("userName", "title").values(["ada"]).user_name == "ada"


@pytest.mark.parametrize(
    ("text", "heading"),
    [
        ("userName: another User has this value", "H0"),
        ("emails.value: too long", "H1"),
        (f"{WORK}department: too long", "H2"),
        ("name.givenName: too long", "H3"),
        ("title: too long", ""),
    ],
)
def test_an_error_is_traced_to_its_column(text, heading):
    made = mapping("emails+userName", "emails[home]", f"{WORK}department", "name.givenName")
    assert made.heading_of(text) == ("H0" if text.startswith("emails") else heading)

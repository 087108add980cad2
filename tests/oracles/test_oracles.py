"""Hold the oracles to the examples of RFC 7644."""

import ast
import json
from pathlib import Path as File

import pytest

import muster
from tests.oracles import filters, patch
from tests.oracles.filters import Compare, Element, Logical, Not, Present
from tests.oracles.operations import NO_VALUE, Operation, Target
from tests.oracles.schemas import COMMON, ENTERPRISE, GROUP, USER, Attribute, Path, ResourceType


def attributes(name):
    """The attributes of a schema as the server publishes them."""
    text = (File(muster.__file__).parent / "scim/schema/definitions" / f"{name}.json").read_text()
    return {raw["name"]: Attribute.of(raw) for raw in json.loads(text)["attributes"]}


USERS = ResourceType(
    "User", "/Users", USER, COMMON | attributes("user"), {ENTERPRISE: attributes("enterprise_user")}
)
GROUPS = ResourceType("Group", "/Groups", GROUP, COMMON | attributes("group"), {})

BARBARA = {
    "schemas": [USER],
    "id": "2819c223-7f76-453a-919d-413861904646",
    "userName": "bjensen",
    "name": {"familyName": "Jensen", "givenName": "Barbara"},
    "userType": "Employee",
    "emails": [
        {"value": "bjensen@example.com", "type": "work", "primary": True},
        {"value": "babs@jensen.org", "type": "home"},
    ],
    "addresses": [
        {"type": "work", "streetAddress": "100 Universal City Plaza", "locality": "Hollywood"}
    ],
    "meta": {"resourceType": "User", "lastModified": "2011-05-13T04:42:34Z"},
}


def path(name, kind=USERS):
    attribute, _, sub = name.partition(".")
    found = kind.core[attribute]
    return Path(None, found, found.subs[sub] if sub else None)


def compare(name, operator, value):
    return Compare(path(name), operator, value)


@pytest.mark.parametrize(
    ("node", "text", "expected"),
    [
        (compare("userName", "eq", "BJENSEN"), 'userName eq "BJENSEN"', True),
        (compare("name.familyName", "co", "O'Malley"), 'name.familyName co "O\'Malley"', False),
        (compare("userName", "sw", "J"), 'userName sw "J"', False),
        (Present(path("title")), "title pr", False),
        (
            compare("meta.lastModified", "gt", "2011-05-13T04:42:34Z"),
            'meta.lastModified gt "2011-05-13T04:42:34Z"',
            False,
        ),
        (compare("meta.lastModified", "ge", "2011-05-13T06:42:34.0+02:00"), None, True),
        (compare("meta.lastModified", "lt", "2011-05-13T04:42:34.0000001Z"), None, True),
        (compare("schemas", "eq", ENTERPRISE), f'schemas eq "{ENTERPRISE}"', False),
        (
            Logical(
                "and",
                (
                    compare("userType", "eq", "Employee"),
                    Logical(
                        "or",
                        (
                            compare("emails", "co", "example.com"),
                            compare("emails.value", "co", "example.org"),
                        ),
                    ),
                ),
            ),
            'userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")',
            True,
        ),
        (
            Logical(
                "and",
                (
                    compare("userType", "ne", "Employee"),
                    Not(compare("emails", "co", "example.com")),
                ),
            ),
            'userType ne "Employee" and not (emails co "example.com")',
            False,
        ),
        (
            Element(
                path("emails"),
                Logical(
                    "and",
                    (
                        compare("emails.type", "eq", "work"),
                        compare("emails.value", "co", "@jensen.org"),
                    ),
                ),
            ),
            'emails[type eq "work" and value co "@jensen.org"]',
            False,
        ),
        (
            Element(path("emails"), compare("emails.primary", "eq", False)),
            "emails[primary eq false]",
            True,
        ),
        (
            Element(path("name"), compare("name.givenName", "eq", "barbara")),
            'name[givenName eq "barbara"]',
            True,
        ),
    ],
)
def test_filters_of_section_3_4_2_2(node, text, expected):
    assert text is None or filters.render(node, USERS) == text
    assert filters.allowed(node, strict=True) == filters.YES
    assert filters.holds(node, BARBARA) == {expected}


@pytest.mark.parametrize(
    "node",
    [
        compare("active", "gt", True),
        compare("meta.created", "gt", "yesterday"),
        compare("name", "eq", "x"),
        compare("title", "eq", 1),
    ],
)
def test_comparisons_that_a_server_must_refuse(node):
    assert filters.allowed(node, strict=True) == filters.NO


def predict(document, kind, *operations, strict=True):
    people = {person: {"value": person, "display": "Babs"} for person in ("2819c223", "902c246b")}
    return patch.predict(document, list(operations), kind, strict, people, frozenset())


def target(name, inner=None, sub=None, kind=USERS):
    attribute = kind.core[name]
    return Target(None, attribute, inner, attribute.subs[sub] if sub else None)


def add(wanted, value):
    return Operation("add", None, wanted, value)


def replace(wanted, value):
    return Operation("replace", None, wanted, value)


def remove(wanted, value=NO_VALUE):
    return Operation("remove", None, wanted, value)


WORK = compare("emails.type", "eq", "work")
HOME_ADDRESS = compare("addresses.type", "eq", "work")


@pytest.mark.parametrize(
    ("operation", "changed"),
    [
        (add(None, {"nickName": "Babs"}), {"nickName": "Babs"}),
        (add(target("emails"), [{"value": "BABS@jensen.org", "type": "home"}]), {}),
        (remove(target("emails", WORK)), {"emails": BARBARA["emails"][1:]}),
        (remove(target("emails")), {"emails": None}),
        (
            replace(target("name"), {"givenName": "Babs"}),
            {"name": {"familyName": "Jensen", "givenName": "Babs"}},
        ),
        (replace(target("name"), {"givenName": None}), {"name": {"familyName": "Jensen"}}),
        (
            replace(target("addresses", HOME_ADDRESS, "streetAddress"), "911 Universal City Plaza"),
            {
                "addresses": [
                    {**BARBARA["addresses"][0], "streetAddress": "911 Universal City Plaza"}
                ]
            },
        ),
        (
            add(target("emails"), [{"value": "b@example.com", "primary": True}]),
            {
                "emails": [
                    {**BARBARA["emails"][0], "primary": False},
                    BARBARA["emails"][1],
                    {"value": "b@example.com", "primary": True},
                ]
            },
        ),
    ],
)
def test_operations_of_section_3_5_2(operation, changed):
    expected = {key: value for key, value in {**BARBARA, **changed}.items() if value is not None}
    found = predict(BARBARA, USERS, operation)
    assert expected | {"schemas": [USER]} in found.documents
    assert not found.errors


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        (remove(None), "noTarget"),
        (remove(target("userName")), "mutability"),
        (replace(target("id"), "x"), "mutability"),
        (replace(target("emails", compare("emails.type", "eq", "fax"), "value"), "x"), "noTarget"),
        (replace(target("title"), 5), "invalidValue"),
        (add(target("emails"), [{"nosuch": "x"}]), "invalidValue"),
    ],
)
def test_operations_that_a_server_must_refuse(operation, error):
    found = predict(BARBARA, USERS, operation)
    assert found.documents == []
    assert (400, error) in found.errors


def test_members_of_section_3_5_2():
    group = {
        "schemas": [GROUP],
        "displayName": "Tours",
        "members": [{"value": "2819c223", "display": "Babs"}],
    }
    both = [*group["members"], {"value": "902c246b", "display": "Babs"}]
    members = target("members", kind=GROUPS)
    again = predict(group, GROUPS, add(members, [{"value": "2819c223"}]))
    assert (again.documents, again.errors) == ([group], frozenset())
    assert predict(group, GROUPS, add(members, [{"value": "902c246b"}])).documents == [
        group | {"members": both}
    ]
    named = Compare(path("members.value", GROUPS), "eq", "2819c223")
    gone = {"schemas": [GROUP], "displayName": "Tours"}
    assert predict(group, GROUPS, remove(target("members", named, kind=GROUPS))).documents == [gone]
    assert predict(group, GROUPS, remove(members, []), strict=False).documents == [group]
    assert (
        predict(group, GROUPS, remove(members, [{"id": "2819c223"}]), strict=False).documents == []
    )


def imported(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)


@pytest.mark.parametrize(
    "file", sorted(File(__file__).parent.glob("*.py")), ids=lambda file: file.stem
)
def test_the_oracles_share_no_code_with_the_server(file):
    """Only host starts the service, and only this module looks for its schemas."""
    allowed = {"host": {"muster", "muster.storage.port.resources"}, "test_oracles": {"muster"}}.get(
        file.stem, set()
    )
    assert {name for name in imported(file) if name.split(".")[0] == "muster"} <= allowed

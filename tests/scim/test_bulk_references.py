"""References by bulkId are replaced only in attributes that are references."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.scim.bulk_references import in_data, in_target
from muster.scim.schema.model import ENTERPRISE_USER, USER, registry

TYPES = registry().types
USERS, GROUPS = TYPES["/Users"], TYPES["/Groups"]
MEMBER = 'members[value eq "bulkId:u"]'


def replaced(data, method="POST", kind=USERS):
    return in_data(data, method, kind, lambda bulk_id: f"<{bulk_id}>")


def patched(path, value, kind=GROUPS):
    operation = {"op": "add", "value": value} | ({} if path is None else {"path": path})
    found = replaced({"Operations": [operation]}, "PATCH", kind)["Operations"][0]
    return found.get("path"), found["value"]


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("members", [{"value": "bulkId:u"}], ("members", [{"value": "<u>"}])),
        ("MEMBERS", {"VALUE": "bulkId:u"}, ("MEMBERS", {"VALUE": "<u>"})),
        ("members", ["bulkId:u"], ("members", ["<u>"])),
        ("members", [{"$ref": "https://h/scim/v2/Users/bulkId:u"}], ("members", [{"$ref": "https://h/scim/v2/Users/<u>"}])),
        ("members.value", "bulkId:u", ("members.value", "<u>")),
        ("members", [{"value": "x bulkId:u"}], ("members", [{"value": "x bulkId:u"}])),
        ("members", [{"value": "x", "display": "bulkId:u"}], ("members", [{"value": "x", "display": "bulkId:u"}])),
        (MEMBER, None, ('members[value eq "<u>"]', None)),
        ('members[$ref eq "../Users/bulkId:u"]', None, ('members[$ref eq "../Users/<u>"]', None)),
        ('members[display eq "bulkId:u"]', None, ('members[display eq "bulkId:u"]', None)),
        ("displayName", "bulkId:u", ("displayName", "bulkId:u")),
        (None, {"members": [{"value": "bulkId:u"}], "displayName": "bulkId:u"},
         (None, {"members": [{"value": "<u>"}], "displayName": "bulkId:u"})),
        (None, {MEMBER: {"value": "bulkId:v"}}, (None, {'members[value eq "<u>"]': {"value": "<v>"}})),
        ("nosuch", "bulkId:u", ("nosuch", "bulkId:u")),
    ],
)  # fmt: skip
def test_references_in_patches_of_a_group_are_replaced(path, value, expected):
    assert patched(path, value) == expected


@pytest.mark.parametrize(
    "path",
    ["manager", "manager.value", f"{ENTERPRISE_USER}:manager", f"{ENTERPRISE_USER}:manager.value"],
)
def test_a_manager_is_a_reference_at_any_path_of_the_extension(path):
    expected = "<u>" if ENTERPRISE_USER in path else "bulkId:u"
    assert patched(path, "bulkId:u", USERS) == (path, expected)
    assert patched(None, {path: "bulkId:u"}, USERS) == (None, {path: expected})


def test_references_within_an_extension_are_replaced():
    manager = {
        "manager": {"value": "bulkId:u", "displayName": "bulkId:u"},
        "department": "bulkId:u",
    }
    expected = {"manager": {"value": "<u>", "displayName": "bulkId:u"}, "department": "bulkId:u"}
    assert patched(ENTERPRISE_USER, manager, USERS) == (ENTERPRISE_USER, expected)
    assert patched(None, {ENTERPRISE_USER.lower(): manager}, USERS) == (
        None,
        {ENTERPRISE_USER.lower(): expected},
    )
    assert replaced({ENTERPRISE_USER: manager}) == {ENTERPRISE_USER: expected}


def test_a_dropped_reference_drops_its_element_and_nothing_else():
    def drop(data, kind):
        return in_data(data, "POST", kind, lambda bulk_id: None if bulk_id == "u" else bulk_id)

    members = [{"value": "bulkId:u", "type": "User"}, {"value": "bulkId:v"}, {"value": "w"}]
    assert drop({"displayName": "g", "members": members}, GROUPS) == {
        "displayName": "g",
        "members": [{"value": "v"}, {"value": "w"}],
    }
    user = {
        "userName": "x",
        ENTERPRISE_USER: {"manager": {"value": "bulkId:u", "displayName": "B"}, "department": "d"},
    }
    assert drop(user, USERS) == {"userName": "x", ENTERPRISE_USER: {"department": "d"}}


def test_references_in_paths_are_replaced():
    assert in_target("bulkId:u", str.upper) == "U"
    assert in_target("x-bulkId:u", str.upper) == "x-bulkId:u"


PLAIN = st.sampled_from(
    [
        "userName",
        "title",
        "nickName",
        "displayName",
        "profileUrl",
        "externalId",
        "name",
        "emails",
        "roles",
        "photos",
        "groups",
        "nosuch",
    ]
)
TEXT = st.sampled_from(["bulkId:u", "https://x/bulkId:u", 'say "bulkId:u"', "x bulkId:u y"])
VALUES = st.recursive(
    TEXT | st.none() | st.booleans() | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["value", "$ref", "display", "type", "members"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


@given(st.dictionaries(PLAIN, VALUES, max_size=5))
def test_text_outside_references_is_unchanged(document):
    document = {"schemas": [USER], **document}
    assert replaced(document) == document
    message = {
        "Operations": [
            {"op": "add", "value": document},
            *({"op": "add", "path": key, "value": value} for key, value in document.items()),
        ]
    }
    assert replaced(message, "PATCH") == message


@given(VALUES)
def test_any_json_in_place_of_a_reference_is_accepted(value):
    for kind, document in (
        (GROUPS, {"members": value}),
        (USERS, {ENTERPRISE_USER: {"manager": value}}),
    ):
        found = json.dumps(replaced(document, kind=kind))
        assert found.replace("<u>", "bulkId:u") == json.dumps(document)

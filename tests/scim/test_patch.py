"""PATCH (RFC 7644 section 3.5.2) by examples and properties."""

import copy
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scim2_models import EnterpriseUser, PatchOp, User

from muster.scim.dialects import Dialect
from muster.scim.document import read
from muster.scim.errors import ScimError
from muster.scim.patch import PATCH_OP, apply, prepare
from muster.scim.schema.model import ENTERPRISE_USER, USER, Schema, registry
from tests.support.strategies import filled, plain_addresses, plain_users, users

USER_TYPE = registry().types["/Users"]
WORK = 'emails[type eq "work"]'


def base():
    return {
        "schemas": [USER],
        "userName": "bjensen",
        "active": True,
        "title": "Guide",
        "name": {"familyName": "Jensen", "givenName": "Barbara"},
        "emails": [
            {"value": "w@x.com", "type": "work", "primary": True},
            {"value": "h@x.com", "type": "home"},
        ],
    }


def run(document, *operations, strict=True):
    dialect = Dialect(strict)
    steps = prepare({"schemas": [PATCH_OP], "Operations": list(operations)}, USER_TYPE, dialect)
    return apply(copy.deepcopy(document), steps, USER_TYPE, dialect)


def op(name, path=None, value=...):
    found = {"op": name}
    if path is not None:
        found["path"] = path
    if value is not ...:
        found["value"] = value
    return found


HOME_EMAIL = {"value": "h@x.com", "type": "home"}
WORK_EMAIL = {"value": "w@x.com", "type": "work", "primary": True}
NEW = {"value": "n@x.com", "type": "other"}


@pytest.mark.parametrize(
    ("operation", "changed"),
    [
        (op("add", "title", "Lead"), {"title": "Lead"}),
        (op("add", None, {"title": "Lead", "nickName": "B"}), {"title": "Lead", "nickName": "B"}),
        (
            op("add", "name", {"givenName": "Babs"}),
            {"name": {"familyName": "Jensen", "givenName": "Babs"}},
        ),
        (
            op("add", "NAME.middlename", "J"),
            {"name": {"familyName": "Jensen", "givenName": "Barbara", "middleName": "J"}},
        ),
        (op("add", "emails", [NEW]), {"emails": [WORK_EMAIL, HOME_EMAIL, NEW]}),
        (op("add", "emails", NEW), {"emails": [WORK_EMAIL, HOME_EMAIL, NEW]}),
        (op("add", "emails", [HOME_EMAIL]), {}),
        (op("add", None, {"emails": [HOME_EMAIL]}), {}),
        (op("add", "title", "Guide"), {}),
        (
            op("add", WORK, {"display": "W"}),
            {"emails": [{**WORK_EMAIL, "display": "W"}, HOME_EMAIL]},
        ),
        (
            op("add", WORK + ".display", "W"),
            {"emails": [{**WORK_EMAIL, "display": "W"}, HOME_EMAIL]},
        ),
        (op("add", f"{ENTERPRISE_USER}:department", "D"), {ENTERPRISE_USER: {"department": "D"}}),
        (
            op("add", f"{ENTERPRISE_USER}:manager.value", "2"),
            {ENTERPRISE_USER: {"manager": {"value": "2"}}},
        ),
        (op("add", ENTERPRISE_USER, {"department": "D"}), {ENTERPRISE_USER: {"department": "D"}}),
        (
            op("add", None, {ENTERPRISE_USER: {"department": "D"}}),
            {ENTERPRISE_USER: {"department": "D"}},
        ),
        (
            op("add", "emails", [{**NEW, "primary": True}]),
            {"emails": [{**WORK_EMAIL, "primary": False}, HOME_EMAIL, {**NEW, "primary": True}]},
        ),
        (op("replace", "title", "Lead"), {"title": "Lead"}),
        (op("replace", "nickName", "B"), {"nickName": "B"}),
        (op("replace", "title", None), {"title": None}),
        (
            op("replace", "name", {"givenName": "Babs"}),
            {"name": {"familyName": "Jensen", "givenName": "Babs"}},
        ),
        (op("replace", "emails", [NEW]), {"emails": [NEW]}),
        (op("replace", "emails", []), {"emails": None}),
        (op("replace", WORK, NEW), {"emails": [NEW, HOME_EMAIL]}),
        (
            op("replace", WORK + ".value", "v@x.com"),
            {"emails": [{**WORK_EMAIL, "value": "v@x.com"}, HOME_EMAIL]},
        ),
        (
            op("replace", "emails.display", "D"),
            {"emails": [{**WORK_EMAIL, "display": "D"}, {**HOME_EMAIL, "display": "D"}]},
        ),
        (
            op("replace", 'emails[type eq "home"].primary', True),
            {"emails": [{**WORK_EMAIL, "primary": False}, {**HOME_EMAIL, "primary": True}]},
        ),
        (
            op("replace", None, {"title": "Lead", "active": False}),
            {"title": "Lead", "active": False},
        ),
        (op("remove", "title"), {"title": None}),
        (op("remove", "nickName"), {}),
        (op("remove", "name.givenName"), {"name": {"familyName": "Jensen"}}),
        (op("remove", "name"), {"name": None}),
        (op("remove", "emails"), {"emails": None}),
        (op("remove", WORK), {"emails": [HOME_EMAIL]}),
        (op("remove", 'emails[type eq "work" or type eq "home"]'), {"emails": None}),
        (
            op("remove", WORK + ".primary"),
            {"emails": [{"value": "w@x.com", "type": "work"}, HOME_EMAIL]},
        ),
        (op("remove", ENTERPRISE_USER), {}),
    ],
)
def test_patch_changes_the_document(operation, changed):
    expected = {key: value for key, value in {**base(), **changed}.items() if value is not None}
    if ENTERPRISE_USER in changed:
        expected["schemas"] = [USER, ENTERPRISE_USER]
    assert run(base(), operation) == expected


@pytest.mark.parametrize(
    ("operation", "scim_type", "names"),
    [
        (op("move", "title", "x"), "invalidSyntax", "Operations[0]"),
        ({"path": "title", "value": 1}, "invalidSyntax", "Operations[0]"),
        ("remove", "invalidSyntax", "Operations[0]"),
        (op("remove"), "noTarget", "Operations[0]"),
        (op("replace", WORK.replace("work", "fax") + ".value", "x"), "noTarget", "emails"),
        (op("replace", WORK.replace("work", "fax"), NEW), "noTarget", "emails"),
        (op("add", 'emails[type ne "work" and type ne "home"].value', "x"), "noTarget", "emails"),
        (op("remove", 'emails[type eq "fax"]'), "noTarget", "emails"),
        (op("add", "nosuch", "x"), "invalidPath", "nosuch"),
        (op("add", "title.x", "x"), "invalidPath", "title.x"),
        (op("add", "title[type eq 1]", "x"), "invalidPath", "title"),
        (op("add", 5, "x"), "invalidPath", "path"),
        (op("add", WORK + ".nosuch", "x"), "invalidPath", "nosuch"),
        (op("add", WORK + "x", "x"), "invalidFilter", "position"),
        (op("add", "emails[type eq", "x"), "invalidFilter", "position"),
        (op("add", 'emails[nosuch eq "x"]', "x"), "invalidFilter", "nosuch"),
        (op("add", "id", "x"), "mutability", "id"),
        (op("replace", "meta.version", "x"), "mutability", "meta"),
        (op("add", "groups", [{"value": "g"}]), "mutability", "groups"),
        (op("replace", f"{ENTERPRISE_USER}:manager.displayName", "x"), "mutability", "displayName"),
        (op("remove", "userName"), "mutability", "userName"),
        (op("replace", "userName", None), "mutability", "userName"),
        (op("remove", "schemas"), "mutability", "schemas"),
        (op("replace", "userName", ""), "invalidValue", "userName"),
        (op("add", "title"), "invalidValue", "value"),
        (op("add", None, "x"), "invalidValue", "object"),
        (op("add", "title", 5), "invalidValue", "title"),
        (op("replace", "active", "perhaps"), "invalidValue", "active"),
        (op("add", "emails", ["x"]), "invalidValue", "emails[0]"),
        (
            op("add", "emails", [{"value": "1", "primary": True}, {"value": "2", "primary": True}]),
            "invalidValue",
            "primary",
        ),
        (op("replace", "emails.primary", True), "invalidValue", "primary"),
        (op("add", ENTERPRISE_USER, "x"), "invalidValue", ENTERPRISE_USER),
    ],
)
def test_an_invalid_patch_is_refused(operation, scim_type, names):
    with pytest.raises(ScimError) as caught:
        run(base(), operation)
    assert caught.value.scim_type == scim_type
    assert names in caught.value.detail


@pytest.mark.parametrize(
    "message",
    [
        None,
        [],
        "x",
        {},
        {"schemas": [PATCH_OP]},
        {"schemas": [PATCH_OP], "Operations": []},
        {"schemas": [PATCH_OP], "Operations": "x"},
    ],
)
def test_an_invalid_message_is_invalid_syntax(message):
    with pytest.raises(ScimError) as caught:
        prepare(message, USER_TYPE, Dialect())
    assert caught.value.scim_type == "invalidSyntax"


def test_later_operations_see_earlier_ones():
    changed = run(
        base(),
        op("add", "emails", [NEW]),
        op("replace", 'emails[type eq "other"].value', "m@x.com"),
        op("remove", WORK),
    )
    assert changed["emails"] == [HOME_EMAIL, {"value": "m@x.com", "type": "other"}]


def test_an_error_names_the_index_of_the_operation():
    with pytest.raises(ScimError) as caught:
        run(base(), op("add", "title", "x"), op("add", "title", 5))
    assert "Operations[1]" in caught.value.detail


_operations = st.one_of(
    st.builds(
        op,
        st.sampled_from(("add", "replace")),
        st.sampled_from(("title", "nickName", "name.givenName", f"{ENTERPRISE_USER}:division")),
        filled,
    ),
    st.builds(op, st.sampled_from(("add", "replace")), st.just("active"), st.booleans()),
    st.builds(
        op,
        st.just("replace"),
        st.just("emails"),
        st.lists(
            st.fixed_dictionaries({"value": plain_addresses, "type": st.just("work")}),
            min_size=1,
            max_size=2,
        ),
    ),
    st.builds(
        op,
        st.just("remove"),
        st.sampled_from(("title", "name", "emails", "phoneNumbers", "name.familyName")),
    ),
)


@given(users(), st.lists(_operations, min_size=1, max_size=4))
def test_a_patched_document_is_valid(document, operations):
    canonical = read(document, USER_TYPE, Dialect())
    patched = run(canonical, *operations)
    assert read(patched, USER_TYPE, Dialect(strict=True)) == patched


@given(users(), _operations)
def test_an_operation_applied_twice_changes_nothing_more(document, operation):
    canonical = read(document, USER_TYPE, Dialect())
    once = run(canonical, operation)
    assert run(once, operation) == once


@given(plain_users(), st.lists(_operations, min_size=1, max_size=3))
def test_agrees_with_scim2_models(document, operations):
    canonical = read(document, USER_TYPE, Dialect())
    theirs = User[EnterpriseUser].model_validate(canonical)
    PatchOp[User[EnterpriseUser]].model_validate(
        {"schemas": [PATCH_OP], "Operations": operations}
    ).patch(theirs)
    dumped = theirs.model_dump(exclude_none=True, by_alias=True, mode="json")
    assert run(canonical, *operations) == read(dumped, USER_TYPE, Dialect())


MANAGER = f"{ENTERPRISE_USER}:manager"
STRICTNESS = pytest.mark.parametrize("strict", [True, False], ids=["strict", "lenient"])


def refused(operation, scim_type="invalidValue", strict=False, document=None):
    before = base() if document is None else document
    kept = copy.deepcopy(before)
    with pytest.raises(ScimError) as caught:
        run(before, operation, strict=strict)
    assert (caught.value.status, caught.value.scim_type) == (400, scim_type)
    assert before == kept
    return caught.value.detail


@STRICTNESS
@pytest.mark.parametrize("name", ["add", "replace", "remove"])
@pytest.mark.parametrize(
    "value",
    [
        [{"id": "x"}],
        {"emails": [{"value": "w@x.com"}]},
        [None],
        [""],
        [{}],
        {},
        [{"value": None}],
        "",
    ],
)
def test_an_empty_value_is_refused(name, value, strict):
    if name == "remove" and strict:
        refused(
            op(name, "emails", value), "invalidSyntax", strict
        )  # a strict workspace takes no value at all
    else:
        assert "emails" in refused(op(name, "emails", value), strict=strict)


def test_remove_with_an_empty_array_removes_nothing():
    assert run(base(), op("remove", "emails", []), strict=False) == base()


def test_remove_with_null_removes_everything_like_no_value():
    assert "emails" not in run(base(), op("remove", "emails", None), strict=False)


@STRICTNESS
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"middleName": None}, {"familyName": "Jensen", "givenName": "Barbara"}),
        ({"givenName": None}, {"familyName": "Jensen"}),
        ({"givenName": "Babs", "familyName": None}, {"givenName": "Babs"}),
        ({"givenName": "Babs", "shoe": 1}, {"familyName": "Jensen", "givenName": "Babs"}),
        ({"givenName": None, "familyName": None}, None),
        (None, None),
    ],
)
def test_replace_of_a_complex_attribute_changes_the_sub_attributes_that_it_names(
    value, expected, strict
):
    assert run(base(), op("replace", "name", value), strict=strict).get("name") == expected
    assert run(base(), op("replace", None, {"name": value}), strict=strict).get("name") == expected


@STRICTNESS
def test_replace_of_a_complex_attribute_by_unknown_keys_alone_is_refused(strict):
    assert "name" in refused(op("replace", "name", {"fullName": "Ada"}), strict=strict)
    assert "name" in refused(op("replace", None, {"name": {"fullName": "Ada"}}), strict=strict)


@STRICTNESS
@pytest.mark.parametrize(
    "operation", [op("replace", None, {"shoe": 1}), op("add", ENTERPRISE_USER, {"shoe": 1})]
)
def test_a_value_that_names_no_attribute_is_refused(operation, strict):
    refused(operation, strict=strict)


@STRICTNESS
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"display": None}, WORK_EMAIL),
        ({"type": None}, {"value": "w@x.com", "primary": True}),
        ({"value": "v@x.com", "display": None}, {"value": "v@x.com"}),
    ],
)
def test_replace_at_a_value_path_never_drops_the_element(value, expected, strict):
    assert run(base(), op("replace", WORK, value), strict=strict)["emails"] == [
        expected,
        HOME_EMAIL,
    ]


@STRICTNESS
@pytest.mark.parametrize("path", [MANAGER, MANAGER + ".value"])
def test_a_new_manager_loses_the_reference_to_the_old_one(path, strict):
    before = base() | {ENTERPRISE_USER: {"manager": {"value": "old", "$ref": "../Users/old"}}}
    value = {"value": "new"} if path == MANAGER else "new"
    assert run(before, op("replace", path, value), strict=strict)[ENTERPRISE_USER] == {
        "manager": {"value": "new"}
    }
    same = {"value": "old"} if path == MANAGER else "old"
    assert (
        run(before, op("replace", path, same), strict=strict)[ENTERPRISE_USER]
        == before[ENTERPRISE_USER]
    )
    both = {"value": "new", "$ref": "../Users/new"}
    assert run(before, op("replace", MANAGER, both), strict=strict)[ENTERPRISE_USER] == {
        "manager": both
    }


def test_replace_of_a_manager_by_read_only_keys_changes_nothing():
    before = run(base() | {ENTERPRISE_USER: {"manager": {"value": "26"}}}, op("add", "title", "T"))
    assert run(before, op("replace", MANAGER, {"displayName": "Boss"}), strict=False) == before
    refused(
        op("replace", MANAGER, {"displayName": "Boss"}), "mutability", strict=True, document=before
    )


@pytest.mark.parametrize("value", ["", {"value": ""}, {"VALUE": " ", "$ref": None}])
def test_a_blank_manager_is_no_manager_in_a_lenient_workspace(value):
    before = base() | {ENTERPRISE_USER: {"manager": {"value": "26"}, "division": "D"}}
    for path in (MANAGER, MANAGER + ".value") if value == "" else (MANAGER,):
        assert run(before, op("replace", path, value), strict=False)[ENTERPRISE_USER] == {
            "division": "D"
        }
        refused(op("replace", path, value), strict=True, document=before)


@STRICTNESS
@pytest.mark.parametrize("path", ["name", "title", WORK, ENTERPRISE_USER + ":manager"])
@pytest.mark.parametrize("value", [{}, [], [None], [{}], [[]], [""]])
@pytest.mark.parametrize("name", ["add", "replace"])
def test_an_empty_single_value_is_refused(name, path, value, strict):
    refused(op(name, path, value), strict=strict)


@STRICTNESS
@pytest.mark.parametrize("value", [None, {"display": "D"}])
def test_adding_at_a_value_path_without_a_match_has_no_target(value, strict):
    refused(op("add", 'emails[type eq "fax"]', value), "noTarget", strict=strict)


@STRICTNESS
@pytest.mark.parametrize(
    ("added", "element"),
    [
        ({"value": "W@X.com", "type": "Work"}, WORK_EMAIL),
        ({"value": "w@x.com"}, WORK_EMAIL),
        ({"value": "w@x.com", "type": "work", "display": "W"}, {**WORK_EMAIL, "display": "W"}),
        ({"value": "h@x.com", "type": "home", "primary": False}, None),
    ],
)
def test_adding_an_element_again_updates_only_named_sub_attributes(added, element, strict):
    expected = base() if element is None else base() | {"emails": [element, HOME_EMAIL]}
    assert run(base(), op("add", "emails", [added]), strict=strict) == expected


@STRICTNESS
def test_the_same_value_of_another_type_is_another_element(strict):
    other = {"value": "w@x.com", "type": "home"}
    assert run(base(), op("add", "emails", [other]), strict=strict)["emails"] == [
        WORK_EMAIL,
        HOME_EMAIL,
        other,
    ]


@pytest.mark.parametrize(
    ("named", "left"),
    [
        ({"value": "W@x.com", "type": "WORK"}, [HOME_EMAIL]),
        ({"value": "w@x.com"}, [HOME_EMAIL]),
        ({"value": "w@x.com", "type": "work", "display": "something else"}, [HOME_EMAIL]),
        ({"value": "w@x.com", "type": "home"}, [WORK_EMAIL, HOME_EMAIL]),
        ({"value": "nobody"}, [WORK_EMAIL, HOME_EMAIL]),
    ],
)
def test_remove_compares_by_value_and_type(named, left):
    assert run(base(), op("remove", "emails", [named]), strict=False)["emails"] == left


def test_a_role_as_json_is_the_role_as_an_object():
    role = {
        "primary": False,
        "type": "WindowsAzureActiveDirectoryRole",
        "display": "Administrators",
        "value": "Admin",
    }
    before = base() | {"roles": [role]}
    text = '{"id":"1","value":"Admin","displayName":"Administrators"}'
    assert run(before, op("Add", "roles", [{"value": text}]), strict=False)["roles"] == [role]
    assert "roles" not in run(before, op("Remove", "roles", [{"value": text}]), strict=False)


def test_a_value_that_becomes_primary_at_a_value_path_takes_it_from_the_other():
    after = run(base(), op("replace", 'emails[type eq "home"]', {"primary": True}), strict=False)
    assert after["emails"] == [{**WORK_EMAIL, "primary": False}, {"primary": True}]


def test_too_many_comparisons_are_refused():
    many = base() | {"emails": [{"value": f"{number}@x.com"} for number in range(1000)]}
    operations = [
        op("replace", f'emails[value eq "{number}@x.com"].display', "D") for number in range(1000)
    ]
    with pytest.raises(ScimError) as caught:
        run(many, *operations)
    assert caught.value.scim_type == "tooMany"
    assert len(run(many, *operations[:100])["emails"]) == 1000


BADGE = "urn:example:params:scim:schemas:extension:badge:2.0:User"


def badge_type():
    """Return User with an extension of immutable, required and plain parts."""

    def attribute(name, of_type="string", **others):
        fixed = {
            "description": "",
            "required": False,
            "caseExact": False,
            "mutability": "readWrite",
            "returned": "default",
        }
        return {
            "name": name,
            "type": of_type,
            "multiValued": False,
            "uniqueness": "none",
            **fixed,
            **others,
        }

    parts = [
        attribute("code", required=True),
        attribute("series", mutability="immutable"),
        attribute("note"),
    ]
    attributes = [
        attribute("number", mutability="immutable"),
        attribute("tags", multiValued=True),
        attribute("card", "complex", subAttributes=parts),
        attribute("keys", "complex", multiValued=True, subAttributes=[attribute("value"), *parts]),
    ]
    schema = Schema.from_json(
        {"id": BADGE, "name": "Badge", "description": "", "attributes": attributes}
    )
    return replace(USER_TYPE, extensions={**USER_TYPE.extensions, BADGE.lower(): schema})


BADGE_TYPE = badge_type()


def badge(*operations, strict=True, **held):
    document = base() | ({BADGE: held} if held else {})
    dialect = Dialect(strict)
    steps = prepare({"schemas": [PATCH_OP], "Operations": list(operations)}, BADGE_TYPE, dialect)
    return apply(document, steps, BADGE_TYPE, dialect).get(BADGE)


CARD = {"code": "1", "series": "A", "note": "n"}


@STRICTNESS
@pytest.mark.parametrize(
    ("operation", "scim_type"),
    [
        (op("remove", BADGE), "mutability"),
        (op("replace", BADGE, None), "mutability"),
        (op("remove", f"{BADGE}:number"), "mutability"),
        (op("replace", f"{BADGE}:number", "2"), "mutability"),
        (op("remove", f"{BADGE}:card"), "mutability"),
        (op("replace", f"{BADGE}:card", {"series": "B"}), "mutability"),
        (op("replace", f"{BADGE}:card", {"series": None}), "mutability"),
        (op("replace", f"{BADGE}:card", {"code": None}), "mutability"),
        (op("remove", f"{BADGE}:card.code"), "mutability"),
        (op("replace", f'{BADGE}:keys[value eq "k"].series', "B"), "mutability"),
        (
            op(
                "replace", f'{BADGE}:keys[value eq "k"]', {"value": "k", "series": "B", "code": "1"}
            ),
            "mutability",
        ),
        (
            op("replace", f'{BADGE}:keys[value eq "k"]', {"value": "k", "series": "A"}),
            "invalidValue",
        ),
        (op("add", f"{BADGE}:keys", [{"value": "m"}]), "invalidValue"),
    ],
)
def test_immutable_and_required_parts_cannot_change(operation, scim_type, strict):
    with pytest.raises(ScimError) as caught:
        badge(operation, strict=strict, number="1", card=CARD, keys=[{"value": "k", **CARD}])
    assert caught.value.scim_type == scim_type


def test_a_created_element_needs_its_required_sub_attributes():
    made = op("add", f'{BADGE}:keys[value eq "m"].note', "n")
    with pytest.raises(ScimError) as caught:
        badge(made, strict=False)
    assert caught.value.scim_type == "invalidValue"
    assert "code" in caught.value.detail


@STRICTNESS
def test_partial_changes_keep_required_sub_attributes(strict):
    assert badge(op("replace", f"{BADGE}:card", {"note": "m"}), strict=strict, card=CARD) == {
        "card": {**CARD, "note": "m"}
    }
    assert badge(op("add", f"{BADGE}:card", {"note": "m"}), strict=strict, card=CARD) == {
        "card": {**CARD, "note": "m"}
    }


@STRICTNESS
def test_a_filter_selects_plain_values(strict):
    tags = f"{BADGE}:tags"
    assert badge(op("remove", f'{tags}[value eq "A"]'), strict=strict, tags=["a", "b"]) == {
        "tags": ["b"]
    }
    assert badge(op("replace", f'{tags}[value sw "a"]', "c"), strict=strict, tags=["a", "b"]) == {
        "tags": ["c", "b"]
    }
    assert badge(op("add", tags, ["A", "c"]), strict=strict, tags=["a", "b"]) == {
        "tags": ["a", "b", "c"]
    }


def test_a_lenient_workspace_reads_objects_as_plain_values():
    tags = f"{BADGE}:tags"
    assert badge(op("add", tags, [{"value": "b"}]), strict=False, tags=["a"]) == {
        "tags": ["a", "b"]
    }
    assert badge(op("remove", tags, [{"value": "A"}]), strict=False, tags=["a", "b"]) == {
        "tags": ["b"]
    }
    with pytest.raises(ScimError):
        badge(op("remove", tags, [{"id": "A"}]), strict=False, tags=["a", "b"])


@STRICTNESS
@pytest.mark.parametrize("value", ["", [""], [None]])
def test_a_plain_value_cannot_be_replaced_by_an_empty_one(value, strict):
    with pytest.raises(ScimError) as caught:
        badge(op("replace", f'{BADGE}:tags[value eq "a"]', value), strict=strict, tags=["a", "b"])
    assert caught.value.scim_type == "invalidValue"


def test_merging_elements_keeps_the_requested_primary():
    primary = {"value": "w@x.com", "type": "work", "primary": True}
    after = run(base(), op("add", 'emails[type eq "home"]', primary), strict=False)
    assert after["emails"] == [{"value": "w@x.com", "type": "work", "primary": True}]
    assert run(base(), op("replace", 'emails[type eq "home"]', primary), strict=False)[
        "emails"
    ] == [primary]
    assert run(
        base(), op("replace", "emails.type", "work"), op("replace", "emails.value", "a@x.com")
    )["emails"] == [{"value": "a@x.com", "type": "work", "primary": True}]


def test_no_two_elements_have_the_same_value_and_type():
    made = op("add", 'emails[type eq "work" and primary eq false].value', "w@x.com")
    assert run(base(), made, strict=False)["emails"] == [
        {**WORK_EMAIL, "primary": False},
        HOME_EMAIL,
    ]
    same = op("replace", 'emails[type eq "home"]', {"value": "W@x.com", "type": "work"})
    assert run(base(), same, strict=False)["emails"] == [WORK_EMAIL]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("active", "yes"),
        ("active", [None]),
        ("name", {"foo": "x"}),
        ("name", {}),
        ("name", 0),
        ("title", {}),
        (MANAGER, [{"id": "x"}]),
        (WORK, [{"id": "x"}]),
        ("emails.display", [{"foo": 1}]),
        (ENTERPRISE_USER, {"foo": 1}),
    ],
)
def test_remove_with_an_empty_value_is_refused(path, value):
    before = base() | {"active": False, ENTERPRISE_USER: {"manager": {"value": "26"}}}
    refused(op("remove", path, value), document=before)
    with pytest.raises(ScimError) as caught:
        run(before, op("remove", path, value), strict=True)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("path", "named", "other"),
    [
        ("title", "GUIDE", "not this one"),
        ("active", "False", True),
        (MANAGER, {"value": "26"}, {"value": "27"}),
        (MANAGER, "26", "27"),
        ("name.givenName", "barbara", "Babs"),
        (WORK, {"value": "W@x.com"}, {"value": "zz"}),
        (WORK + ".value", "w@x.com", "zz"),
    ],
)
def test_remove_with_a_value_removes_only_that_value(path, named, other):
    before = run(
        base() | {"active": False, ENTERPRISE_USER: {"manager": {"value": "26"}}},
        op("add", "nickName", "B"),
    )
    assert run(before, op("remove", path, other), strict=False) == before
    assert (
        run(before, op("remove", path, named), strict=False)
        == run(before, op("remove", path), strict=False)
        != before
    )


@STRICTNESS
def test_an_attribute_that_occurs_twice_is_refused(strict):
    refused(op("replace", None, {"displayName": "a", "DISPLAYNAME": "b"}), "invalidSyntax", strict)

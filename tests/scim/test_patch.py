"""PATCH: RFC 7644 section 3.5.2, case by case, and as properties."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scim2_models import EnterpriseUser, PatchOp, User

from muster.scim.errors import ScimError
from muster.scim.patch import PATCH_OP, apply, prepare
from muster.scim.quirks import Dialect
from muster.scim.resource import read
from muster.scim.schema import ENTERPRISE_USER, USER, registry
from tests.strategies import filled, plain_addresses, plain_users, users

USER_TYPE = registry().types["/Users"]
WORK = 'emails[type eq "work"]'


def base():
    return {
        "schemas": [USER],
        "userName": "bjensen",
        "title": "Guide",
        "name": {"familyName": "Jensen", "givenName": "Barbara"},
        "emails": [{"value": "w@x.com", "type": "work", "primary": True}, {"value": "h@x.com", "type": "home"}],
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
        (op("add", "name", {"givenName": "Babs"}), {"name": {"familyName": "Jensen", "givenName": "Babs"}}),
        (op("add", "NAME.middlename", "J"), {"name": {"familyName": "Jensen", "givenName": "Barbara", "middleName": "J"}}),
        (op("add", "emails", [NEW]), {"emails": [WORK_EMAIL, HOME_EMAIL, NEW]}),
        (op("add", "emails", NEW), {"emails": [WORK_EMAIL, HOME_EMAIL, NEW]}),
        (op("add", "emails", [HOME_EMAIL]), {}),
        (op("add", None, {"emails": [HOME_EMAIL]}), {}),
        (op("add", "title", "Guide"), {}),
        (op("add", WORK, {"display": "W"}), {"emails": [{**WORK_EMAIL, "display": "W"}, HOME_EMAIL]}),
        (op("add", WORK + ".display", "W"), {"emails": [{**WORK_EMAIL, "display": "W"}, HOME_EMAIL]}),
        (op("add", f"{ENTERPRISE_USER}:department", "D"), {ENTERPRISE_USER: {"department": "D"}}),
        (op("add", f"{ENTERPRISE_USER}:manager.value", "2"), {ENTERPRISE_USER: {"manager": {"value": "2"}}}),
        (op("add", ENTERPRISE_USER, {"department": "D"}), {ENTERPRISE_USER: {"department": "D"}}),
        (op("add", None, {ENTERPRISE_USER: {"department": "D"}}), {ENTERPRISE_USER: {"department": "D"}}),
        (
            op("add", "emails", [{**NEW, "primary": True}]),
            {"emails": [{**WORK_EMAIL, "primary": False}, HOME_EMAIL, {**NEW, "primary": True}]},
        ),
        (op("replace", "title", "Lead"), {"title": "Lead"}),
        (op("replace", "nickName", "B"), {"nickName": "B"}),
        (op("replace", "title", None), {"title": None}),
        (op("replace", "name", {"givenName": "Babs"}), {"name": {"familyName": "Jensen", "givenName": "Babs"}}),
        (op("replace", "emails", [NEW]), {"emails": [NEW]}),
        (op("replace", "emails", []), {"emails": None}),
        (op("replace", WORK, NEW), {"emails": [NEW, HOME_EMAIL]}),
        (op("replace", WORK + ".value", "v@x.com"), {"emails": [{**WORK_EMAIL, "value": "v@x.com"}, HOME_EMAIL]}),
        (op("replace", "emails.display", "D"), {"emails": [{**WORK_EMAIL, "display": "D"}, {**HOME_EMAIL, "display": "D"}]}),
        (
            op("replace", 'emails[type eq "home"].primary', True),
            {"emails": [{**WORK_EMAIL, "primary": False}, {**HOME_EMAIL, "primary": True}]},
        ),
        (op("replace", None, {"title": "Lead", "active": False}), {"title": "Lead", "active": False}),
        (op("remove", "title"), {"title": None}),
        (op("remove", "nickName"), {}),
        (op("remove", "name.givenName"), {"name": {"familyName": "Jensen"}}),
        (op("remove", "name"), {"name": None}),
        (op("remove", "emails"), {"emails": None}),
        (op("remove", WORK), {"emails": [HOME_EMAIL]}),
        (op("remove", 'emails[type eq "work" or type eq "home"]'), {"emails": None}),
        (op("remove", WORK + ".primary"), {"emails": [{"value": "w@x.com", "type": "work"}, HOME_EMAIL]}),
        (op("remove", ENTERPRISE_USER), {}),
    ],
)
def test_does(operation, changed):
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
        (op("add", WORK + "x", "x"), "invalidPath", "position"),
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
        (op("add", "emails", [{"value": "1", "primary": True}, {"value": "2", "primary": True}]), "invalidValue", "primary"),
        (op("replace", "emails.primary", True), "invalidValue", "primary"),
        (op("add", ENTERPRISE_USER, "x"), "invalidValue", ENTERPRISE_USER),
    ],
)
def test_refuses(operation, scim_type, names):
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
def test_a_message_that_is_none_is_invalid_syntax(message):
    with pytest.raises(ScimError) as caught:
        prepare(message, USER_TYPE, Dialect())
    assert caught.value.scim_type == "invalidSyntax"


def test_later_operations_see_earlier_ones():
    changed = run(
        base(), op("add", "emails", [NEW]), op("replace", 'emails[type eq "other"].value', "m@x.com"), op("remove", WORK)
    )
    assert changed["emails"] == [HOME_EMAIL, {"value": "m@x.com", "type": "other"}]


def test_the_error_names_the_operation():
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
        st.lists(st.fixed_dictionaries({"value": plain_addresses, "type": st.just("work")}), min_size=1, max_size=2),
    ),
    st.builds(op, st.just("remove"), st.sampled_from(("title", "name", "emails", "phoneNumbers", "name.familyName"))),
)


@given(users(), st.lists(_operations, min_size=1, max_size=4))
def test_a_patched_document_is_valid(document, operations):
    canonical = read(document, USER_TYPE, Dialect())
    patched = run(canonical, *operations)
    assert read(patched, USER_TYPE, Dialect(strict=True)) == patched


@given(users(), _operations)
def test_the_same_operation_twice_is_as_once(document, operation):
    canonical = read(document, USER_TYPE, Dialect())
    once = run(canonical, operation)
    assert run(once, operation) == once


@given(plain_users(), st.lists(_operations, min_size=1, max_size=3))
def test_agrees_with_scim2_models(document, operations):
    canonical = read(document, USER_TYPE, Dialect())
    theirs = User[EnterpriseUser].model_validate(canonical)
    PatchOp[User[EnterpriseUser]].model_validate({"schemas": [PATCH_OP], "Operations": operations}).patch(theirs)
    dumped = theirs.model_dump(exclude_none=True, by_alias=True, mode="json")
    assert run(canonical, *operations) == read(dumped, USER_TYPE, Dialect())

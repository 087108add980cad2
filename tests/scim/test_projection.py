"""Selecting the attributes of an answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.scim import projection as module
from muster.scim.dialects import Dialect
from muster.scim.document import read
from muster.scim.projection import projection
from muster.scim.schema.model import ENTERPRISE_USER, USER, registry
from tests.support.strategies import ENTERPRISE, MULTI, TEXT, users

USER_TYPE = registry().types["/Users"]
names = st.lists(
    st.sampled_from(
        (*TEXT, *MULTI, *ENTERPRISE, "password", "ID", "schemas", "nosuch", "meta", ENTERPRISE_USER)
    ),
    max_size=5,
)
DOCUMENT = {
    "schemas": [USER, ENTERPRISE_USER],
    "id": "1",
    "userName": "a",
    "name": {"familyName": "J", "givenName": "B"},
    "emails": [{"value": "x", "type": "work"}],
    ENTERPRISE_USER: {"department": "d", "manager": {"value": "2"}},
    "meta": {"location": "l", "version": "v"},
}


def _whole(document):
    return {**read(document, USER_TYPE, Dialect()), "id": "1", "meta": {"resourceType": "User"}}


@given(users(), names, names)
def test_returned_always_is_kept_and_never_is_dropped(document, wanted, unwanted):
    whole = {**_whole(document), "password": "secret"}
    shown = projection(USER_TYPE, ",".join(wanted) or "userName", ",".join(unwanted))(whole)
    assert shown["id"] == "1"
    assert "schemas" in shown
    assert "password" not in shown


@given(users(), names)
def test_excluded_attributes_are_dropped_and_no_others(document, unwanted):
    whole = _whole(document)
    shown = projection(USER_TYPE, None, ",".join([*unwanted, "title"]))(whole)
    assert "title" not in shown
    gone = {
        USER_TYPE.place(name).attribute.name
        for name in unwanted
        if USER_TYPE.place(name) and USER_TYPE.place(name).attribute
    }
    for key, value in whole.items():
        if key not in gone and key not in ("title", ENTERPRISE_USER):
            assert shown[key] == value


@pytest.mark.parametrize(
    ("attributes", "excluded", "keys"),
    [
        ("userName", None, {"schemas", "id", "userName"}),
        ("USERNAME, name.familyname", None, {"schemas", "id", "userName", "name"}),
        (USER + ":userName", None, {"schemas", "id", "userName"}),
        (ENTERPRISE_USER, None, {"schemas", "id", ENTERPRISE_USER}),
        (ENTERPRISE_USER + ":department", None, {"schemas", "id", ENTERPRISE_USER}),
        (None, "id,schemas,emails,meta", {"schemas", "id", "userName", "name", ENTERPRISE_USER}),
        (None, ENTERPRISE_USER, {"schemas", "id", "userName", "name", "emails", "meta"}),
        ("nosuch", None, {"schemas", "id"}),
        ("password", None, {"schemas", "id"}),
    ],
)
def test_projection_selects_the_named_attributes(attributes, excluded, keys):
    assert set(projection(USER_TYPE, attributes, excluded)(DOCUMENT)) == keys


def test_projection_selects_sub_attributes_of_elements():
    assert projection(USER_TYPE, "name.familyName,emails.value", None)(DOCUMENT)["name"] == {
        "familyName": "J"
    }
    assert projection(USER_TYPE, None, "emails.type")(DOCUMENT)["emails"] == [{"value": "x"}]
    assert projection(USER_TYPE, ENTERPRISE_USER + ":manager.value", None)(DOCUMENT)[
        ENTERPRISE_USER
    ] == {"manager": {"value": "2"}}


def test_no_parameters_make_no_projection():
    assert projection(USER_TYPE, None, None) is None
    assert projection(USER_TYPE, "", "") is None


def test_the_cache_of_projections_is_bounded():
    before = module._cached_projection.cache_info().currsize
    for n in range(3):
        assert set(projection(USER_TYPE, f"userName,{n}" + "x" * 10_000, None)(DOCUMENT)) == {
            "schemas",
            "id",
            "userName",
        }
    assert module._cached_projection.cache_info().currsize == before
    assert projection(USER_TYPE, "userName", None) is projection(USER_TYPE, "userName", "")

"""The meaning of filters on a User: types, folding, dates and errors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.scim.dialects import Dialect
from muster.scim.errors import ScimError
from muster.scim.filter import grammar as filters
from muster.scim.filter.evaluate import matches
from muster.scim.filter.predicate import bind
from muster.scim.filter.shapes import read_filter
from muster.scim.schema.model import ENTERPRISE_USER, registry

STRICT = Dialect(strict=True)
USER_TYPE = registry().types["/Users"]
DOCUMENT = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
    "id": "0193591c-1f00-7b5d-a1b2-3c4d5e6f7081",
    "externalId": "Ext-1",
    "userName": "Zoë@Exämple.com",
    "name": {"familyName": "Jensen"},
    "active": False,
    "title": "",
    "emails": [
        {"value": "zoë@exämple.com", "type": "work", "primary": True},
        {"value": "z@home.org", "type": "home"},
    ],
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
        "department": "R&D",
        "manager": {"value": "26"},
    },
    "meta": {"created": "2020-01-01T00:00:00Z", "lastModified": "2020-06-01T12:00:00.5Z"},
}


def _matches(text: str, strict: bool = True) -> bool:
    dialect = Dialect(strict)
    return matches(bind(filters.parse(text, dialect), USER_TYPE, dialect), DOCUMENT)


@pytest.mark.parametrize(
    "text",
    [
        'userName eq "ZOË@EXÄMPLE.COM"',
        'USERNAME sw "zoË"',
        'urn:ietf:params:scim:schemas:core:2.0:User:userName ew ".com"',
        'URN:IETF:PARAMS:SCIM:SCHEMAS:EXTENSION:ENTERPRISE:2.0:USER:DEPARTMENT eq "r&d"',
        'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager eq "26"',
        'externalId eq "Ext-1"',
        'not (externalId eq "ext-1")',
        'emails eq "Z@HOME.org"',
        'emails[type eq "home" and value sw "z@"]',
        'not (emails[type eq "home" and primary eq true])',
        "active eq false",
        "active pr",
        "not (title pr)",
        "not (nickName pr)",
        'nickName ne "x"',
        "nickName eq null",
        "emails pr",
        "name.familyName pr and name pr",
        'meta.created eq "2020-01-01T01:00:00+01:00"',
        'meta.created lt "2020-01-01T00:00:00.000001Z"',
        'meta.lastModified gt "2020-06-01T12:00:00.4999Z"',
        'title eq ""',
        'name.familyName gt "jensem"',
        'schemas eq "urn:ietf:params:scim:schemas:core:2.0:User"',
        'id eq "0193591c-1f00-7b5d-a1b2-3c4d5e6f7081"',
    ],
)
def test_a_filter_matches_the_user(text):
    assert _matches(text)
    assert not _matches(f"not ({text})")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("active gt true", "active"),
        ('active eq "yes"', "active"),
        ("active co true", "active"),
        ("userName eq 1", "userName"),
        ("userName eq true", "userName"),
        ("userName gt null", "null"),
        ('meta.created gt "yesterday"', "meta.created"),
        ('meta.created co "2020"', "meta.created"),
        ('meta.created eq "2020-13-01T00:00:00Z"', "meta.created"),
        ('name eq "x"', "name"),
        ('meta eq "x"', "meta"),
        ('nosuch eq "x"', "nosuch"),
        ('userName.value eq "x"', "userName.value"),
        ('emails[nosuch eq "x"]', "nosuch"),
        ('userName[value eq "x"]', "userName"),
        ('x509Certificates.value gt "MTIz"', "x509Certificates.value"),
        ('password eq "x"', "password"),
        ("password pr", "password"),
        ('PassWord sw "a"', "password"),
        ('urn:ietf:params:scim:schemas:core:2.0:User:password eq "x"', "password"),
        ('meta.location eq "x"', "meta.location"),
        ('urn:unknown:schema:x eq "y"', "urn:unknown"),
    ],
)
def test_an_invalid_filter_is_refused(text, names):
    with pytest.raises(ScimError) as caught:
        _matches(text)
    assert caught.value.scim_type == "invalidFilter"
    assert names in caught.value.detail


def test_a_boolean_as_a_string_is_a_dialect():
    assert _matches('active eq "False"', strict=False)


CORE = (
    "userName",
    "emails",
    "externalId",
    "name.familyName",
    "password",
    "meta.location",
    "active",
    "nothing",
    "members.value",
)
OTHERS = ("id", f"{ENTERPRISE_USER}:department", "DISPLAYNAME", "meta.created", "x509Certificates")
SHORT = st.sampled_from((*CORE, *OTHERS))
ELEMENTS = st.sampled_from(
    ("emails", "members", "groups", "roles", "EMAILS", "name", "addresses", "nothing", "userName")
)
SUBS = st.sampled_from(
    ("value", "type", "VALUE", "display", "primary", "nothing", "$ref", "formatted")
)


@given(
    st.sampled_from(["/Users", "/Groups"]),
    st.one_of(SHORT, st.tuples(ELEMENTS, SUBS)),
    st.text(max_size=12),
)
def test_filters_read_by_shape_equal_parsed_filters(endpoint, path, value):
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    text = (
        f'{path} eq "{quoted}"' if isinstance(path, str) else f'{path[0]}[{path[1]} eq "{quoted}"]'
    )
    kind = registry().types[endpoint]

    def outcome(read):
        try:
            return read()
        except ScimError as error:
            return error.detail

    assert outcome(lambda: read_filter(text, kind, Dialect())) == outcome(
        lambda: bind(filters.parse(text, Dialect()), kind, Dialect())
    )


WITHOUT = {
    "userName": "a",
    "emails": [{"value": "a@x", "type": "work"}, {"value": "b@x", "primary": True}],
}
"""A user stored by an old version, which did not always store `active`."""
ACTIVE = {
    "active eq true": (True, True, False),
    "active eq false": (False, False, True),
    "active ne true": (False, False, True),
    "active ne false": (True, True, False),
    "active pr": (True, True, True),
    "active eq null": (False, False, False),
    "active ne null": (True, True, True),
}
"""Whether a filter matches a user without `active`, an active and an inactive one."""


@pytest.mark.parametrize("text", ACTIVE)
def test_a_user_without_active_is_active(text):
    documents = (WITHOUT, WITHOUT | {"active": True}, WITHOUT | {"active": False})
    for form, wanted in (
        (text, ACTIVE[text]),
        (f"not ({text})", tuple(not found for found in ACTIVE[text])),
    ):
        predicate = bind(filters.parse(form, STRICT), USER_TYPE, STRICT)
        assert tuple(matches(predicate, document) for document in documents) == wanted


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("emails[primary eq false]", True),
        ('emails[value eq "a@x" and primary eq false]', True),
        ('emails[value eq "b@x" and primary eq false]', False),
        ('emails[value eq "a@x" and primary ne false]', False),
        ('emails[value eq "a@x" and primary ne true]', True),
        ('emails[value eq "a@x" and not (primary eq false)]', False),
        ("emails.primary eq false", True),
        ("emails.primary ne false", False),
        ("emails.primary eq true", True),
        ('emails[value eq "a@x" and primary pr]', False),
        ("phoneNumbers[primary eq false]", False),
        ("phoneNumbers.primary eq false", False),
    ],
)
def test_an_absent_primary_is_false(text, found):
    """An element without `primary` is not primary (RFC 7643 section 2.4)."""
    predicate = bind(filters.parse(text, STRICT), USER_TYPE, STRICT)
    assert matches(predicate, WITHOUT) is found
    explicit = WITHOUT | {
        "emails": [{"value": "a@x", "type": "work", "primary": False}, WITHOUT["emails"][1]]
    }
    assert matches(predicate, explicit) is (True if "pr]" in text else found)

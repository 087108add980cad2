"""New versions of a resource: the stored bytes, the look-ups and the time."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.directory.documents import location_prefix, parse, parse_all, with_base_url
from muster.directory.versions import display_of, index_of_document, make_put, next_version
from muster.scim.dialects import Dialect
from muster.scim.document import read
from muster.scim.errors import ScimError
from muster.scim.schema.model import GROUP, USER, registry
from tests.support.strategies import users

USERS, GROUPS = registry().types["/Users"], registry().types["/Groups"]
ID = "018f0000-0000-7000-8000-000000000000"
BASE = "https://host.example/scim/v2"
EARLY, LATE = "2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z"


def put(user, version=1):
    return make_put(read(user, USERS, Dialect()), USERS, ID, version, EARLY, LATE)


@given(users())
def test_a_stored_document_is_the_answer_once_the_base_url_is_in_it(user):
    made, document = put(user, version=3), read(user, USERS, Dialect())
    answer = orjson.loads(with_base_url(made.stored.document, BASE))
    meta = answer.pop("meta")
    assert meta == {
        "resourceType": "User",
        "created": EARLY,
        "lastModified": LATE,
        "version": 'W/"3"',
        "location": f"{BASE}/Users/{ID}",
    }
    assert answer.pop("id") == ID
    assert answer == {name: value for name, value in document.items() if name != "id"}
    assert (made.stored.id, made.stored.version) == (ID, 3)
    assert parse(made.stored.document, BASE)["meta"]["location"] == meta["location"]
    both = b"%b,%b" % (made.stored.document, made.stored.document)
    assert parse_all(both) == [parse(made.stored.document)] * 2
    assert location_prefix(USERS, BASE) + ID == meta["location"]


@given(users(), users())
def test_the_next_version_replaces_exactly_the_look_ups_of_the_one_before(user, changed):
    first = put(user)
    second = next_version(first.stored, read(changed, USERS, Dialect()), USERS, LATE)
    assert second.before == first.index == index_of_document(parse(first.stored.document), USERS)
    assert second.index == index_of_document(parse(second.stored.document), USERS)
    assert (second.stored.id, second.stored.version) == (ID, 2)
    assert parse(second.stored.document)["meta"]["created"] == EARLY


@pytest.mark.parametrize("now", [EARLY, LATE, "2026-01-03T00:00:00.000Z"])
def test_the_time_of_a_change_never_goes_back(now):
    first = put({"schemas": [USER], "userName": "ada"})
    second = next_version(first.stored, parse(first.stored.document), USERS, now)
    assert parse(second.stored.document)["meta"]["lastModified"] == max(LATE, now)


def test_members_are_never_in_the_document():
    document = {"schemas": [GROUP], "displayName": "g", "members": [{"value": "x"}]}
    made = make_put(document, GROUPS, ID, 1, EARLY, LATE)
    assert "members" not in parse(made.stored.document)


@pytest.mark.parametrize(
    ("name", "fits"),
    [("x" * 2000, True), ("x" * 2001, False), ("é" * 1000, True), ("é" * 1001, False)],
)
def test_an_indexed_value_has_at_most_2_000_bytes(name, fits):
    user = {"schemas": [USER], "userName": name}
    if fits:
        assert parse(put(user).stored.document)["userName"] == name
    else:
        with pytest.raises(ScimError, match="userName") as caught:
            put(user)
        assert caught.value.scim_type == "invalidValue"


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "displayName": st.sampled_from(("D", "")),
            "name": st.sampled_from(({"formatted": "F"}, {"formatted": ""}, {}, None)),
            "userName": st.sampled_from(("U", "")),
        },
    )
)
def test_a_resource_is_shown_by_its_first_name_that_is_not_empty(document):
    names = (
        document.get("displayName"),
        (document.get("name") or {}).get("formatted"),
        document.get("userName"),
    )
    shown = next((name for name in names if name), None)
    assert (display_of(document) or None) == shown

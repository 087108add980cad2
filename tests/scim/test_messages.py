"""Messages of clients, and the lists and errors that are answered."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.scim.dialects import Dialect
from muster.scim.errors import ScimError, invalid_value
from muster.scim.messages import (
    LIST_END,
    LIST_RESPONSE,
    SEARCH_REQUEST,
    check_schemas,
    error_message,
    fields_of,
    list_head,
)

NAMES = ("schemas", "filter", "startIndex")


@given(st.permutations(NAMES), st.integers(0, 3))
def test_members_are_read_by_the_names_of_the_rfc_in_any_case(names, count):
    message = {name.upper(): number for number, name in enumerate(names[:count])}
    dialect = Dialect()
    fields = {name: number for number, name in enumerate(names[:count])}
    assert fields_of(message, NAMES, dialect) == fields
    assert set(dialect.seen) == ({"message-key-case"} if count else set())
    assert fields_of(fields, NAMES, Dialect(strict=True)) == fields


def test_another_case_is_refused_in_a_strict_workspace():
    with pytest.raises(ScimError):
        fields_of({"FILTER": "x"}, NAMES, Dialect(strict=True))


def test_unknown_members_are_left_out_or_refused():
    message = {"filter": "x", "fliter": "y"}
    assert fields_of(message, NAMES, Dialect()) == {"filter": "x"}
    with pytest.raises(ScimError, match="fliter") as caught:
        fields_of(message, NAMES, Dialect(), others=False)
    assert (caught.value.status, caught.value.scim_type) == (400, "invalidSyntax")


@pytest.mark.parametrize("message", [{"filter": "x", "FILTER": "y"}, [], None, "x", 7])
def test_a_member_given_twice_or_another_message_is_refused(message):
    with pytest.raises(ScimError) as caught:
        fields_of(message, NAMES, Dialect())
    assert caught.value.scim_type == "invalidSyntax"


@pytest.mark.parametrize("given_ones", [[SEARCH_REQUEST], ["urn:x", SEARCH_REQUEST.upper()]])
def test_schemas_may_have_the_urn_in_any_case(given_ones):
    dialect = Dialect(strict=True)
    check_schemas(given_ones, SEARCH_REQUEST, dialect)
    assert not dialect.seen


@pytest.mark.parametrize("given_ones", [None, [], SEARCH_REQUEST, ["urn:x"], [7], {}])
def test_schemas_without_the_urn_are_refused_in_a_strict_workspace_only(given_ones):
    dialect = Dialect()
    check_schemas(given_ones, SEARCH_REQUEST, dialect)
    assert dialect.seen == ["schemas-missing"]
    with pytest.raises(ScimError, match=SEARCH_REQUEST):
        check_schemas(given_ones, SEARCH_REQUEST, Dialect(strict=True))


def test_an_error_has_its_status_as_a_string_and_a_type_only_if_the_rfc_has_one():
    urn = "urn:ietf:params:scim:api:messages:2.0:Error"
    assert error_message(invalid_value("why")) == {
        "schemas": [urn],
        "status": "400",
        "scimType": "invalidValue",
        "detail": "why",
    }
    assert error_message(ScimError(404, "why")) == {
        "schemas": [urn],
        "status": "404",
        "detail": "why",
    }


@given(st.lists(st.dictionaries(st.text(max_size=3), st.integers(0, 9)), max_size=3))
def test_a_list_is_its_head_its_resources_and_its_end(resources):
    body = b",".join(map(orjson.dumps, resources))
    answer = list_head(len(resources), 7, '"startIndex":1,') + body + LIST_END
    assert orjson.loads(answer) == {
        "schemas": [LIST_RESPONSE],
        "totalResults": 7,
        "startIndex": 1,
        "itemsPerPage": len(resources),
        "Resources": resources,
    }

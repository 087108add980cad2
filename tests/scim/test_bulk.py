"""Reading bulk requests: a wrong operation is an error of its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.scim.bulk import BULK_REQUEST, METHODS, Operation, RefusedOperation, read_bulk
from muster.scim.dialects import Dialect
from muster.scim.errors import ScimError
from muster.scim.schema.model import registry

TYPES = registry().types


def reading(*operations, most=100, strict=False, **fields):
    message = {"schemas": [BULK_REQUEST], "Operations": list(operations), **fields}
    return read_bulk(message, most, TYPES, Dialect(strict=strict))


def post(bulk_id="a", path="/Users", **data):
    return {"method": "POST", "bulkId": bulk_id, "path": path, "data": data}


@given(
    st.lists(
        st.tuples(st.sampled_from(METHODS), st.sampled_from([str.lower, str.upper])), min_size=1
    ),
    st.sampled_from(["/Users", "/Groups"]),
)
def test_operations_are_read_in_order(methods, endpoint):
    given_operations = []
    for number, (method, spelt) in enumerate(methods):
        path = endpoint if method == "POST" else f"{endpoint}/{number}"
        one = {"method": spelt(method), "bulkId": f"b{number}", "path": path}
        given_operations.append(one | ({} if method == "DELETE" else {"data": {}}))
    read = reading(*given_operations).operations
    assert [one.method for one in read] == [method for method, _ in methods]
    assert [one.bulk_id for one in read] == [f"b{n}" for n in range(len(methods))]
    assert {one.resource_type for one in read} == {TYPES[endpoint]}


WRONG = [
    ("text", "invalidSyntax"),
    ({"path": "/Users", "data": {}}, "invalidSyntax"),
    ({"method": "GET", "path": "/Users/1"}, "invalidSyntax"),
    ({"method": 1, "path": "/Users/1"}, "invalidSyntax"),
    ({"method": "POST", "bulkId": "x", "data": {}}, "invalidPath"),
    ({"method": "POST", "bulkId": "x", "path": "Users", "data": {}}, "invalidPath"),
    ({"method": "POST", "bulkId": "x", "path": "/Users/1", "data": {}}, "invalidPath"),
    ({"method": "PUT", "path": "/Users", "data": {}}, "invalidPath"),
    ({"method": "DELETE", "path": "/Users/1/more"}, "invalidPath"),
    ({"method": "PATCH", "path": "/Users/1"}, "invalidSyntax"),
    ({"method": "PUT", "path": "/Users/1", "data": []}, "invalidSyntax"),
    ({"method": "DELETE", "path": "/Users/1", "version": 1}, "invalidValue"),
    ({"method": "POST", "bulkId": "", "path": "/Users", "data": {}}, "invalidValue"),
    ({"method": "POST", "bulkId": "a b", "path": "/Users", "data": {}}, "invalidValue"),
    ({"method": "POST", "bulkId": "x" * 201, "path": "/Users", "data": {}}, "invalidValue"),
    ({"method": "POST", "bulkId": 7, "path": "/Users", "data": {}}, "invalidValue"),
]


@pytest.mark.parametrize(("wrong", "scim_type"), WRONG)
def test_a_wrong_operation_is_an_error_of_its_own(wrong, scim_type):
    before, refused, after = reading(post("before"), wrong, post("after")).operations
    assert isinstance(before, Operation)
    assert isinstance(after, Operation)
    assert isinstance(refused, RefusedOperation)
    assert (refused.error.status, refused.error.scim_type) == (400, scim_type)
    assert refused.error.detail.startswith("Operations[1]")


def test_a_bulk_id_belongs_to_one_operation():
    first, second = reading(post("same"), post("same")).operations
    assert isinstance(first, Operation)
    assert second.error.scim_type == "invalidValue"
    assert second.bulk_id == "same"


def test_slashes_at_the_end_and_in_a_row_change_nothing():
    (one,) = reading({"method": "DELETE", "path": "//Users//7/"}).operations
    assert (one.endpoint, one.target) == ("/Users", "7")


def test_a_post_needs_a_bulk_id_in_a_strict_workspace():
    operation = {"method": "POST", "path": "/Users", "data": {}}
    assert reading(operation).operations[0].bulk_id is None
    assert isinstance(reading(operation, strict=True).operations[0], RefusedOperation)


def test_references_are_found_and_resolved():
    members = [{"value": "bulkId:u"}, {"value": "7"}]
    group, change = reading(
        post("g", "/Groups", displayName="x", members=members),
        {"method": "DELETE", "path": "/Users/bulkId:u"},
    ).operations
    assert group.refers == change.refers == {"u"}
    assert change.resolved_target({"u": "9"}) == "9"
    assert change.resolved_target({}) == "bulkId:u"
    assert group.resolved_data({"u": "9"})["members"] == [{"value": "9"}, {"value": "7"}]
    assert group.resolved_data({}, frozenset("u"))["members"] == [{"value": "7"}]
    assert group.data["members"] == members


@pytest.mark.parametrize("number", [0, -1, True, 1.5, "1", [1]])
def test_fail_on_errors_is_an_integer_of_at_least_one(number):
    assert reading(post(), failOnErrors=1).fail_on_errors == 1
    assert reading(post()).fail_on_errors is None
    with pytest.raises(ScimError, match="failOnErrors"):
        reading(post(), failOnErrors=number)


@pytest.mark.parametrize("operations", [None, [], {}, "x"])
def test_a_request_without_operations_is_refused(operations):
    with pytest.raises(ScimError) as caught:
        reading(Operations=operations)
    assert caught.value.scim_type == "invalidSyntax"


def test_a_request_has_so_many_operations_and_no_more():
    assert len(reading(post("a"), post("b"), most=2).operations) == 2
    with pytest.raises(ScimError) as caught:
        reading(post("a"), post("b"), most=1)
    assert caught.value.status == 413

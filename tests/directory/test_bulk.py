"""Bulk requests with random references, against the rules of RFC 7644 section 3.7."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.directory.bulk import execute
from muster.directory.caller import Caller
from muster.directory.service import Directory
from muster.scim.bulk import BULK_REQUEST, read_bulk
from muster.scim.dialects import Dialect
from muster.scim.schema.model import ENTERPRISE_USER, GROUP, USER, registry
from tests.support.people import name

USERS, GROUPS = registry().types["/Users"], registry().types["/Groups"]


class Bulk:
    """A workspace, and bulk requests to it."""

    def __init__(self, bench):
        self.run, self.storage = bench.run, bench.storage
        self.directory = Directory(bench.storage)
        self.caller = Caller(bench.new_workspace(), "key", "request")

    def execute(self, *operations, fail_on_errors=None):
        message = {"schemas": [BULK_REQUEST], "Operations": list(operations)}
        read = read_bulk(message, 1000, self.caller.registry.types, Dialect())
        work = execute(self.directory, self.caller, read.operations, fail_on_errors)
        return self.run(work)

    def total(self, resource_type=USERS):
        return self.run(self.directory.count(self.caller, resource_type))

    def document(self, result):
        got = self.run(self.directory.get(self.caller, result.resource_type, result.stored.id))
        return orjson.loads(got.document.replace(b"\x01", b""))


@pytest.fixture
def bulk(bench):
    return Bulk(bench)


def post(bulk_id, manager=None, user_name=None):
    """A POST of a user, with a manager from the same request."""
    data = {"schemas": [USER, ENTERPRISE_USER], "userName": user_name or name()}
    if manager is not None:
        data[ENTERPRISE_USER] = {"manager": {"value": f"bulkId:{manager}"}}
    return {"method": "POST", "path": "/Users", "bulkId": bulk_id, "data": data}


@st.composite
def chains(draw):
    """Draw users by number, each with a manager or None, and the invalid ones."""
    size = draw(st.integers(1, 6))
    managers = draw(
        st.lists(st.one_of(st.none(), st.integers(0, size - 1)), min_size=size, max_size=size)
    )
    return managers, draw(st.sets(st.integers(0, size - 1), max_size=1))


def fails(managers, invalid, number):
    """A user fails if it is invalid, or its manager or one of its cycle fails."""
    seen = []
    while number is not None and number not in seen:
        seen.append(number)
        number = managers[number]
    return any(each in invalid for each in seen)


@given(chains(), st.booleans())
def test_a_user_is_created_with_its_references_unless_it_depends_on_one_that_fails(
    bench, drawn, one_by_one
):
    managers, invalid = drawn
    bulk = Bulk(bench)
    operations = [
        post(f"u{number}", None if m is None else f"u{m}") for number, m in enumerate(managers)
    ]
    for number in invalid:
        operations[number]["data"]["active"] = "perhaps"
    results = bulk.execute(*operations, fail_on_errors=100 if one_by_one else None)
    failing = [fails(managers, invalid, number) for number in range(len(managers))]
    assert [result.error is not None for result in results] == failing
    created = [result.stored.id for result in results if result.error is None]
    assert len(set(created)) == len(created) == bulk.total()
    for number, result in enumerate(results):
        if result.error is None and managers[number] is not None:
            manager = bulk.document(result)[ENTERPRISE_USER]["manager"]
            assert manager["value"] == results[managers[number]].stored.id


def test_results_come_in_the_order_of_the_request_whatever_the_order_of_execution(bulk):
    operations = [
        {
            "method": "POST",
            "path": "/Groups",
            "bulkId": "g",
            "data": {
                "schemas": [GROUP],
                "displayName": "g",
                "members": [{"value": "bulkId:a"}, {"value": "bulkId:b"}],
            },
        },
        post("a", "b"),
        post("b"),
    ]
    results = bulk.execute(*operations)
    assert [result.operation.bulk_id for result in results] == ["g", "a", "b"]
    assert [result.error for result in results] == [None, None, None]
    found = bulk.run(bulk.storage.members(bulk.caller.workspace.id, results[0].stored.id, -1, 10))
    assert {member.id for member in found} == {result.stored.id for result in results[1:]}


def test_a_cycle_that_cannot_be_completed_leaves_nothing_behind(bulk):
    taken = name()
    bulk.execute(post("first", user_name=taken))
    results = bulk.execute(post("a", "b"), post("b", "c", taken), post("c", "a"), post("alone"))
    assert [getattr(result.error, "status", None) for result in results] == [409, 409, 409, None]
    assert "same cycle" in results[0].error.detail
    assert bulk.total() == 2


def test_errors_are_counted_and_end_the_request(bulk):
    wrong = [post(str(number)) for number in range(4)]
    for operation in wrong:
        operation["data"]["active"] = "perhaps"
    for limit, executed in ((1, 1), (2, 2), (3, 4)):
        order = [wrong[0], wrong[1], post("right"), wrong[2], wrong[3]]
        results = bulk.execute(*order, fail_on_errors=limit)
        assert [result.operation.bulk_id for result in results] == ["0", "1", "right", "2"][
            :executed
        ]
    assert bulk.total() == 1


def test_later_operations_may_refer_to_a_resource_in_their_path(bulk):
    changed = {"schemas": [USER], "userName": name(), "title": "changed"}
    results = bulk.execute(
        {"method": "PUT", "path": "/Users/bulkId:a", "bulkId": "p", "data": changed},
        post("a"),
        {"method": "DELETE", "path": "/Users/bulkId:b"},
        post("b"),
    )
    assert [result.error for result in results] == [None] * 4
    assert bulk.total() == 1
    assert bulk.document(results[1])["title"] == "changed"


@pytest.mark.parametrize("unknown", ["nothing", "refused"])
def test_a_reference_without_a_resource_is_named(bulk, unknown):
    refused = post("refused")
    refused["data"]["active"] = "perhaps"
    *_, result = bulk.execute(refused, post("a", unknown))
    assert (result.error.status, f"'{unknown}'" in result.error.detail) == (
        409 if unknown == "refused" else 400,
        True,
    )
    assert bulk.total() == 0


def test_a_version_guards_its_operation(bulk):
    (created,) = bulk.execute(post("a"))
    put = {
        "method": "PUT",
        "path": f"/Users/{created.stored.id}",
        "data": {"schemas": [USER], "userName": name()},
    }
    results = [bulk.execute({**put, "version": version})[0] for version in ('W/"1"', 'W/"1"', None)]
    assert [getattr(result.error, "status", None) for result in results] == [None, 412, None]


def test_an_unknown_endpoint_fails_alone(bulk):
    results = bulk.execute({**post("a"), "path": "/Devices"}, post("b"))
    assert [getattr(result.error, "scim_type", None) for result in results] == ["invalidPath", None]

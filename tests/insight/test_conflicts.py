"""Requests that failed because another resource has a unique value."""

import json

import pytest

from muster.directory.caller import Caller
from muster.directory.service import Directory
from muster.insight.conflicts import ValueConflict, conflict_of
from muster.scim.errors import uniqueness
from muster.scim.schema.model import registry
from muster.storage.records.requests import RecordedRequest
from tests.support.people import name, person

TYPES = registry().types


def refused(body, path="/Users", answer=None, resource=""):
    error = uniqueness("userName: another User has this value")
    answer = answer or json.dumps(
        {"detail": error.detail, "scimType": error.scim_type}, separators=(",", ":")
    )
    body = body if isinstance(body, str) else json.dumps(body)
    return RecordedRequest(
        *(1, "t", "r", "k", "", "POST", path, "", 409, 1, "", "", "", resource, body, answer)
    )


@pytest.fixture
def ask(bench):
    workspace = bench.new_workspace()
    ada = person(name("ada"), displayName="Ada Lovelace")
    made = Directory(bench.storage).create(Caller(workspace, "key:k", "r"), TYPES["/Users"], ada)
    holder = bench.run(made).id

    def conflict(body, **other):
        kept = refused(body(ada["userName"]), **other)
        return bench.run(conflict_of(bench.storage, workspace.id, TYPES, kept))

    conflict.holder, conflict.value = holder, ada["userName"]
    return conflict


def patch(*operations):
    return {"Operations": list(operations)}


@pytest.mark.parametrize(
    "body",
    [
        lambda value: {"USERNAME": value},
        lambda value: (
            patch({"op": "add", "path": "title", "value": "x"}, {"path": "userName"})
            | {"userName": value}
        ),
        lambda value: patch({"op": "replace", "path": "username", "value": value}),
        lambda value: patch({"op": "replace", "value": {"userName": [value]}}),
        lambda value: {"operations": {"op": "replace", "path": "userName", "value": value}},
    ],
)
def test_the_resource_that_has_the_value_is_found(ask, body):
    wanted = ValueConflict("userName", ask.value, "User", ask.holder, "Ada Lovelace")
    assert ask(body) == wanted


def test_a_value_that_nobody_has_any_more_is_told(ask):
    assert ask(lambda _: {"userName": "gone"}) == ValueConflict("userName", "gone", "User")
    own = ask(lambda value: {"userName": value}, resource=ask.holder)
    assert own == ValueConflict("userName", ask.value, "User")


@pytest.mark.parametrize(
    ("body", "other"),
    [
        ("", {}),
        ('{"userName": "ad', {}),
        ("[1]", {}),
        ('{"Operations": [1, {"path": 2}], "userName": 3}', {}),
        ('{"userName": "x"}', {"path": "/Nothing"}),
        ('{"userName": "x"}', {"answer": '{"detail":"userName: no","scimType":"invalidValue"}'}),
        ('{"userName": "x"}', {"answer": '{"detail":"no attribute","scimType":"uniqueness"}'}),
    ],
)
def test_a_request_that_does_not_show_the_value_has_no_conflict(ask, body, other):
    assert ask(lambda _: body, **other) is None

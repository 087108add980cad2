"""The sender of a request, as the use cases know it."""

import pytest

from muster.directory.caller import Caller
from muster.storage.port.accounts import Workspace
from muster.storage.port.changes import ChangeOrigin


@pytest.mark.parametrize("strict", [False, True])
def test_requests_are_read_by_the_rules_of_the_workspace_and_the_limits_of_the_server(strict):
    workspace = Workspace(1, "w", "rfc7644", strict, "")
    caller = Caller(workspace, "key:k", "r", max_elements=7, max_comparisons=9)
    dialect = caller.dialect()
    assert (dialect.strict, dialect.max_elements, dialect.max_comparisons) == (strict, 7, 9)
    if not strict:
        dialect.take("boolean-as-string", "active")
        assert caller.seen == ["boolean-as-string"]


def test_a_change_names_the_caller_the_request_and_the_address():
    caller = Caller(Workspace(1, "w", "rfc7644", False, ""), "key:k", "r1", "10.0.0.1")
    assert caller.origin("t") == ChangeOrigin("key:k", "r1", "t", "10.0.0.1")

"""Previews of role mappings in workspaces with more users than are examined or named."""

import pytest

from muster.access.role_mappings import RoleMappings, mapping_of
from muster.directory.caller import Caller
from muster.directory.service import Directory
from muster.insight import role_preview
from muster.insight.role_preview import RolePreview
from tests.support.people import person


@pytest.fixture
def preview(bench, monkeypatch):
    """Return a function that previews a new mapping of the value of five users."""
    monkeypatch.setattr(role_preview, "_PAGE", 2)
    monkeypatch.setattr(role_preview, "_NAMED", 1)
    directory, mappings = Directory(bench.storage), RoleMappings(bench.storage)
    caller = Caller(bench.new_workspace(), "key:k", "r")
    for _ in range(5):
        user = person(roles=[{"value": "eng"}])
        bench.run(directory.create(caller, caller.registry.types["/Users"], user))
    mapping = mapping_of("eng", "Engineer", None)
    made = RolePreview(directory, mappings)
    return lambda: bench.run(made.preview(caller, [mapping]))


def test_users_are_counted_over_pages_and_the_first_are_named(preview):
    found = preview()
    assert (found.matched, found.affected, found.complete, len(found.users)) == (5, 5, True, 1)


def test_a_preview_says_that_not_all_users_were_examined(preview, monkeypatch):
    monkeypatch.setattr(role_preview, "MOST_EXAMINED", 3)
    found = preview()
    assert (found.matched, found.affected, found.complete) == (3, 3, False)

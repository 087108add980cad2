"""The checklist of the first run."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace

import pytest

from muster.access.permissions import ADMIN, READ, SCIM
from muster.access.roles import ROLE_KIND
from muster.insight.checklist import Checklist
from muster.storage.port.accounts import KeyRecord, Workspace
from muster.storage.port.changes import ChangeFilter
from muster.storage.port.items import Item

WORKSPACE = Workspace(1, "w", "rfc7644", False, "")
KEY = KeyRecord(1, "k", "k", b"", (SCIM,), None, "", None, None, None)


def done(workspace=WORKSPACE, keys=(), users=0, administrators=("here",), writes=()):
    """The names of the steps that are done."""

    class Everybody:
        async def all(self):
            return [
                SimpleNamespace(permissions=lambda _, place=place: ("Admin",) * (place == "here"))
                for place in administrators
            ]

    class Storage:
        async def items(self, *_):
            return [Item(1, ROLE_KIND, "sync", {"permissions": [SCIM]})]

        async def search_changes(self, workspace, before, limit, criteria):
            assert criteria == ChangeFilter("key:", "User", "create")
            return [SimpleNamespace(version=version) for version in writes], None

    steps = asyncio.run(Checklist(Storage(), Everybody()).steps(workspace, keys, users))
    assert [step.name for step in steps] == ["key", "request", "user", "colleague", "guard"]
    return {step.name for step in steps if step.done}


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({}, set()),
        ({"keys": [KEY]}, {"key"}),
        ({"keys": [KEY, replace(KEY, last_used="t")]}, {"key", "request"}),
        ({"keys": [replace(KEY, permissions=(ADMIN,), last_used="t")]}, set()),
        ({"keys": [replace(KEY, permissions=(), role="sync")]}, {"key"}),
        ({"keys": [replace(KEY, role=ADMIN)]}, set()),
        ({"keys": [replace(KEY, permissions=(READ,))]}, set()),
        ({"users": 1}, set()),
        ({"users": 1, "writes": [1]}, {"user"}),
        ({"users": 1, "writes": [0]}, set()),
        ({"keys": [KEY], "users": 1, "writes": [1]}, {"key", "request", "user"}),
        ({"administrators": ("here", "elsewhere")}, set()),
        ({"administrators": ("here", "here")}, {"colleague"}),
        ({"workspace": replace(WORKSPACE, guard_mode="hold")}, {"guard"}),
        ({"workspace": replace(WORKSPACE, guard_mode="off")}, set()),
    ],
)
def test_each_step_ticks_itself(given, names):
    assert done(**given) == names


def test_it_is_hidden_for_one_administrator_and_workspace(bench):
    checklist = Checklist(bench.storage, None)
    here, there = bench.new_workspace().id, bench.new_workspace().id

    def hidden():
        return {
            (workspace, who)
            for workspace in (here, there)
            for who in ("ann", "bob")
            if bench.run(checklist.is_hidden(workspace, who))
        }

    assert hidden() == set()
    for _ in range(2):
        bench.run(checklist.hide(here, "ann", "2026-01-01T00:00:00.000Z"))
    assert hidden() == {(here, "ann")}
    bench.run(checklist.show(here, "ann"))
    assert hidden() == set()

"""Former names of workspaces: they lead to the workspace, and nobody else gets them."""

import pytest

from muster.access.workspaces import create_workspace, find_workspace, rename_workspace
from muster.scim.errors import ScimError
from muster.storage.port.changes import ChangeFilter, ChangeOrigin
from muster.storage.port.errors import Outdated
from muster.storage.port.items import INSTALLATION

ORIGIN = ChangeOrigin("admin:a@example.com", "r", "2026-01-01T00:00:00.000Z", "192.0.2.1")


def create(bench, name):
    return bench.run(create_workspace(bench.storage, name, "rfc7644", ORIGIN))


def rename(bench, workspace, name):
    return bench.run(rename_workspace(bench.storage, workspace, name, ORIGIN))


def found(bench, name):
    workspace = bench.run(find_workspace(bench.storage, name))
    return None if workspace is None else workspace.id


def test_every_former_name_leads_to_the_workspace(bench):
    made = create(bench, "one")
    second = rename(bench, made, "two")
    third = rename(bench, second, "three")
    assert [found(bench, name) for name in ("one", "two", "three", "four")] == [
        *([made.id] * 3),
        None,
    ]
    assert third.name == "three"
    back = rename(bench, third, "one")
    assert [found(bench, name) for name in ("one", "two", "three")] == [back.id] * 3


def test_nobody_else_gets_a_former_name(bench):
    renamed = rename(bench, create(bench, "old"), "new")
    other = create(bench, "other")
    for attempt in (lambda: create(bench, "old"), lambda: rename(bench, other, "old")):
        with pytest.raises(ScimError) as refused:
            attempt()
        assert (refused.value.status, renamed.name in refused.value.detail) == (409, True)


def test_a_refused_rename_leaves_no_former_name(bench):
    made, _ = create(bench, "mine"), create(bench, "taken")
    for name, status in (("taken", 409), ("Bad", 400), ("mine", 400)):
        with pytest.raises(ScimError) as refused:
            rename(bench, made, name)
        assert refused.value.status == status
    rename(bench, made, "moved")
    with pytest.raises(Outdated):  # decided on the state before
        rename(bench, made, "elsewhere")
    assert found(bench, "mine") == made.id
    assert found(bench, "elsewhere") is None


def test_the_default_workspace_keeps_its_name(bench):
    made = create(bench, "default")
    with pytest.raises(ScimError) as refused:
        rename(bench, made, "main")
    assert refused.value.status == 403


def test_both_logs_record_a_rename(bench):
    made = create(bench, "before")
    rename(bench, made, "after")
    for place in (made.id, INSTALLATION):
        log, _ = bench.run(bench.storage.search_changes(place, None, 1, ChangeFilter()))
        assert (log[0].type, log[0].action, log[0].origin) == ("Workspace", "rename", ORIGIN)
        assert b'"after":{"name":"after"}' in log[0].document

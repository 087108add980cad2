"""Workspaces, keys and leases."""

import asyncio
from dataclasses import replace

import pytest

from muster.storage.port.accounts import KeyRecord
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.engine import Statement
from muster.storage.port.errors import Conflict
from muster.storage.port.items import INSTALLATION, Item
from muster.storage.port.resources import UNCACHED_KINDS

EPOCH = Statement("SELECT epoch FROM installation", ())
NOW = "2020-01-01T00:00:00Z"


def record(workspace, key_id="k1", **fields):
    key = KeyRecord(
        workspace.id, key_id, "name", b"digest", ("Admin",), None, NOW, None, None, None
    )
    return replace(key, **fields)


def test_a_workspace_is_found_and_set(bench):
    workspace = bench.run(bench.storage.add_workspace("acme", "cortex", True, NOW))
    assert (
        bench.run(bench.storage.find_workspace("acme"))
        == bench.run(bench.storage.workspace(workspace.id))
        == workspace
    )
    assert workspace in bench.run(bench.storage.workspaces())
    changed = replace(workspace, contract="rfc7644", strict=False)
    bench.run(bench.storage.administer([changed]))
    assert bench.run(bench.storage.workspace(workspace.id)) == changed
    with pytest.raises(Conflict):
        bench.run(bench.storage.add_workspace("acme", "rfc7644", False, NOW))
    assert bench.run(bench.storage.find_workspace("nobody")) is None


def test_key_is_stored_and_updated_except_for_its_digest(bench):
    workspace = bench.new_workspace()
    key = record(workspace)
    bench.run(bench.storage.administer([key]))
    assert bench.run(bench.storage.key(workspace.id, "k1")) == key
    bench.run(bench.storage.administer([replace(key, revoked=NOW, rate_limit=5, digest=b"other")]))
    assert bench.run(bench.storage.keys(workspace.id)) == [replace(key, revoked=NOW, rate_limit=5)]
    assert bench.run(bench.storage.key(bench.new_workspace().id, "k1")) is None


def test_epoch_changes_with_every_setting(bench):
    workspace = bench.new_workspace()
    epochs = [bench.storage.epoch()]
    bench.run(bench.storage.administer([record(workspace)]))
    epochs.append(bench.storage.epoch())
    bench.run(bench.storage.administer([replace(workspace, strict=True)]))
    epochs.append(bench.storage.epoch())
    bench.new_workspace()
    epochs.append(bench.storage.epoch())
    assert len(set(epochs)) == 4


@pytest.mark.parametrize("place", ["workspace", "installation"])
@pytest.mark.parametrize(
    "kind", sorted({*UNCACHED_KINDS, "role", "schema", "resource-type", "webhook", "role-mapping"})
)
def test_epoch_stays_if_no_changed_item_is_cached(bench, kind, place):
    item = Item(bench.workspace.id if place == "workspace" else INSTALLATION, kind, "x", {"a": 1})
    for change in (item, replace(item, body={"a": 2}), replace(item, body=None)):
        before, seen = bench.run(bench.storage.query(EPOCH)), bench.storage.epoch()
        bench.run(bench.storage.administer([change]))
        moved = kind not in UNCACHED_KINDS
        assert (bench.run(bench.storage.query(EPOCH)) != before) == moved
        assert not moved or bench.storage.epoch() != seen


def test_epoch_increases_if_any_changed_item_is_cached(bench):
    before = bench.run(bench.storage.query(EPOCH))
    quiet = Item(bench.workspace.id, "first", "key", {"number": 1})
    bench.run(bench.storage.administer([quiet, record(bench.workspace, "k9")]))
    assert bench.run(bench.storage.query(EPOCH)) != before


def test_last_use_never_moves_back(bench):
    workspace = bench.new_workspace()
    bench.run(bench.storage.administer([record(workspace)]))
    for moment in ("2020-01-02", "2020-01-01"):
        bench.run(bench.storage.touch_keys({(workspace.id, "k1"): moment}))
    assert bench.run(bench.storage.key(workspace.id, "k1")).last_used == "2020-01-02"


def test_leases_add_up_to_the_limit(bench):
    workspace = bench.new_workspace()

    async def drain():
        taken = []
        while (lease := await bench.storage.lease(workspace.id, "k", 7, 1000, 16)) > 0:
            taken.append(lease)
        return taken

    async def several():
        return await asyncio.gather(*(drain() for _ in range(4)))

    drained = bench.run(several())
    assert sum(map(sum, drained)) == 1000
    assert sum(map(len, drained)) < 100
    assert bench.run(bench.storage.lease(workspace.id, "k", 7, 1000, 16)) == 0
    assert bench.run(bench.storage.lease(workspace.id, "k", 8, 1000, 16)) == 62
    assert bench.run(bench.storage.lease(workspace.id, "other", 7, 1000, 16)) == 62


def test_items_are_counted_by_kind_and_workspace(bench):
    workspace, other = bench.new_workspace(), bench.new_workspace()
    items = [
        Item(workspace.id, "held", "a", {}),
        Item(workspace.id, "held", "b", {}),
        Item(workspace.id, "role", "c", {}),
    ]
    bench.run(bench.storage.administer(items))
    bench.run(bench.storage.administer([Item(other.id, "held", "d", {})]))
    assert bench.run(bench.storage.count_items(workspace.id, "held")) == 2
    bench.run(bench.storage.administer([replace(items[0], body=None)]))
    assert bench.run(bench.storage.count_items(workspace.id, "held")) == 1


def test_a_workspace_gets_another_name_unless_it_is_taken(bench):
    workspace, other = bench.new_workspace(), bench.new_workspace()
    named = replace(workspace, name=f"{workspace.name}-renamed")
    bench.run(bench.storage.administer([named], (), [workspace]))
    assert bench.run(bench.storage.find_workspace(named.name)) == named
    assert bench.run(bench.storage.find_workspace(workspace.name)) is None
    with pytest.raises(Conflict) as refused:
        bench.run(bench.storage.administer([replace(other, name=named.name, strict=True)]))
    assert refused.value.attribute == "name"
    assert bench.run(bench.storage.workspace(other.id)) == other


def test_items_of_workspaces_are_those_of_one_kind_without_the_installation(bench):
    workspace, other = bench.new_workspace(), bench.new_workspace()
    items = [
        Item(one.id, "found", name, {"is": name}) for one in (workspace, other) for name in "ab"
    ]
    for item in (*items, Item(other.id, "role", "c", {}), Item(INSTALLATION, "found", "d", {})):
        bench.run(bench.storage.administer([item]))
    found = bench.run(bench.storage.items_of_workspaces("found"))
    assert sorted(found, key=lambda item: (item.workspace, item.id)) == items


def test_workspaces_are_listed_by_name_prefix_and_state(bench):
    names = [f"page-{end}" for end in ("", "b", "a", "_", "0", "aa")]
    for name in names:
        bench.run(bench.storage.add_workspace(name, "rfc7644", False, "2020-01-01T00:00:00Z"))

    def listed(after="", limit=10, prefix="page-", state=""):
        found = bench.run(bench.storage.list_workspaces(after, limit, prefix, state))
        return [workspace.name for workspace in found]

    assert listed() == sorted(names)
    assert listed("page-") == sorted(names)[1:]
    assert listed("page-0", 2) == ["page-_", "page-a"]
    assert listed(prefix="page-a") == ["page-a", "page-aa"]
    assert listed("page-a", prefix="page-a") == ["page-aa"]
    assert listed(state="suspended") == []
    assert listed(prefix="", limit=1000, state="active") == sorted(listed(prefix="", limit=1000))


def test_a_workspace_is_created_with_its_notes_or_not_at_all(bench):
    def note(made):
        origin = ChangeOrigin("test", "", "2020-01-01T00:00:00Z")
        return [Note(INSTALLATION, origin, "Workspace", str(made.id), "create", b"{}")]

    def fail(made):
        raise RuntimeError("no note")

    add, who = bench.storage.add_workspace, ("rfc7644", True, "2020-01-01T00:00:00Z", "Noted, Inc.")
    made = bench.run(add("noted", *who, note))
    assert bench.run(bench.storage.find_workspace("noted")) == made
    (row,) = bench.run(bench.storage.changes(INSTALLATION, 0, 10))[-1:]
    assert (row.id, row.action) == (str(made.id), "create")
    with pytest.raises(RuntimeError):
        bench.run(add("not-made", *who, fail))
    assert bench.run(bench.storage.find_workspace("not-made")) is None
    with pytest.raises(Conflict):
        bench.run(add("noted", *who, note))
    assert bench.run(bench.storage.changes(INSTALLATION, row.sequence, 10)) == []

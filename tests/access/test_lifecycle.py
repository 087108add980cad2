"""Workspaces are suspended, deleted and restored; each act is recorded, and old versions keep it."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from muster.access.lifecycle import (
    GRACE,
    begin_erasing,
    closed_because,
    delete_workspace,
    restore_workspace,
    resume_workspace,
    suspend_workspace,
)
from muster.access.settings import WorkspaceSettings
from muster.access.workspace_changes import NewState, change_workspace
from muster.base import clock as clocks
from muster.scim.errors import ScimError
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.engine import Statement
from muster.storage.port.errors import Outdated
from muster.storage.port.items import INSTALLATION

ORIGIN = ChangeOrigin("platform:x", "r", "2026-01-01T00:00:00.000Z", "192.0.2.1")


def again(bench, workspace):
    return bench.run(bench.storage.workspace(workspace.id))


def test_states_follow_the_acts(bench):
    storage, made = bench.storage, bench.new_workspace()
    suspended = bench.run(suspend_workspace(storage, made, "Unpaid.", ORIGIN))
    assert (again(bench, made), suspended.state) == (suspended, "suspended")
    assert closed_because(suspended).endswith(f"suspended at {suspended.suspended.since}: Unpaid.")
    deleted = bench.run(delete_workspace(storage, suspended, ORIGIN))
    assert (deleted.state, deleted.suspended) == ("deleted", suspended.suspended)
    assert deleted.deleted.until in closed_because(deleted)
    assert bench.run(restore_workspace(storage, deleted, ORIGIN)) == suspended
    active = bench.run(resume_workspace(storage, suspended, ORIGIN))
    assert (again(bench, made), active.state, closed_because(active)) == (made, "active", None)


def test_an_act_is_decided_on_the_present_state(bench):
    """Each retries if the workspace has changed since it was read."""
    storage, made = bench.storage, bench.new_workspace()
    change = NewState(display_name="Acme")
    named = bench.run(change_workspace(storage, WorkspaceSettings(storage), made, change, ORIGIN))
    suspended = bench.run(suspend_workspace(storage, made, "", ORIGIN))
    assert suspended == replace(named, suspended=suspended.suspended)

    async def both():
        return await asyncio.gather(
            delete_workspace(storage, made, ORIGIN), resume_workspace(storage, made, ORIGIN),
            return_exceptions=True,
        )  # fmt: skip

    deleted, resumed = bench.run(both())
    assert again(bench, made).deleted == deleted.deleted
    refused = isinstance(resumed, ScimError)
    assert (again(bench, made).suspended is not None) == refused


def test_erasing_begins_after_the_time_of_grace_and_cannot_be_taken_back(bench):
    storage, made = bench.storage, bench.new_workspace()
    deleted = bench.run(delete_workspace(storage, made, ORIGIN))
    soon, late = (clocks.now() + GRACE + timedelta(minutes=n) for n in (-1, 1))
    assert bench.run(begin_erasing(storage, deleted, soon, ORIGIN)) == deleted
    restored = bench.run(restore_workspace(storage, deleted, ORIGIN))
    assert bench.run(begin_erasing(storage, deleted, late, ORIGIN)) == restored
    deleted = bench.run(delete_workspace(storage, made, ORIGIN))
    assert bench.run(begin_erasing(storage, deleted, late, ORIGIN)).state == "erasing"
    with pytest.raises(ScimError) as refused:
        bench.run(restore_workspace(storage, deleted, ORIGIN))
    assert refused.value.status == 409


def test_the_installation_records_the_acts_too(bench):
    storage, made = bench.storage, bench.new_workspace()
    end = bench.run(storage.latest_change(INSTALLATION))
    bench.run(suspend_workspace(storage, made, "Unpaid", ORIGIN))
    for workspace, after in ((INSTALLATION, end), (made.id, 0)):
        (row,) = bench.run(storage.changes(workspace, after, 10))
        assert (row.type, row.action, row.origin.actor) == ("Workspace", "suspend", ORIGIN.actor)
        assert orjson.loads(row.document) == {"name": made.name, "reason": "Unpaid"}


def test_a_replica_of_the_former_version_leaves_the_state_as_it_is(bench):
    """It does not know the columns, and writes the settings whole."""
    storage, made = bench.storage, bench.new_workspace()
    suspended = bench.run(suspend_workspace(storage, made, "", ORIGIN))
    former = (
        "UPDATE workspaces SET name = $1, contract = $2, strict = $3, settings = $4 WHERE id = $5"
    )
    values = (made.name, made.contract, True, '{"guard_share":5}', made.id)
    bench.run(storage.transact(made.id, [Statement(former, values)]))
    assert again(bench, made) == replace(suspended, strict=True, guard_share=5)


def test_a_replica_of_the_former_version_keeps_the_settings_that_it_does_not_know(bench):
    """Or administrators would need no second factor any more, because somebody set another one."""
    storage, made = bench.storage, bench.new_workspace()
    unknown = {
        "require_second_factor": True,
        "ip_descriptions": (("192.0.2.0/24", "Office"),),
        "record_reads_key": "k",
        "scim_credentials": "keys",
    }
    known = {"ip_allowlist": ("192.0.2.0/24",)}
    bench.run(storage.administer([replace(made, **unknown, **known)]))
    former = "UPDATE workspaces SET contract = $1, strict = $2, settings = $3 WHERE id = $4"
    column = '{"ip_allowlist":["192.0.2.0/24"],"guard_share":5}'
    values = (made.contract, made.strict, column, made.id)
    bench.run(storage.transact(made.id, [Statement(former, values)]))
    assert again(bench, made) == replace(made, **unknown, **known, guard_share=5)


def test_a_workspace_that_is_gone_is_not_changed(bench):
    missing = replace(bench.workspace, id=10_000_000)
    with pytest.raises(Outdated):
        bench.run(suspend_workspace(bench.storage, missing, "", ORIGIN))

"""Tables that can be recreated, and the rows that they then need."""

import pytest

from muster.access.audit_notes import Administrator
from muster.access.permissions import ADMIN
from muster.access.registries import Registries
from muster.events.webhooks.endpoints import Webhooks
from muster.storage import tables
from muster.storage.port.changes import ChangeOrigin
from muster.storage.records.outlines import OutlinePosition, OutlineStore
from muster.storage.records.webhooks import State, WebhookStates
from muster.storage.repair.derived import bound
from muster.upkeep.tables import REPLACEABLE, fill

ORIGIN = ChangeOrigin("a", "r", "2026-01-01T00:00:00.000Z")


def test_every_replaceable_table_exists_and_the_others_hold_data_of_their_own():
    assert set(REPLACEABLE) < set(tables.metadata.tables)
    kept = {"resources", "changes", "members", "secrets", "workspaces", "api_keys", "configuration"}
    assert kept & set(REPLACEABLE) == set()


def version(bench, workspace):
    sql = "SELECT version FROM hierarchies WHERE workspace = $1"
    return [row[0] for row in bench.run(bench.storage.query(bound(sql, workspace.id)))]


def lose(bench, workspace, table):
    harm = bound(f"DELETE FROM {table} WHERE workspace = $1", workspace.id)
    bench.run(bench.storage.transact(workspace.id, [harm]))


def lose_everywhere(bench, table):
    """Delete the rows of every workspace, as a loss of the table does."""
    for workspace in bench.run(bench.storage.workspaces()):
        lose(bench, workspace, table)


def test_hierarchies_get_a_version_that_no_worker_has_cached(bench):
    workspace = bench.new_workspace()
    lose_everywhere(bench, "hierarchies")
    bench.run(fill(bench.storage, {"hierarchies"}))
    first = version(bench, workspace)
    assert first[0] > 1_000_000_000
    lose_everywhere(bench, "hierarchies")
    bench.run(fill(bench.storage, {"hierarchies", "lookups"}))
    assert version(bench, workspace) > first


def test_webhooks_continue_with_the_next_change(bench):
    workspace = bench.new_workspace()
    by = Administrator(workspace, ORIGIN, (ADMIN,))
    states = WebhookStates(bench.storage)
    webhooks = Webhooks(bench.storage, Registries(bench.storage), states, private=True)
    made = bench.run(webhooks.create(by, {"url": "https://receiver.example/"}, position=0))
    latest = bench.run(bench.storage.latest_change(workspace.id))
    lose_everywhere(bench, "webhook_states")
    bench.run(fill(bench.storage, {"webhook_states"}))
    assert latest > 0
    assert bench.run(states.state(workspace.id, made.id)) == State(latest)


@pytest.mark.parametrize("recreated", [set(), {"lookups", "requests"}])
def test_other_tables_need_no_rows(bench, recreated):
    workspace = bench.new_workspace()
    lose(bench, workspace, "hierarchies")
    bench.run(fill(bench.storage, recreated))
    assert version(bench, workspace) == []


def test_outlines_that_were_lost_are_not_relied_upon(bench):
    workspace = bench.new_workspace()
    store = OutlineStore(bench.storage, workspace.id, "User")
    bench.run(store.begin(OutlinePosition(1, None, "x")))
    bench.run(fill(bench.storage, {"lookups"}))
    assert bench.run(store.position()) is not None
    bench.run(fill(bench.storage, {"outlines"}))
    assert bench.run(store.position()) is None

"""Concurrent changes to the settings of a workspace, on every engine."""

import asyncio
from dataclasses import replace

import pytest

from muster.access.audit_notes import Administrator
from muster.access.permissions import ADMIN, SCIM
from muster.access.registries import Registries
from muster.access.roles import Roles
from muster.access.settings import WorkspaceSettings
from muster.events.webhooks.endpoints import Webhooks
from muster.scim.errors import ScimError
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.errors import Outdated
from muster.storage.port.items import Item
from muster.storage.records.webhooks import WebhookStates

HERE = ChangeOrigin("test", "request", "2026-01-01T00:00:00.000Z", "127.0.0.1")
GIVEN = ({"strict": True}, {"rate_limit": 7}, {"guard_least": 3}, {"contract": "cortex"})


@pytest.fixture
def by(bench):
    return Administrator(bench.new_workspace(), HERE, (ADMIN,))


def together(bench, *work):
    async def run():
        return await asyncio.gather(*work, return_exceptions=True)

    return bench.run(run())


def test_concurrent_changes_all_take_effect(bench, by):
    settings = WorkspaceSettings(bench.storage)
    changes = [settings.change(by, given) for given in GIVEN]
    found = together(bench, *changes, settings.record_reads(by, "2030-01-01T00:00:00.000Z"))
    assert not [each for each in found if isinstance(each, Exception)]
    kept = bench.run(bench.storage.workspace(by.workspace.id))
    assert kept == replace(
        by.workspace,
        strict=True,
        rate_limit=7,
        guard_least=3,
        contract="cortex",
        record_reads="2030-01-01T00:00:00.000Z",
    )
    changes = bench.run(bench.storage.changes(by.workspace.id, 0, 10))
    assert sorted(
        b"".join(change.document for change in changes).count(name)
        for name in (b"strict", b"recordReads")
    ) == [2, 2]


def test_a_change_based_on_stale_data_is_rejected(bench, by):
    workspace, item = by.workspace, Item(by.workspace.id, "thing", "one", {"n": 1, "none": None})
    put = bench.storage.administer
    bench.run(put([item], (), [replace(item, body=None)]))
    with pytest.raises(Outdated):
        bench.run(put([item], (), [replace(item, body=None)]))
    bench.run(
        put([replace(item, body={"n": 2})], (), [replace(item, body={"n": 1})])
    )  # null says as much as nothing
    with pytest.raises(Outdated):
        bench.run(put([replace(item, body={"n": 3})], (), [item]))
    bench.run(put([replace(workspace, strict=True)], (), [workspace]))
    with pytest.raises(Outdated):
        bench.run(
            put([replace(workspace, contract="cortex"), replace(item, body=None)], (), [workspace])
        )
    assert bench.run(bench.storage.workspace(workspace.id)) == replace(workspace, strict=True)
    assert bench.run(bench.storage.item(workspace.id, "thing", "one")).body == {"n": 2}


def test_disabling_a_removed_webhook_does_not_recreate_it(bench, by):
    webhooks = Webhooks(
        bench.storage, Registries(bench.storage), WebhookStates(bench.storage), private=True
    )
    made = bench.run(webhooks.create(by, {"url": "https://example.com/hook"}, 0))
    bench.run(webhooks.delete(by, made))
    with pytest.raises(Outdated):
        bench.run(webhooks.disable(by, made, "nothing arrived"))
    assert bench.run(webhooks.all(by.workspace.id)) == []


def test_concurrent_creates_of_a_role_create_one(bench, by):
    roles = Roles(bench.storage)
    found = together(bench, *(roles.create(by, "Reader", [SCIM]) for _ in range(3)))
    assert len([each for each in found if not isinstance(each, Exception)]) == 1
    assert all(
        isinstance(each, Outdated | ScimError) for each in found if isinstance(each, Exception)
    )

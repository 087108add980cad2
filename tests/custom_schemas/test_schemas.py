"""Custom schemas and resource types under concurrent writes, on every engine."""

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from muster.access.audit_notes import Administrator
from muster.access.permissions import ADMIN
from muster.access.registries import SCHEMA_KIND, Registries
from muster.custom_schemas import indexer
from muster.custom_schemas.indexer import Indexer
from muster.custom_schemas.schemas import Breaks, CustomSchemas
from muster.directory.caller import Caller
from muster.directory.service import Directory
from muster.scim.errors import ScimError
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.errors import Outdated, StorageError
from muster.storage.records.leases import Leases
from tests.storage.conftest import ENGINES, Bench
from tests.support.people import person

BADGE = "urn:example:params:scim:schemas:extension:badge:2.0:User"
DEVICE = "urn:example:params:scim:schemas:core:2.0:Device"
DEVICES = {"name": "Device", "endpoint": "/Devices", "schema": DEVICE}
LEVEL, COLOUR = {"name": "level", "type": "integer"}, {"name": "colour"}


def badge(*attributes):
    return {"id": BADGE, "name": "Badge", "extends": ["User"], "attributes": list(attributes)}


@pytest.fixture(params=list(ENGINES))
def here(request):
    with tempfile.TemporaryDirectory() as folder:
        made = Bench(ENGINES[request.param](Path(folder)))
        made.schemas, made.directory = CustomSchemas(made.storage), Directory(made.storage)
        made.by = Administrator(
            made.workspace,
            ChangeOrigin("test", "request", "2026-01-01T00:00:00.000Z", ""),
            (ADMIN,),
        )
        yield made
        made.close()


async def registry(here):
    return await Registries(here.storage).of(here.workspace)


async def create(here, among, endpoint, document):
    """A resource of whoever knows a registry that may be a moment old."""
    caller = Caller(here.workspace, "key:k", "r", registry=among)
    return await here.directory.create(caller, among.types[endpoint], document)


def before_it_is_kept(here, monkeypatch, happens):
    """Run a callback once, between the check of stored resources and the change."""
    administer, left = here.storage.administer, [happens]

    async def administered(*given, **named):
        if left:
            await left.pop()()
        return await administer(*given, **named)

    monkeypatch.setattr(here.storage, "administer", administered)


def kept(here):
    return [
        item.body["definition"]
        for item in here.run(here.storage.items(here.workspace.id, SCHEMA_KIND))
    ]


def test_conflicting_writes_during_the_check_reject_a_schema(here, monkeypatch):
    here.run(here.schemas.create_schema(here.by, badge(LEVEL)))
    was, among = kept(here), here.run(registry(here))
    before_it_is_kept(
        here, monkeypatch, lambda: create(here, among, "/Users", person(**{BADGE: {"level": 1}}))
    )
    with pytest.raises(Breaks) as refused:
        here.run(here.schemas.replace_schema(here.by, BADGE, badge(COLOUR)))
    assert (refused.value.total, len(refused.value.broken)) == (1, 1)
    assert kept(here) == was


def test_resources_fixed_during_the_check_do_not_reject_a_schema(here, monkeypatch):
    here.run(here.schemas.create_schema(here.by, badge(LEVEL)))
    among = here.run(registry(here))

    async def come_and_go():
        made = await create(here, among, "/Users", person(**{BADGE: {"level": 1}}))
        await here.directory.delete(
            Caller(here.workspace, "key:k", "r", registry=among),
            among.types["/Users"],
            made.id,
            lambda _: None,
        )

    before_it_is_kept(here, monkeypatch, come_and_go)
    here.run(here.schemas.replace_schema(here.by, BADGE, badge(COLOUR)))
    assert [item["name"] for item in kept(here)[0]["attributes"]] == ["colour"]


def test_a_schema_used_during_its_removal_is_kept(here, monkeypatch):
    here.run(here.schemas.create_schema(here.by, badge(LEVEL)))
    was, among = kept(here), here.run(registry(here))
    before_it_is_kept(
        here, monkeypatch, lambda: create(here, among, "/Users", person(**{BADGE: {"level": 1}}))
    )
    with pytest.raises(Breaks):
        here.run(here.schemas.delete_schema(here.by, BADGE))
    assert kept(here) == was


def test_a_type_used_during_its_removal_is_kept(here, monkeypatch):
    here.run(
        here.schemas.create_schema(
            here.by, {"id": DEVICE, "name": "Device", "attributes": [{"name": "serial"}]}
        )
    )
    here.run(here.schemas.create_type(here.by, DEVICES))
    among = here.run(registry(here))
    before_it_is_kept(
        here,
        monkeypatch,
        lambda: create(here, among, "/Devices", {"schemas": [DEVICE], "serial": "1"}),
    )
    with pytest.raises(ScimError) as refused:
        here.run(here.schemas.delete_type(here.by, "Device"))
    assert refused.value.status == 409
    assert [item["name"] for item in here.run(here.schemas.types(here.workspace.id))] == ["Device"]
    assert "/Devices" in here.run(registry(here)).types


def test_of_two_concurrent_schema_changes_one_is_outdated(here, monkeypatch):
    here.run(here.schemas.create_schema(here.by, badge(LEVEL)))
    other = CustomSchemas(here.storage)
    before_it_is_kept(
        here, monkeypatch, lambda: other.replace_schema(here.by, BADGE, badge(LEVEL, COLOUR))
    )
    with pytest.raises(Outdated):
        here.run(here.schemas.replace_schema(here.by, BADGE, badge(LEVEL, {"name": "shape"})))
    assert [item["name"] for item in kept(here)[0]["attributes"]] == ["level", "colour"]


def test_concurrent_creates_of_a_schema_create_one(here, monkeypatch):
    other = CustomSchemas(here.storage)
    before_it_is_kept(here, monkeypatch, lambda: other.create_schema(here.by, badge(LEVEL)))
    with pytest.raises(Outdated):
        here.run(here.schemas.create_schema(here.by, badge(COLOUR)))
    assert [item["name"] for item in kept(here)[0]["attributes"]] == ["level"]


def test_finishing_an_index_keeps_concurrent_schema_changes(here, monkeypatch):
    monkeypatch.setattr(indexer, "_KNOWN_SECONDS", 0)
    here.run(here.schemas.create_schema(here.by, badge(COLOUR)))
    here.run(create(here, here.run(registry(here)), "/Users", person(**{BADGE: {"colour": "red"}})))
    here.run(here.schemas.replace_schema(here.by, BADGE, badge(COLOUR | {"indexed": True})))
    changed = badge(COLOUR | {"indexed": True}, LEVEL)
    before_it_is_kept(
        here, monkeypatch, lambda: here.schemas.replace_schema(here.by, BADGE, changed)
    )

    async def built():
        building = asyncio.create_task(
            Indexer(here.storage, Registries(here.storage), Leases(here.storage)).run()
        )
        try:
            async with asyncio.timeout(30):
                while not (schema := await here.schemas.schema(here.workspace.id, BADGE)).ready:
                    await asyncio.sleep(0.02)
        finally:
            building.cancel()
        return schema

    assert [item["name"] for item in here.run(built()).definition["attributes"]] == [
        "colour",
        "level",
    ]


def test_an_unreadable_workspace_does_not_stop_other_indexes(here, monkeypatch):
    monkeypatch.setattr(indexer, "_KNOWN_SECONDS", 0)
    away = here.run(
        here.storage.add_workspace("away", "rfc7644", False, "2026-01-01T00:00:00.000Z")
    )
    for by in (replace(here.by, workspace=away), here.by):
        here.run(here.schemas.create_schema(by, badge(COLOUR)))
        here.run(here.schemas.replace_schema(by, BADGE, badge(COLOUR | {"indexed": True})))
    read = here.storage.workspace

    async def unreachable(workspace):
        if workspace == away.id:
            raise StorageError("the database cannot be reached")
        return await read(workspace)

    monkeypatch.setattr(here.storage, "workspace", unreachable)
    here.run(Indexer(here.storage, Registries(here.storage), Leases(here.storage))._look())
    assert here.run(here.schemas.schema(here.workspace.id, BADGE)).ready


def test_values_of_a_schema_are_counted_up_to_a_limit(here):
    here.run(here.schemas.create_schema(here.by, badge(LEVEL)))
    among = here.run(registry(here))
    for number in range(3):
        values = {BADGE: {"level": number}} if number else {}
        here.run(create(here, among, "/Users", person(**values)))

    def counted(most):
        return here.run(here.schemas.count_values(here.by, BADGE, most))

    assert counted(100) == (2, True)
    assert counted(1)[1] is False
    here.run(here.schemas.create_schema(here.by, {**badge(COLOUR), "id": DEVICE, "extends": []}))
    here.run(here.schemas.create_type(here.by, DEVICES))
    assert here.run(here.schemas.count_values(here.by, DEVICE, 100)) == (0, True)

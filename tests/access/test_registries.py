"""Registries: one for each workspace, current after each change, and cached."""

import pytest

from muster.access.registries import SCHEMA_KIND, TYPE_KIND, Registries
from muster.scim.schema.custom import read_schema
from muster.scim.schema.model import registry
from muster.storage.port.items import Item

BADGE = "urn:ietf:params:scim:schemas:extension:badge:2.0:User"
DEVICE = "urn:example:device"


def _schema(urn, *names, extends=None):
    attributes = [{"name": name, "type": "string"} for name in names]
    made = {"id": urn, "name": urn.rpartition(":")[2], "attributes": attributes}
    return read_schema({**made, **({"extends": extends} if extends else {})}, registry()).to_json()


@pytest.fixture
def registries(bench):
    return Registries(bench.storage)


def test_a_workspace_without_definitions_has_the_standard_registry(bench, registries):
    assert bench.run(registries.of(bench.new_workspace())) is registry()


def test_a_definition_is_in_the_registry_of_its_workspace_at_once(bench, registries):
    workspace, other = bench.new_workspace(), bench.new_workspace()
    put = bench.storage.administer
    bench.run(put([Item(workspace.id, SCHEMA_KIND, DEVICE, _schema(DEVICE, "serial"))]))
    first = bench.run(registries.of(workspace))
    assert DEVICE.lower() in first.schemas
    assert bench.run(registries.of(workspace)) is first
    body = {
        "id": "Device",
        "name": "Device",
        "endpoint": "/Devices",
        "schema": DEVICE,
        "schemaExtensions": [],
        "description": "",
    }
    bench.run(put([Item(workspace.id, TYPE_KIND, "Device", body)]))
    assert bench.run(registries.of(workspace)).types["/Devices"].core.id == DEVICE
    assert bench.run(registries.of(other)) is registry()
    bench.run(put([Item(workspace.id, TYPE_KIND, "Device", None)]))
    bench.run(put([Item(workspace.id, SCHEMA_KIND, DEVICE, None)]))
    assert bench.run(registries.of(workspace)) is registry()

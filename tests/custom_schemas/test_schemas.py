"""Custom schemas and resource types under concurrent writes, on every engine."""

import pytest

from muster.access.registries import SCHEMA_KIND, Registries
from muster.custom_schemas.schemas import Breaks, CustomSchemas
from muster.directory.caller import Caller
from muster.scim.errors import ScimError
from muster.storage.port.errors import Outdated
from tests.support.people import person

BADGE = "urn:example:params:scim:schemas:extension:badge:2.0:User"
DEVICE = "urn:example:params:scim:schemas:core:2.0:Device"
DEVICES = {"name": "Device", "endpoint": "/Devices", "schema": DEVICE}
LEVEL, COLOUR = {"name": "level", "type": "integer"}, {"name": "colour"}


def badge(*attributes):
    return {"id": BADGE, "name": "Badge", "extends": ["User"], "attributes": list(attributes)}


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


def test_a_type_changes_its_extensions_unless_stored_resources_conflict(here):
    core = {"id": DEVICE, "name": "Device", "attributes": [{"name": "serial"}]}
    here.run(here.schemas.create_schema(here.by, core))
    here.run(here.schemas.create_schema(here.by, {**badge(LEVEL), "extends": []}))
    here.run(here.schemas.create_type(here.by, DEVICES))
    plain = {"schemas": [DEVICE], "serial": "1"}
    here.run(create(here, here.run(registry(here)), "/Devices", plain))

    def change(required=None, **members):
        extensions = [] if required is None else [{"schema": BADGE, "required": required}]
        raw = {**DEVICES, "schemaExtensions": extensions, **members}
        return here.run(here.schemas.replace_type(here.by, "device", raw))

    with pytest.raises(Breaks) as refused:
        change(required=True)
    assert (refused.value.total, f"{BADGE} is required" in refused.value.full_detail) == (1, True)
    assert change(required=False, description="Things")["description"] == "Things"
    here.run(create(here, here.run(registry(here)), "/Devices", {**plain, BADGE: {"level": 1}}))
    with pytest.raises(Breaks) as refused:
        change()
    assert refused.value.attributes == {BADGE: 1}
    for fixed in ({"name": "Thing"}, {"endpoint": "/Things"}, {"schema": BADGE}):
        with pytest.raises(ScimError) as wrong:
            change(None if "schema" in fixed else False, **fixed)
        assert "cannot change" in wrong.value.detail, wrong.value.detail
    stored = here.run(here.schemas.type(here.workspace.id, "Device"))
    assert stored["schemaExtensions"] == [{"schema": BADGE, "required": False}]
    with pytest.raises(ScimError) as unknown:
        here.run(here.schemas.replace_type(here.by, "Nothing", DEVICES))
    assert unknown.value.status == 404


def test_a_schema_that_stops_extending_a_type_may_leave_no_values_there(here):
    here.run(here.schemas.create_schema(here.by, badge(LEVEL)))
    among = here.run(registry(here))
    here.run(create(here, among, "/Users", person(**{BADGE: {"level": 1}})))
    here.run(create(here, among, "/Users", person()))
    with pytest.raises(Breaks) as refused:
        here.run(
            here.schemas.replace_schema(here.by, BADGE, {**badge(LEVEL), "extends": ["Group"]})
        )
    assert (refused.value.total, refused.value.attributes) == (1, {"": 1})
    review = here.run(here.schemas.review_schema(here.by, {**badge(LEVEL), "extends": []}, BADGE))
    assert review.breaks is not None
    both = {**badge(LEVEL), "extends": ["User", "Group"]}
    assert here.run(here.schemas.replace_schema(here.by, BADGE, both)).extends == ("User", "Group")
    only = {**badge(LEVEL), "extends": ["User"]}
    assert here.run(here.schemas.replace_schema(here.by, BADGE, only)).extends == ("User",)

"""Indexes of custom attributes, built beside ongoing writes."""

import asyncio
from dataclasses import replace

import pytest

from muster.access.registries import PROGRESS_KIND, Registries
from muster.custom_schemas import indexer
from muster.custom_schemas.indexer import Indexer
from muster.custom_schemas.schemas import Breaks
from muster.directory.caller import Caller
from muster.directory.documents import parse_all
from muster.directory.service import Search
from muster.storage.port.errors import StorageError
from muster.storage.records.leases import Leases
from muster.storage.repair.derived import bound
from tests.custom_schemas.test_schemas import (
    BADGE,
    COLOUR,
    LEVEL,
    badge,
    before_it_is_kept,
    create,
    registry,
)
from tests.support.people import person


def indexer_of(storage):
    return Indexer(storage, Registries(storage), Leases(storage))


def built(here):
    """Run an indexer until the index of BADGE is complete. Returns the schema."""

    async def run():
        building = asyncio.create_task(indexer_of(here.storage).run())
        try:
            async with asyncio.timeout(30):
                while not (schema := await here.schemas.schema(here.workspace.id, BADGE)).ready:
                    await asyncio.sleep(0.02)
        finally:
            building.cancel()
        return schema

    return here.run(run())


@pytest.fixture(autouse=True)
def every_process_knows_at_once(monkeypatch):
    monkeypatch.setattr(indexer, "_KNOWN_SECONDS", 0)


def test_finishing_an_index_keeps_concurrent_schema_changes(here, monkeypatch):
    here.run(here.schemas.create_schema(here.by, badge(COLOUR)))
    here.run(create(here, here.run(registry(here)), "/Users", person(**{BADGE: {"colour": "red"}})))
    here.run(here.schemas.replace_schema(here.by, BADGE, badge(COLOUR | {"indexed": True})))
    changed = badge(COLOUR | {"indexed": True}, LEVEL)
    before_it_is_kept(
        here, monkeypatch, lambda: here.schemas.replace_schema(here.by, BADGE, changed)
    )

    assert [item["name"] for item in built(here).definition["attributes"]] == [
        "colour",
        "level",
    ]


def test_an_unreadable_workspace_does_not_stop_other_indexes(here, monkeypatch):
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
    here.run(indexer_of(here.storage)._look())
    assert here.run(here.schemas.schema(here.workspace.id, BADGE)).ready


def index_colour(here, values):
    """Store users with these colours, and then make the attribute indexed. Returns their ids."""
    here.run(here.schemas.create_schema(here.by, badge(COLOUR)))
    among = here.run(registry(here))
    made = [
        here.run(
            create(here, among, "/Users", person(**({BADGE: {"colour": value}} if value else {})))
        )
        for value in values
    ]
    here.run(here.schemas.replace_schema(here.by, BADGE, badge(COLOUR | {"indexed": True})))
    return [stored.id for stored in made]


def found(here, colour):
    """The ids of the users with a colour, by a search that uses the index."""
    among = here.run(registry(here))
    caller = Caller(here.workspace, "key:k", "r", registry=among)
    search = Search(f'{BADGE}:colour eq "{colour}"')
    page = here.run(here.directory.find(caller, among.types["/Users"], search))
    return {str(document["id"]) for document in parse_all(page.documents)}


def lookups(here):
    sql = "SELECT value FROM lookups WHERE workspace = $1 AND attribute = $2"
    query = bound(sql, here.workspace.id, f"{BADGE}:colour")
    return sorted(row[0] for row in here.run(here.storage.query(query)))


def test_an_index_has_the_values_of_the_resources_that_existed(here, monkeypatch):
    monkeypatch.setattr(indexer, "_CHUNK", 2)
    ids = index_colour(here, ["Red", None, "blue", "red", "green"])
    assert lookups(here) == []
    schema = built(here)
    assert schema.indexed == ("colour",)
    assert lookups(here) == ["blue", "green", "red", "red"]
    assert found(here, "RED") == {ids[0], ids[3]}
    notes = [
        change
        for change in here.run(here.storage.changes(here.workspace.id, 0, 100))
        if change.action == "index"
    ]
    assert [(note.type, note.id, note.origin.actor) for note in notes] == [
        ("Schema", BADGE, "indexer")
    ]
    assert here.run(here.storage.items(here.workspace.id, PROGRESS_KIND)) == []


def test_progress_is_stored_chunk_by_chunk(here, monkeypatch):
    monkeypatch.setattr(indexer, "_CHUNK", 2)
    index_colour(here, ["a", "b", "c"])
    seen, record = [], here.storage.record

    async def recorded(notes, items=()):
        seen.extend(item.body for item in items if item.kind == PROGRESS_KIND)
        await record(notes, items)

    monkeypatch.setattr(here.storage, "record", recorded)
    here.run(indexer_of(here.storage)._look())
    assert seen == [{"done": 2, "total": 3}, {"done": 3, "total": 3}]


def test_one_process_builds_an_index(here):
    index_colour(here, ["a"])
    other = Leases(here.storage)
    assert here.run(other.take(here.workspace.id, f"index {BADGE}", 60))
    here.run(indexer_of(here.storage)._look())
    assert not here.run(here.schemas.schema(here.workspace.id, BADGE)).ready
    here.run(other.release(here.workspace.id, f"index {BADGE}"))
    here.run(indexer_of(here.storage)._look())
    assert here.run(here.schemas.schema(here.workspace.id, BADGE)).ready


def test_a_process_that_loses_its_lease_leaves_the_rest_to_the_other(here, monkeypatch):
    """It may have been away for longer than its lease."""
    monkeypatch.setattr(indexer, "_CHUNK", 1)
    index_colour(here, ["a", "b"])
    leases, other = Leases(here.storage), Leases(here.storage)
    record = here.storage.record

    async def recorded(notes, items=()):
        await record(notes, items)
        await leases.release(here.workspace.id, f"index {BADGE}")
        assert await other.take(here.workspace.id, f"index {BADGE}", 60)

    monkeypatch.setattr(here.storage, "record", recorded)
    here.run(Indexer(here.storage, Registries(here.storage), leases)._look())
    assert not here.run(here.schemas.schema(here.workspace.id, BADGE)).ready
    monkeypatch.setattr(here.storage, "record", record)
    here.run(Indexer(here.storage, Registries(here.storage), other)._look())
    assert lookups(here) == ["a", "b"]
    assert here.run(here.schemas.schema(here.workspace.id, BADGE)).ready


def test_a_value_that_is_too_long_for_an_index_refuses_it(here):
    """PostgreSQL could not store its look-up, and no change of the user would be accepted."""
    long = "".join(f"{number:04d}" for number in range(1000))
    with pytest.raises(Breaks) as refused:
        index_colour(here, ["red", long])
    (broken,) = refused.value.broken
    assert "limit for an indexed attribute" in broken["detail"]
    schema = here.run(here.schemas.schema(here.workspace.id, BADGE))
    assert (schema.indexed, schema.ready) == ((), True)

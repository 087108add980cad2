"""The lines of an export, on every engine."""

import json

import pytest

from muster.access.audit_notes import Administrator
from muster.access.permissions import ADMIN
from muster.access.registries import Registries
from muster.custom_schemas.schemas import CustomSchemas
from muster.directory.caller import Caller
from muster.directory.service import Directory
from muster.scim.schema.model import registry
from muster.storage.port.changes import ChangeOrigin
from muster.storage.postgres import PostgresStorage
from muster.storage.sqlite import SqliteStorage
from muster.upkeep import export as exporting
from muster.upkeep.export import export
from tests.storage.conftest import Bench
from tests.support.databases import migrated_database, migrated_file
from tests.support.people import group, person

TYPES = registry().types
PAGE_BYTES = 20_000
ENGINES = {
    "sqlite": lambda path: SqliteStorage(migrated_file(path / "m.db"), page_bytes=PAGE_BYTES),
    "postgres": lambda _: PostgresStorage(migrated_database(), page_bytes=PAGE_BYTES),
}


@pytest.fixture(params=list(ENGINES))
def small(request, tmp_path):
    """A storage whose pages have few bytes."""
    made = Bench(ENGINES[request.param](tmp_path))
    made.directory = Directory(made.storage)
    made.caller = Caller(made.workspace, "key:k", "r")
    yield made
    made.close()


def create(small, document, endpoint="/Users", **caller):
    kind = TYPES[endpoint] if not caller else caller["registry"].types[endpoint]
    who = Caller(small.workspace, "key:k", "r", **caller)
    return small.run(small.directory.create(who, kind, document)).id


def lines(small, workspace=None):
    async def collect():
        return [line async for line in export(small.storage, workspace or small.workspace)]

    return small.run(collect())


def test_each_resource_is_one_line_without_base_urls_and_passwords(small):
    users = [create(small, person(password="a secret of theirs")) for _ in range(3)]
    crew = create(small, group("Crew", *({"id": user} for user in users)), "/Groups")
    outer = create(small, group("Outer", {"id": crew}), "/Groups")
    found = lines(small)
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in found)
    assert b"\x01" not in b"".join(found)
    documents = [json.loads(line) for line in found]
    assert [document["id"] for document in documents] == [*users, crew, outer]
    assert not any("password" in document or "groups" in document for document in documents)
    assert {member["value"] for member in documents[3]["members"]} == set(users)
    assert documents[4]["members"][0] == {
        "value": crew,
        "$ref": f"/Groups/{crew}",
        "display": "Crew",
        "type": "Group",
    }
    assert documents[0]["meta"]["location"] == f"/Users/{users[0]}"
    assert lines(small, small.new_workspace()) == []


@pytest.mark.parametrize("chunk", [1, 2, 3, 500])
def test_every_resource_is_exported_once_whatever_the_size_of_a_chunk(small, monkeypatch, chunk):
    monkeypatch.setattr(exporting, "_CHUNK", chunk)
    ids = [create(small, person()) for _ in range(6)]
    ids += [create(small, group(), "/Groups") for _ in range(2)]
    assert [json.loads(line)["id"] for line in lines(small)] == ids


def test_resources_that_do_not_fit_in_one_page_are_exported_all_the_same(small):
    ids = [create(small, person(title=str(n) + "x" * (PAGE_BYTES // 3))) for n in range(10)]
    assert [json.loads(line)["id"] for line in lines(small)] == ids


def test_resources_of_custom_types_are_exported(small):
    urn = "urn:example:params:scim:schemas:core:2.0:Lamp"
    by = Administrator(
        small.workspace, ChangeOrigin("a", "r", "2026-01-01T00:00:00.000Z"), (ADMIN,)
    )
    schemas = CustomSchemas(small.storage)
    schema = {"id": urn, "name": "Lamp", "attributes": [{"name": "label"}]}
    small.run(schemas.create_schema(by, schema))
    small.run(schemas.create_type(by, {"name": "Lamp", "endpoint": "/Lamps", "schema": urn}))
    known = small.run(Registries(small.storage).of(small.workspace))
    lamp = create(small, {"schemas": [urn], "label": "x"}, "/Lamps", registry=known)
    (line,) = lines(small)
    assert (json.loads(line)["id"], json.loads(line)["label"]) == (lamp, "x")

"""The OpenAPI document of a service."""

import json
import re
import runpy
from pathlib import Path

import httpx
from hypothesis import given
from hypothesis import strategies as st

from muster.app import build_services, management_routes
from muster.config import Settings
from muster.http.openapi import openapi_document
from muster.scim.schema.custom import _RESERVED_ENDPOINTS, NAME, extended
from muster.scim.schema.discovery import Limits
from muster.scim.schema.model import USER, registry
from muster.storage.engines import open_storage
from tests.conftest import client_of

CHECK = Path(__file__).parents[2] / "contract" / "check.py"
"""The published page and its checker, as they came."""


def test_the_served_document_lacks_nothing_of_the_published_page(server, tmp_path, capsys):
    document = httpx.get(f"{server.url}/openapi.json").json()
    assert document["servers"] == [{"url": server.url}]
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    assert runpy.run_path(str(CHECK))["main"](str(tmp_path / "openapi.json")) == 0
    assert "6 published operations, 0 lacks" in capsys.readouterr().out


def test_the_examples_of_the_document_work(server):
    server.muster("workspaces", "create", "examples")
    with client_of(server, server.key("examples", "--workspace", "examples")) as client:
        _try_examples(server, client)


def _try_examples(server, client):
    document = httpx.get(f"{server.url}/openapi.json").json()
    posting = document["paths"]["/scim/v2/Users"]["post"]["requestBody"]["content"][
        "application/json"
    ]["example"]
    patching = document["paths"]["/scim/v2/Users/{id}"]["patch"]["requestBody"]["content"][
        "application/json"
    ]["example"]
    created = client.post("/Users", json=posting)
    assert created.status_code == 201
    assert client.patch(f"/Users/{created.json()['id']}", json=patching).status_code == 200
    for parameter in document["components"]["parameters"].values():
        if parameter["in"] == "query" and "example" in parameter:
            assert (
                client.get("/Users", params={parameter["name"]: parameter["example"]}).status_code
                == 200
            )


SETTINGS = Settings(database="sqlite:///never-opened.db")
ROUTES = management_routes(build_services(open_storage(SETTINGS), SETTINGS))
STANDARD = openapi_document(Limits(), registry(), ROUTES)
KEY = re.compile(r"[A-Za-z0-9._-]+")
"""The names that OpenAPI allows in `components`."""


def described(*types, routes=ROUTES):
    """The document of a workspace that has custom types, given as (name, endpoint)."""
    made = [
        {
            "name": name,
            "endpoint": endpoint,
            "description": "",
            "schema": USER,
            "schemaExtensions": [],
        }
        for name, endpoint in types
    ]
    return openapi_document(Limits(), extended(registry(), [], made, False), routes)


def test_no_operation_id_occurs_twice():
    found = operations(STANDARD)
    assert sorted(set(found)) == sorted(found)


def operations(document):
    return [
        operation["operationId"]
        for item in document["paths"].values()
        for method, operation in item.items()
        if method != "parameters"
    ]


def references(value):
    """Every name of a component that is referred to."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from references(item)


def _holds_beside(document, count, standard=STANDARD):
    """Nothing of the standard document has changed, and `count` types were added."""
    schemas = document["components"]["schemas"]
    for name, schema in standard["components"]["schemas"].items():
        assert schemas[name] == schema, name
    for path, item in standard["paths"].items():
        assert document["paths"][path] == item, path
    assert len(schemas) == len(standard["components"]["schemas"]) + 3 * count
    assert all(KEY.fullmatch(name) for name in schemas)
    ids = operations(document)
    assert len(set(ids)) == len(ids) == len(operations(standard)) + 7 * count
    for reference in references(document):
        _, _, kind, name = reference.split("/")
        assert name in document["components"][kind], reference


def test_types_may_have_the_names_of_components_and_operations():
    """Every name that a type can have, of the components and of the nouns of operations."""
    taken = {name.rpartition(".")[2] for name in STANDARD["components"]["schemas"]}
    taken |= {re.sub("^[a-z]+", "", operation) for operation in operations(STANDARD)}
    names = sorted(taken - {"User", "Group", ""})
    assert {"Error", "PatchOp", "UserList", "ShownUser", "ResourceList", "Role"} <= set(names)
    assert all(NAME.fullmatch(name) for name in names)
    refused = _RESERVED_ENDPOINTS | {kind.endpoint.lower() for kind in registry().types.values()}
    for plural in ("", "s"):
        types = [(name, f"/{name}{plural}") for name in names]
        types = [made for made in types if made[1].lower() not in refused]
        _holds_beside(described(*types), len(types))


@given(
    st.lists(
        st.builds(
            "".join,
            st.lists(
                st.sampled_from(["Foo", "Shown", "List", "$", "type", "shown", "-"]),
                min_size=1,
                max_size=5,
            ),
        ).filter(NAME.fullmatch),
        max_size=4,
        unique_by=str.lower,
    )
)
def test_custom_types_do_not_take_names_of_one_another(names):
    types = [(name, f"/E{at}") for at, name in enumerate(names)]
    _holds_beside(described(*types, routes=()), len(names), described(routes=()))

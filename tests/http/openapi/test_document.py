"""The OpenAPI document of a service."""

import json
import runpy
from pathlib import Path

import httpx

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

"""Discovery, health, OpenAPI and the API page."""

import json
import re
import runpy
from pathlib import Path

import httpx
from scim2_models import ResourceType, Schema, ServiceProviderConfig

from tests.conftest import client_of
from tests.support.people import person

CHECK = Path(__file__).parents[2] / "contract" / "check.py"
"""The published page and its checker, as they came."""


def test_service_provider_config(client):
    config = client.get("/ServiceProviderConfig").json()
    ServiceProviderConfig.model_validate(config)
    assert (
        config["patch"]
        == config["sort"]
        == config["etag"]
        == config["changePassword"]
        == {"supported": True}
    )
    assert config["filter"] == {"supported": True, "maxResults": 1000}
    assert config["bulk"]["supported"] is True


def test_resource_types(client):
    listed = client.get("/ResourceTypes").json()
    assert [ResourceType.model_validate(item).name for item in listed["Resources"]] == [
        "User",
        "Group",
    ]
    assert client.get("/ResourceTypes/User").json() == listed["Resources"][0]


def test_schemas(client):
    listed = client.get("/Schemas").json()
    assert listed["totalResults"] == len(listed["Resources"]) == 6
    for item in listed["Resources"]:
        Schema.model_validate(item)
        assert client.get(f"/Schemas/{item['id']}").json() == item
        assert client.get(f"/Schemas/{item['id'].replace(':', '%3A').upper()}").json() == item


def test_health(server):
    assert httpx.get(f"{server.url}/healthz").json() == {"status": "ok"}
    assert httpx.get(f"{server.url}/readyz").json() == {"status": "ok"}


def test_metrics_count_requests(server, client):
    client.get("/Users?count=0")
    client.post("/Users", json=person())
    text = httpx.get(f"{server.url}/metrics").text
    assert 'muster_request_seconds_count{operation="findUsers",status="200"}' in text
    assert 'muster_requests_total{operation="findUsers",status="200"}' in text
    assert "muster_write_batch_size_count" in text
    for gauge in (
        "requests_in_flight",
        "writes_waiting",
        "searches_waiting",
        "connections_in_use",
        "database_bytes",
    ):
        assert f"\nmuster_{gauge}" in text
    size = re.search(r"^muster_database_bytes\S* (\S+)", text, re.MULTILINE)
    assert float(size[1]) > 10_000


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


def test_the_api_page_is_whole_without_internet(server):
    page = httpx.get(f"{server.url}/docs")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "//" not in page.text.replace("<!doctype", "").replace("</", "")
    for name in ("swagger-ui.css", "swagger-ui-bundle.js", "start.js", "favicon-32x32.png"):
        assert httpx.get(f"{server.url}/docs/{name}").status_code == 200
    for name in ("../openapi.json", "..%2f..%2fservice.py", "nosuch.js"):
        assert httpx.get(f"{server.url}/docs/{name}").status_code in (200, 404)
        assert "import" not in httpx.get(f"{server.url}/docs/{name}").text[:200]

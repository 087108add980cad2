"""The API reference at /docs."""

import httpx


def test_the_api_page_is_whole_without_internet(server):
    page = httpx.get(f"{server.url}/docs")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "//" not in page.text.replace("<!doctype", "").replace("</", "")
    for name in ("swagger-ui.css", "swagger-ui-bundle.js", "start.js", "favicon-32x32.png"):
        assert httpx.get(f"{server.url}/docs/{name}").status_code == 200
    for name in ("../openapi.json", "..%2f..%2fservice.py", "nosuch.js"):
        assert httpx.get(f"{server.url}/docs/{name}").status_code in (200, 404)
        assert "import" not in httpx.get(f"{server.url}/docs/{name}").text[:200]


def test_the_document_describes_the_types_of_the_keys_workspace_alone(fresh):
    urn = "urn:example:params:scim:schemas:core:2.0:Lamp"
    schema = {"id": urn, "name": "Lamp", "attributes": [{"name": "label"}]}
    fresh.api.post("/schemas", json=schema).raise_for_status()
    kind = {"name": "Lamp", "endpoint": "/Lamps", "schema": urn}
    fresh.api.post("/resource-types", json=kind).raise_for_status()

    def paths(**headers):
        answer = httpx.get(f"{fresh.server.url}/openapi.json", headers=headers)
        assert answer.status_code == 200
        return answer.json()["paths"]

    assert "/scim/v2/Lamps" in paths(authorization=f"Bearer {fresh.token}")
    for headers in ({}, {"authorization": "Bearer x"}, {"authorization": f"Basic {fresh.token}"}):
        assert "/scim/v2/Lamps" not in paths(**headers)


def test_the_page_has_one_address(server):
    answer = httpx.get(f"{server.url}/docs/")
    assert (answer.status_code, answer.headers["location"]) == (308, "../docs")
    assert httpx.get(f"{server.url}/docs/nosuch.js").status_code == 404

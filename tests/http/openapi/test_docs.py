"""The API reference at /docs."""

import hashlib
import json
import re
from pathlib import Path

import httpx
import pytest

from muster.http.openapi import docs
from tests.conftest import client_of
from tests.console.browsing import Watched
from tests.docs.served import ListeningServer

FOLDER = Path(docs.__file__).parent
VENDORED = json.loads((FOLDER / "vendored.json").read_text())


def test_vendored_files_are_those_that_were_published():
    recorded = {file: digest for files in VENDORED.values() for file, digest in files.items()}
    for file, digest in recorded.items():
        assert hashlib.sha256((FOLDER / file).read_bytes()).hexdigest() == digest, file
    found = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("swagger-ui*")}
    assert found == set(recorded)


def test_the_api_page_is_whole_without_internet(server):
    page = httpx.get(f"{server.url}/docs")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "script-src 'self';" in page.headers["content-security-policy"]
    assert "//" not in page.text.replace("<!doctype", "").replace("</", "")
    files = re.findall(r'"(docs/[^"]+\.(?:css|js|svg))"', page.text)
    assert len(files) == 5
    for file in files:
        found = httpx.get(f"{server.url}/{file}")
        assert found.status_code == 200
        assert "immutable" in found.headers["cache-control"]
        assert found.headers["content-encoding"] == "gzip"


@pytest.mark.parametrize("name", ["..%2fdocs.py", "docs.py", "nosuch.js", "vendored.json"])
def test_other_files_are_not_found(server, name):
    assert httpx.get(f"{server.url}/docs/{name}").status_code == 404


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


@pytest.fixture
def here(tmp_path):
    """A service in this process, which a browser can call."""
    with ListeningServer(tmp_path) as server:
        yield server


def _operation(page, tag, operation_id):
    """Open an operation of a tag, and return it."""
    page.locator(f'h3[data-tag="{tag}"]').click()
    shown = page.locator(f'[id$="-{operation_id}"]')
    shown.locator(".opblock-summary-control").click()
    return shown


def _answer(operation):
    """Send the example of an operation. Returns the status of the answer and its body."""
    operation.get_by_role("button", name="Execute").click()
    live = operation.locator(".live-responses-table")
    live.wait_for()
    status = live.locator(".response .response-col_status").first.inner_text().split()[0]
    return int(status), live.locator(".response .highlight-code").first.inner_text()


def test_requests_run_with_the_key_of_the_field(here, chromium):
    page, key = chromium.new_page(), here.key("first", "--admin")
    watched = Watched(page)
    elsewhere = []
    page.on("request", lambda sent: sent.url.startswith(here.url) or elsewhere.append(sent))
    page.goto(f"{here.url}/docs")
    page.locator("h2.group").first.wait_for()
    assert page.locator("h2.group").all_inner_texts() == [
        "SCIM",
        "People and groups",
        "Keys and access",
        "Events",
        "Operations",
        "Many workspaces",
    ]
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Use key").click()
    page.locator("#state", has_text="now use this key").wait_for()
    status, made = _answer(_operation(page, "Users", "createUser"))
    assert status == 201
    assert "bjensen@example.com" in made
    with client_of(here, key) as client:
        assert client.get("/Users").json()["totalResults"] == 1
    status, settings = _answer(_operation(page, "Settings", "getSettings"))
    assert status == 200
    assert "guardMode" in settings
    assert elsewhere == []
    assert watched.complaints == []


def test_a_key_that_is_refused_is_not_used_and_a_platform_key_opens_the_platform(here, chromium):
    page = chromium.new_page()
    page.goto(f"{here.url}/docs")
    page.get_by_label("API key").fill("wrong")
    page.get_by_role("button", name="Use key").click()
    page.locator("#state.refused", has_text="does not accept this key").wait_for()
    platform_key = here.muster("keys", "create", "--platform", "--name", "first").stdout.strip()
    page.get_by_label("API key").fill(platform_key)
    page.get_by_role("button", name="Use key").click()
    page.locator("#state", has_text="now use this key").wait_for()
    status, _ = _answer(_operation(page, "Workspaces", "findWorkspaces"))
    assert status == 200

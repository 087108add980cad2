"""Resource types in the console."""

import html
import json
import re

import pytest

from tests.console.pages.test_schema_editor import NUMBER, URN, Editor, made, pressed

DEVICE = "urn:example:params:scim:schemas:core:2.0:Device"


def test_a_resource_type_is_created_used_and_deleted(root, fresh):
    base = f"/w/{fresh.name}"
    assert "You need a core schema first" in root.get(f"{base}/resource-types/new").text
    device = {"id": DEVICE, "name": "Device", "attributes": [{"name": "serial"}]}
    fresh.api.post("/schemas", json=device)
    made(fresh, NUMBER, extends=[])
    editor = Editor(root, f"{base}/resource-types/new")
    pressed(editor, "json", name="Device", endpoint="/Devices", schema=DEVICE, extension=URN)
    document = json.loads(editor.fields()["json"][0])
    assert document["schemaExtensions"] == [{"schema": URN, "required": False}]
    pressed(editor, "form")
    page = pressed(editor, "", endpoint="Devices")
    assert (page.status_code, 'id="wrong-endpoint"' in page.text) == (400, True)
    done = pressed(editor, "", endpoint="/Devices", required=URN, schema=DEVICE)
    assert done.headers["location"] == f"{base}/resource-types/Device"
    kept = fresh.api.get("/resource-types/Device").json()
    assert kept["schemaExtensions"] == [{"schema": URN, "required": True}]
    shown = root.get(f"{base}/resource-types/Device").text
    assert "/scim/v2/Devices" in shown
    assert "(required)" in shown
    body = {"schemas": [DEVICE, URN], "serial": "1", URN: {"number": "1"}}
    device = fresh.scim.post("/Devices", json=body)
    assert device.status_code == 201, device.text
    path = f"{base}/resource-types/Device/edit"
    assert "readonly" in root.get(path).text
    page = root.post(path, mode="form", description="Things")
    assert (page.status_code, device.json()["id"] in page.text) == (409, True)
    assert f"it has values of {URN}" in page.text
    saved = root.post(path, mode="form", description="Things", extension=URN)
    assert saved.status_code == 303
    kept = fresh.api.get("/resource-types/Device").json()
    assert (kept["description"], kept["schemaExtensions"][0]["required"]) == ("Things", False)
    renamed = fresh.api.put("/resource-types/Device", json={**kept, "name": "Thing"})
    assert renamed.status_code == 400
    lost = fresh.api.put("/resource-types/Device", json={**kept, "schemaExtensions": []})
    assert (lost.status_code, lost.json()["attributes"]) == (409, {URN: 1})
    assert "first delete its 1 resource" in root.get(f"{base}/resource-types/Device").text
    assert root.post(f"{base}/resource-types/Device/remove").status_code == 409
    assert "core schema of Device" in root.get(f"{base}/schemas/{DEVICE}/remove").text
    fresh.scim.delete(f"/Devices/{device.json()['id']}")
    assert root.post(f"{base}/resource-types/Device/remove").status_code == 303
    assert root.get(f"{base}/resource-types/Device").status_code == 404


def test_an_old_page_does_not_set_back_a_resource_type(root, fresh):
    device = {"id": DEVICE, "name": "Device", "attributes": [{"name": "serial"}]}
    fresh.api.post("/schemas", json=device)
    kind = {"name": "Device", "endpoint": "/Devices", "schema": DEVICE}
    assert fresh.api.post("/resource-types", json=kind).status_code == 201
    path = f"/w/{fresh.name}/resource-types/Device/edit"
    stamp = root.stamp(path)
    fresh.api.put("/resource-types/Device", json={**kind, "description": "Theirs"})
    tab = root.post(path, mode="form", do="json", description="Mine", seen=stamp)
    assert f'name="seen" value="{stamp}"' in tab.text
    refused = root.post(path, mode="form", description="Mine", seen=stamp)
    assert (refused.status_code, "Mine" in refused.text) == (409, True)
    assert fresh.api.get("/resource-types/Device").json()["description"] == "Theirs"
    current = re.search(r'name="seen" value="([^"]*)"', refused.text)[1]
    assert root.post(path, mode="form", description="Mine", seen=current).status_code == 303


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"name": 5}', '{"schemaExtensions": 5}', '{"schemaExtensions": [{}]}']
)
def test_a_resource_type_of_wrong_json_is_refused(root, fresh, text):
    path = f"/w/{fresh.name}/resource-types/new"
    root.get(path)
    page = root.post(path, mode="json", json=text, do="")
    assert page.status_code == 400
    assert html.escape(text, quote=False).replace('"', "&#34;") in page.text

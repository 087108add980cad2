"""The groups of the API reference."""

import httpx

from muster.http.openapi.tags import OTHER, tag_of
from tests.http.management.test_router import ROUTES
from tests.http.openapi.test_document import STANDARD, described


def test_every_route_of_the_management_api_has_a_tag():
    assert [path for _, path, _ in ROUTES if tag_of(path) == OTHER] == []


def test_every_operation_has_one_tag_and_every_tag_one_group(server):
    document = httpx.get(f"{server.url}/openapi.json").json()
    named = [tag["name"] for tag in document["tags"]]
    grouped = [tag for group in document["x-tagGroups"] for tag in group["tags"]]
    assert named == grouped
    assert len(named) == len(set(named))
    used = {
        tag
        for item in document["paths"].values()
        for operation in item.values()
        if isinstance(operation, dict)
        for tag in operation["tags"]
    }
    assert used == set(named)
    assert [group["name"] for group in document["x-tagGroups"]] == [
        "SCIM",
        "People and groups",
        "Keys and access",
        "Events",
        "Operations",
        "Many workspaces",
    ]


def test_a_resource_type_with_the_name_of_a_tag_has_a_tag_of_its_own(fresh):
    urn = "urn:example:params:scim:schemas:core:2.0:Settings"
    schema = {"id": urn, "name": "Settings", "attributes": [{"name": "label"}]}
    fresh.api.post("/schemas", json=schema).raise_for_status()
    kind = {"name": "Settings", "endpoint": "/Settings", "schema": urn}
    fresh.api.post("/resource-types", json=kind).raise_for_status()
    headers = {"authorization": f"Bearer {fresh.token}"}
    document = httpx.get(f"{fresh.server.url}/openapi.json", headers=headers).json()
    assert document["paths"]["/scim/v2/Settings"]["get"]["tags"] == ["SCIM Settings"]
    assert document["paths"]["/api/v1/settings"]["get"]["tags"] == ["Settings"]
    assert document["x-tagGroups"][0]["tags"][:3] == ["Users", "Groups", "SCIM Settings"]


def test_every_tag_is_described():
    assert all(tag["description"].endswith(".") for tag in STANDARD["tags"])


def test_the_messages_to_webhooks_have_a_tag():
    used = {item["post"]["tags"][0] for item in STANDARD["webhooks"].values()}
    assert used == {"Webhooks"}


def test_custom_types_have_tags_of_their_own():
    document = described(("Hook", "/Webhooks"), ("Device", "/Devices"))
    names = [tag["name"] for tag in document["tags"]]
    assert {"SCIM Webhooks", "Devices", "Webhooks"} <= set(names)
    assert len(names) == len(set(names))

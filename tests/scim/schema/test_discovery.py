"""The discovery documents agree with the registry and the limits."""

from dataclasses import replace

import pytest

from muster.scim.schema.custom import extended, read_schema
from muster.scim.schema.discovery import (
    RESOURCE_TYPE,
    SCHEMA,
    SERVICE_PROVIDER_CONFIG,
    Limits,
    resource_type_documents,
    schema_documents,
    service_provider_config,
)
from muster.scim.schema.model import ENTERPRISE_USER, GROUP, USER, registry

BASE = "https://host.example/scim/v2"
BADGE = "urn:example:params:scim:schemas:extension:badge:2.0:User"


@pytest.fixture
def badges():
    """The registry of a workspace with a required extension of users."""
    raw = {"id": BADGE, "name": "Badge", "extends": ["User"], "required": True}
    schema = read_schema({**raw, "attributes": [{"name": "level"}]}, registry())
    return extended(registry(), [replace(schema, ready=True)], [], unique_group_names=False)


def test_the_configuration_states_the_limits():
    limits = Limits(
        max_results=7, default_page=5, max_body=1000, max_operations=3, cursor_seconds=60
    )
    config = service_provider_config(limits, BASE)
    assert config["schemas"] == [SERVICE_PROVIDER_CONFIG]
    assert (config["bulk"]["maxOperations"], config["bulk"]["maxPayloadSize"]) == (3, 1000)
    assert config["filter"]["maxResults"] == config["pagination"]["maxPageSize"] == 7
    assert config["pagination"]["defaultPageSize"] == 5
    assert config["pagination"]["cursorTimeout"] == 60
    features = ("patch", "bulk", "filter", "changePassword", "sort", "etag")
    assert all(config[name]["supported"] is True for name in features)
    assert config["meta"]["location"] == f"{BASE}/ServiceProviderConfig"


@pytest.mark.parametrize(
    ("credentials", "types"),
    [
        ("any", ["oauthbearertoken", "oauth2"]),
        ("oauth", ["oauth2"]),
        ("keys", ["oauthbearertoken"]),
    ],
)
def test_the_configuration_lists_the_credentials_that_are_accepted(credentials, types):
    schemes = service_provider_config(Limits(), BASE, credentials)["authenticationSchemes"]
    assert [scheme["type"] for scheme in schemes] == types
    assert [scheme.get("primary", False) for scheme in schemes] == [True, False][: len(types)]
    assert {scheme["documentationUri"] for scheme in schemes} == {"https://host.example/docs"}


def test_resource_types_name_their_schemas_and_which_are_required(badges):
    users, groups = resource_type_documents(badges, BASE)
    assert (users["id"], users["endpoint"], users["schema"]) == ("User", "/Users", USER)
    assert users["schemaExtensions"] == [
        {"schema": ENTERPRISE_USER, "required": False},
        {"schema": BADGE, "required": True},
    ]
    assert (groups["schema"], groups["schemaExtensions"]) == (GROUP, [])
    for document in (users, groups):
        assert document["schemas"] == [RESOURCE_TYPE]
        assert document["meta"] == {
            "resourceType": "ResourceType",
            "location": f"{BASE}/ResourceTypes/{document['id']}",
        }


def test_schemas_are_those_of_the_resource_types_and_of_discovery_itself(badges):
    documents = schema_documents(badges, BASE)
    assert {document["id"] for document in documents} == {
        USER,
        GROUP,
        ENTERPRISE_USER,
        BADGE,
        SERVICE_PROVIDER_CONFIG,
        RESOURCE_TYPE,
        SCHEMA,
    }
    for document in documents:
        assert document["schemas"] == [SCHEMA]
        assert document["meta"]["location"] == f"{BASE}/Schemas/{document['id']}"
        assert document["attributes"]


def test_a_schema_that_no_resource_type_has_is_not_served():
    raw = {"id": "urn:example:device", "name": "Device", "attributes": [{"name": "serial"}]}
    loose = extended(registry(), [read_schema(raw, registry())], [], unique_group_names=False)
    assert "urn:example:device" not in {each["id"] for each in schema_documents(loose, BASE)}

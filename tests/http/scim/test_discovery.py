"""Discovery: what a service supports, its resource types and schemas."""

from scim2_models import ResourceType, Schema, ServiceProviderConfig


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

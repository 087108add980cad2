"""The messages to webhooks, as the OpenAPI document describes them."""

import jsonschema_rs
import pytest
from tools.reference.events import messages

from muster.directory.history.events import event_types
from muster.events.webhooks.deliverer import TEST
from muster.scim.schema.model import registry
from tests.http.openapi.test_document import STANDARD, described
from tests.support.described import plain

TYPES = [*event_types(registry()), TEST]


@pytest.fixture(scope="module")
def sent():
    """One real message of each type."""
    return messages()


def test_every_type_of_event_is_described():
    assert list(STANDARD["webhooks"]) == TYPES
    assert "device.created" in described(("Device", "/Devices"))["webhooks"]


def validator(event_type):
    body = STANDARD["webhooks"][event_type]["post"]["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    schemas = {
        name: plain(found, closed=False)
        for name, found in STANDARD["components"]["schemas"].items()
    }
    return jsonschema_rs.validator_for({**schema, "components": {"schemas": schemas}})


@pytest.mark.parametrize("event_type", TYPES)
def test_a_message_is_as_described(sent, event_type):
    validator(event_type).validate(sent.by_type[event_type])


def test_a_message_of_another_type_is_not_as_described(sent):
    assert not validator("user.created").is_valid(sent.by_type["user.deleted"])
    assert not validator("user.created").is_valid(sent.by_type["group.created"])


def test_the_headers_of_a_message_are_described(sent):
    parameters = STANDARD["webhooks"]["user.created"]["post"]["parameters"]
    assert {found["name"] for found in parameters} < set(sent.headers)

"""The part of the OpenAPI document that describes the messages to webhooks."""

from typing import Any

from muster.directory.history.events import describe, event_types
from muster.events.webhooks.deliverer import TEST
from muster.http.management.models.webhooks import TestMessage, WebhookMessage
from muster.http.openapi.models import reference
from muster.http.openapi.schemas import component
from muster.http.openapi.tags import WEBHOOKS
from muster.http.wire.media import PLAIN_JSON
from muster.scim.schema.model import Registry, ResourceType

Json = dict[str, Any]
MODELS = (WebhookMessage, TestMessage)
"""The models of the messages."""
_HELD: Json = {
    "type": "object",
    "required": ["attempted", "detail"],
    "properties": {
        "attempted": {
            "type": "string",
            "enum": ["deactivate", "delete"],
            "description": "The change that is held.",
        },
        "detail": {"type": "string", "description": "The error that the client got."},
    },
    "description": "The change that the guard holds.",
}


def webhooks(registry: Registry) -> Json:
    """Return the messages by the type of their event."""
    types = {
        resource_type.name[:1].lower() + resource_type.name[1:]: resource_type
        for resource_type in registry.types.values()
    }
    made = {}
    for event_type in event_types(registry):
        noun, _, _ = event_type.partition(".")
        schema = _message(event_type, types.get(noun))
        made[event_type] = _operation(event_type, describe(event_type), schema)
    text = "A message without an event, which an administrator sends to try a webhook."
    return made | {TEST: _operation(TEST, text, reference(TestMessage))}


def _message(event_type: str, resource_type: ResourceType | None) -> Json:
    """Return the schema of a message whose event is of a type.

    Args:
        event_type: The type of the event.
        resource_type: The type of its resource; None for a change that the guard holds.
    """
    resource, kind = _HELD, "User"
    if resource_type is not None:
        shown = component(resource_type, "Shown")
        resource, kind = {"$ref": f"#/components/schemas/{shown}"}, resource_type.name
    data: Json = {"resourceType": {"const": kind}, "resource": resource}
    narrowed: Json = {
        "type": {"const": event_type},
        "data": {"type": "object", "properties": data},
    }
    return {"allOf": [reference(WebhookMessage), {"type": "object", "properties": narrowed}]}


def _operation(event_type: str, text: str, schema: Json) -> Json:
    """Return the request that the service sends to a webhook."""
    return {
        "post": {
            "operationId": f"on.{event_type}",
            "summary": text.removesuffix("."),
            "description": f"{text} The message is signed as Standard Webhooks describe, and sent"
            " again for three days until the endpoint answers it.",
            "tags": [WEBHOOKS],
            "security": [],
            "parameters": _HEADERS,
            "requestBody": {"required": True, "content": {PLAIN_JSON: {"schema": schema}}},
            "responses": {
                "2XX": {"description": "The endpoint has the event; the next one follows."},
                "default": {
                    "description": "Any other answer, or none within 15 seconds: the event is sent"
                    " again later."
                },
            },
        }
    }


def _header(name: str, description: str, example: str) -> Json:
    return {
        "in": "header",
        "name": name,
        "required": True,
        "description": description,
        "schema": {"type": "string"},
        "example": example,
    }


_HEADERS = [
    _header(
        "webhook-id",
        "The id of the message, the same for each attempt at one event.",
        "msg_a1b2c3d4e5f60718_3f9a1c20b7d43f9a1c20b7d43f9a1c20",
    ),
    _header("webhook-timestamp", "The time of the attempt, in seconds since 1970.", "1769850000"),
    _header(
        "webhook-signature",
        "One or more signatures `v1,BASE64`, separated by spaces: HMAC-SHA256 of the id, the"
        " timestamp and the body, joined by full stops, with each valid secret.",
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ),
]

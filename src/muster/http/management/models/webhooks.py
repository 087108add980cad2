"""The models of /webhooks."""

from typing import Annotated, NotRequired

from pydantic import ConfigDict, Field, StringConstraints
from pydantic.config import JsonDict

from muster.http.management.models.base import (
    DIGITS,
    Answer,
    Body,
    Cursor,
    ListAnswer,
    QueryParameters,
    Timestamp,
    Token,
    example_of_a_change,
)
from muster.http.management.models.feed import EventData

_MAX_URL = 2000
_MAX_OVERLAP = 7 * 86400
_EXAMPLE: JsonDict = {"url": "https://receiver.example.com/scim-events", "events": ["user.*"]}
_Url = Annotated[str, StringConstraints(min_length=1, max_length=_MAX_URL)]
_Pattern = Annotated[str, StringConstraints(max_length=200)]
_Patterns = Annotated[list[_Pattern], Field(min_length=1)]
_EventId = Annotated[str, Field(examples=["mGm0zX1oE4kq3JrYw5tV8A.0"])]
_EventType = Annotated[str, Field(examples=["user.deactivated"])]
_Status = Annotated[int | None, Field(examples=[204])]


class WebhookChange(Body):
    """The members of a webhook to change. Members that are left out stay as they are."""

    model_config = ConfigDict(json_schema_extra=example_of_a_change(enabled=True))

    url: _Url = ""
    """The `https://` URL that events are sent to, without a user and a password."""
    events: _Patterns = ["*"]
    """The event types to send, as patterns such as `user.*`, `*.deleted` or `*`."""
    description: Annotated[str, StringConstraints(max_length=_MAX_URL)] = ""
    """A note for administrators."""
    enabled: bool = True
    """Whether events are sent. `true` resumes deliveries that were given up."""


class NewWebhook(WebhookChange):
    """A webhook to create."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    url: _Url
    """The `https://` URL that events are sent to, without a user and a password."""


class WebhookAnswer(Answer):
    """A webhook."""

    id: Annotated[str, Field(examples=["a1b2c3d4e5f60718"])]
    """The id of the webhook."""
    url: Annotated[str, Field(examples=["https://receiver.example.com/scim-events"])]
    """The URL that events are sent to."""
    events: list[Annotated[str, Field(examples=["user.*"])]]
    """The event types that are sent, as patterns."""
    description: str
    """A note for administrators."""
    created: Timestamp
    """The time at which the webhook was created."""
    enabled: bool
    """Whether events are sent."""
    disabled: str | None
    """The reason why nothing is sent. Null if events are sent."""


class WebhookHealth(WebhookAnswer):
    """A webhook and the state of its deliveries."""

    failing: bool
    """Whether the latest attempt failed."""
    failure: Annotated[str | None, Field(examples=["status 500"])]
    """The failure of the latest attempt."""
    failingSince: Timestamp | None
    """The time of the first of the failed attempts."""
    nextAttempt: Timestamp | None
    """The time at which the next attempt is due."""


class WebhookProgress(WebhookHealth):
    """A webhook, the state of its deliveries and its position in the feed."""

    cursor: NotRequired[Token]
    """The position after the latest change that was delivered, as a cursor of `/changes`."""
    upToDate: NotRequired[bool]
    """Whether all changes are delivered."""
    attempts: NotRequired[int]
    """How often the next event has been tried."""


class WebhookSecret(WebhookAnswer):
    """A webhook with the secret that its messages are signed with."""

    secret: Annotated[str, Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])]
    """The secret, in the form of Standard Webhooks. It is shown here and after a rotation."""


class WebhookList(ListAnswer):
    """The webhooks of a workspace, oldest first."""

    items: list[WebhookHealth]
    """The webhooks."""


class DeliveryAnswer(Answer):
    """One attempt to deliver an event."""

    event: _EventId
    """The id of the event."""
    type: _EventType
    """The type of the event."""
    time: Timestamp
    """The time of the attempt."""
    attempt: Annotated[int, Field(ge=1)]
    """The number of the attempt at this event, from 1."""
    status: _Status
    """The status that the endpoint answered. Null if it did not answer."""
    error: str | None
    """The reason why the endpoint did not answer."""
    milliseconds: int
    """The duration of the attempt."""


class DeliveryList(ListAnswer):
    """The latest attempts of a webhook, newest first."""

    items: list[DeliveryAnswer]
    """The attempts of this page."""


class FindDeliveries(QueryParameters):
    """The parameters of a list of deliveries."""

    cursor: Cursor = ""
    """The `nextCursor` of the page before. Empty for the newest deliveries."""
    limit: Annotated[int, Field(ge=1, le=1000), DIGITS] = 100
    """The maximum number of deliveries in a page."""


class SecretRotation(Body):
    """The terms of the rotation of a secret."""

    model_config = ConfigDict(json_schema_extra={"example": {"overlapSeconds": 86400}})

    overlap_seconds: Annotated[int | None, Field(ge=0, le=_MAX_OVERLAP)] = None
    """How long the old secret signs every message too. Without it the old secret ends at once."""


class TestDelivery(Answer):
    """The result of sending a test event."""

    type: Annotated[str, Field(examples=["webhook.test"])]
    """The type of the event."""
    status: _Status
    """The status that the endpoint answered. Null if it did not answer."""
    error: str | None
    """The reason why the endpoint did not answer."""
    milliseconds: int
    """The duration of the attempt."""


class Redelivery(Body):
    """One event to send again now, or the position after which to send all events again."""

    model_config = ConfigDict(json_schema_extra={"example": {"event": "mGm0zX1oE4kq3JrYw5tV8A.0"}})

    event: Annotated[str | None, Field(max_length=200)] = None
    """The id of an event."""
    from_: Annotated[str | None, Field(alias="from", max_length=200)] = None
    """A cursor of `/changes`. Empty for the first change that is kept."""


class RedeliveryAnswer(Answer):
    """The result of sending one event again."""

    event: _EventId
    """The id of the event."""
    type: _EventType
    """The type of the event."""
    status: _Status
    """The status that the endpoint answered. Null if it did not answer."""
    error: str | None
    """The reason why the endpoint did not answer."""
    milliseconds: int
    """The duration of the attempt."""


class EventTypeAnswer(Answer):
    """A type of event."""

    type: _EventType
    """The name of the type, for the `events` of a webhook."""
    description: Annotated[str, Field(examples=["A user was deactivated."])]
    """A sentence that says when such an event occurs."""


class EventTypeList(ListAnswer):
    """The types of events that can occur in the workspace."""

    items: list[EventTypeAnswer]
    """The types, by resource type."""


class MessageData(EventData):
    """The event of a message."""

    workspace: NotRequired[str]
    """The name of the workspace, in the messages of a webhook of the platform."""


class WebhookMessage(Answer):
    """A message to a webhook: one event."""

    type: _EventType
    """The type of the event."""
    timestamp: Timestamp
    """The time of the change."""
    data: MessageData
    """The event, as the feed has it, without an id: the header `webhook-id` identifies it."""


class TestData(Answer):
    """The content of a test message."""

    type: Annotated[str, Field(examples=["webhook.test"])]
    """Always `webhook.test`."""
    time: Timestamp
    """The time of the test."""
    webhook: Annotated[str, Field(examples=["a1b2c3d4e5f60718"])]
    """The id of the webhook."""


class TestMessage(Answer):
    """A message that an administrator sends to try a webhook; no change causes it."""

    type: Annotated[str, Field(examples=["webhook.test"])]
    """Always `webhook.test`."""
    timestamp: Timestamp
    """The time of the test."""
    data: TestData
    """The webhook."""

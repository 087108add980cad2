"""The models of /changes and /audit."""

from typing import Annotated, Any, NotRequired

from pydantic import Field

from muster.http.management.models.base import (
    DIGITS,
    Actor,
    Answer,
    Cursor,
    Id,
    QueryParameters,
    Resource,
    Timestamp,
    Token,
)
from muster.http.management.models.history import MembersMoved

_EventId = Annotated[str, Field(examples=["mGm0zX1oE4kq3JrYw5tV8A.0"])]
_EventType = Annotated[str, Field(examples=["user.updated"])]
_Type = Annotated[str, Field(examples=["User"])]
_RequestId = Annotated[str, Field(examples=["3f9a1c20b7d4-1f"])]
MAX_WAIT = 60
MAX_ROWS = 1000
"""Changes in an answer of the feed or of the audit log."""
_Limit = Annotated[int, Field(ge=1, le=MAX_ROWS), DIGITS]
_Wait = Annotated[int, Field(ge=0, le=MAX_WAIT), DIGITS]


class FindChanges(QueryParameters):
    """The parameters of the feed."""

    cursor: Cursor = ""
    """The `nextCursor` of an answer. Empty for the first change that is kept, `end` for changes
    from now on."""
    limit: _Limit = 100
    """The maximum number of changes that are read. A change can come to several events."""
    wait: _Wait = 0
    """How many seconds to wait for an event if there is none yet."""


class EventData(Answer):
    """An event: one thing that happened to one resource."""

    type: _EventType
    """The type, such as `user.created` or `group.member_added`."""
    time: Timestamp
    """The time of the change."""
    actor: Actor
    """The key, administrator or command that made it."""
    connection: Annotated[str | None, Field(examples=["default"])]
    """The id of the connection that made it. Null for an administrator or a command."""
    requestId: _RequestId
    """The id of the request."""
    resourceType: _Type
    """The type of the resource."""
    resourceId: Id
    """The id of the resource."""
    version: int
    """The version of the resource. 0 for decisions of the guard, and for a deleted resource that is
    erased."""
    attributes: NotRequired[list[Annotated[str, Field(examples=["title"])]]]
    """The attributes that changed."""
    members: NotRequired[list[Id]]
    """The ids of the members that were added or removed."""
    resource: Resource
    """The resource after the change; before it, if it was deleted. Of guard.held, what was
    attempted and why it was held; of a deleted resource that is erased, its id alone."""


class EventAnswer(EventData):
    """An event: one thing that happened to one resource."""

    id: _EventId
    """The id of the event. It stays the same if the event is read again."""


class _Following(Answer):
    """A page of a list that grows at its end."""

    nextCursor: Token
    """Pass this as `cursor` to continue. It is never null: more can follow at any time."""
    more: bool
    """Whether more can be read at once."""
    cursor: Token
    """Deprecated: the same as `nextCursor`."""


class EventPage(_Following):
    """Events after a position, oldest first."""

    items: list[EventAnswer]
    """The events of this page."""
    events: list[EventAnswer]
    """Deprecated: the same as `items`."""


class FindAudit(QueryParameters):
    """The parameters of the audit log."""

    cursor: Cursor = ""
    """The `nextCursor` of an answer. Empty for the first row that is kept, `end` for rows from now
    on."""
    limit: _Limit = 100
    """The maximum number of rows that are read. Rows that the filters exclude count too."""
    wait: _Wait = 0
    """Deprecated: accepted and ignored."""
    actor: Annotated[str, Field(max_length=500)] = ""
    """Only rows whose actor starts with this, such as `key:`, `admin:` or a whole actor."""
    connection: Annotated[str, Field(max_length=100)] = ""
    """Only rows whose actor is a credential of this connection, by its id or name."""
    type: Annotated[str, Field(max_length=200)] = ""
    """Only rows about this type, such as `User` or `ApiKey`."""
    action: Annotated[str, Field(max_length=200)] = ""
    """Only rows with this action, such as `create` or `revoke`."""


class AuditRow(Answer):
    """A row of the audit log."""

    id: Token
    """The id of the row."""
    time: Timestamp
    """The time of the action."""
    actor: Actor
    """The key, administrator or command that acted."""
    connection: Annotated[str | None, Field(examples=["default"])]
    """The id of the connection of the key. Null for an administrator or a command."""
    address: Annotated[str, Field(examples=["192.0.2.7"])]
    """The address of the client. Empty if there was none."""
    requestId: _RequestId
    """The id of the request."""
    action: Annotated[str, Field(examples=["update"])]
    """The action."""
    type: _Type
    """The type of its object, such as `User`, `ApiKey` or `Settings`."""
    resource: Id
    """The id of its object."""
    version: int
    """The version of the resource. 0 for administrative actions and refusals."""
    document: Annotated[dict[str, Any], Field(examples=[{"name": "Okta"}])]
    """The resource, or the particulars of an administrative action; without secrets."""
    members: MembersMoved | None
    """The members that the change moved, if it is of a group."""
    hash: Annotated[str | None, Field(examples=["9f86d081884c7d659a2feaa0c55ad015"])]
    """The hash that links this row to the row before it."""


class AuditPage(_Following):
    """Rows of the audit log after a position, oldest first."""

    items: list[AuditRow]
    """The rows of this page."""
    rows: list[AuditRow]
    """Deprecated: the same as `items`."""

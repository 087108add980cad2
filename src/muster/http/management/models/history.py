"""The models of /history."""

from typing import Annotated, NotRequired

from pydantic import ConfigDict, Field, with_config

from muster.http.management.models.base import (
    DIGITS,
    Actor,
    Answer,
    Body,
    Cursor,
    Id,
    ListAnswer,
    Moment,
    QueryParameters,
    Resource,
    Timestamp,
    Token,
)

_Action = Annotated[str, Field(examples=["update"])]
_Type = Annotated[str, Field(examples=["User"])]


class MembersMoved(Answer):
    """The members that a change added to a group and removed from it."""

    added: list[Id]
    """The ids of the members that were added."""
    removed: list[Id]
    """The ids of the members that were removed."""


class HistoryChange(Answer):
    """One change of a resource."""

    change: Token
    """The change, to restore its state or to list the changes before it."""
    time: Timestamp
    """The time of the change."""
    actor: Actor
    """The key, administrator or command that made it."""
    address: Annotated[str, Field(examples=["192.0.2.7"])]
    """The address of the client. Empty if there was none."""
    requestId: Annotated[str, Field(examples=["3f9a1c20b7d4-1f"])]
    """The id of the request."""
    action: _Action
    """The action: `create`, `update` or `delete`, or a decision of the guard."""
    resourceType: _Type
    """The type of the resource."""
    version: int
    """The version of the resource. 0 for refused changes and decisions of the guard."""
    attributes: list[Annotated[str, Field(examples=["title"])]]
    """The attributes that an update changed."""
    members: MembersMoved | None
    """The members that the change moved, if it is of a group."""
    resource: Resource
    """The resource after the change; before it, if it was deleted."""


class HistoryPage(ListAnswer):
    """The history of a resource, newest first."""

    items: list[HistoryChange]
    """The changes of this page."""


class FindHistory(QueryParameters):
    """The parameters of a history."""

    cursor: Cursor = ""
    """The `nextCursor` of the page before. Empty for the newest changes."""
    before: Annotated[str | None, Field(max_length=200)] = None
    """Deprecated: use `cursor`. The `change` of a row; lists those before it."""
    limit: Annotated[int, Field(ge=1, le=200), DIGITS] = 200
    """The maximum number of changes that are read for a page."""


class GetPast(QueryParameters):
    """The parameters of a past state."""

    time: Moment
    """The moment, as ISO 8601; in UTC if it has no offset."""


class PastAnswer(Answer):
    """A resource at a moment in the past."""

    change: Token
    """The latest change before the moment."""
    deleted: bool
    """Whether that change deleted the resource."""
    resource: Resource
    """The resource."""
    resourceType: _Type
    """The type of the resource."""
    members: list[Id] | None
    """The ids of the members at that time, if the resource is a group."""
    groups: list[Id] | None
    """The ids of the groups that had the resource as a direct member, if it is not a group."""


class Restore(Body):
    """The state to restore: the one after a change, or the one at a moment. Name one of them."""

    model_config = ConfigDict(json_schema_extra={"example": {"time": "2026-01-31T09:00:00Z"}})

    change: Annotated[str | None, Field(max_length=200)] = None
    """The `change` of a row of the history."""
    time: Moment | None = None
    """A moment, as ISO 8601. Memberships are restored too."""
    override: bool = False
    """Whether to pass the guard and the provisioning switches. Needs `Configure Settings`."""


@with_config(ConfigDict(use_attribute_docstrings=True, extra="allow"))
class RestoreAnswer(Answer):
    """The SCIM resource that was restored, with all of its attributes."""

    schemas: list[Annotated[str, Field(examples=["urn:ietf:params:scim:schemas:core:2.0:User"])]]
    """The URNs of its schemas."""
    id: Id
    """The id of the resource, the same as before."""
    leftOut: NotRequired[list[Id]]
    """The ids of former members that no longer exist."""

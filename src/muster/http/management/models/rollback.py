"""The models of /undo."""

from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from muster.http.management.models.base import Answer, Body, Id, Moment, QueryParameters, Token

_ACTIONS = Field(json_schema_extra={"enum": ["restore", "create", "reactivate", "delete", "lost"]})
_EXAMPLE: JsonDict = {
    "key": "5f2b9c0d8e7a4b16",
    "since": "2026-01-31T09:00:00Z",
    "until": "2026-01-31T10:00:00Z",
    "at": "mGm0zX1oE4kq3JrYw5tV8A",
    "resources": ["0193591c-1f00-7b5d-a1b2-3c4d5e6f7081"],
    "deletions": [],
}


class PlanUndo(QueryParameters):
    """The changes to undo."""

    key: Annotated[str, Field(max_length=200)] = ""
    """The id of the API key that made them."""
    connection: Annotated[str, Field(max_length=100)] = ""
    """Instead of `key`: the id or name of the connection whose credentials made them."""
    since: Moment
    """The beginning of the period, as ISO 8601."""
    until: Moment
    """The end of the period, as ISO 8601."""


class UndoStep(Answer):
    """The effect of undoing the changes of one resource."""

    resourceType: Annotated[str, Field(examples=["User"])]
    """The type of the resource."""
    id: Id
    """The id of the resource."""
    name: Annotated[str, Field(examples=["bjensen@example.com"])]
    """The `userName` or `displayName` of the resource."""
    action: Annotated[str, _ACTIONS]
    """The effect: the resource is restored, created again, made active again (`reactivate`), or
    deleted, because the key created it; or its state before is not kept any more (`lost`)."""
    changes: int
    """The number of changes that the key made."""
    changedByOthers: bool
    """Whether others have changed the resource since. Their changes are undone as well."""


class UndoPlan(Answer):
    """The resources that a key changed in a period, and the effect of undoing it."""

    at: Token
    """The latest change that the plan takes into account."""
    resources: list[UndoStep]
    """The resources. A user whom the key created and deactivated is listed twice, with
    `reactivate` and with `delete`."""


class UndoSelection(Body):
    """The resources of a plan to undo."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    key: Annotated[str, Field(max_length=200)] = ""
    """The `key` of the plan."""
    connection: Annotated[str, Field(max_length=100)] = ""
    """The `connection` of the plan."""
    since: Moment
    """The `since` of the plan."""
    until: Moment
    """The `until` of the plan."""
    at: Annotated[str, Field(max_length=200)]
    """The `at` of the plan. If a resource has changed after it, nothing is undone."""
    resources: list[str] = []
    """The ids of the resources to undo, except for those to delete."""
    deletions: list[str] = []
    """The ids of the resources to delete: those whose `action` is `delete`. None of them is deleted
    unless it is named here."""
    override: bool = False
    """Whether to pass the guard and the provisioning switches. Needs `Configure Settings`."""


class UndoAnswer(Answer):
    """The result of undoing."""

    undone: int
    """The number of resources that were undone."""
    leftOut: list[Id]
    """The ids of former members of groups that no longer exist."""

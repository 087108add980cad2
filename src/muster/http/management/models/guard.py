"""The models of /guard."""

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from muster.http.management.models.base import Actor, Answer, Body, Id, OneOf, Timestamp
from muster.http.management.models.settings import GuardMode


class HeldAnswer(Answer):
    """A deprovisioning that the guard holds."""

    user: Id
    """The id of the user."""
    userName: Annotated[str, Field(examples=["bjensen@example.com"])]
    """The `userName` of the user."""
    attempted: Annotated[str, Field(json_schema_extra={"enum": ["deactivate", "delete"]})]
    """The change that is held."""
    time: Timestamp
    """The time of the request."""
    actor: Actor
    """The credential that asked for it."""
    connection: Annotated[str | None, Field(examples=["default"])]
    """The id of the connection of the credential. Null if it is unknown."""
    reason: Annotated[str, Field(json_schema_extra={"enum": ["limit", "protected"]})]
    """Whether the hourly limit is reached, or the user is protected."""


class GuardAnswer(Answer):
    """The state of the deprovisioning guard."""

    mode: GuardMode
    """Whether the guard holds changes, only reports them, or is off."""
    done: int
    """The number of users who lost access within the last hour."""
    allowed: int
    """The number of users who may lose access within an hour."""
    held: list[HeldAnswer]
    """The changes that are held, oldest first."""


class GuardSelection(Body):
    """A decision on several held changes."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"decision": "let", "users": ["0193591c-1f00-7b5d-a1b2-3c4d5e6f7081"]}
        }
    )

    decision: Annotated[str, OneOf(("let", "keep"))]
    """`let` carries the changes out, `keep` discards them and keeps the users as they are."""
    users: Annotated[
        list[Annotated[str, StringConstraints(max_length=200)]],
        Field(min_length=1, max_length=1000),
    ]
    """The ids of the users."""


class RefusedDecision(Answer):
    """A held change that was not decided."""

    user: Id
    """The id of the user."""
    status: Annotated[int, Field(examples=[404])]
    """The status that the decision on this change alone would have had."""
    detail: str
    """The reason."""


class GuardOutcome(Answer):
    """The outcome of a decision on several held changes."""

    decided: Annotated[int, Field(ge=0)]
    """The number of changes that were decided."""
    refused: list[RefusedDecision]
    """The changes that were not."""

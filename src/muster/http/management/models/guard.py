"""The models of /guard."""

from typing import Annotated

from pydantic import Field

from muster.http.management.models.base import Actor, Answer, Id, Timestamp
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
    """The key that asked for it."""


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

"""The models of /wipe."""

from typing import Annotated

from pydantic import ConfigDict, Field

from muster.http.management.models.base import Answer, Body


class Wipe(Body):
    """The confirmation to empty a workspace."""

    model_config = ConfigDict(json_schema_extra={"example": {"workspace": "default"}})

    workspace: Annotated[str, Field(max_length=200)]
    """The name of the workspace."""


class WipeAnswer(Answer):
    """The result of emptying a workspace."""

    deleted: int
    """The number of resources that were deleted."""

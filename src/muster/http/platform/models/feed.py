"""The models of the feed of all workspaces."""

from typing import Annotated

from pydantic import Field

from muster.http.management.models.base import Answer, Token
from muster.http.management.models.feed import EventAnswer
from muster.http.platform.models.workspaces import WorkspaceName


class PlatformEventAnswer(EventAnswer):
    """An event in a workspace."""

    workspace: WorkspaceName
    """The name of the workspace."""


class PlatformEventPage(Answer):
    """Events of all workspaces, in one order."""

    items: Annotated[list[PlatformEventAnswer], Field()]
    """The events, the oldest first."""
    nextCursor: Token
    """Pass this as `cursor` to continue. It is never null: more can follow at any time."""
    more: bool
    """Whether more can be read at once."""

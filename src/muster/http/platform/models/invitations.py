"""The models of the invitations of a workspace."""

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from muster.http.management.models.base import (
    Answer,
    Body,
    KeyPermission,
    ListAnswer,
    QueryParameters,
    Timestamp,
)

InvitationId = Annotated[str, Field(examples=["9f86d081884c7d65"])]


class NewInvitation(Body):
    """An administrator of the workspace to invite."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"name": "Ada Lovelace", "permissions": ["Admin"]}}
    )

    name: Annotated[str, StringConstraints(max_length=100)] = ""
    """The name of the person."""
    permissions: Annotated[list[KeyPermission], Field(min_length=1)] = ["Admin"]
    """What the administrator may do in the workspace. `Admin` for everything."""
    expires_in_days: Annotated[int, Field(ge=1, le=7)] = 7
    """The days for which the link works."""


class InvitationAnswer(Answer):
    """A pending invitation."""

    id: InvitationId
    """The id of the invitation."""
    name: str
    """The name of the person. Empty if it was not given."""
    permissions: list[KeyPermission]
    """What the administrator may do in the workspace."""
    invitedBy: str
    """Who created the invitation."""
    created: Timestamp
    """The time at which it was created."""
    expires: Timestamp
    """The time until which its link works."""


class NewInvitationAnswer(InvitationAnswer):
    """A new invitation with its link."""

    url: Annotated[str, Field(examples=["https://muster.example.com/first?token=…"])]
    """The link, which creates one administrator. It cannot be shown again."""


class InvitationList(ListAnswer):
    """The invitations to a workspace that nobody has accepted, newest first."""

    items: list[InvitationAnswer]
    """The invitations."""


class FindInvitations(QueryParameters):
    """The parameters of a list of invitations, which is one page."""

"""The models of /protected-users."""

from typing import Annotated

from pydantic import Field

from muster.http.management.models.base import Actor, Answer, Body, Id, ListAnswer, Timestamp


class Protect(Body):
    """The protection of a user."""

    reason: Annotated[str, Field(max_length=500, examples=["Emergency access"])] = ""
    """The reason, for other administrators."""


class ProtectedUserAnswer(Answer):
    """A protected user."""

    user: Id
    """The id of the user."""
    reason: Annotated[str, Field(examples=["Emergency access"])]
    """The reason that was given; empty for none."""
    actor: Actor
    """The administrator, or the key, who protected them."""
    time: Timestamp
    """The time since which they are protected."""


class ProtectedUserList(ListAnswer):
    """The protected users, the latest first."""

    items: list[ProtectedUserAnswer]
    """The protected users."""

"""The model of /overview."""

from typing import Annotated

from pydantic import Field

from muster.http.management.models.base import Answer, KeyId, Timestamp


class HourAnswer(Answer):
    """The requests of one hour."""

    requests: int
    """The number of requests that are kept."""
    failed: int
    """The number of these that were answered with status 400 or above."""


class OverviewKey(Answer):
    """An API key that is not revoked."""

    id: KeyId
    """The id of the key."""
    name: Annotated[str, Field(examples=["Okta"])]
    """The name of the key."""
    lastUsed: Timestamp | None
    """The time of the latest request with the key."""
    expires: Timestamp | None
    """The time at which the key expires."""


class OverviewAnswer(Answer):
    """The figures of a workspace."""

    users: int
    """The number of users."""
    active: int
    """The number of users who are active."""
    groups: int
    """The number of groups."""
    requests: int
    """The number of requests that were kept in the last 24 hours."""
    failed: int
    """The number of these that were answered with status 400 or above."""
    hours: Annotated[
        dict[str, HourAnswer], Field(examples=[{"2026-01-31T09": {"requests": 12, "failed": 1}}])
    ]
    """The requests of each hour of the last 24, by hour in UTC."""
    keys: list[OverviewKey]
    """The API keys that are not revoked."""
    attention: list[Annotated[str, Field(examples=["The key Okta ends soon."])]]
    """The matters that need attention, a sentence each."""

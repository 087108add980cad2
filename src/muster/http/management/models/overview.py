"""The model of /overview."""

from typing import Annotated

from pydantic import Field

from muster.http.management.models.base import Answer, KeyId, OneOf, QueryParameters, Timestamp
from muster.insight.ranges import DEFAULT, RANGES

_Range = Annotated[str, OneOf(tuple(RANGES))]


class GetOverview(QueryParameters):
    """The parameters of the overview."""

    range: _Range = DEFAULT
    """The range of the figures over time: 24 hours by the hour, 7 days by six hours, or 30 days by
    the day."""


class HourAnswer(Answer):
    """The requests of one hour."""

    requests: int
    """The number of requests that are kept."""
    failed: int
    """The number of these that were answered with status 400 or above."""


class OutcomeAnswer(Answer):
    """The requests of one part of the range."""

    start: Timestamp
    """The beginning of the part."""
    succeeded: int
    """The number of requests that were answered with a status below 400."""
    refused: int
    """The number of requests that were answered with 4xx."""
    errors: int
    """The number of requests that were answered with 5xx."""


class ActiveUsersAnswer(Answer):
    """The number of active users at a moment."""

    time: Timestamp
    """The moment. The last one is the end of the current part of the range, with the number now."""
    active: int | None
    """The number of active users. Null if the changes since are not known."""


class ActiveUsersOverTime(Answer):
    """The active users over time."""

    joined: int
    """The number of users who became active within the range."""
    left: int
    """The number of users who were deactivated or deleted within the range."""
    created: int
    """The number of users who were created within the range, active or not."""
    points: list[ActiveUsersAnswer]
    """The number at the beginning of each part of the range, and at the end of the last one."""


class AlertAnswer(Answer):
    """A matter that needs attention."""

    name: Annotated[str, Field(examples=["held"])]
    """The matter: held, guardLimit, reactivated, recreated, doctor, unknownKey, webhook,
    webhookPaused, connectionPaused, expired, expiring, provisioning or deprovisioning."""
    count: Annotated[int, Field(ge=1)]
    """The number of objects that it is about."""
    text: Annotated[str, Field(examples=['API key "Okta" expires within 14 days.'])]
    """A sentence that describes it."""


class StepAnswer(Answer):
    """A step of the first run."""

    name: Annotated[str, Field(examples=["guard"])]
    """The step: key, request, user, colleague or guard."""
    title: Annotated[str, Field(examples=["Invite a colleague"])]
    """What to do."""
    done: bool
    """Whether it is done."""


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
    requests: int
    """The number of its requests in the range that are kept."""
    refused: int
    """The number of these that were answered with status 400 or above."""
    lastRefused: Timestamp | None
    """The time of its latest request that was answered with status 400 or above and is kept."""
    lastStatus: Annotated[int | None, Field(examples=[409])]
    """The status of that answer."""
    outcomes: list[OutcomeAnswer]
    """Its requests that are kept, by part of the range."""


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
    attention: list[Annotated[str, Field(examples=['API key "Okta" expires within 14 days.'])]]
    """The matters that need attention, a sentence each."""
    alerts: list[AlertAnswer]
    """The matters that need attention."""
    checklist: list[StepAnswer]
    """The steps of the first run."""
    range: _Range
    """The range of the figures over time."""
    recordedSince: Timestamp | None
    """The time of the oldest request that is kept."""
    outcomes: list[OutcomeAnswer]
    """The requests that are kept, by part of the range."""
    activeUsers: ActiveUsersOverTime | None
    """The active users over time. Null while the changes are still being counted."""

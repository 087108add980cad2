"""The models of usage figures."""

from typing import Annotated

from pydantic import Field

from muster.http.management.models.base import (
    DIGITS,
    Answer,
    Cursor,
    ListAnswer,
    OneOf,
    QueryParameters,
    Timestamp,
)
from muster.http.management.models.connections import ConnectionId
from muster.http.platform.models.workspaces import WorkspaceName, WorkspaceState
from muster.storage.port.accounts import WORKSPACE_STATES

Day = Annotated[str, Field(examples=["2026-01-31"], json_schema_extra={"format": "date"})]
AskedDay = Annotated[str, Field(max_length=10, pattern=r"^(\d{4}-\d{2}-\d{2})?$")]
Format = Annotated[str, OneOf(("json", "csv"))]


class DayAnswer(Answer):
    """The requests of a day in UTC."""

    day: Day
    """The day."""
    requests: int
    """The number of requests with a credential of the workspace."""
    refusals: int
    """The number of those that were answered with a status from 400."""


class ConnectionUsageAnswer(Answer):
    """The requests of a connection."""

    connection: ConnectionId
    """The id of the connection."""
    requests: int
    """The number of requests in the range."""
    refusals: int
    """The number of those that were answered with a status from 400."""
    lastRequest: Timestamp
    """The time of the last request in the range, to half a minute."""


class UsageAnswer(Answer):
    """The usage of a workspace."""

    workspace: WorkspaceName
    """The name of the workspace."""
    state: WorkspaceState
    """The state of the workspace."""
    users: int
    """The number of users now."""
    activeUsers: int
    """The number of users now who are active."""
    groups: int
    """The number of groups now."""
    requests: int
    """The number of requests in the range."""
    refusals: int
    """The number of those that were answered with a status from 400."""
    days: list[DayAnswer]
    """The days of the range on which there were requests, oldest first."""
    connections: list[ConnectionUsageAnswer]
    """The connections that sent requests in the range, by id."""


class UsageList(ListAnswer):
    """The usage of all workspaces, by name."""

    items: list[UsageAnswer]
    """The workspaces of this page."""


class GetUsage(QueryParameters):
    """The parameters of the usage of a workspace."""

    since: AskedDay = ""
    """The first day in UTC. Empty for the 30 days that end with `until`."""
    until: AskedDay = ""
    """The last day in UTC, at most 366 days after `since`. Empty for today."""
    format: Format = "json"
    """`csv` for a line each day."""


class FindUsage(GetUsage):
    """The parameters of the usage of all workspaces."""

    cursor: Cursor = ""
    """The `nextCursor` of the page before. Empty for the first page."""
    limit: Annotated[int, Field(ge=1, le=1000), DIGITS] = 50
    """The maximum number of workspaces in a page."""
    name: WorkspaceName = ""
    """Return only workspaces whose name starts with this."""
    state: Annotated[str, OneOf(("", *WORKSPACE_STATES))] = ""
    """Return only workspaces in this state. Empty for all."""
    format: Format = "json"
    """`csv` for a line each workspace. The header `Link` leads to the next page."""

"""The models of /platform/workspaces."""

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from muster.http.management.models.base import (
    DIGITS,
    NO_CONTROLS,
    Answer,
    Body,
    Cursor,
    ListAnswer,
    OneOf,
    QueryParameters,
    Reason,
    Timestamp,
    example_of_a_change,
)
from muster.http.management.models.settings import Contract, SettingsAnswer, SettingsChange
from muster.storage.port.accounts import WORKSPACE_STATES

WorkspaceName = Annotated[str, Field(max_length=63, examples=["acme"])]
DisplayName = Annotated[
    str, StringConstraints(max_length=200, pattern=NO_CONTROLS), Field(examples=["Acme"])
]
WorkspaceState = Annotated[str, OneOf(WORKSPACE_STATES)]


class NewWorkspace(Body):
    """A workspace to create: a tenant with users, groups, keys and settings of its own."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"name": "acme", "displayName": "Acme Corporation"}}
    )

    name: WorkspaceName
    """The name, which is part of links: lower-case letters, digits, `-` and `_`. No other workspace
    has or had it."""
    display_name: DisplayName = ""
    """The name that people see. Empty if it is `name`."""
    contract: Contract = "rfc7644"
    """The status codes of POST and DELETE: `rfc7644` answers 201 and 204, `cortex` 200 and 200."""
    strict: bool = False
    """Whether requests must follow the RFCs to the letter."""


class WorkspaceChange(SettingsChange):
    """The members of a workspace to change. Members that are left out stay as they are."""

    model_config = ConfigDict(
        json_schema_extra=example_of_a_change(displayName="Acme Corporation", guardMode="hold")
    )

    name: WorkspaceName = ""
    """The name, which is part of links. Links with the former name still work."""
    display_name: DisplayName = ""
    """The name that people see. Empty if it is `name`."""


class Suspend(Body):
    """The reason for a suspension."""

    model_config = ConfigDict(json_schema_extra={"example": {"reason": "The invoice is overdue"}})

    reason: Reason = ""
    """A sentence that clients of the workspace, its console and the audit log show."""


class SuspensionAnswer(Answer):
    """The suspension of a workspace."""

    since: Timestamp
    """The time at which the workspace was suspended."""
    reason: Annotated[str, Field(examples=["The invoice is overdue"])]
    """The reason, which clients and the console show. Empty if none was given."""


class DeletionAnswer(Answer):
    """The deletion of a workspace."""

    since: Timestamp
    """The time at which the workspace was deleted."""
    until: Timestamp
    """The time until which it can be restored. Its data is erased afterwards."""


class ErasingAnswer(Answer):
    """The progress of erasing the data of a workspace."""

    done: int
    """The number of rows that are erased."""
    total: int
    """The number of rows that there were."""


class WorkspaceAnswer(Answer):
    """A workspace."""

    name: WorkspaceName
    """The name, which is part of links."""
    displayName: Annotated[str, Field(examples=["Acme Corporation"])]
    """The name that people see."""
    state: WorkspaceState
    """`suspended` and `deleted` if programs get 503; `erasing` if it cannot be restored either."""
    suspended: SuspensionAnswer | None
    """The suspension. Null if it is not suspended."""
    deleted: DeletionAnswer | None
    """The deletion. Null if it is not deleted."""
    erasing: ErasingAnswer | None
    """How far its data is erased. Null if that has not begun."""
    created: Timestamp
    """The time at which the workspace was created."""
    baseUrl: Annotated[str, Field(examples=["https://muster.example.com/scim/v2"])]
    """The base URL for identity providers. The key tells muster which workspace is meant."""
    consoleUrl: Annotated[str, Field(examples=["https://muster.example.com/w/acme"])]
    """The console of the workspace."""
    settings: SettingsAnswer
    """The settings, as `/settings` of the workspace answers them."""


class WorkspaceList(ListAnswer):
    """The workspaces, by name."""

    items: list[WorkspaceAnswer]
    """The workspaces of this page."""


class FindWorkspaces(QueryParameters):
    """The parameters of a list of workspaces."""

    cursor: Cursor = ""
    """The `nextCursor` of the page before. Empty for the first page."""
    limit: Annotated[int, Field(ge=1, le=1000), DIGITS] = 100
    """The maximum number of workspaces in a page."""
    name: WorkspaceName = ""
    """Return only workspaces whose name starts with this."""
    state: Annotated[str, OneOf(("", *WORKSPACE_STATES))] = ""
    """Return only workspaces in this state. Empty for all."""


class DeleteWorkspace(QueryParameters):
    """The parameters of the deletion of a workspace."""

    confirm: WorkspaceName = ""
    """The name of the workspace, once more."""

"""The models of /connections."""

from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field

from muster.access.connections import (
    ACTIVE,
    BY_ADMINISTRATOR,
    BY_GUARD,
    MAX_CONNECTIONS,
    OWNERSHIPS,
    PAUSED,
    PROVIDERS,
    check_name,
)
from muster.access.settings import MAX_BLOCKS, NUMBERS
from muster.http.management.models.base import (
    DIGITS,
    Answer,
    Body,
    Cursor,
    ListAnswer,
    Moment,
    OneOf,
    QueryParameters,
    Reason,
    Timestamp,
    example_of_a_change,
)
from muster.http.management.models.settings import (
    AllowlistEntry,
    Block,
    Contract,
    GuardMode,
    NewBlock,
    allowlist_changes,
)

ConnectionId = Annotated[str, Field(examples=["7c1e6d4f0a9b8e23"])]
Provider = Annotated[str, OneOf(PROVIDERS)]
Ownership = Annotated[str, OneOf(OWNERSHIPS)]
State = Annotated[str, OneOf((ACTIVE, PAUSED))]
NewName = Annotated[
    str, Field(min_length=1, max_length=100, examples=["Okta"]), AfterValidator(check_name)
]


def _number(name: str) -> Any:
    """The constraints of a setting that is a number."""
    least, most = NUMBERS[name]
    return Field(ge=least, le=most)


class _ConnectionSettings(Body):
    """The settings of a connection. Null for those of the workspace."""

    strict: bool | None = None
    """Whether requests must follow the RFCs to the letter."""
    contract: Contract | None = None
    """The status codes of POST and DELETE: `rfc7644` answers 201 and 204, `cortex` 200 and 200."""
    rate_limit: Annotated[int | None, _number("rateLimit")] = None
    """Requests a minute of each key without a limit of its own. 0 for no limit, if
    `MUSTER_RATE_LIMIT_CEILING` allows it."""
    ip_allowlist: Annotated[list[NewBlock] | None, Field(max_length=MAX_BLOCKS)] = None
    """The networks that may use the credentials of the connection: CIDR blocks, or objects with a
    `range` and a `description`. Empty for all."""
    guard_mode: GuardMode | None = None
    """The mode of the deprovisioning guard: `hold`, `pause`, `watch` or `off`; see `/settings`."""
    guard_share: Annotated[int | None, _number("guardShare")] = None
    """The percentage of the workspace's users that may lose access within an hour."""
    guard_least: Annotated[int | None, _number("guardLeast")] = None
    """The number of users that may lose access within an hour, even if it is a larger share."""
    automatic_provisioning: bool | None = None
    """Whether the connection may create users."""
    automatic_deprovisioning: bool | None = None
    """Whether the connection may deactivate and delete users."""
    record_reads: Moment | None = None
    """The time until which successful reads are recorded in the request log."""

    def changes(self) -> dict[str, Any]:
        """The attributes that the client sent, as `Connections` takes them."""
        given = self.model_dump(exclude_unset=True, exclude={"confirm_lockout"})
        if self.ip_allowlist is not None and "ip_allowlist" in given:
            given |= allowlist_changes(self.ip_allowlist)
        return given


class NewConnection(_ConnectionSettings):
    """A connection to create: an identity provider, or a script, that provisions users."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"name": "Okta", "provider": "okta", "guardMode": "hold"}}
    )

    name: NewName
    """The name that the console and the audit log show. No other connection may have it."""
    provider: Provider = "other"
    """The identity provider, for which the console shows the steps."""
    ownership: Ownership = "shared"
    """`exclusive` if no other connection may change the users and groups that it creates."""


class ConnectionChange(_ConnectionSettings):
    """The members of a connection to change. Members that are left out stay as they are."""

    model_config = ConfigDict(
        json_schema_extra=example_of_a_change(ownership="exclusive", guardShare=5)
    )

    confirm_lockout: bool = False
    """Set this to change `ipAllowlist` of the connection of the API key so that it excludes the
    address of this request."""
    name: NewName = ""
    """The name, which no other connection may have."""
    provider: Provider = "other"
    """The identity provider, for which the console shows the steps."""
    ownership: Ownership = "shared"
    """`exclusive` if no other connection may change the users and groups that it creates."""


class PauseConnection(Body):
    """The reason for a pause."""

    model_config = ConfigDict(json_schema_extra={"example": {"reason": "Migration to Entra ID"}})

    reason: Reason = ""
    """A sentence that the connection's client, the console and the audit log show."""


class ConnectionAnswer(Answer):
    """A connection. Settings that are null are those of the workspace."""

    id: ConnectionId
    """The id of the connection; `default` for the one that every workspace has."""
    name: Annotated[str, Field(examples=["Okta"])]
    """The name that the console and the audit log show."""
    provider: Provider
    """The identity provider."""
    state: State
    """`paused` if its SCIM requests are answered with 503, or 429 if the guard paused it."""
    pausedBy: Annotated[str, OneOf((BY_ADMINISTRATOR, BY_GUARD))] | None
    """Who paused the connection."""
    pausedSince: Timestamp | None
    """The time at which it was paused."""
    pauseReason: str | None
    """The reason for the pause."""
    ownership: Ownership
    """`exclusive` if no other connection may change the users and groups that it creates."""
    created: Timestamp | None
    """The time at which the connection was created. Null if it is as old as the workspace."""
    strict: bool | None
    """Whether requests must follow the RFCs to the letter."""
    contract: Contract | None
    """The status codes of POST and DELETE: `rfc7644` answers 201 and 204, `cortex` 200 and 200."""
    rateLimit: int | None
    """Requests a minute of each key without a limit of its own. 0 for no limit, if
    `MUSTER_RATE_LIMIT_CEILING` allows it."""
    ipAllowlist: list[Block] | None
    """The networks that may use the credentials of the connection. Empty for all."""
    ipAllowlistEntries: list[AllowlistEntry] | None
    """The same networks with their descriptions."""
    guardMode: GuardMode | None
    """The mode of the deprovisioning guard: `hold`, `pause`, `watch` or `off`; see `/settings`."""
    guardShare: int | None
    """The percentage of the workspace's users that may lose access within an hour."""
    guardLeast: int | None
    """The number of users that may lose access within an hour, even if it is a larger share."""
    automaticProvisioning: bool | None
    """Whether the connection may create users."""
    automaticDeprovisioning: bool | None
    """Whether the connection may deactivate and delete users."""
    recordReads: Timestamp | None
    """The time until which successful reads are recorded in the request log."""


class ConnectionList(ListAnswer):
    """The connections of a workspace: `default`, then the others by name."""

    items: list[ConnectionAnswer]
    """The connections of this page."""


class FindConnections(QueryParameters):
    """The parameters of a list of connections."""

    cursor: Cursor = ""
    """The `nextCursor` of the page before. Empty for the first page."""
    limit: Annotated[int, Field(ge=1, le=MAX_CONNECTIONS), DIGITS] = MAX_CONNECTIONS
    """The maximum number of connections in a page."""


class DeleteConnection(QueryParameters):
    """The parameters of the deletion of a connection."""

    confirm: Annotated[str, Field(max_length=100)] = ""
    """The name of the connection, which is needed if it owns users or groups."""


class OwnerAnswer(Answer):
    """The connection that owns a user or group."""

    connection: ConnectionAnswer | None
    """The connection that created it. Null if an administrator did, or it is deleted."""

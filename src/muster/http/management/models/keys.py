"""The models of /keys."""

from typing import Annotated

from pydantic import ConfigDict, Field

from muster.http.management.models.base import (
    DIGITS,
    Answer,
    Body,
    Cursor,
    Id,
    KeyId,
    KeyPermission,
    ListAnswer,
    Moment,
    Name,
    QueryParameters,
    Timestamp,
    example_of_a_change,
)

_MAX_SECONDS = 10 * 366 * 86400
_MAX_RATE = 2**31 - 1
_STATES = Field(json_schema_extra={"enum": ["active", "expired", "revoked"]})


class NewKey(Body):
    """An API key to create.

    Without a role and permissions it has the permission `Configure Open ID Connector & SCIM`. For
    all permissions, give `["Admin"]`.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "name": "Okta",
                "permissions": ["Configure Open ID Connector & SCIM"],
                "expiresInSeconds": 31536000,
            }
        }
    )

    name: Name
    """The name that the console and the audit log show. No other active key may have it."""
    role: Annotated[str | None, Field(max_length=100)] = None
    """A role whose permissions the key has, in addition to its own. `Admin` for all permissions."""
    permissions: Annotated[list[KeyPermission] | None, Field(min_length=1)] = None
    """The permissions of the key."""
    user: Annotated[str | None, Field(max_length=200)] = None
    """The id of the user that `/Me` stands for."""
    rate_limit: Annotated[int | None, Field(ge=0, le=_MAX_RATE)] = None
    """Requests a minute. 0 for no limit, if `MUSTER_RATE_LIMIT_CEILING` allows it; null for the
    limit of the workspace."""
    connection: Annotated[str, Field(max_length=100)] = "default"
    """The id of the connection that the key belongs to."""
    expires_in_seconds: Annotated[int | None, Field(ge=1, le=_MAX_SECONDS)] = None
    """The lifetime of the key. Null if it does not expire."""


class KeyChange(Body):
    """The members of an API key to change. Members that are left out stay as they are."""

    model_config = ConfigDict(
        json_schema_extra=example_of_a_change(name="Okta", expires="2030-12-31T23:59:59Z")
    )

    name: Name = ""
    """The name, which no other active key may have."""
    rate_limit: Annotated[int | None, Field(ge=0, le=_MAX_RATE)] = None
    """Requests a minute. 0 for no limit, if `MUSTER_RATE_LIMIT_CEILING` allows it; null for the
    limit of the workspace."""
    expires: Moment | None = None
    """The time at which the key expires, within 10 years. Null if it does not expire."""


class Rotation(Body):
    """The terms of a key rotation."""

    model_config = ConfigDict(json_schema_extra={"example": {"overlapSeconds": 86400}})

    overlap_seconds: Annotated[int | None, Field(ge=0, le=_MAX_SECONDS)] = None
    """How long the old key stays valid. Without it the old key ends at once."""


class KeyAnswer(Answer):
    """An API key. Its token is shown once, by the request that creates it."""

    id: KeyId
    """The id of the key."""
    name: Annotated[str, Field(examples=["Okta"])]
    """The name that the console and the audit log show."""
    status: Annotated[str, _STATES]
    """Whether the key can be used."""
    permissions: list[KeyPermission]
    """The permissions of the key, without those of its role."""
    role: str | None
    """The role whose permissions the key has, in addition to its own."""
    user: Id | None
    """The id of the user that `/Me` stands for."""
    connection: Annotated[str, Field(examples=["default"])]
    """The id of the connection that the key belongs to."""
    rateLimit: int | None
    """Requests a minute. 0 for no limit, if `MUSTER_RATE_LIMIT_CEILING` allows it; null for the
    limit of the workspace."""
    created: Timestamp
    """The time at which the key was created."""
    expires: Timestamp | None
    """The time at which the key expires. Null if it does not expire."""
    revoked: Timestamp | None
    """The time at which the key was revoked."""
    lastUsed: Timestamp | None
    """The time of the latest request with the key, to about half a minute."""


class NewKeyAnswer(KeyAnswer):
    """A new API key with its token."""

    token: Annotated[str, Field(examples=["eyJhbGciOiJIUzI1NiIs…"])]
    """The token to send as `Authorization: Bearer`. It cannot be shown again."""


class KeyList(ListAnswer):
    """The API keys of a workspace, oldest first."""

    items: list[KeyAnswer]
    """The keys of this page."""


class FindKeys(QueryParameters):
    """The parameters of a list of keys."""

    cursor: Cursor = ""
    """The `nextCursor` of the page before. Empty for the first page."""
    limit: Annotated[int, Field(ge=1, le=1000), DIGITS] = 100
    """The maximum number of keys in a page."""

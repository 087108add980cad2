"""The models of /setup-links."""

from typing import Annotated

from pydantic import ConfigDict, Field

from muster.access.connections import PROVIDERS
from muster.access.setup_links import MAX_CONTACT, MAX_DAYS, STEPS
from muster.base.outbound import MAX_URL
from muster.http.management.models.base import (
    DIGITS,
    Answer,
    Body,
    Cursor,
    ListAnswer,
    OneOf,
    QueryParameters,
    Timestamp,
)
from muster.http.management.models.connections import ConnectionId, Provider

LinkId = Annotated[str, Field(examples=["b27d0c8e51f4a396"])]


class NewSetupLink(Body):
    """A set-up link to create."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "provider": "entra",
                "expiresInDays": 7,
                "returnUrl": "https://app.example.com/settings/provisioning",
                "contact": "support@example.com",
            }
        }
    )

    connection: Annotated[str | None, Field(min_length=1, max_length=100)] = None
    """The id or the name of the connection to set up. Null for `default`."""
    provider: Annotated[str, OneOf(PROVIDERS)] | None = None
    """The identity provider. Null to let the page ask for it."""
    expires_in_days: Annotated[int, Field(ge=1, le=MAX_DAYS)] = 7
    """How long the link works."""
    return_url: Annotated[str | None, Field(min_length=1, max_length=MAX_URL)] = None
    """The HTTPS URL that the page leads back to when the set-up is done."""
    contact: Annotated[str | None, Field(max_length=MAX_CONTACT)] = None
    """Whom the page says to ask for help, such as an e-mail address."""


class MadeCredential(Answer):
    """The credential that the page made last."""

    kind: Annotated[str, OneOf(("key", "oauth-client", "trust"))]
    """An API key, an OAuth client, or a trust in the tokens of another issuer."""
    id: str
    """The id of the key, client or trust."""
    created: Timestamp
    """The time at which it was created."""


class SetupLinkAnswer(Answer):
    """A set-up link. Its URL is shown once, by the request that creates it."""

    id: LinkId
    """The id of the link."""
    connection: ConnectionId
    """The id of the connection that it sets up."""
    provider: Provider | None
    """The identity provider. Null if it has not been chosen yet."""
    state: Annotated[str, OneOf(("new", "opened", "finished", "expired", "revoked"))]
    """How far the set-up has come, or why the link works no more."""
    step: Annotated[str, OneOf(STEPS)]
    """The step that the set-up has reached."""
    created: Timestamp
    """The time at which the link was created."""
    createdBy: Annotated[str, Field(examples=["admin:ada@example.com"])]
    """The actor that created it, as in the audit log."""
    expires: Timestamp
    """The time until which the link works."""
    opened: Timestamp | None
    """The time at which its page was opened first. Null if it has not been."""
    lastOpened: Timestamp | None
    """The time at which its page was opened last. Null if it has not been."""
    lastAddress: Annotated[str | None, Field(examples=["192.0.2.7"])]
    """The address from which it was opened last. Null if it has not been."""
    finished: Timestamp | None
    """The time at which the set-up was finished. Null if it has not been."""
    revoked: Timestamp | None
    """The time at which the link was revoked. Null if it has not been."""
    credential: MadeCredential | None
    """The credential that the page made last. Null for none yet."""
    returnUrl: str | None
    """The URL that the page leads back to."""
    contact: str | None
    """Whom the page says to ask for help."""


class NewSetupLinkAnswer(SetupLinkAnswer):
    """A new set-up link with its URL."""

    url: Annotated[str, Field(examples=["https://scim.example.com/setup/3q2-7wEvS0…"])]
    """The URL to send to the customer's administrator. It cannot be shown again."""


class SetupLinkList(ListAnswer):
    """The set-up links of a workspace, oldest first."""

    items: list[SetupLinkAnswer]
    """The links of this page."""


class FindSetupLinks(QueryParameters):
    """The parameters of a list of set-up links."""

    cursor: Cursor = ""
    """The `nextCursor` of the page before. Empty for the first page."""
    limit: Annotated[int, Field(ge=1, le=1000), DIGITS] = 100
    """The maximum number in a page."""

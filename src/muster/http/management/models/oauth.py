"""The models of /connections/{id}/oauth-clients and /connections/{id}/trusts."""

from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from muster.access.connections import check_name
from muster.access.oauth.clients import PRIVATE_KEY, SECRET
from muster.access.oauth.key_sets import check_key_set
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
from muster.http.management.models.connections import ConnectionId
from muster.scim.errors import ScimError

_MAX_OVERLAP = 30 * 86_400
ClientId = Annotated[str, Field(examples=["1.5f2b9c0d8e7a4b16"])]
TrustId = Annotated[str, Field(examples=["9d4e1c7a0b3f5826"])]
Method = Annotated[str, OneOf((SECRET, PRIVATE_KEY))]


def _keys(value: dict[str, Any]) -> dict[str, Any]:
    try:
        return check_key_set(value)
    except (ValueError, ScimError) as error:
        raise PydanticCustomError(
            "jwks", "Expected a JSON Web Key Set: {error}.", {"error": str(error).rstrip(".")}
        ) from None


class NewOAuthClient(Body):
    """An OAuth client to create."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"name": "Entra", "auth": "client_secret"}}
    )

    name: Annotated[
        str, Field(min_length=1, max_length=100, examples=["Entra"]), AfterValidator(check_name)
    ]
    """The name that the console and the audit log show."""
    auth: Method = SECRET
    """How the client authenticates at the token endpoint: by a secret, or by a signed assertion
    (RFC 7523)."""
    jwks: Annotated[dict[str, Any], AfterValidator(_keys)] | None = None
    """The public keys of a client with `private_key_jwt` (RFC 7517). Give these or `jwksUri`."""
    jwks_uri: Annotated[str, Field(min_length=1, max_length=MAX_URL)] | None = None
    """The URL of the public keys. They are fetched when they are needed."""


class ClientRotation(Body):
    """The terms of a rotation."""

    model_config = ConfigDict(json_schema_extra={"example": {"overlapSeconds": 86400}})

    overlap_seconds: Annotated[int, Field(ge=0, le=_MAX_OVERLAP)] = 0
    """How long the present secret stays valid. Without it, it ends at once."""


class OAuthClientAnswer(Answer):
    """An OAuth client. Its secret is shown once, by the request that creates it."""

    clientId: ClientId
    """The client id."""
    name: Annotated[str, Field(examples=["Entra"])]
    """The name that the console and the audit log show."""
    connection: ConnectionId
    """The id of the connection that the client belongs to."""
    auth: Method
    """How the client authenticates at the token endpoint."""
    created: Timestamp
    """The time at which the client was created."""
    jwksUri: str | None
    """The URL of the client's public keys."""
    formerSecretExpires: Timestamp | None
    """The time at which the secret before the last rotation ends. Null if it has ended."""


class NewOAuthClientAnswer(OAuthClientAnswer):
    """A new OAuth client with its secret."""

    clientSecret: Annotated[str | None, Field(examples=["mGm0zX1oE4kq3JrYw5tV8A…"])]
    """The secret, which cannot be shown again. Null for `private_key_jwt`."""


class OAuthClientList(ListAnswer):
    """The OAuth clients of a connection, oldest first."""

    items: list[OAuthClientAnswer]
    """The clients of this page."""


class FindCredentials(QueryParameters):
    """The parameters of a list of OAuth clients or trusts."""

    cursor: Cursor = ""
    """The `nextCursor` of the page before. Empty for the first page."""
    limit: Annotated[int, Field(ge=1, le=1000), DIGITS] = 100
    """The maximum number in a page."""


_Claim = Annotated[str, Field(min_length=1, max_length=500)]


class NewTrust(Body):
    """Tokens of another issuer that are to be credentials of the connection."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "issuer": "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab/v2.0",
                "audience": "api://muster",
                "subject": "a1b2c3d4-0000-4000-8000-000000000001",
                "tenant": "72f988bf-86f1-41af-91ab",
            }
        }
    )

    issuer: Annotated[str, Field(min_length=1, max_length=MAX_URL)]
    """The token's `iss`: an HTTPS URL that publishes its keys by OpenID Connect Discovery."""
    audience: _Claim
    """The token's `aud`."""
    subject: _Claim
    """The token's `sub`."""
    tenant: _Claim | None = None
    """The token's `tid`, which Microsoft Entra ID sends. Null to accept any."""


class TrustAnswer(Answer):
    """Tokens of another issuer that are credentials of the connection."""

    id: TrustId
    """The id of the trust."""
    clientId: ClientId
    """The client id with which a token of the issuer is exchanged at the token endpoint, as the
    workload identity federation of Microsoft Entra ID does."""
    connection: ConnectionId
    """The id of the connection."""
    issuer: str
    """The token's `iss`."""
    audience: str
    """The token's `aud`."""
    subject: str
    """The token's `sub`."""
    tenant: str | None
    """The token's `tid`. Null to accept any."""
    created: Timestamp
    """The time at which the trust was created."""


class TrustList(ListAnswer):
    """The trusts of a connection, oldest first."""

    items: list[TrustAnswer]
    """The trusts of this page."""

"""The models of /open-id-connector."""

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints
from pydantic.config import JsonDict

from muster.http.management.models.base import Answer, Body, KeyPermission

_Text = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"\S")]
_Domain = Annotated[str, StringConstraints(min_length=1, max_length=253)]
_Domains = Annotated[list[_Domain], Field(min_length=1, max_length=100)]
_EXAMPLE: JsonDict = {
    "title": "Example Corp",
    "issuer": "https://login.example.com",
    "clientId": "muster",
    "clientSecret": "a secret of the identity provider",
    "allowedDomains": ["example.com"],
    "permissions": ["Configure Settings"],
}


class ConnectorBody(Body):
    """The Open ID Connector to set up."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    title: _Text
    """The text of the button on the sign-in page."""
    issuer: _Text
    """The issuer of the identity provider: an `https://` URL without a query."""
    client_id: _Text
    """The client id that the identity provider has given muster."""
    client_secret: Annotated[str | None, Field(max_length=500)] = None
    """The client secret. Leave it out to keep the secret of the same issuer."""
    allowed_domains: _Domains
    """The domains of the e-mail addresses that may sign in."""
    permissions: Annotated[list[KeyPermission], Field(min_length=1)]
    """The permissions of everybody who signs in."""
    trust_email: bool = False
    """Whether to accept addresses without the claim `email_verified`."""


class ConnectorAnswer(Answer):
    """The Open ID Connector of a workspace, without its secret."""

    title: Annotated[str, Field(examples=["Example Corp"])]
    """The text of the button on the sign-in page."""
    issuer: Annotated[str, Field(examples=["https://login.example.com"])]
    """The issuer of the identity provider."""
    clientId: Annotated[str, Field(examples=["muster"])]
    """The client id that the identity provider has given muster."""
    allowedDomains: list[Annotated[str, Field(examples=["example.com"])]]
    """The domains of the e-mail addresses that may sign in."""
    permissions: list[KeyPermission]
    """The permissions of everybody who signs in."""
    trustEmail: bool
    """Whether addresses without the claim `email_verified` are accepted."""

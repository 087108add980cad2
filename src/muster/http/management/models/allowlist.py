"""The models of /ip-allowlist."""

from typing import Annotated

from pydantic import ConfigDict, Field

from muster.http.management.models.base import Answer, Body
from muster.http.management.models.settings import AllowlistEntry


class ValidateAddress(Body):
    """An address to check against an IP allowlist."""

    model_config = ConfigDict(json_schema_extra={"example": {"address": "192.0.2.7"}})

    address: Annotated[str, Field(min_length=1, max_length=100, examples=["192.0.2.7"])]
    """The IPv4 or IPv6 address."""
    connection: Annotated[str, Field(max_length=100)] = ""
    """The id or name of a connection, to check against its allowlist. Without it, against that of
    the workspace."""


class AddressAnswer(Answer):
    """Whether requests from an address would be accepted."""

    address: Annotated[str, Field(examples=["192.0.2.7"])]
    """The address."""
    allowed: bool
    """Whether requests from it would be accepted."""
    entry: AllowlistEntry | None
    """The first network that contains it. Null if none does, or the allowlist is empty."""
    inherited: bool
    """Whether the allowlist is that of the workspace."""

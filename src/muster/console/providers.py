"""The identity providers that the console has instructions for, and how it recognises them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Provider:
    """An identity provider.

    Attributes:
        steps: The instructions to connect it, in order.
        mapping: The attributes of the provider, and the SCIM attributes that they become.
        signs: Lower-case parts of the names of keys and of User-Agents that identify it.
    """

    title: str
    steps: Sequence[str]
    mapping: Sequence[tuple[str, str]]
    signs: Sequence[str] = ()


PROVIDERS = {
    "okta": Provider(
        "Okta",
        steps=(
            "In your application open Provisioning → Integration, and choose SCIM 2.0 with HTTP Header.",
            "Enter the base URL and the key as the bearer token; the unique identifier field is userName.",
            "Turn on: import, push new users, push profile updates, push groups. Then Test API Credentials.",
        ),
        mapping=(
            ("login", "userName"),
            ("email", 'emails[type eq "work"]'),
            ("firstName, lastName", "name"),
            ("active", "active"),
        ),
        signs=("okta",),
    ),
    "entra": Provider(
        "Microsoft Entra ID",
        steps=(
            "Enterprise applications → your application → Provisioning → Automatic.",
            "Tenant URL: the base URL. Secret token: the key. Then Test Connection.",
            "The default mappings work. Start provisioning.",
        ),
        mapping=(
            ("userPrincipalName", "userName"),
            ("objectId", "externalId"),
            ("mail", 'emails[type eq "work"].value'),
        ),
        signs=(
            "entra",
            "azure",
            "microsoft",
        ),
    ),
    "onelogin": Provider(
        "OneLogin",
        steps=(
            "Add SCIM Provisioner with SAML (SCIM v2 Enterprise).",
            "Configuration: SCIM base URL, and the key as the SCIM bearer token. Enable the API connection.",
            "Provisioning → Enable provisioning.",
        ),
        mapping=(
            ("{$user.email}", "userName"),
            ("{$user.id}", "externalId"),
        ),
        signs=("onelogin",),
    ),
    "google": Provider(
        "Google Workspace",
        steps=(
            "Apps → Web and mobile apps → your application → Auto-provisioning.",
            "Access token: the key. Endpoint URL: the base URL.",
            "Map the attributes, and choose the scope.",
        ),
        mapping=(
            ("username", "userName"),
            ("First name, Last name", "name"),
            ("Email", "emails"),
        ),
        signs=("google",),
    ),
    "other": Provider(
        "Any other",
        steps=(
            "Give the client the base URL, and the key as its bearer token.",
            "It needs SCIM 2.0 (RFC 7643 and 7644). /ServiceProviderConfig says what there is.",
        ),
        mapping=(
            ("the name that people sign in with", "userName"),
            ("your own id", "externalId"),
        ),
    ),
}


def recognise(key_name: str, agent: str) -> str | None:
    """Return the provider that the name of a key, or else a User-Agent, identifies."""
    for text in (key_name.lower(), agent.lower()):
        for name, provider in PROVIDERS.items():
            if any(sign in text for sign in provider.signs):
                return name
    return None


def of_provider(provider: str, found: Sequence[tuple[T, str, str]]) -> list[T]:
    """Return the items that belong to a provider; if none does, those that belong to no other.

    Args:
        found: Each item with the name of its key and a User-Agent.
    """
    recognised = [(item, recognise(key_name, agent)) for item, key_name, agent in found]
    own = [item for item, name in recognised if name == provider]
    return own or [item for item, name in recognised if name is None]

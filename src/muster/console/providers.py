"""The identity providers with a set-up guide, and how to recognise their requests."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Provider:
    """An identity provider.

    Attributes:
        title: The display name.
        steps: The instructions to connect it, in order.
        mapping: The provider's attributes, each with its SCIM attribute.
        signs: Lower-case parts of key names and User-Agents that identify it.
    """

    title: str
    steps: Sequence[str]
    mapping: Sequence[tuple[str, str]]
    signs: Sequence[str] = ()


PROVIDERS = {
    "okta": Provider(
        "Okta",
        steps=(
            "In your application, open Provisioning → Integration and choose SCIM 2.0 with HTTP"
            " Header.",
            "Enter the base URL, the API key as the bearer token, and userName as the unique"
            " identifier field.",
            "Turn on import, push new users, push profile updates and push groups. Select Test"
            " API Credentials.",
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
            "Open Enterprise applications → your application → Provisioning → Automatic.",
            "Enter the base URL as the tenant URL and the API key as the secret token. Select"
            " Test Connection.",
            "Keep the default mappings. Start provisioning.",
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
            "Under Configuration, enter the base URL and the API key as the bearer token. Enable"
            " the API connection.",
            "Under Provisioning, select Enable provisioning.",
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
            "Open Apps → Web and mobile apps → your application → Auto-provisioning.",
            "Enter the API key as the access token and the base URL as the endpoint URL.",
            "Map the attributes and choose the scope.",
        ),
        mapping=(
            ("username", "userName"),
            ("First name, Last name", "name"),
            ("Email", "emails"),
        ),
        signs=("google",),
    ),
    "other": Provider(
        "Other",
        steps=(
            "Enter the base URL, and the API key as the bearer token, in the client.",
            "The client must support SCIM 2.0 (RFC 7643 and 7644). /ServiceProviderConfig lists"
            " the supported features.",
        ),
        mapping=(
            ("Sign-in name", "userName"),
            ("Your own ID", "externalId"),
        ),
    ),
}


def recognise(key_name: str, agent: str) -> str | None:
    """Return the provider that a key name or else a User-Agent identifies, or None."""
    for text in (key_name.lower(), agent.lower()):
        for name, provider in PROVIDERS.items():
            if any(sign in text for sign in provider.signs):
                return name
    return None


def of_provider(provider: str, found: Sequence[tuple[T, str, str]]) -> list[T]:
    """Return the items of a provider; if it has none, those of no known provider.

    Args:
        provider: The name of the provider.
        found: Each item with the name of its key and its User-Agent.
    """
    recognised = [(item, recognise(key_name, agent)) for item, key_name, agent in found]
    own = [item for item, name in recognised if name == provider]
    return own or [item for item, name in recognised if name is None]

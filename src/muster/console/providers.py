"""The identity providers with a set-up guide, and how to recognise their requests."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
BASE_URL, API_KEY = "{base URL}", "{API key}"
TOKEN_URL, CLIENT_ID, CLIENT_SECRET = "{token URL}", "{client ID}", "{client secret}"
KEY, OAUTH_CLIENT, TRUST = "key", "oauth-client", "trust"
"""The kinds of credentials that a set-up creates."""


@dataclass(frozen=True, slots=True)
class Provider:
    """An identity provider.

    Attributes:
        title: The display name.
        steps: The instructions to connect it, in order.
        fields: The names of the provider's fields, each with its value; BASE_URL and API_KEY stand
            for those of the connection.
        document: The address of the provider's own instructions; empty for none.
        mapping: The provider's attributes, each with its SCIM attribute.
        signs: Lower-case parts of key names and User-Agents that identify it.
        oauth_fields: The fields for an OAuth client instead of an API key; TOKEN_URL, CLIENT_ID and
            CLIENT_SECRET stand for those of the client. Empty if it cannot use one.
        prefers_oauth: Whether an OAuth client is the better choice.
        trust_fields: The fields for tokens that the provider signs itself. Empty if it signs none.
        trust_issuer: The issuer of those tokens, with {tenant} for the customer's tenant.
        trust_audience: Their audience.
    """

    title: str
    steps: Sequence[str]
    mapping: Sequence[tuple[str, str]]
    fields: Sequence[tuple[str, str]] = ()
    document: str = ""
    signs: Sequence[str] = ()
    oauth_fields: Sequence[tuple[str, str]] = ()
    prefers_oauth: bool = False
    trust_fields: Sequence[tuple[str, str]] = ()
    trust_issuer: str = ""
    trust_audience: str = ""

    @property
    def credentials(self) -> tuple[str, ...]:
        """The kinds of credentials that it can use, the best first."""
        kinds = [KEY]
        if self.oauth_fields:
            kinds.insert(0 if self.prefers_oauth else 1, OAUTH_CLIENT)
        return (*kinds, TRUST) if self.trust_fields else tuple(kinds)

    def accepted_by(self, accepted: str) -> tuple[str, ...]:
        """Return the kinds of credentials that a workspace accepts from it, the best first.

        Args:
            accepted: The credentials that SCIM accepts there: `any`, `oauth` or `keys`.
        """
        if accepted == "any":
            return self.credentials
        return tuple(kind for kind in self.credentials if (kind == KEY) == (accepted == "keys"))

    def fields_for(self, kind: str) -> Sequence[tuple[str, str]]:
        """Return the provider's fields for a kind of credential, each with its value."""
        return {OAUTH_CLIENT: self.oauth_fields, TRUST: self.trust_fields}.get(kind, self.fields)


PROVIDERS = {
    "okta": Provider(
        "Okta",
        steps=(
            "In your SAML or SWA application, open General → App Settings → Provisioning, choose"
            " SCIM, and save. Then open Provisioning → Integration → Edit.",
            "Enter the values above, and turn on Import New Users and Profile Updates, Push New"
            " Users, Push Profile Updates and Push Groups. Select Test Connector Configuration"
            " (Test API Credentials in an application of the catalog), then Save.",
            "Under To App, turn on Create Users, Update User Attributes and Deactivate Users. Then"
            " assign people and groups.",
        ),
        fields=(
            ("SCIM connector base URL", BASE_URL),
            ("Unique identifier field for users", "userName"),
            ("Authentication Mode", "HTTP Header"),
            ("Authorization (Bearer)", API_KEY),
        ),
        document=(
            "https://developer.okta.com/docs/guides/scim-provisioning-integration-connect/main/"
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
            "Open Enterprise applications → your application → Provisioning → New configuration."
            " If you have none yet, select New application → Create your own application →"
            " Integrate any other application.",
            "Choose the authentication method, and enter the values above. Select Test Connection,"
            " then Create.",
            "Under Mappings, set the source of externalId to objectId, which never changes; the"
            " default is mailNickname. Keep the other mappings. Assign users and groups, and start"
            " provisioning.",
        ),
        fields=(
            ("Authentication method", "Bearer authentication"),
            ("Tenant URL", BASE_URL),
            ("Secret Token", API_KEY),
        ),
        oauth_fields=(
            ("Authentication method", "OAuth2 client credentials grant"),
            ("Tenant URL", BASE_URL),
            ("Token endpoint", TOKEN_URL),
            ("Client identifier", CLIENT_ID),
            ("Client secret", CLIENT_SECRET),
        ),
        prefers_oauth=True,
        trust_fields=(
            ("Authentication method", "Bearer authentication"),
            ("Tenant URL", BASE_URL),
            ("Secret Token", "Leave it empty: Entra then signs a token of its own."),
        ),
        trust_issuer="https://sts.windows.net/{tenant}/",
        trust_audience="8adf8e6e-67b2-4cf2-a259-e3dc5476c621",
        document=(
            "https://learn.microsoft.com/en-us/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups"
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
        fields=(
            ("SCIM Base URL", BASE_URL),
            ("SCIM Bearer Token", API_KEY),
        ),
        document=("https://developers.onelogin.com/scim/create-app"),
        mapping=(
            ("{$user.email}", "userName"),
            ("{$user.id}", "externalId"),
        ),
        signs=("onelogin",),
    ),
    "google": Provider(
        "Google Workspace",
        steps=(
            "Open Apps → Web and mobile apps → your application → Configure auto-provisioning."
            " Google offers it for applications of its catalog only.",
            "Enter the API key as the access token and the base URL as the endpoint URL.",
            "Map the attributes, choose the scope and the deprovisioning, and turn"
            " auto-provisioning on.",
        ),
        fields=(
            ("Access token", API_KEY),
            ("Endpoint URL", BASE_URL),
        ),
        document=("https://support.google.com/a/answer/7681608"),
        mapping=(
            ("username", "userName"),
            ("First name, Last name", "name"),
            ("Email", "emails"),
        ),
        signs=("google",),
    ),
    "jumpcloud": Provider(
        "JumpCloud",
        steps=(
            "Open SSO Applications → your application → Identity Management, and choose SCIM API.",
            "Fill in the fields. The test user needs an e-mail address that no user has: JumpCloud"
            " creates that user and a test group, and deletes both again.",
            "Select Test Connection. To push groups, turn on Enable management of User Groups and"
            " Group Membership in this application. Select Activate, then Save.",
        ),
        fields=(
            ("SCIM Version", "SCIM 2.0"),
            ("Base URL", BASE_URL),
            ("Token Key", API_KEY),
            ("Test User Email", "An address that no user has"),
        ),
        document=(
            "https://jumpcloud.com/support/provision-and-manage-users-and-groups-in-apps-using-custom-scim-identity-management-integration"
        ),
        mapping=(
            ("email", "userName"),
            ("firstname, lastname", "name"),
            ("id", "externalId"),
            ("suspended", "active (inverted)"),
        ),
        signs=("jumpcloud",),
    ),
    "keycloak": Provider(
        "Keycloak",
        steps=(
            "Keycloak has no SCIM client of its own. Put the JAR file of the extension"
            " keycloak-scim in the folder providers, and restart Keycloak.",
            "Under Realm settings → Events, add scim to the event listeners. Under User"
            " federation, add a provider of the type scim, and fill in the fields.",
            "Turn on Enable refresh during sync, and synchronize all users.",
        ),
        fields=(
            ("SCIM 2.0 endpoint", BASE_URL),
            ("Endpoint content type", "application/scim+json"),
            ("Auth mode", "BEARER"),
            ("Auth password/token", API_KEY),
        ),
        oauth_fields=(
            ("SCIM 2.0 endpoint", BASE_URL),
            ("Endpoint content type", "application/scim+json"),
            ("Auth mode", "CLIENT_CREDENTIALS (the extension of pelotech)"),
            ("OAuth client ID", CLIENT_ID),
            ("OAuth client secret", CLIENT_SECRET),
            ("OAuth token endpoint", TOKEN_URL),
        ),
        document="https://github.com/mitodl/keycloak-scim",
        mapping=(
            ("username", "userName"),
            ("id", "externalId"),
            ("email", "emails"),
            ("enabled", "active"),
        ),
        signs=("keycloak",),
    ),
    "authentik": Provider(
        "authentik",
        steps=(
            "Open Applications → Applications → New Application, choose SCIM as the provider type,"
            " and fill in the fields.",
            "Edit the application of your users, and add the SCIM provider under Backchannel"
            " providers. Users that are bound to this application are synchronized; if none are"
            " bound, all users are.",
            "Open the SCIM provider, and select Run sync again.",
        ),
        fields=(
            ("URL", BASE_URL),
            ("Authentication Mode", "Static token"),
            ("Token", API_KEY),
            ("SCIM Compatibility Mode", "Default"),
        ),
        oauth_fields=(
            ("Consumer key (of the OAuth source)", CLIENT_ID),
            ("Consumer secret (of the OAuth source)", CLIENT_SECRET),
            ("Access token URL (of the OAuth source)", TOKEN_URL),
            ("URL", BASE_URL),
            ("Authentication Mode", "OAuth (Silent); an OpenID OAuth Source is needed first"),
            ("OAuth Parameters", "grant_type: client_credentials"),
            ("SCIM Compatibility Mode", "Default"),
        ),
        document="https://docs.goauthentik.io/add-secure-apps/providers/scim/",
        mapping=(
            ("username", "userName"),
            ("uid (hashed)", "externalId"),
            ("name", "name"),
            ("email", "emails"),
            ("is_active", "active"),
        ),
        signs=("authentik",),
    ),
    "cyberark": Provider(
        "CyberArk Identity",
        steps=(
            "In the Admin Portal, open Apps & Widgets → Web Apps → your SAML application →"
            " Provisioning. Turn on Enable provisioning for this application, and choose Live"
            " Mode.",
            "Fill in the fields, and select Verify.",
            "Under Sync Options, clear Do not de-provision (deactivate or delete) users in target"
            " application. Under Role Mapping, map each role to a destination group. Save.",
            "Open Settings → Users → Outbound Provisioning, and start the synchronization.",
        ),
        fields=(
            ("SCIM Service URL", BASE_URL),
            ("Authorization Type", "Authorization Header"),
            ("Header Type", "Bearer Token"),
            ("Bearer Token", API_KEY),
        ),
        document=(
            "https://docs.cyberark.com/identity/Latest/en/Content/Developer/scim-management/scim-outbound-provisioning.htm"
        ),
        mapping=(
            ("Login name", "userName"),
            ("Display name", "displayName"),
            ("Email address", 'emails[type eq "work"]'),
            ("Roles, by the role mapping", "Groups"),
        ),
        signs=("cyberark", "idaptive"),
    ),
    "ping": Provider(
        "PingOne",
        steps=(
            "Open Integrations → Provisioning → + → New connection → Identity Store → SCIM"
            " Outbound.",
            "Fill in the fields, and select Test connection. Under Configure preferences, enter"
            " the user filter, and choose what happens to users who leave.",
            "Turn the connection on. Create a rule with the population and the attribute mapping,"
            " and turn it on as well.",
        ),
        fields=(
            ("SCIM Base URL", BASE_URL),
            ("Users Resource", "/Users"),
            ("Groups Resource", "/Groups"),
            ("SCIM Version", "2.0"),
            ("Authentication Method", "OAuth 2 Bearer Token"),
            ("OAuth Access Token", API_KEY),
            ("User Filter Expression", 'userName Eq "%s"'),
        ),
        oauth_fields=(
            ("SCIM Base URL", BASE_URL),
            ("Users Resource", "/Users"),
            ("Groups Resource", "/Groups"),
            ("SCIM Version", "2.0"),
            ("Authentication Method", "OAuth 2 Client Credentials"),
            ("OAuth Token Request", TOKEN_URL),
            ("OAuth Client ID", CLIENT_ID),
            ("OAuth Client Secret", CLIENT_SECRET),
            ("Auth Type Header", "OAuth Client Credentials"),
            ("User Filter Expression", 'userName Eq "%s"'),
        ),
        prefers_oauth=True,
        document="https://docs.pingidentity.com/pingone/integrations/p1_scim_provisioning_features.html",
        mapping=(
            ("Username", "userName"),
            ("Given Name, Family Name", "name"),
            ("Email Address", 'emails[type eq "work"]'),
            ("Enabled", "active"),
        ),
        signs=("pingone", "pingfederate", "pingidentity"),
    ),
    "rippling": Provider(
        "Rippling",
        steps=(
            "Open IT → Third-Party Access → Add Integration → Create New Custom Integration, and"
            " select User Management via SCIM.",
            "Fill in the fields, and turn on Supports Groups, Supports Pagination, Create & Delete"
            " Groups and Use PATCH to edit Groups. Add the attributes externalId, emails.primary,"
            " name.givenName and name.familyName.",
            "Install the integration and paste the API key. Choose the users of the application,"
            " and the action for users who leave.",
        ),
        fields=(
            ("SCIM Version", "2.0"),
            ("SCIM Base URL", BASE_URL),
            ("SCIM Authorization Method", "Bearer Token"),
            ("Bearer Token", API_KEY),
        ),
        document="https://developer.rippling.com",
        mapping=(
            ("work e-mail", "userName"),
            ("legal or preferred name", "name"),
            ("emails.primary", "emails"),
            ("externalId", "externalId"),
        ),
        signs=("rippling",),
    ),
    "sailpoint": Provider(
        "SailPoint",
        steps=(
            "Add a source of type SCIM 2.0, and fill in the fields.",
            "Select Discover schema, then aggregate accounts and groups.",
        ),
        fields=(
            ("Base URL", BASE_URL),
            ("Authentication Type", "API Token"),
            ("API Token", API_KEY),
        ),
        oauth_fields=(
            ("Base URL", BASE_URL),
            ("Authentication Type", "OAuth 2.0"),
            ("Grant Type", "Client Credentials"),
            ("OAuth 2.0 Token URL", TOKEN_URL),
            ("Client ID", CLIENT_ID),
            ("Client Secret", CLIENT_SECRET),
        ),
        prefers_oauth=True,
        document="https://documentation.sailpoint.com/connectors/scim_2_0/help/integrating_scim_2_0/introduction.html",
        mapping=(
            ("userName", "userName"),
            ("name, emails", "name, emails"),
            ("entitlements, groups", "entitlements, groups"),
        ),
        signs=("sailpoint",),
    ),
    "workday": Provider(
        "Workday",
        steps=(
            "Workday has no SCIM client of its own. Most customers connect Workday to Okta or"
            " Microsoft Entra ID, and provision from there: choose that provider instead.",
            "To provision from Workday itself, build an integration in Workday Studio, or use a"
            " connector between the two, that sends SCIM 2.0. Enter the values of the table there.",
            "Map the worker's ID to externalId, so that a rehired worker is recognized.",
        ),
        fields=(("Base URL", BASE_URL), ("Bearer token", API_KEY)),
        oauth_fields=(
            ("Base URL", BASE_URL),
            ("Token URL", TOKEN_URL),
            ("Client ID", CLIENT_ID),
            ("Client secret", CLIENT_SECRET),
        ),
        mapping=(
            ("Work e-mail", "userName"),
            ("Worker ID", "externalId"),
            ("Legal or preferred name", "name"),
            ("Worker status", "active"),
            ("Manager", "manager of the enterprise extension"),
        ),
        signs=("workday",),
    ),
    "other": Provider(
        "Other",
        steps=(
            "Enter the base URL, and the API key as the bearer token, in the client.",
            "The client must support SCIM 2.0 (RFC 7643 and 7644). /ServiceProviderConfig lists"
            " the supported features.",
        ),
        fields=(
            ("Base URL", BASE_URL),
            ("Bearer token", API_KEY),
        ),
        oauth_fields=(
            ("Base URL", BASE_URL),
            ("Token URL", TOKEN_URL),
            ("Client ID", CLIENT_ID),
            ("Client secret", CLIENT_SECRET),
            ("Scope", "scim"),
        ),
        mapping=(
            ("Sign-in name", "userName"),
            ("Your own ID", "externalId"),
        ),
    ),
}

TITLES = {name: provider.title for name, provider in PROVIDERS.items()}
"""The display names of the providers, for lists and choices."""


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

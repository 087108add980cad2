"""Open ID Connectors: sign-in of administrators with an identity provider.

A connector belongs to one workspace or to the installation. Signing in with it creates a separate
administrator, limited to that workspace. It never signs anyone in to an existing account, so no
identity provider can impersonate administrators of another workspace.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import orjson

from muster.access.administrators import (
    ADDRESS,
    ADMINISTRATOR_KIND,
    EVERYWHERE,
    SESSION_KIND,
    Admin,
    Administrators,
    digest,
)
from muster.access.openid import Client, Identity, OpenId, ProviderFailed
from muster.access.permissions import ADMIN, beyond
from muster.access.roles import check_permissions
from muster.access.workspaces import find_workspace
from muster.base.outbound import is_absolute_url
from muster.scim.document import json_type
from muster.scim.errors import forbidden, invalid_syntax, invalid_value, not_found
from muster.scim.values import Json, fold
from muster.storage.port.accounts import Accounts
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.items import INSTALLATION, Item

CONNECTOR_KIND = "open-id-connector"
_ID = "connector"
_NAMES = (
    "title",
    "issuer",
    "clientId",
    "clientSecret",
    "allowedDomains",
    "permissions",
    "trustEmail",
)
_MAX_TEXT, _MAX_DOMAINS = 500, 100


@dataclass(frozen=True, slots=True)
class Connector:
    """The OpenID Connect sign-in of administrators of a workspace or installation.

    Attributes:
        title: The name on the sign-in button.
        client: The registration at the identity provider.
        domains: The e-mail domains that may sign in.
        permissions: The permissions they get.
        trust_email: Whether to accept addresses that the provider does not mark as verified.
    """

    title: str
    client: Client
    domains: tuple[str, ...]
    permissions: tuple[str, ...]
    trust_email: bool = False

    def shown(self) -> dict[str, Json]:
        """Return the connector as JSON, without its secret."""
        return {
            "title": self.title,
            "issuer": self.client.issuer,
            "clientId": self.client.client_id,
            "allowedDomains": list(self.domains),
            "permissions": list(self.permissions),
            "trustEmail": self.trust_email,
        }


@dataclass(frozen=True, slots=True)
class Setter:
    """An administrator who sets up a connector.

    Attributes:
        place: The id of the workspace, or INSTALLATION.
        origin: The actor, request, time and address, for the audit log.
        permissions: Their permissions in the workspace.
    """

    place: int
    origin: ChangeOrigin
    permissions: tuple[str, ...]


class Connectors:
    """Stores connectors and signs in the administrators who use them."""

    def __init__(self, accounts: Accounts, administrators: Administrators, openid: OpenId) -> None:
        self._accounts = accounts
        self._administrators = administrators
        self._openid = openid

    async def get(self, place: int) -> Connector | None:
        """Return the connector of a workspace or the INSTALLATION, or None."""
        item = await self._accounts.item(place, CONNECTOR_KIND, _ID)
        return None if item is None else _connector(item.body)

    async def find(self, name: str) -> tuple[int, Connector] | None:
        """Find a connector by workspace name; the empty name stands for the installation.

        Returns:
            The id of the workspace, or INSTALLATION, and the connector; None if it has none.
        """
        place = INSTALLATION
        if name:
            workspace = await find_workspace(self._accounts, name)
            if workspace is None:
                return None
            place = workspace.id
        connector = await self.get(place)
        return None if connector is None else (place, connector)

    async def put(self, by: Setter, raw: Json) -> Connector:
        """Create or replace a connector, signing out the administrators who used it.

        The stored client secret is kept if the new one is empty and the issuer is the same.

        Raises:
            ScimError: 400 if a setting is invalid; 403 if the administrator would grant
                permissions that they do not have.
        """
        before = await self.get(by.place)
        self._check_owner(by, before)
        connector = self._read(by, raw, before)
        try:
            await self._openid.check(connector.client.issuer)
        except ProviderFailed as failed:
            raise invalid_value(f"issuer: {failed.detail}") from None
        await self._keep(
            by,
            {**connector.shown(), "clientSecret": connector.client.client_secret},
            "update",
            connector,
        )
        return connector

    async def delete(self, by: Setter) -> None:
        """Remove a connector and the administrators who use it.

        Raises:
            ScimError: 403 if it grants permissions that the administrator does not have; 404 if
                no connector is set up.
        """
        before = await self.get(by.place)
        if before is None:
            raise not_found("No Open ID Connector is set up.")
        self._check_owner(by, before)
        await self._keep(by, None, "delete", before)

    async def welcome(
        self, place: int, connector: Connector, identity: Identity, origin: ChangeOrigin, agent: str
    ) -> str:
        """Sign in a person whom the identity provider has authenticated.

        Returns:
            The token of the new session.

        Raises:
            ScimError: 403 if the connector does not admit their e-mail address.
        """
        verified = connector.trust_email if identity.verified is None else identity.verified
        if not verified:
            raise forbidden(
                "The identity provider does not mark this e-mail address as verified. Have it"
                " send the"
                " claim email_verified, or set trustEmail if all addresses it sends are verified."
            )
        domain = _domain_of(identity.email)
        if domain not in connector.domains:
            raise forbidden(
                f"The e-mail address {identity.email[:100]!r} is not in an allowed domain."
            )
        where = EVERYWHERE if place == INSTALLATION else str(place)
        admin_id = digest(f"{place} {connector.client.issuer} {identity.subject}")
        known = await self._administrators.get(admin_id)
        made = Admin(
            admin_id,
            identity.email,
            None,
            {where: list(connector.permissions)},
            origin.time,
            connector=place,
        )
        token = await self._administrators.begin(
            replace(made, created=known.created) if known else made, origin, agent, known
        )
        if await self.get(place) != connector:
            # The connector has changed and its administrators were removed: remove this one too.
            await self._drop_admins(place, origin)
            raise forbidden("The Open ID Connector has just changed. Sign in again.")
        return token

    def _check_owner(self, by: Setter, before: Connector | None) -> None:
        refused = beyond(by.permissions, before.permissions if before else ())
        if refused:
            raise forbidden(
                f"The connector grants permissions that you do not have: {', '.join(refused)}"
            )

    async def _keep(self, by: Setter, body: Json, action: str, recorded: Connector) -> None:
        note = Note(
            by.place, by.origin, "OpenIdConnector", _ID, action, orjson.dumps(recorded.shown())
        )
        await self._accounts.administer([Item(by.place, CONNECTOR_KIND, _ID, body)], [note])
        await self._drop_admins(by.place, by.origin)

    async def _drop_admins(self, place: int, origin: ChangeOrigin) -> None:
        """Remove the administrators who use a connector, and their sessions."""
        items = await self._accounts.items(INSTALLATION, ADMINISTRATOR_KIND)
        gone = {item.id: item for item in items if item.body.get("connector") == place}
        sessions = [
            item
            for item in await self._accounts.items(INSTALLATION, SESSION_KIND)
            if item.body["admin"] in gone
        ]
        notes = [
            Note(
                INSTALLATION,
                origin,
                "Administrator",
                item.id,
                "delete",
                orjson.dumps({"email": item.body["email"]}),
            )
            for item in gone.values()
        ]
        if gone:
            await self._accounts.administer(
                [replace(item, body=None) for item in (*gone.values(), *sessions)], notes
            )

    def _read(self, by: Setter, raw: Json, before: Connector | None) -> Connector:
        if not isinstance(raw, dict):
            raise invalid_syntax(f"body: expected a JSON object, got {json_type(raw)}")
        unknown = [name for name in raw if name not in _NAMES]
        if unknown:
            raise invalid_value(
                f"Unknown setting {unknown[0][:100]!r}. Settings: {', '.join(_NAMES)}"
            )
        issuer = _text(raw, "issuer")
        schemes = ("https", "http") if self._openid.private else ("https",)
        if not is_absolute_url(issuer, schemes) or "?" in issuer or "#" in issuer:
            raise invalid_value(
                "issuer: expected the provider's https:// issuer URL, without a query"
            )
        secret = raw.get("clientSecret")
        if secret in (None, "") and before is not None and before.client.issuer == issuer:
            secret = before.client.client_secret
        client = Client(
            issuer, _text(raw, "clientId"), _text({"clientSecret": secret}, "clientSecret")
        )
        permissions = check_permissions(by.permissions, raw.get("permissions"), (ADMIN,))
        trusts = raw.get("trustEmail", False)
        if not isinstance(trusts, bool):
            raise invalid_value(f"trustEmail: expected a boolean, got {json_type(trusts)}")
        return Connector(
            _text(raw, "title"), client, _domains(raw.get("allowedDomains")), permissions, trusts
        )


def _text(raw: Mapping[str, Json], name: str) -> str:
    value = raw.get(name)
    if (
        not isinstance(value, str)
        or not value.strip()
        or len(value) > _MAX_TEXT
        or not value.isprintable()
    ):
        raise invalid_value(f"{name}: expected 1 to {_MAX_TEXT} characters")
    return value.strip()


def _domains(raw: Json) -> tuple[str, ...]:
    domains: Sequence[Json] = raw if isinstance(raw, list) else ()
    if not 0 < len(domains) <= _MAX_DOMAINS:
        raise invalid_value(
            f"allowedDomains: expected 1 to {_MAX_DOMAINS} domains such as example.com"
        )
    for domain in domains:
        if (
            not isinstance(domain, str)
            or not domain.strip()
            or len(domain) > 253
            or set(domain.strip()) & set("@/ *\0")
        ):
            raise invalid_value(
                f"allowedDomains: expected a domain such as example.com, got {str(domain)[:100]!r}"
            )
    return tuple(dict.fromkeys(fold(str(domain).strip()) for domain in domains))


def _domain_of(email: str) -> str | None:
    """Return the domain of a plain e-mail address; None if the address is ambiguous.

    Only ASCII domains are lowercased: Unicode case folding would turn some letters into ASCII.
    """
    if not ADDRESS.fullmatch(email):
        return None
    domain = email.rpartition("@")[2]
    return domain.lower() if domain.isascii() else domain


def _connector(body: dict[str, Json]) -> Connector:
    client = Client(body["issuer"], body["clientId"], body["clientSecret"])
    return Connector(
        body["title"],
        client,
        tuple(body["allowedDomains"]),
        tuple(body["permissions"]),
        body.get("trustEmail", False),
    )

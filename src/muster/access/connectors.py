"""Open ID Connectors: the identity provider through which a workspace's administrators, or an installation's, sign in.

Whoever comes by one is an administrator of that place alone, under what the provider calls them: never one who is there already,
so that no provider can speak for people of another place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

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
    """How administrators of a workspace, or of the installation, sign in by OpenID Connect.

    Attributes:
        title: The text of its button.
        domains: The domains of the e-mail addresses that may sign in.
        permissions: What they may do.
        trust_email: Accept an address if the provider does not say whether it is verified.
    """

    title: str
    client: Client
    domains: tuple[str, ...]
    permissions: tuple[str, ...]
    trust_email: bool = False

    def shown(self) -> dict[str, Json]:
        """The connector as JSON, without its secret."""
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
    """Who sets up a connector. place: a workspace, or INSTALLATION. permissions: what they may do there."""

    place: int
    origin: ChangeOrigin
    permissions: tuple[str, ...]


class Connectors:
    """Keeps the connectors, and makes administrators of those who come by them."""

    def __init__(self, accounts: Accounts, administrators: Administrators, openid: OpenId) -> None:
        self._accounts = accounts
        self._administrators = administrators
        self._openid = openid

    async def get(self, place: int) -> Connector | None:
        """The connector of a workspace, or of the INSTALLATION."""
        item = await self._accounts.item(place, CONNECTOR_KIND, _ID)
        return None if item is None else _connector(item.body)

    async def find(self, name: str) -> tuple[int, Connector] | None:
        """The connector of the workspace of that name, or of the installation where it is empty, and its place."""
        place = INSTALLATION
        if name:
            workspace = await self._accounts.find_workspace(name)
            if workspace is None:
                return None
            place = workspace.id
        connector = await self.get(place)
        return None if connector is None else (place, connector)

    async def put(self, by: Setter, raw: Json) -> Connector:
        """Set a connector up, or anew; whoever came by the one before is signed out. Its secret stays where none is given.

        Raises ScimError 400 that names the setting, and 403 for what one may not hand on.
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
        """Remove a connector, and whoever came by it. Raises ScimError 403 and 404."""
        before = await self.get(by.place)
        if before is None:
            raise not_found("there is no Open ID Connector")
        self._check_owner(by, before)
        await self._keep(by, None, "delete", before)

    async def welcome(
        self, place: int, connector: Connector, identity: Identity, origin: ChangeOrigin, agent: str
    ) -> str:
        """The token of a new session of whoever came. Raises ScimError 403 where the connector does not let them in."""
        verified = connector.trust_email if identity.verified is None else identity.verified
        if not verified:
            raise forbidden(
                "the identity provider does not vouch for this e-mail address: have it send the claim 'email_verified',"
                " or set trustEmail if all addresses that it sends are verified"
            )
        domain = _domain_of(identity.email)
        if domain not in connector.domains:
            raise forbidden(
                f"the e-mail address {identity.email[:100]!r} is not at one of the domains that may sign in here"
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
        if (
            await self.get(place) != connector
        ):  # it was changed meanwhile, and whoever came by it removed: so are they
            await self._drop_admins(place, origin)
            raise forbidden("the Open ID Connector was changed just now: sign in again")
        return token

    def _check_owner(self, by: Setter, before: Connector | None) -> None:
        refused = beyond(by.permissions, before.permissions if before else ())
        if refused:
            raise forbidden(f"the connector permits what you may not do: {', '.join(refused)}")

    async def _keep(self, by: Setter, body: Json, action: str, told: Connector) -> None:
        note = Note(by.place, by.origin, "OpenIdConnector", _ID, action, orjson.dumps(told.shown()))
        await self._accounts.administer([Item(by.place, CONNECTOR_KIND, _ID, body)], [note])
        await self._drop_admins(by.place, by.origin)

    async def _drop_admins(self, place: int, origin: ChangeOrigin) -> None:
        """Remove whoever came by a connector, with their sessions."""
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
            raise invalid_syntax(f"the body must be a JSON object, and is {json_type(raw)}")
        unknown = [name for name in raw if name not in _NAMES]
        if unknown:
            raise invalid_value(
                f"{unknown[0][:100]!r} is no setting of a connector; there are {', '.join(_NAMES)}"
            )
        issuer = _text(raw, "issuer")
        parts = urlsplit(issuer)
        schemes = ("https", "http") if self._openid.private else ("https",)
        if (
            parts.scheme not in schemes
            or not parts.hostname
            or parts.query
            or parts.fragment
            or "@" in parts.netloc
        ):
            raise invalid_value(
                "issuer: an https:// URL without a query, as the provider calls itself"
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
            raise invalid_value(f"trustEmail must be a boolean, and is {json_type(trusts)}")
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
        raise invalid_value(f"{name}: a string of 1 to {_MAX_TEXT} characters, not blank")
    return value.strip()


def _domains(raw: Json) -> tuple[str, ...]:
    domains: Sequence[Json] = raw if isinstance(raw, list) else ()
    if not 0 < len(domains) <= _MAX_DOMAINS:
        raise invalid_value(
            f"allowedDomains: an array of 1 to {_MAX_DOMAINS} domains, such as example.com"
        )
    for domain in domains:
        if (
            not isinstance(domain, str)
            or not domain.strip()
            or len(domain) > 253
            or set(domain.strip()) & set("@/ *\0")
        ):
            raise invalid_value(
                f"allowedDomains: {str(domain)[:100]!r} is no domain, such as example.com"
            )
    return tuple(dict.fromkeys(fold(str(domain).strip()) for domain in domains))


def _domain_of(email: str) -> str | None:
    """The domain of a plain e-mail address; None for anything that could be read in two ways.

    The domain is lowered if it is ASCII: Unicode's case folding would take other letters for ASCII ones.
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

"""The settings of a workspace, how to connect an identity provider, and who administers."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from muster.access.administrators import EVERYWHERE, Administrators, all_permissions
from muster.access.permissions import ADMIN, PERMISSIONS, SCIM, SETTINGS
from muster.access.settings import NUMBERS, OPTIONAL, WorkspaceSettings, shown
from muster.console.web import INSTALLATION_ADMIN, PageRoute, Visit
from muster.http.wire.base_url import SCIM_ROOT
from muster.http.wire.message import Response
from muster.scim.errors import ScimError, invalid_value, not_found
from muster.storage.port.accounts import KeyRecord, Workspace
from muster.storage.port.changes import ChangeFilter
from muster.storage.port.engine import Storage
from muster.storage.port.items import INSTALLATION
from muster.storage.records.requests import RequestFilter, RequestStore

_SWITCHES = ("strict", "automaticProvisioning", "automaticDeprovisioning", "uniqueGroupNames")
_RECENT, _LATEST = 200, 5
_SIGNS = {
    "okta": ("okta",),
    "entra": ("entra", "azure", "microsoft"),
    "onelogin": ("onelogin",),
    "google": ("google",),
}
"""Parts of the names of keys, and of User-Agents, that tell an identity provider."""
T = TypeVar("T")
PROVIDERS: dict[str, tuple[str, Sequence[str], Sequence[tuple[str, str]]]] = {
    "okta": (
        "Okta",
        (
            "In your application open Provisioning → Integration, and choose SCIM 2.0 with HTTP Header.",
            "Enter the base URL and the key as the bearer token; the unique identifier field is userName.",
            "Turn on: import, push new users, push profile updates, push groups. Then Test API Credentials.",
        ),
        (
            ("login", "userName"),
            ("email", 'emails[type eq "work"]'),
            ("firstName, lastName", "name"),
            ("active", "active"),
        ),
    ),
    "entra": (
        "Microsoft Entra ID",
        (
            "Enterprise applications → your application → Provisioning → Automatic.",
            "Tenant URL: the base URL. Secret token: the key. Then Test Connection.",
            "The default mappings work. Start provisioning.",
        ),
        (
            ("userPrincipalName", "userName"),
            ("objectId", "externalId"),
            ("mail", 'emails[type eq "work"].value'),
        ),
    ),
    "onelogin": (
        "OneLogin",
        (
            "Add SCIM Provisioner with SAML (SCIM v2 Enterprise).",
            "Configuration: SCIM base URL, and the key as the SCIM bearer token. Enable the API connection.",
            "Provisioning → Enable provisioning.",
        ),
        (("{$user.email}", "userName"), ("{$user.id}", "externalId")),
    ),
    "google": (
        "Google Workspace",
        (
            "Apps → Web and mobile apps → your application → Auto-provisioning.",
            "Access token: the key. Endpoint URL: the base URL.",
            "Map the attributes, and choose the scope.",
        ),
        (("username", "userName"), ("First name, Last name", "name"), ("Email", "emails")),
    ),
    "other": (
        "Any other",
        (
            "Give the client the base URL, and the key as its bearer token.",
            "It needs SCIM 2.0 (RFC 7643 and 7644). /ServiceProviderConfig says what there is.",
        ),
        (("the name that people sign in with", "userName"), ("your own id", "externalId")),
    ),
}


class SettingsPages:
    """The pages of settings."""

    def __init__(
        self,
        storage: Storage,
        settings: WorkspaceSettings,
        administrators: Administrators,
        requests: RequestStore,
    ) -> None:
        self._storage = storage
        self._settings = settings
        self._administrators = administrators
        self._requests = requests

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", "/w/{workspace}/settings", SETTINGS, self.show)
        yield PageRoute("POST", "/w/{workspace}/settings", SETTINGS, self.change)
        yield PageRoute("GET", "/w/{workspace}/connect", SCIM, self.connect)
        yield PageRoute("GET", "/w/{workspace}/connect/{provider}", SCIM, self.connect)
        yield PageRoute("GET", "/administrators", INSTALLATION_ADMIN, self.administrators)
        yield PageRoute("POST", "/administrators", INSTALLATION_ADMIN, self.invite)
        yield PageRoute("POST", "/administrators/{id}/remove", INSTALLATION_ADMIN, self.remove)

    async def show(
        self, visit: Visit, status: int = 200, error: str = "", confirm: bool = False
    ) -> Response:
        said = visit.told.get("said", "")
        given = _given(visit) if error else _kept(visit.there())
        address = visit.origin.address
        return visit.render(
            "settings.html",
            status,
            given=given,
            said=said,
            error=error,
            confirm=confirm,
            address=address,
        )

    async def change(self, visit: Visit) -> Response:
        raw: dict[str, Any] = {name: visit.text(name) == "on" for name in _SWITCHES}
        raw |= {name: visit.text(name) for name in ("contract", "guardMode")}
        raw["ipAllowlist"] = visit.text("ipAllowlist").split()
        raw["confirmLockout"] = visit.text("confirmLockout") == "on"
        try:
            raw |= {name: _number(visit, name) for name in NUMBERS}
            visit.workspace = await self._settings.change(visit.administrator, raw)
        except ScimError as error:
            return await self.show(
                visit, error.status, error=error.detail, confirm=error.status == 409
            )
        return await visit.redirect_telling(
            "./settings", said="The settings are kept, and hold from the next request on."
        )

    async def connect(self, visit: Visit) -> Response:
        """Steps to connect a client, and what its first requests were."""
        name = visit.names.get("provider", "okta")
        if name not in PROVIDERS:
            raise not_found("there are no steps for this client")
        client, steps, mapping = PROVIDERS[name]
        keys = {key.id: key for key in await self._storage.keys(visit.there().id)}
        recent = await self._requests.find(visit.there().id, RequestFilter(limit=_RECENT))
        latest = _of_provider(
            name, [(kept, _key_name(keys, kept.key_id), kept.agent) for kept in recent]
        )[:_LATEST]
        own = _of_provider(name, [(key, key.name, "") for key in keys.values()])
        used = sorted((key.last_used, key.name) for key in own if key.last_used)
        partial = visit.request.header("hx-request") == "true"
        base = visit.base.base(visit.request) + SCIM_ROOT
        values = {
            "client": client,
            "steps": steps,
            "mapping": mapping,
            "chosen": name,
            "base": base,
        }
        names = {key_id: key.name for key_id, key in keys.items()}
        template = "connect_check.html" if partial else "connect.html"
        return visit.render(
            template, providers=PROVIDERS, latest=latest, keys=names, used=used, **values
        )

    async def administrators(self, visit: Visit, status: int = 200, **values: Any) -> Response:
        found = await self._administrators.all()
        workspaces = await self._storage.workspaces()
        names = {str(workspace.id): workspace.name for workspace in workspaces} | {
            EVERYWHERE: "every workspace"
        }
        given = {"link": "", "error": "", **visit.told, **values}
        log, _ = await self._storage.search_changes(INSTALLATION, None, 20, ChangeFilter())
        return visit.render(
            "administrators.html",
            status,
            found=found,
            names=names,
            all=workspaces,
            permissions=PERMISSIONS,
            log=log,
            **given,
        )

    async def invite(self, visit: Visit) -> Response:
        """A link with which one administrator can be made."""
        place = visit.text("workspace")
        wanted = visit.fields.get("permission", [])
        known = {str(workspace.id) for workspace in await self._storage.workspaces()}
        if place not in {*known, EVERYWHERE}:
            return await self.administrators(
                visit, 400, error="workspace: choose where they may do something"
            )
        if not wanted or not set(wanted) <= {*PERMISSIONS, ADMIN}:
            return await self.administrators(
                visit, 400, error="permission: choose what they may do"
            )
        roles = all_permissions() if place == EVERYWHERE and ADMIN in wanted else {place: wanted}
        try:
            base = visit.base.public(visit.request)
        except ScimError as refused:
            return await self.administrators(visit, refused.status, error=refused.detail)
        token = await self._administrators.invite(roles)
        return await visit.redirect_telling("/administrators", link=f"{base}/first?token={token}")

    async def remove(self, visit: Visit) -> Response:
        admin = await self._administrators.get(visit.names["id"])
        if admin is None:
            raise not_found("there is no such administrator")
        try:
            await self._administrators.remove(admin, visit.origin)
        except ScimError as error:
            return await self.administrators(visit, error.status, error=error.detail)
        return visit.redirect("/administrators")


def _key_name(keys: dict[str, KeyRecord], key_id: str) -> str:
    return keys[key_id].name if key_id in keys else ""


def _provider(key_name: str, agent: str) -> str | None:
    """The identity provider that the name of a key or a User-Agent tells; None if neither does."""
    for text in (key_name.lower(), agent.lower()):
        found = next(
            (provider for provider, signs in _SIGNS.items() if any(sign in text for sign in signs)),
            None,
        )
        if found is not None:
            return found
    return None


def _of_provider(provider: str, found: Sequence[tuple[T, str, str]]) -> list[T]:
    """What belongs to an identity provider, or, if nothing does, what belongs to no other one.

    found: each item with the name of its key and a User-Agent.
    """
    told = [(item, _provider(key_name, agent)) for item, key_name, agent in found]
    own = [item for item, named in told if named == provider]
    return own or [item for item, named in told if named is None]


def _kept(workspace: Workspace) -> dict[str, Any]:
    """The settings as the form has them."""
    kept = {name: "" if value is None else value for name, value in shown(workspace).items()}
    return {**kept, "ipAllowlist": "\n".join(workspace.ip_allowlist)}


def _given(visit: Visit) -> dict[str, Any]:
    """What was typed, so that nothing of it is lost where it is refused."""
    texts = ("contract", "guardMode", "ipAllowlist", *NUMBERS)
    return {name: visit.text(name) for name in texts} | {
        name: visit.text(name) == "on" for name in _SWITCHES
    }


def _number(visit: Visit, name: str) -> int | None:
    """A number of the form; None where it may be left empty, and is. Raises ScimError."""
    text = visit.text(name)
    if not text and name in OPTIONAL:
        return None
    if not text.isascii() or not text.isdigit():
        optional = ", or nothing for what the installation has" if name in OPTIONAL else ""
        raise invalid_value(f"{name}: a whole number{optional}")
    return int(text[:9])

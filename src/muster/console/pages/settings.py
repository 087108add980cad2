"""The settings of a workspace, how to connect an identity provider, the audit log, and who administers."""

import csv
import io
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import orjson

from muster.access.administrators import EVERYWHERE, Administrators, all_permissions
from muster.access.permissions import ADMIN, AUDIT, PERMISSIONS, SCIM, SETTINGS
from muster.access.settings import NUMBERS, OPTIONAL, Settings, Store
from muster.console.web import INSTALLATION_ADMIN, Route, Visit
from muster.http.message import Response
from muster.http.origin import SCIM_ROOT
from muster.http.tokens import Tokens
from muster.scim.errors import ScimError, invalid_value, not_found
from muster.storage.port import INSTALLATION, Change, Storage
from muster.storage.requests import Requests, Wanted

_PAGE = 100
_CHUNK = 1000
_SWITCHES = ("strict", "automaticProvisioning", "automaticDeprovisioning", "uniqueGroupNames")
PROVIDERS: dict[str, tuple[str, Sequence[str], Sequence[tuple[str, str]]]] = {
    "okta": (
        "Okta",
        (
            "In your application open Provisioning → Integration, and choose SCIM 2.0 with HTTP Header.",
            "Enter the base URL and the key as the bearer token; the unique identifier field is userName.",
            "Turn on: import, push new users, push profile updates, push groups. Then Test API Credentials.",
        ),
        (("login", "userName"), ("email", 'emails[type eq "work"]'), ("firstName, lastName", "name"), ("active", "active")),
    ),
    "entra": (
        "Microsoft Entra ID",
        (
            "Enterprise applications → your application → Provisioning → Automatic.",
            "Tenant URL: the base URL. Secret token: the key. Then Test Connection.",
            "The default mappings work. Start provisioning.",
        ),
        (("userPrincipalName", "userName"), ("objectId", "externalId"), ("mail", 'emails[type eq "work"].value')),
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

    def __init__(self, storage: Storage, store: Store, administrators: Administrators, requests: Requests) -> None:
        self._storage = storage
        self._settings = Settings(store)
        self._administrators = administrators
        self._requests = requests
        self._tokens = Tokens(storage)

    def __iter__(self) -> Iterator[Route]:
        yield Route("GET", "/w/{workspace}/settings", SETTINGS, self.show)
        yield Route("POST", "/w/{workspace}/settings", SETTINGS, self.change)
        yield Route("GET", "/w/{workspace}/connect", SCIM, self.connect)
        yield Route("GET", "/w/{workspace}/connect/{provider}", SCIM, self.connect)
        yield Route("GET", "/w/{workspace}/audit", AUDIT, self.audit)
        yield Route("GET", "/w/{workspace}/audit/export.csv", AUDIT, self.export_csv)
        yield Route("GET", "/w/{workspace}/audit/export.jsonl", AUDIT, self.export_lines)
        yield Route("GET", "/administrators", INSTALLATION_ADMIN, self.administrators)
        yield Route("POST", "/administrators", INSTALLATION_ADMIN, self.invite)
        yield Route("POST", "/administrators/{id}/remove", INSTALLATION_ADMIN, self.remove)

    async def show(self, visit: Visit, status: int = 200, said: str = "", error: str = "", confirm: bool = False) -> Response:
        workspace = visit.there()
        address = visit.origin.address
        return visit.render(
            "settings.html", status, workspace=workspace, said=said, error=error, confirm=confirm, address=address
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
            return await self.show(visit, error.status, error=error.detail, confirm=error.status == 409)
        return await self.show(visit, said="The settings are kept, and hold from the next request on.")

    async def connect(self, visit: Visit) -> Response:
        """Steps to connect a client, and what its first requests were."""
        name = visit.names.get("provider", "okta")
        if name not in PROVIDERS:
            raise not_found("there are no steps for this client")
        client, steps, mapping = PROVIDERS[name]
        latest = await self._requests.find(visit.there().id, Wanted(limit=5))
        keys = {key.id: key for key in await self._storage.keys(visit.there().id)}
        used = sorted((key.last_used, key.name) for key in keys.values() if key.last_used)
        partial = visit.request.header("hx-request") == "true"
        base = visit.base.base(visit.request) + SCIM_ROOT
        values = {"client": client, "steps": steps, "mapping": mapping, "chosen": name, "base": base}
        names = {key_id: key.name for key_id, key in keys.items()}
        template = "connect_check.html" if partial else "connect.html"
        return visit.render(template, providers=PROVIDERS, latest=latest, keys=names, used=used, **values)

    async def audit(self, visit: Visit) -> Response:
        before = visit.text("before")
        place = await self._tokens.read(visit.there().id, before, "before") if before else None
        found = list(await self._storage.recent(visit.there().id, place, _PAGE))
        actor, kind, action = visit.text("actor"), visit.text("type"), visit.text("action")
        rows = [
            change
            for change in found
            if actor in change.origin.actor and kind in ("", change.type) and action in ("", change.action)
        ]
        following = await self._tokens.write(visit.there().id, found[-1].sequence) if len(found) == _PAGE else None
        names = {f"key:{key.id}": f"key {key.name}" for key in await self._storage.keys(visit.there().id)}
        asked = {"actor": actor, "type": kind, "action": action}
        return visit.render("audit.html", rows=rows, following=following, asked=asked, names=names)

    async def export_csv(self, visit: Visit) -> Response:
        columns = ("time", "actor", "address", "request", "action", "type", "resource", "version", "hash")
        return self._file(visit, "text/csv; charset=utf-8", "csv", _csv(columns), _csv_row)

    async def export_lines(self, visit: Visit) -> Response:
        return self._file(visit, "application/jsonl", "jsonl", b"", _json_row)

    def _file(self, visit: Visit, media: str, suffix: str, head: bytes, row: Any) -> Response:
        response = visit.file(media, b"", f"audit-{visit.there().name}.{suffix}")

        async def stream() -> AsyncIterator[bytes]:
            yield head
            after = 0
            while changes := await self._storage.changes(visit.there().id, after, _CHUNK):
                after = changes[-1].sequence
                yield b"".join(row(change) for change in changes)

        response.stream = stream()
        return response

    async def administrators(self, visit: Visit, status: int = 200, **values: Any) -> Response:
        found = await self._administrators.all()
        workspaces = await self._storage.workspaces()
        names = {str(workspace.id): workspace.name for workspace in workspaces} | {EVERYWHERE: "every workspace"}
        given = {"link": "", "error": "", **values}
        log = await self._storage.recent(INSTALLATION, None, 20)
        return visit.render(
            "administrators.html", status, found=found, names=names, all=workspaces, permissions=PERMISSIONS, log=log, **given
        )

    async def invite(self, visit: Visit) -> Response:
        """A link with which one administrator can be made."""
        place = visit.text("workspace")
        wanted = visit.fields.get("permission", [])
        known = {str(workspace.id) for workspace in await self._storage.workspaces()}
        if place not in {*known, EVERYWHERE}:
            return await self.administrators(visit, 400, error="workspace: choose where they may do something")
        if not wanted or not set(wanted) <= {*PERMISSIONS, ADMIN}:
            return await self.administrators(visit, 400, error="permission: choose what they may do")
        roles = all_permissions() if place == EVERYWHERE and ADMIN in wanted else {place: wanted}
        token = await self._administrators.invite(roles)
        return await self.administrators(visit, 201, link=f"{visit.base.base(visit.request)}/first?token={token}")

    async def remove(self, visit: Visit) -> Response:
        admin = await self._administrators.get(visit.names["id"])
        if admin is None:
            raise not_found("there is no such administrator")
        try:
            await self._administrators.remove(admin, visit.origin)
        except ScimError as error:
            return await self.administrators(visit, error.status, error=error.detail)
        return visit.redirect("/administrators")


def _csv(values: Sequence[Any]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer).writerow([_harmless(value) for value in values])
    return buffer.getvalue().encode()


def _harmless(value: Any) -> Any:
    """A value that a spreadsheet takes for no formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _csv_row(change: Change) -> bytes:
    origin = change.origin
    hashed = "" if change.chain is None else change.chain.hex()
    told = (origin.time, origin.actor, origin.address, origin.request_id, change.action, change.type, change.id, change.version)
    return _csv((*told, hashed))


def _json_row(change: Change) -> bytes:
    origin = change.origin
    told = {
        "time": origin.time,
        "actor": origin.actor,
        "address": origin.address,
        "requestId": origin.request_id,
        "action": change.action,
        "type": change.type,
        "resource": change.id,
        "version": change.version,
        "members": None if change.members is None else change.members.shown(),
        "hash": None if change.chain is None else change.chain.hex(),
    }
    document = change.document.replace(b"\x01", b"")
    return orjson.dumps(told)[:-1] + b',"document":' + document + b"}\n"


def _number(visit: Visit, name: str) -> int | None:
    """A number of the form; None where it may be left empty, and is. Raises ScimError."""
    text = visit.text(name)
    if not text and name in OPTIONAL:
        return None
    if not text.isascii() or not text.isdigit():
        optional = ", or nothing for what the installation has" if name in OPTIONAL else ""
        raise invalid_value(f"{name}: a whole number{optional}")
    return int(text[:9])

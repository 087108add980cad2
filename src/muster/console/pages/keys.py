"""API keys in the console: create, edit, rotate and revoke; each token is shown once."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from muster.access.connections import DEFAULT, Connections
from muster.access.keys import KeyOptions, Keys, check_expiry, state_of
from muster.access.permissions import ADMIN, PERMISSIONS, READ, SCIM, SETTINGS, beyond
from muster.access.rate_limit import check_ceiling
from muster.access.roles import Roles, check_permissions
from muster.base import clock
from muster.console.stamps import check_unchanged, seen
from muster.console.web import PageRoute, Visit
from muster.http.wire.base_url import SCIM_ROOT
from muster.http.wire.message import Response
from muster.insight.overview import last_refusals
from muster.scim.errors import ScimError, forbidden, invalid_value, not_found
from muster.scim.values import Json
from muster.storage.port.accounts import Accounts, KeyRecord
from muster.storage.port.engine import Storage
from muster.storage.records.request_figures import RequestFigures

_MAX_NAME = 200
_MAX_RATE = 2**31 - 1
_OVERLAPS = {"0": 0, "3600": 3600, "86400": 86400, "604800": 604800}
_TYPED = ("name", "role", "expires", "rateLimit", "preset", "connection")


@dataclass(frozen=True, slots=True)
class Preset:
    """A choice of permissions in words."""

    title: str
    note: str
    permission: str

    @property
    def purpose(self) -> str:
        """The purpose of the key, such as "For an identity provider"."""
        return self.title.partition(":")[0]


PRESETS = {
    "provider": Preset(
        "For an identity provider: users and groups",
        "Creates, changes and deletes users and groups. Okta, Entra and others need this.",
        SCIM,
    ),
    "application": Preset(
        "For an application: users and groups, read only",
        "Reads users, groups, their roles and the feed of changes. Changes nothing.",
        READ,
    ),
    "automation": Preset(
        "For automation: everything",
        "Does everything in this workspace, including changes to settings and keys.",
        ADMIN,
    ),
}


class KeyPages:
    """The pages of API keys."""

    def __init__(
        self, storage: Storage, keys: Keys, roles: Roles, connections: Connections
    ) -> None:
        self._accounts: Accounts = storage
        self._figures = RequestFigures(storage)
        self._keys = keys
        self._roles = roles
        self._connections = connections

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", "/w/{workspace}/keys", SETTINGS, self.show)
        yield PageRoute("POST", "/w/{workspace}/keys", SETTINGS, self.create)
        yield PageRoute("GET", "/w/{workspace}/keys/{id}", SETTINGS, self.show_key)
        yield PageRoute("POST", "/w/{workspace}/keys/{id}", SETTINGS, self.edit)
        yield PageRoute("POST", "/w/{workspace}/keys/{id}/rotate", SETTINGS, self.rotate)
        yield PageRoute("POST", "/w/{workspace}/keys/{id}/revoke", SETTINGS, self.revoke)

    async def show(self, visit: Visit, status: int = 200, **values: object) -> Response:
        workspace = visit.there()
        found = sorted(
            await self._accounts.keys(workspace.id), key=lambda key: key.created, reverse=True
        )
        now = clock.now()
        rows = [(key, state_of(key, now), await self._reaches(visit, key)) for key in found]
        roles = [
            role
            for role in await self._roles.all(workspace.id)
            if role.name != ADMIN and not beyond(visit.permissions, role.permissions)
        ]
        given = {"error": "", "said": "", "token": "", **visit.flashed, **values}
        return visit.render(
            "keys.html",
            status,
            rows=rows,
            refused=await last_refusals(self._figures, workspace.id),
            base=visit.base.base(visit.request) + SCIM_ROOT,
            purpose=_purpose,
            roles=roles,
            connections=await self._connections.all(workspace.id),
            **_form(visit, bool(given["error"])),
            **given,
        )

    async def _reaches(self, visit: Visit, key: KeyRecord) -> bool:
        return not await self._roles.beyond_reach(visit.permissions, key)

    async def create(self, visit: Visit) -> Response:
        by = visit.administrator
        try:
            name = _name(visit)
            role, permissions = await self._may(visit)
            expires = _expiry(visit.text("expires"))
            lifetime = None if expires is None else expires - clock.now()
            owner = visit.text("connection") or DEFAULT
            connection = await self._connections.chosen(by.workspace.id, owner)
            options = KeyOptions(
                permissions,
                self._rate_limit(visit),
                lifetime,
                role,
                connection=connection.stored_id,
            )
            token, _ = await self._keys.create_named(by.workspace, name, options, by)
        except ScimError as error:
            return await self.show(visit, error.status, error=error.detail)
        return await visit.redirect_with("./keys", token=token, said=f'Key "{name}" was created.')

    async def _may(self, visit: Visit) -> tuple[str | None, tuple[str, ...]]:
        """Return the chosen role, or None and the chosen permissions.

        Raises:
            ScimError: The choice is empty, unknown, contradictory, or exceeds the administrator's
                permissions.
        """
        preset, chosen = PRESETS.get(visit.text("preset")), visit.text("role")
        ticked = visit.fields.get("permission", [])
        if preset is not None and (chosen or ticked):
            raise invalid_value(
                f'preset: you chose "{preset.purpose}" and a custom role or permissions. Select'
                " Custom to use them, or clear them"
            )
        if chosen and ticked:
            raise invalid_value("role: choose either a role or permissions, not both")
        if preset is not None:
            wanted = [preset.permission]
        elif chosen and chosen != ADMIN:
            await self._roles.check_grantable(visit.there().id, visit.permissions, chosen)
            return chosen, ()
        else:
            wanted = [ADMIN] if chosen == ADMIN else ticked
        if not wanted:
            raise invalid_value("permission: select at least one permission")
        return None, check_permissions(visit.administrator.permissions, wanted, (ADMIN,))

    def _rate_limit(self, visit: Visit) -> int | None:
        """Return the rate limit that was typed; None for the default of the workspace.

        Raises:
            ScimError: It is not a number, or above the server's ceiling.
        """
        text = visit.text("rateLimit")
        if not text:
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 11) or int(text) > _MAX_RATE:
            raise invalid_value(
                "rateLimit: enter a whole number of requests per minute, or 0 for no limit"
            )
        check_ceiling(int(text), self._keys.ceiling)
        return int(text)

    async def show_key(self, visit: Visit, status: int = 200, error: str = "") -> Response:
        key = await self._accounts.key(visit.there().id, visit.names["id"])
        if key is None:
            raise not_found("This key does not exist.")
        typed = {
            "name": key.name,
            "expires": (key.expires or "")[:10],
            "rateLimit": "" if key.rate_limit is None else str(key.rate_limit),
        }
        stamp = seen(visit, _editable(key), error)
        if error:
            typed = {name: visit.text(name) for name in typed}
        return visit.render(
            "key.html",
            status,
            key=key,
            connections=await self._connections.all(key.workspace),
            state=state_of(key, clock.now()),
            refused=(await last_refusals(self._figures, key.workspace)).get(key.id),
            reaches=await self._reaches(visit, key),
            typed=typed,
            seen=stamp,
            error=error,
            said=visit.flashed.get("said", ""),
        )

    async def edit(self, visit: Visit) -> Response:
        key = await self._key(visit)
        try:
            check_unchanged(visit, _editable(key))
            changes: dict[str, Any] = {"name": _name(visit), "rate_limit": self._rate_limit(visit)}
            if visit.text("expires") != (key.expires or "")[:10]:
                expires = _expiry(visit.text("expires"))
                changes["expires"] = None if expires is None else clock.timestamp(expires)
            key = await self._keys.edit(visit.there(), key, changes, visit.administrator)
        except ScimError as error:
            return await self.show_key(visit, error.status, error.detail)
        return await visit.redirect_with(f"./keys/{key.id}", said=f'Key "{key.name}" was saved.')

    async def rotate(self, visit: Visit) -> Response:
        key = await self._key(visit)
        overlap = timedelta(seconds=_OVERLAPS.get(visit.text("overlap"), 0))
        token, _ = await self._keys.rotate(visit.there(), key, overlap, visit.administrator)
        return await visit.redirect_with(
            "./keys", token=token, said=f'Key "{key.name}" was rotated.'
        )

    async def revoke(self, visit: Visit) -> Response:
        key = await self._key(visit)
        await self._keys.revoke(visit.there(), key, visit.administrator)
        return await visit.redirect_with("./keys", said=f'Key "{key.name}" was revoked.')

    async def _key(self, visit: Visit) -> KeyRecord:
        key = await self._accounts.key(visit.there().id, visit.names["id"])
        if key is None or key.revoked is not None:
            raise not_found("This key does not exist or is already revoked.")
        if not await self._reaches(visit, key):
            raise forbidden(
                "This key has permissions that you do not have. Ask an owner to change it."
            )
        return key


def _editable(key: KeyRecord) -> dict[str, Json]:
    """Return the values of a key that its form changes."""
    return {"name": key.name, "expires": key.expires, "rateLimit": key.rate_limit}


def _purpose(key: KeyRecord) -> str:
    """Return the purpose of a key with exactly the permission of a preset; else ""."""
    held = () if key.role else tuple(key.permissions)
    found = (preset.purpose for preset in PRESETS.values() if held == (preset.permission,))
    return next(found, "")


def _form(visit: Visit, refused: bool) -> dict[str, object]:
    """Return the choices of the form for a new key, and the values that were refused."""
    typed = {name: visit.text(name) if refused else "" for name in _TYPED}
    presets = {name: preset for name, preset in PRESETS.items() if visit.may(preset.permission)}
    if not refused:
        typed["preset"] = next(iter(presets), "")
    return {
        "presets": presets,
        "permissions": PERMISSIONS,
        "typed": typed,
        "chosen": visit.fields.get("permission", []) if refused else [],
    }


def _name(visit: Visit) -> str:
    """Return the name that was typed. Raises ScimError."""
    name = visit.text("name")
    if not 0 < len(name) <= _MAX_NAME:
        raise invalid_value("name: enter a name of 1 to 200 characters")
    return name


def _expiry(text: str) -> datetime | None:
    """Return the last second of a date in UTC; None if the text is empty.

    Raises:
        ScimError: It is not a date, or not one that a key may expire at.
    """
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise invalid_value("expires: enter a date such as 2030-12-31") from None
    end = datetime.combine(day, time(23, 59, 59), UTC)
    check_expiry(end)
    return end

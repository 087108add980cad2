"""API keys in the console: create, rotate and revoke; each token is shown once."""

from collections.abc import Iterator
from datetime import timedelta

from muster.access.keys import KeyOptions, Keys, state_of
from muster.access.permissions import ADMIN, PERMISSIONS, SETTINGS, beyond
from muster.access.roles import Roles, check_permissions
from muster.base import clock
from muster.console.web import PageRoute, Visit
from muster.http.wire.base_url import SCIM_ROOT
from muster.http.wire.message import Response
from muster.scim.errors import ScimError, forbidden, invalid_value, not_found
from muster.storage.port.accounts import Accounts, KeyRecord

_MAX_NAME = 200
_LIFETIMES = {"": None, "30": 30, "90": 90, "365": 365}
_OVERLAPS = {"0": 0, "3600": 3600, "86400": 86400}


class KeyPages:
    """The pages of API keys."""

    def __init__(self, accounts: Accounts, keys: Keys, roles: Roles) -> None:
        self._accounts = accounts
        self._keys = keys
        self._roles = roles

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", "/w/{workspace}/keys", SETTINGS, self.show)
        yield PageRoute("POST", "/w/{workspace}/keys", SETTINGS, self.create)
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
            if not beyond(visit.permissions, role.permissions)
        ]
        given = {"error": "", "said": "", "token": "", **visit.flashed, **values}
        typed = {
            name: visit.text(name) if given["error"] else "" for name in ("name", "role", "days")
        }
        chosen = visit.fields.get("permission", []) if given["error"] else PERMISSIONS[:1]
        base = visit.base.base(visit.request) + SCIM_ROOT
        form = {"roles": roles, "permissions": PERMISSIONS, "typed": typed, "chosen": chosen}
        return visit.render("keys.html", status, rows=rows, base=base, **form, **given)

    async def _reaches(self, visit: Visit, key: KeyRecord) -> bool:
        return not await self._roles.beyond_reach(visit.permissions, key)

    async def create(self, visit: Visit) -> Response:
        by, name = visit.administrator, visit.text("name")
        try:
            if not 0 < len(name) <= _MAX_NAME:
                raise invalid_value("name: enter a name of 1 to 200 characters")
            role, permissions = await self._may(visit)
            days = _LIFETIMES.get(visit.text("days"))
            lifetime = None if days is None else timedelta(days=days)
            options = KeyOptions(permissions, lifetime=lifetime, role=role)
            token, _ = await self._keys.create(by.workspace, name, options, by)
        except ScimError as error:
            return await self.show(visit, error.status, error=error.detail)
        return await visit.redirect_with("./keys", token=token, said=f'Key "{name}" was created.')

    async def _may(self, visit: Visit) -> tuple[str | None, tuple[str, ...]]:
        """Return the chosen role, or None and the chosen permissions.

        Raises:
            ScimError: The choice is empty, unknown, or exceeds the administrator's permissions.
        """
        chosen = visit.text("role")
        if chosen and chosen != ADMIN:
            await self._roles.check_grantable(visit.there().id, visit.permissions, chosen)
            return chosen, ()
        wanted = [ADMIN] if chosen == ADMIN else visit.fields.get("permission", [])
        if not wanted:
            raise invalid_value("permission: select at least one permission")
        return None, check_permissions(visit.administrator.permissions, wanted, (ADMIN,))

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

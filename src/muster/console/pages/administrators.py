"""The administrators of the installation: list, invite and remove."""

from collections.abc import Iterator
from typing import Any

from muster.access.administrators import EVERYWHERE, Admin, Administrators, all_permissions
from muster.access.permissions import ADMIN, PERMISSIONS
from muster.console.web import INSTALLATION_ADMIN, PageRoute, Visit
from muster.http.wire.message import Response
from muster.scim.errors import ScimError, not_found
from muster.storage.port.changes import ChangeFilter
from muster.storage.port.engine import Storage
from muster.storage.port.items import INSTALLATION


class AdministratorPages:
    """The page that lists, invites and removes administrators."""

    def __init__(self, storage: Storage, administrators: Administrators) -> None:
        self._storage = storage
        self._administrators = administrators

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", "/administrators", INSTALLATION_ADMIN, self.show)
        yield PageRoute("POST", "/administrators", INSTALLATION_ADMIN, self.invite)
        yield PageRoute("POST", "/administrators/{id}/remove", INSTALLATION_ADMIN, self.remove)
        yield PageRoute("POST", "/administrators/{id}/reset", INSTALLATION_ADMIN, self.reset)

    async def show(self, visit: Visit, status: int = 200, **values: Any) -> Response:
        found = await self._administrators.all()
        workspaces = await self._storage.workspaces()
        names = {str(workspace.id): workspace.name for workspace in workspaces} | {
            EVERYWHERE: "all workspaces"
        }
        given = {"link": "", "said": "", "error": "", **visit.flashed, **values}
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
        """Create an invitation link for one administrator."""
        place = visit.text("workspace")
        wanted = visit.fields.get("permission", [])
        known = {str(workspace.id) for workspace in await self._storage.workspaces()}
        if place not in {*known, EVERYWHERE}:
            return await self.show(visit, 400, error="workspace: select a workspace")
        if not wanted or not set(wanted) <= {*PERMISSIONS, ADMIN}:
            return await self.show(visit, 400, error="permission: select at least one permission")
        roles = all_permissions() if place == EVERYWHERE and ADMIN in wanted else {place: wanted}
        try:
            base = visit.base.public(visit.request)
        except ScimError as refused:
            return await self.show(visit, refused.status, error=refused.detail)
        token = await self._administrators.invite(roles)
        return await visit.redirect_with("/administrators", link=f"{base}/first?token={token}")

    async def remove(self, visit: Visit) -> Response:
        admin = await self._found(visit)
        try:
            await self._administrators.remove(admin, visit.origin)
        except ScimError as error:
            return await self.show(visit, error.status, error=error.detail)
        return await visit.redirect_with("/administrators", said=f"{admin.email} was removed.")

    async def reset(self, visit: Visit) -> Response:
        """Turn off the two-factor authentication of an administrator who has lost it."""
        admin = await self._found(visit)
        try:
            await self._administrators.reset_totp(admin, visit.origin)
        except ScimError as error:
            return await self.show(visit, error.status, error=error.detail)
        said = f"{admin.email} signs in without two-factor authentication until they set it up."
        return await visit.redirect_with("/administrators", said=said)

    async def _found(self, visit: Visit) -> Admin:
        admin = await self._administrators.get(visit.names["id"])
        if admin is None:
            raise not_found("Administrator not found.")
        return admin

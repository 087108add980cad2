"""Role mappings in the console."""

from collections.abc import Iterator

from muster.access.permissions import IDENTITY_MAPPINGS, SCIM
from muster.access.role_mappings import RoleMappings
from muster.console.pages.schemas import _ROOT
from muster.console.web import PageRoute, Visit
from muster.http.wire.message import Response
from muster.scim.errors import ScimError


class RoleMappingPages:
    """The page that lists, adds and removes role mappings."""

    def __init__(self, mappings: RoleMappings) -> None:
        self._mappings = mappings

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", f"{_ROOT}/role-mappings", SCIM, self.show)
        yield PageRoute("POST", f"{_ROOT}/role-mappings", IDENTITY_MAPPINGS, self.create)
        yield PageRoute(
            "POST", f"{_ROOT}/role-mappings/{{id}}/remove", IDENTITY_MAPPINGS, self.remove
        )

    async def show(self, visit: Visit, status: int = 200, error: str = "") -> Response:
        mappings = await self._mappings.all(visit.there().id)
        given = {name: visit.text(name) if error else "" for name in ("idpValue", "role", "tag")}
        edits = visit.may(IDENTITY_MAPPINGS)
        return visit.render(
            "role_mappings.html", status, mappings=mappings, error=error, given=given, edits=edits
        )

    async def create(self, visit: Visit) -> Response:
        value, role, tag = visit.text("idpValue"), visit.text("role"), visit.text("tag") or None
        try:
            await self._mappings.create(visit.administrator, value, role, tag)
        except ScimError as error:
            if not visit.may(SCIM):
                raise
            return await self.show(visit, error.status, error.detail)
        return visit.redirect("./role-mappings")

    async def remove(self, visit: Visit) -> Response:
        await self._mappings.delete(visit.administrator, visit.names["id"])
        return visit.redirect("./role-mappings")

"""Role mappings in the console: whom a change affects is shown before it is made."""

from collections.abc import Iterator

from muster.access.permissions import IDENTITY_MAPPINGS, SCIM
from muster.access.role_mappings import RoleMapping, RoleMappings, mapping_of
from muster.console.web import PageRoute, Visit
from muster.http.wire.message import Response
from muster.insight.role_preview import MOST_EXAMINED, RolePreview
from muster.scim.errors import ScimError

_ROOT = "/w/{workspace}/role-mappings"
_FIELDS = ("idpValue", "role", "tag")


class RoleMappingPages:
    """The pages that list, add and remove role mappings."""

    def __init__(self, mappings: RoleMappings, preview: RolePreview) -> None:
        self._mappings = mappings
        self._preview = preview

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", _ROOT, SCIM, self.show)
        yield PageRoute("POST", _ROOT, IDENTITY_MAPPINGS, self.create)
        yield PageRoute("POST", f"{_ROOT}/{{id}}/remove", IDENTITY_MAPPINGS, self.remove)

    async def show(self, visit: Visit, status: int = 200, error: str = "") -> Response:
        mappings = await self._mappings.all(visit.there().id)
        return visit.render(
            "role_mappings.html",
            status,
            mappings=mappings,
            error=error,
            said=visit.flashed.get("said", ""),
            given={name: visit.text(name) for name in _FIELDS},
            edits=visit.may(IDENTITY_MAPPINGS),
        )

    async def create(self, visit: Visit) -> Response:
        """Add a mapping; the users whom it affects are shown first."""
        value, role, tag = visit.text("idpValue"), visit.text("role"), visit.text("tag") or None
        try:
            mapping = mapping_of(value, role, tag)
            if _asks(visit):
                return await self._review(visit, mapping, adds=True)
            await self._mappings.create(visit.administrator, value, role, tag)
        except ScimError as error:
            if not visit.may(SCIM):
                raise
            return await self.show(visit, error.status, error.detail)
        return await visit.redirect_with("./role-mappings", said=f'"{value}" maps to "{role}".')

    async def remove(self, visit: Visit) -> Response:
        """Remove a mapping; the users whom that affects are shown first."""
        if _asks(visit):
            mapping = await self._mappings.get(visit.there().id, visit.names["id"])
            return await self._review(visit, mapping, adds=False)
        gone = await self._mappings.delete(visit.administrator, visit.names["id"])
        said = f'"{gone.idp_value}" no longer maps to "{gone.role}".'
        return await visit.redirect_with("./role-mappings", said=said)

    async def _review(self, visit: Visit, mapping: RoleMapping, adds: bool) -> Response:
        there = {other.id for other in await self._mappings.all(visit.there().id)}
        preview, error = None, ""
        try:
            if adds:
                preview = await self._preview.preview(visit.caller, add=[mapping])
            else:
                preview = await self._preview.preview(visit.caller, remove=[mapping.id])
        except ScimError as refused:
            if refused.status == 404:
                raise
            error = "The users affected could not be counted: the workspace is too large."
        return visit.render(
            "role_mapping_review.html",
            mapping=mapping,
            preview=preview,
            adds=adds,
            exists=adds and mapping.id in there,
            error=error,
            most=MOST_EXAMINED,
        )


def _asks(visit: Visit) -> bool:
    """Return whether a change is shown first; only administrators who may read users see whom."""
    return visit.may(SCIM) and visit.text("reviewed") != "on"

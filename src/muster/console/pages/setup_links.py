"""Set-up links in the console: create, list and revoke."""

from collections.abc import Iterator, Mapping
from typing import Any

from muster.access.connections import PROVIDERS, Connections
from muster.access.permissions import SCIM, SETTINGS
from muster.access.setup_links import MAX_DAYS, STEPS, SetupLinks
from muster.console.providers import TITLES
from muster.console.web import PageRoute, Visit
from muster.http.management.models.setup_links import NewSetupLink
from muster.http.management.setup_links import create_setup_link
from muster.http.management.validation import read_body
from muster.http.wire.message import Response
from muster.scim.errors import ScimError, invalid_value

_SHOWN = 100
"""Links on a page."""
_FIELDS = ("connection", "provider", "expiresInDays", "returnUrl", "contact")
_STEPS: Mapping[str, str] = dict(
    zip(
        STEPS,
        ("Choose provider", "Set up", "Check mapping", "Test", "First users", "Done"),
        strict=True,
    )
)


class SetupLinkPages:
    """The page of set-up links."""

    def __init__(self, links: SetupLinks, connections: Connections) -> None:
        self._links = links
        self._connections = connections

    def __iter__(self) -> Iterator[PageRoute]:
        root = "/w/{workspace}/setup-links"
        yield PageRoute("GET", root, SETTINGS, self.show)
        yield PageRoute("POST", root, SETTINGS, self.create, (SCIM,))
        yield PageRoute("POST", f"{root}/{{id}}/revoke", SETTINGS, self.revoke)

    async def show(self, visit: Visit, status: int = 200, error: str = "") -> Response:
        """Show the links, the newest first, and the form for a new one."""
        workspace = visit.there().id
        links = list(reversed(await self._links.all(workspace)))
        after = visit.text("after") if visit.request.method == "GET" else ""
        begins = next((place for place, link in enumerate(links, 1) if link.id == after), 0)
        shown = links[begins : begins + _SHOWN]
        every = await self._connections.all(workspace)
        return visit.render(
            "setup_links.html",
            status,
            links=shown,
            first=begins + 1,
            total=len(links),
            after=shown[-1].id if begins + _SHOWN < len(links) else "",
            connections=every,
            names={one.id: one.name for one in every},
            steps=_STEPS,
            titles=TITLES,
            providers=PROVIDERS,
            days=MAX_DAYS,
            typed={name: visit.text(name) for name in _FIELDS},
            error=error,
            **{"said": "", "url": "", **visit.flashed},
        )

    async def create(self, visit: Visit) -> Response:
        """Create a link, and show its URL once."""
        try:
            base = visit.base.base(visit.request)
            made = await create_setup_link(self._links, visit.administrator, _terms(visit), base)
        except ScimError as error:
            return await self.show(visit, error.status, error.detail)
        said = "The set-up link was created."
        return await visit.redirect_with("./setup-links", said=said, url=made["url"])

    async def revoke(self, visit: Visit) -> Response:
        """Revoke a link."""
        await self._links.revoke(visit.administrator, visit.names["id"])
        return await visit.redirect_with("./setup-links", said="The set-up link was revoked.")


def _terms(visit: Visit) -> NewSetupLink:
    """Return the terms in the form.

    Raises:
        ScimError: 400 if one is invalid.
    """
    given: dict[str, Any] = {name: visit.text(name) for name in _FIELDS if visit.text(name)}
    days = given.get("expiresInDays", "7")
    if not (days.isascii() and days.isdigit() and len(days) < 4):
        raise invalid_value(f"expiresInDays: enter a number from 1 to {MAX_DAYS}")
    return read_body(NewSetupLink, {**given, "expiresInDays": int(days)})

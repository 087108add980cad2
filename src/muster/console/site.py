"""The console as a whole: routing, access checks, error pages and static files."""

import functools
import logging
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from urllib.parse import quote, urlsplit

from muster.access.administrators import Administrators
from muster.access.permissions import SETTINGS, allows, lacking
from muster.access.protection import protected_users
from muster.access.registries import Registries
from muster.access.sign_in_policy import SignInPolicy
from muster.access.workspaces import find_workspace
from muster.console import assets
from muster.console.flashes import Flashes
from muster.console.web import (
    ANYONE,
    FORM_COOKIE,
    GUEST,
    HEADERS,
    INSTALLATION_ADMIN,
    PLACE_COOKIE,
    SESSION_COOKIE,
    SIGNED_IN,
    PageRoute,
    Visit,
)
from muster.http.wire.base_url import BaseUrl
from muster.http.wire.errors import MethodNotAllowed, error_headers
from muster.http.wire.message import Request, Response
from muster.http.wire.router import Router
from muster.scim.errors import ScimError, forbidden, not_found
from muster.storage.port.accounts import Accounts, Workspace
from muster.storage.port.errors import StorageError
from muster.storage.port.items import HELD_KIND

_log = logging.getLogger(__name__)
_MAX_PASSED_ON = 2000
_PATH_CHARACTERS = "/:@!$&'()*+,;="
"""The characters that a path may contain unencoded, besides letters and digits (RFC 3986)."""
"""The longest query that is kept through the sign-in, in characters."""
_SECOND_FACTOR = "/account/second-factor"


class _Renamed(ScimError):
    """409: a workspace of this name has another name now.

    Attributes:
        name: The new name.
    """

    def __init__(self, former: str, name: str) -> None:
        super().__init__(
            409, f'The workspace "{former}" is called "{name}" now. Open the page there again.'
        )
        self.name = name


class Site:
    """Serves the pages of the console."""

    def __init__(
        self,
        accounts: Accounts,
        administrators: Administrators,
        registries: Registries,
        origin: BaseUrl,
        routes: Iterable[PageRoute],
    ) -> None:
        self._accounts = accounts
        self._administrators = administrators
        self._policy = SignInPolicy(accounts, administrators)
        self._registries = registries
        self._flashes = Flashes(accounts)
        self._origin = origin
        self._router = Router(routes)

    @property
    def routes(self) -> Sequence[PageRoute]:
        """The routes of all pages and forms."""
        return self._router.routes

    async def __call__(self, request: Request) -> Response:
        """Answer a request.

        Browsers get errors as a page.

        Raises:
            Exception: The error, if the client does not accept HTML.
        """
        if request.path.startswith(assets.PREFIX):
            return assets.answer(request, [h for h in HEADERS if h[0] != "cache-control"])
        visit = Visit(request, self._origin, flashes=self._flashes)
        try:
            return await self._answer(visit)
        except ScimError as error:
            if not _reads_pages(request):
                raise
            headers = error_headers(error)
            title = HTTPStatus(error.status).phrase
            return visit.render(
                "error.html",
                error.status,
                headers,
                status=error.status,
                title=title,
                detail=error.detail,
            )
        except StorageError as error:
            if not _reads_pages(request):
                raise
            headers = (
                [("retry-after", str(error.retry_after))] if error.retry_after is not None else []
            )
            title = HTTPStatus(error.status).phrase
            return visit.render(
                "error.html",
                error.status,
                headers,
                status=error.status,
                title=title,
                detail=str(error),
            )
        except Exception as error:
            if not _reads_pages(request):
                raise
            _log.error("request %s failed", request.id, exc_info=error)
            return visit.render(
                "error.html",
                500,
                status=500,
                title=HTTPStatus.INTERNAL_SERVER_ERROR.phrase,
                detail=(
                    "The server failed to show this page. The server's log says why; look for the"
                    f" request ID {request.id}."
                ),
            )

    async def _answer(self, visit: Visit) -> Response:
        request = visit.request
        route = self._route(visit)
        visit.guest = "guest" if route.permission == GUEST else ""
        token = None if visit.guest else visit.cookie(SESSION_COOKIE)
        visit.session = await self._administrators.session(token) if token else None
        if visit.session is not None:
            request.signed_in(visit.session.admin.id)
        else:
            request.signed_out()
        visit.csrf = (
            visit.session.csrf if visit.session is not None else visit.cookie(FORM_COOKIE) or ""
        )
        if route.permission not in (ANYONE, GUEST) and visit.session is None:
            return visit.redirect(
                "/sign-in", to=_asked_page(request) if request.method in ("GET", "HEAD") else None
            )
        if visit.session is not None:
            try:
                await self._allow(visit, route)
            except _Renamed as moved:
                if request.method not in ("GET", "HEAD"):
                    raise
                return _at_new_name(visit, moved.name)
            if visit.required_by and not route.first:
                name = visit.workspace.name if visit.workspace is not None else None
                return visit.redirect(_SECOND_FACTOR, workspace=name)
            if route.method == "POST" and visit.closed and not visit.session.admin.everywhere:
                raise ScimError(409, f"{visit.closed} Nothing was changed.")
            visit.still_allowed = functools.partial(self._still_allowed, visit, route)
        visit.fields = request.repeated_parameters()
        if route.method == "POST":
            visit.fields = {}
            await visit.read_form(route.upload)
        elif request.method == "GET":
            await visit.read_flashed()
        await self._count_held(visit)
        return self._within_reach(visit, await route.handler(visit))

    async def _count_held(self, visit: Visit) -> None:
        """Count the changes that the guard holds, for administrators who may decide them."""
        place, session = visit.place, visit.session
        if place is None or session is None or visit.request.header("hx-request"):
            return
        if allows(session.admin.permissions(place.id), SETTINGS):
            visit.held = await self._accounts.count_items(place.id, HELD_KIND)

    def _within_reach(self, visit: Visit, response: Response) -> Response:
        """Replace a redirect to a forbidden page by one to the administrator's home page."""
        location = next((value for name, value in response.headers if name == "location"), None)
        if (
            response.status != 303
            or location is None
            or visit.session is None
            or self._opens(visit, location)
        ):
            return response
        headers = [
            (name, visit.url(visit.home()) if name == "location" else value)
            for name, value in response.headers
        ]
        return Response(303, headers)

    def _opens(self, visit: Visit, location: str) -> bool:
        """Return whether the administrator may open a page; True outside the console."""
        path = urlsplit(location.removeprefix(visit.url("")))
        try:
            found = None if path.netloc else self._router.match("GET", path.path)
        except MethodNotAllowed:
            found = None
        if found is None or found.route.permission in (ANYONE, GUEST, SIGNED_IN):
            return True
        if "workspace" not in found.names:
            return visit.session is not None and visit.session.admin.everywhere
        return not lacking(visit.permissions, (found.route.permission, *found.route.also))

    async def _missing(self, visit: Visit, name: str) -> ScimError:
        """Return the error for a workspace that the administrator cannot open by a name."""
        renamed = await find_workspace(self._accounts, name)
        if renamed is None or renamed.id not in {found.id for found in visit.workspaces}:
            return not_found("Workspace not found.")
        return _Renamed(name, renamed.name)

    async def _still_allowed(self, visit: Visit, route: PageRoute) -> bool:
        """Return whether the session is valid and its administrator may open the page."""
        session = await self._administrators.session(visit.cookie(SESSION_COOKIE) or "")
        if session is None:
            return False
        now = Visit(visit.request, self._origin, session=session, names=visit.names)
        try:
            await self._allow(now, route)
        except ScimError:
            return False
        return not now.required_by

    def _route(self, visit: Visit) -> PageRoute:
        found = self._router.match(visit.request.method, visit.request.path)
        if found is None:
            raise not_found("Page not found.")
        visit.names, visit.page = found.names, found.route.path
        return found.route

    async def _allow(self, visit: Visit, route: PageRoute) -> None:
        """Check that the administrator may open a page.

        Raises:
            ScimError: 403 if a permission is missing; 404 if the workspace is unknown or the
                administrator has no role in it.
        """
        if visit.session is None:
            return
        admin = visit.session.admin
        visit.workspaces = [
            found for found in await self._accounts.workspaces() if admin.has_role_in(found.id)
        ]
        name = visit.names.get("workspace")
        visit.place = _last_used(visit)
        if name is not None:
            visit.workspace = next(
                (found for found in visit.workspaces if found.name == name), None
            )
            if visit.workspace is None:
                raise await self._missing(visit, name)
            visit.place = visit.workspace
            visit.registry = await self._registries.of(visit.workspace)
            visit.protected = await protected_users(self._accounts, visit.workspace.id)
        if route.permission != ANYONE:
            visit.required_by = await self._policy.missing(admin, visit.workspaces, visit.workspace)
        if route.permission in (ANYONE, SIGNED_IN) or visit.required_by:
            return
        if name is None:
            if route.permission == INSTALLATION_ADMIN and not admin.everywhere:
                raise forbidden("Only administrators of the whole installation can open this page.")
        elif missing := lacking(visit.permissions, (route.permission, *route.also)):
            raise forbidden(
                f'You need the permission "{missing[0]}" in this workspace. Ask an owner for it.'
            )


def _at_new_name(visit: Visit, name: str) -> Response:
    """Redirect from a page of a renamed workspace to the same page under its new name."""
    asked = _asked_page(visit.request)
    former = f"/w/{quote(visit.names['workspace'])}"
    return visit.redirect(f"/w/{quote(name)}{asked.removeprefix(former)}")


def _last_used(visit: Visit) -> Workspace | None:
    """Return the workspace that the administrator used last, or else the first."""
    last = visit.cookie(PLACE_COOKIE)
    chosen = (found for found in visit.workspaces if str(found.id) == last)
    return next(chosen, visit.workspaces[0] if visit.workspaces else None)


def _asked_page(request: Request) -> str:
    """Return the path of a page with its query, unless that is too long to pass on."""
    long = len(request.query) > _MAX_PASSED_ON
    # The path is decoded: a ? or a line break in a name has to be encoded again.
    path = quote(request.path, safe=_PATH_CHARACTERS, errors="replace")
    return path if long or not request.query else f"{path}?{request.query}"


def _reads_pages(request: Request) -> bool:
    """Return whether the client accepts HTML, as browsers do."""
    return "text/html" in (request.header("accept") or "")

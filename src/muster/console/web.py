"""The request of a browser: its session, form and cookies, and the HTML response."""

import hmac
import json
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from muster.access.administrators import Session
from muster.access.audit_notes import Administrator
from muster.access.lifecycle import closed_because
from muster.access.permissions import ADMIN, ADMIN_NOTE, NOTES, SCIM, SETTINGS, allows
from muster.base import clock
from muster.base.clock import timestamp
from muster.console import assets, flashes, navigation
from muster.console.actors import actor_in_words
from muster.console.flashes import Flashes
from muster.console.multipart import Upload, boundary_of, read_multipart
from muster.directory.caller import Caller
from muster.directory.guard.policy import HOLD, PAUSE
from muster.http.wire.base_url import BaseUrl as BaseUrl
from muster.http.wire.media import UnsupportedMedia
from muster.http.wire.message import MAX_HEADER, Headers, Request, Response
from muster.http.wire.router import Route
from muster.scim.errors import ScimError, forbidden
from muster.scim.schema.labels import title_of
from muster.scim.schema.model import Registry
from muster.scim.values import Json
from muster.storage.port.accounts import Workspace
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.items import INSTALLATION

SESSION_COOKIE, FORM_COOKIE = "muster_session", "muster_form"
THEME_COOKIE, PLACE_COOKIE = "muster_theme", "muster_workspace"
THEMES = ("light", "dark")
REMEMBERED_SECONDS = 365 * 86_400
"""The lifetime of the cookies of the theme and of the workspace last used."""
_FORM = "application/x-www-form-urlencoded"
_MAX_FORM = 200_000
_SWITCHES = 50
"""The number of workspaces in the menu of each page; a page of its own lists all of them."""
_MAX_FIELDS = 1_100
"""Enough for a rollback of 1,000 resources."""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src"
    " 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Headers = [
    ("content-security-policy", _POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cache-control", "no-store"),
]
_ONCE_COOKIE = "muster_once"
_HSTS = ("strict-transport-security", "max-age=31536000; includeSubDomains")


def _ago(text: str | None) -> str:
    """Format a timestamp relative to now, such as "3 minutes ago"; "never" for None."""
    if not text:
        return "never"
    seconds = (clock.now() - datetime.fromisoformat(text)).total_seconds()
    ahead = seconds < 0
    seconds = abs(seconds)
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            number = int(seconds // size)
            said = f"{number} {unit}{'s' if number > 1 else ''}"
            return f"in {said}" if ahead else f"{said} ago"
    return "just now"


def _value(value: Json) -> str:
    """Format an attribute value: strings unchanged, others as JSON, a dash for None."""
    return value if isinstance(value, str) else _quoted(value)


def _quoted(value: Json) -> str:
    """Format an attribute value as JSON; a dash for None."""
    return "—" if value is None else json.dumps(value, ensure_ascii=False)


_PAST = {
    "create": "Created",
    "update": "Updated",
    "delete": "Deleted",
    "hold": "Held for review",
    "let": "Approved",
    "keep": "Discarded",
    "refuse": "Rejected",
    "override": "Overridden",
    "undo": "Rolled back",
    "wipe": "Wiped",
    "trim": "Trimmed",
    "forget": "Erased",
    "rotate": "Rotated",
    "revoke": "Revoked",
    "rename": "Renamed",
    "disable": "Disabled",
    "protect": "Protected from deactivation",
    "unprotect": "Deactivation allowed",
    "import": "Import started",
    "imported": "Import finished",
    "index": "Index built",
    "sign-in": "Signed in",
    "sign-in-failed": "Failed to sign in",
    "sign-out": "Signed out",
    "export": "Exported",
    "resolve": "Resolved",
    "reopen": "Reopened",
    "accept": "Accepted",
}


_UUID = re.compile(r"\b[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{8}([0-9A-Fa-f]{4})\b")


def _past(action: str) -> str:
    """Return the action of a change as a past participle, such as "Created"."""
    return _PAST.get(action) or action[:1].upper() + action[1:]


def _label(path: str) -> str:
    """Return the label of an attribute by its path, such as "Department"."""
    return title_of(path.rpartition(":")[2])


def _beside(error: str, name: str) -> str:
    """Return an error for display beside its field, without the field's name."""
    text = error.removeprefix(f"{name}: ")
    return text[:1].upper() + text[1:]


_FIELD = re.compile(r"([A-Za-z]\w*(?:\.\w+)*)(?:\[(\d+)\])?: (.+)", re.DOTALL)
_LABELS = {
    "email": "E-mail",
    "keyName": "Name of the new key",
    "clientName": "Name of the OAuth client",
    "jwksUri": "URL of its public keys",
    "confirm": "Name",
    "old": "Current password",
    "new": "New password",
    "preset": "",
    "rateLimit": "Requests per minute",
    "guardShare": "Percentage of users per hour",
    "guardLeast": "Allow at least",
    "ipAllowlist": "IP allowlist",
    "requestsDays": "Keep request logs for (days)",
    "changesDays": "Keep changes for (days)",
    "since": "From",
    "until": "To",
}
"""The labels of fields whose names do not give them."""


def _in_words(error: str) -> str:
    """Return an error with the label of its field instead of the name of the input.

    The label is left out if the message names the field itself.
    """
    found = _FIELD.fullmatch(error)
    if found is None:
        return error
    name, index, text = found.groups()
    label = _LABELS.get(name, _label(name.rpartition(".")[2]))
    if index is not None:
        return f"{label}, line {int(index) + 1}: {text}" if name in _LABELS else error
    said = re.search(rf"\b{re.escape(label)}\b", text, re.IGNORECASE)
    return text[:1].upper() + text[1:] if said or not label else f"{label}: {text}"


_MINUTE_IN_TEXT = re.compile(r"\b(\d{4}-\d\d-\d\d) (\d\d:\d\d) UTC\b")


def _moments(text: str) -> Markup:
    """Return a text with its moments marked, so that the page shows them in the reader's zone."""
    marked = r'<time datetime="\1T\2:00Z" data-moment="minute">\1 \2 UTC</time>'
    return Markup(_MINUTE_IN_TEXT.sub(marked, str(escape(text))))  # noqa: S704 (it is escaped)


_BROWSERS = {
    "Edg": "Edge",
    "EdgA": "Edge",
    "EdgiOS": "Edge",
    "OPR": "Opera",
    "SamsungBrowser": "Samsung Internet",
    "Firefox": "Firefox",
    "FxiOS": "Firefox",
    "CriOS": "Chrome",
    "Chrome": "Chrome",
    "Safari": "Safari",
    "curl": "curl",
}
_SYSTEMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "Windows": "Windows",
    "CrOS": "ChromeOS",
    "Mac OS X": "macOS",
    "Linux": "Linux",
}
"""Marks of systems and browsers in a User-Agent. The first counts: Edge is also Safari."""


def _browser(agent: str) -> str:
    """Return a User-Agent in words, such as "Firefox on Windows", or as it is if unknown."""
    browser = next((name for mark, name in _BROWSERS.items() if f"{mark}/" in agent), "")
    system = next((name for mark, name in _SYSTEMS.items() if mark in agent), "")
    if not browser:
        return agent
    return f"{browser} on {system}" if system else browser


def _short_path(path: str) -> str:
    """Return a path with the last four characters of each UUID in place of it."""
    return _UUID.sub(r"…\1", path)


def _permits(permission: str) -> str:
    """Return the sentence about what a permission permits."""
    return ADMIN_NOTE if permission == ADMIN else NOTES.get(permission, "")


_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters["ago"] = _ago
_templates.filters["value"] = _value
_templates.filters["quoted"] = _quoted
_templates.filters["past"] = _past
_templates.filters["label"] = _label
_templates.filters["beside"] = _beside
_templates.filters["in_words"] = _in_words
_templates.filters["moments"] = _moments
_templates.filters["browser"] = _browser
_templates.filters["short_path"] = _short_path
_templates.filters["actor"] = actor_in_words
_templates.tests["about"] = lambda error, name: (
    re.match(rf"{re.escape(name)}(?!\w)", error) is not None
)
_templates.filters["path"] = lambda text: quote(str(text), safe="")
_templates.filters["permits"] = _permits
_templates.globals["icon"] = assets.icon


async def _allowed() -> bool:
    return True


@dataclass(slots=True)
class Visit:
    """One request of a browser.

    Attributes:
        request: The HTTP request.
        base: Derives public URLs and the client's address from the request.
        session: The administrator's session; None if nobody is signed in.
        workspace: The workspace in the path; None for pages outside workspaces.
        workspaces: The workspaces in which the administrator has a role.
        place: The workspace whose navigation is shown: the one in the path, or else the one last
            used.
        registry: The schemas and resource types of the workspace.
        protected: The ids of its protected users.
        names: The variable parts of the path, by name.
        fields: The fields of the form or the query, each with its values in order.
        page: The path pattern of the page.
        csrf: The token that each form must contain.
        cookies: The parsed cookies; None until the first is read.
        still_allowed: Checks again that the administrator may see the page; streams call it
            repeatedly.
        flashes: Storage for values that the next page shows once.
        flashed: The values that the previous form left for this page to show once.
        spent: Whether such values were read, so that the browser must forget their token.
        held: The number of changes that the guard holds, for the sidebar.
        files: The files of the form, by the name of their field.
        oversized: Whether the form is too large to be read; it has no fields then.
        required_by: Who requires a second factor that the administrator still has to set up; empty
            if nobody does.
        guest: The owner of the values that the next page shows once, on a page of GUEST.
    """

    request: Request
    base: BaseUrl
    session: Session | None = None
    workspace: Workspace | None = None
    workspaces: list[Workspace] = field(default_factory=list)
    place: Workspace | None = None
    registry: Registry | None = None
    protected: frozenset[str] = frozenset()
    names: dict[str, str] = field(default_factory=dict)
    fields: dict[str, list[str]] = field(default_factory=dict)
    page: str = ""
    csrf: str = ""
    cookies: dict[str, str] | None = None
    still_allowed: Callable[[], Awaitable[bool]] = _allowed
    flashes: Flashes | None = None
    flashed: dict[str, Any] = field(default_factory=dict)
    spent: bool = False
    held: int = 0
    files: dict[str, Upload] = field(default_factory=dict)
    oversized: bool = False
    required_by: str = ""
    guest: str = ""

    @property
    def secure(self) -> bool:
        """Whether the browser uses TLS, to this server or to a proxy in front of it."""
        return self.base.base(self.request).startswith("https://")

    @property
    def origin(self) -> ChangeOrigin:
        """The actor, request id, time and address that the audit log records."""
        return ChangeOrigin(
            self._actor,
            self.request.id,
            timestamp(),
            self.base.client(self.request),
        )

    @property
    def _has_host_alone(self) -> bool:
        """Whether the console is at the root of its host.

        Under a prefix, policies for the whole host, such as HSTS, belong to another application.
        """
        return not self.request.prefix and not urlsplit(self.base.base(self.request)).path

    @property
    def _actor(self) -> str:
        """The actor of the audit log: visitor, admin:EMAIL, or openid:WORKSPACE:EMAIL.

        WORKSPACE is the workspace whose identity provider signed the administrator in, or * for the
        installation's. No other administrator can have the same actor, whatever e-mail address a
        provider sends.
        """
        if self.session is None:
            return "visitor"
        admin = self.session.admin
        if admin.connector is None:
            return f"admin:{admin.email}"
        names = {INSTALLATION: "*"} | {
            workspace.id: workspace.name for workspace in self.workspaces
        }
        return f"openid:{names.get(admin.connector, admin.connector)}:{admin.email}"

    @property
    def permissions(self) -> tuple[str, ...]:
        """The administrator's permissions in the workspace."""
        if self.session is None or self.workspace is None:
            return ()
        return self.session.admin.permissions(self.workspace.id)

    def may(self, permission: str) -> bool:
        """Return whether the administrator has a permission in the workspace."""
        return allows(self.permissions, permission)

    def opens(self, path: str) -> bool:
        """Return whether the administrator may open a page of the workspace.

        Args:
            path: The path within the workspace, such as /keys or /requests?status=401.
        """
        page = navigation.page_at(
            navigation.current(f"/w/{{workspace}}{re.split('[?#]', path)[0]}")
        )
        return page is not None and self.may(page.permission)

    def start(self, workspace: Workspace) -> str | None:
        """Return the home page in a workspace; None if the administrator may open no page."""
        if self.session is None:
            return None
        path = navigation.first_path(self.session.admin.permissions(workspace.id))
        return None if path is None else f"/w/{quote(workspace.name)}{path}"

    @property
    def switches(self) -> list[tuple[Workspace, str]]:
        """The first workspaces that the administrator may switch to, with their home pages."""
        first = self.workspaces[:_SWITCHES]
        return [(found, start) for found in first if (start := self.start(found))]

    def groups(self, workspace: Workspace) -> list[navigation.Group]:
        """Return the sidebar of a workspace: the pages that the administrator may open."""
        held = () if self.session is None else self.session.admin.permissions(workspace.id)
        groups = [
            navigation.Group(
                group.title, [page for page in group.pages if allows(held, page.permission)]
            )
            for group in navigation.GROUPS
        ]
        return [group for group in groups if group.pages]

    def protections(self, users: str) -> list[str]:
        """Return the safeguards that could refuse deprovisioning, in words.

        Args:
            users: The words for the protected users who are concerned; empty for none.
        """
        place = self.there()
        found = [f"the protection of {users}"] if users else []
        if place.guard_mode in (HOLD, PAUSE):
            found.append("the deprovisioning guard")
        if not (place.automatic_provisioning and place.automatic_deprovisioning):
            found.append("the automatic provisioning settings")
        return found

    @property
    def actions(self) -> list[navigation.Action]:
        """The actions of the command palette that the administrator may take."""
        if self.session is None or self.place is None:
            return []
        held = self.session.admin.permissions(self.place.id)
        return [action for action in navigation.ACTIONS if allows(held, action.permission)]

    @property
    def entry(self) -> navigation.MenuPage | None:
        """The entry of the sidebar that the page belongs to."""
        return navigation.page_at(navigation.current(self.page))

    @property
    def searches(self) -> bool:
        """Whether the administrator may search users and groups in the command palette."""
        if self.session is None or self.place is None:
            return False
        return allows(self.session.admin.permissions(self.place.id), SCIM)

    @property
    def theme(self) -> str:
        """The theme that the reader chose: light or dark; empty for that of the device."""
        chosen = self.cookie(THEME_COOKIE)
        return chosen if chosen in THEMES else ""

    def home(self) -> str:
        """Return the home page of the current workspace, or else of another."""
        places = [*([self.place] if self.place else []), *self.workspaces]
        return next((page for place in places if (page := self.start(place))), "/account")

    def there(self) -> Workspace:
        """Return the workspace of the page.

        Raises:
            ScimError: 403 if the page is outside workspaces.
        """
        if self.workspace is None:
            raise forbidden("This page belongs to a workspace. Open it from there.")
        return self.workspace

    @property
    def administrator(self) -> Administrator:
        """The signed-in administrator, for changes to settings."""
        return Administrator(self.there(), self.origin, self.permissions)

    @property
    def caller(self) -> Caller:
        """The signed-in administrator, for requests to the directory."""
        origin = self.origin
        who = (self.there(), origin.actor, origin.request_id, origin.address)
        made = Caller(*who, protected=self.protected)
        if self.registry is not None:
            made.registry = self.registry
        return made

    def caller_overriding(self) -> Caller:
        """Return the caller; `override` in the form bypasses the guard and switches.

        Raises:
            ScimError: 403 if `override` is checked and the administrator may not change settings.
        """
        override = self.text("override") == "on"
        if override and not self.may(SETTINGS):
            raise forbidden(f'override: you need the permission "{SETTINGS}" in this workspace')
        return replace(self.caller, overrides=override)

    def text(self, name: str, default: str = "") -> str:
        """Return the last value of a form or query field, without surrounding spaces."""
        values = self.fields.get(name)
        return values[-1].strip() if values else default

    def fields_to_repeat(self) -> list[tuple[str, str]]:
        """Return the fields of a form, for a page that reviews them and submits them again."""
        return [
            (name, value)
            for name, values in self.fields.items()
            for value in values
            if name not in ("csrf", "reviewed", "edit", "seen")
        ]

    def url(self, path: str, /, **query: Any) -> str:
        """Build a link within the console.

        Args:
            path: A path such as /account; ./keys is relative to the workspace.
            **query: Query parameters; empty ones are left out.
        """
        if path.startswith("."):
            path = f"/w/{quote(self.there().name)}{path[1:]}"
        given = {name: value for name, value in query.items() if value not in (None, "")}
        return f"{self.base.prefix(self.request)}{path}" + (f"?{urlencode(given)}" if given else "")

    def asset(self, name: str) -> str:
        """Build the link to a static file; it changes with the content of the file."""
        return self.url(assets.path_of(name))

    def within(self, path: str) -> str:
        """Build a link to a page of the workspace whose navigation is shown."""
        return "" if self.place is None else self.url(f"/w/{quote(self.place.name)}{path}")

    def cookie(self, name: str) -> str | None:
        """Return the value of a cookie.

        Raises:
            ScimError: 431 if the Cookie header is too long.
        """
        if self.cookies is None:
            self.cookies = read_cookies(self.request.header("cookie") or "")
        return self.cookies.get(name)

    def set_cookie(
        self, name: str, value: str, seconds: int | None = None, path: str = "/"
    ) -> tuple[str, str]:
        """Return the header that sets a cookie.

        Args:
            name: The name of the cookie.
            value: Its value.
            seconds: Its lifetime; 0 removes it, None keeps it until the browser closes.
            path: The path within the console below which the browser sends it.
        """
        parts = [
            f"{name}={value}",
            f"Path={(self.base.prefix(self.request) + path).rstrip('/') or '/'}",
            "HttpOnly",
            "SameSite=Lax",
        ]
        if seconds is not None:
            parts.append(f"Max-Age={seconds}")
        if self.secure:
            parts.append("Secure")
        return "set-cookie", "; ".join(parts)

    @property
    def closed(self) -> str | None:
        """The reason why the workspace of the page answers no program; None if it does."""
        return None if self.workspace is None else closed_because(self.workspace)

    def render(
        self, template: str, status: int = 200, headers: Headers | None = None, /, **values: Any
    ) -> Response:
        """Render a template as the response."""
        body = (
            _templates.get_template(template)
            .render(visit=self, **values)
            .encode("utf-8", "replace")
        )
        return self._answer(status, "text/html; charset=utf-8", body, headers)

    def file(self, media: str, body: bytes, name: str) -> Response:
        """Return a response that the browser saves as a file."""
        return self._answer(
            200, media, body, [("content-disposition", f'attachment; filename="{name}"')]
        )

    def json(self, status: int, content: bytes | Mapping[str, Json]) -> Response:
        """Return a response for a script of the console."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return self._answer(status, "application/json", body, None)

    def _answer(self, status: int, media: str, body: bytes, headers: Headers | None) -> Response:
        strict = [_HSTS] if self.secure and self._has_host_alone else []
        if self.guest:  # the last policy of several holds
            strict.append(("referrer-policy", "no-referrer"))
        changed = [self.set_cookie(_ONCE_COOKIE, "", 0)] if self.spent else []
        if self.workspace is not None and self.cookie(PLACE_COOKIE) != str(self.workspace.id):
            place = str(self.workspace.id)
            changed.append(self.set_cookie(PLACE_COOKIE, place, REMEMBERED_SECONDS))
        return Response(
            status, [("content-type", media), *HEADERS, *strict, *changed, *(headers or ())], body
        )

    def redirect(self, path: str, headers: Headers | None = None, /, **query: Any) -> Response:
        """Redirect (303) to another page of the console, and never outside it."""
        private = [("referrer-policy", "no-referrer")] if self.guest else []
        return Response(
            303, [("location", self.url(path, **query)), *HEADERS, *private, *(headers or ())]
        )

    @property
    def _owner(self) -> str:
        """The owner of the values that the next page shows once."""
        return self.guest if self.session is None else self.session.id

    async def redirect_with(
        self, path: str, query: Mapping[str, str] | None = None, /, **values: Json
    ) -> Response:
        """Redirect (303) to a page of the console that shows the values once.

        Reloading that page neither submits the form again nor shows the values again. The cookie
        contains only a token for the values; see Flashes.
        """
        if not self._owner or self.flashes is None:
            raise forbidden("You are not signed in.")
        place = self.url(path.partition("#")[0])
        token = await self.flashes.put(self._owner, place, values)
        return self.redirect(
            path, [self.set_cookie(_ONCE_COOKIE, token, flashes.SECONDS)], **(query or {})
        )

    async def read_flashed(self) -> None:
        """Move the values that the previous form left for this page into `flashed`."""
        token = self.cookie(_ONCE_COOKIE)
        if token and self._owner and self.flashes is not None:
            place = f"{self.base.prefix(self.request)}{self.request.path}"
            found = await self.flashes.take(self._owner, place, token)
            self.flashed, self.spent = found or {}, found is not None

    def back(self, to: str, headers: Headers | None = None) -> Response:
        """Redirect (303) to a path that the browser sent, if it is one of the console."""
        own = to.startswith("/") and not to.startswith(("//", "/\\")) and to.isprintable()
        return self.redirect(to if own else "/", headers)

    def leave(self, url: str, headers: Headers) -> Response:
        """Redirect (303) to the sign-in page of a configured identity provider."""
        return Response(303, [("location", url), *HEADERS, *headers])

    async def read_form(self, upload: int = 0) -> None:
        """Read the fields of a POST and check its CSRF token.

        Args:
            upload: The size up to which a form with files is read; 0 for forms without files.

        Raises:
            ScimError: 400, 413 or 415 if the form cannot be read; 403 if its origin or token is
                wrong.
        """
        request = self.request
        content_type = request.header("content-type") or ""
        boundary = boundary_of(content_type) if upload else None
        if boundary is None and content_type.partition(";")[0].strip().lower() != _FORM:
            raise UnsupportedMedia(f"Content-Type: expected {_FORM}", "accept", _FORM)
        origin = request.header("origin")
        own = self.base.base(request).removesuffix(self.base.prefix(request))
        if origin is not None and origin != own and not self._hides_origin(origin):
            raise forbidden(
                "This form was submitted from another site. Open the page again and resubmit it."
            )
        if boundary is None:
            pairs = await self._pairs()
        else:
            try:
                pairs, self.files = read_multipart(await request.read(upload), boundary)
            except ScimError as error:
                if error.status != 413:
                    raise
                self.oversized = True
                return
        for name, value in pairs:
            self.fields.setdefault(name, []).append(value.replace("\0", ""))
        expected = self.csrf
        if not expected or not hmac.compare_digest(self.text("csrf").encode(), expected.encode()):
            raise forbidden("This form has expired. Open the page again and resubmit it.")

    def _hides_origin(self, origin: str) -> bool:
        """Return whether the browser hides the origin of a form of our own.

        It sends "null" from a page whose policy is no-referrer, and says in Sec-Fetch-Site that
        the form is of the same origin. Browsers without that header have the CSRF token alone.
        """
        site = self.request.header("sec-fetch-site")
        return bool(self.guest) and origin == "null" and site in (None, "same-origin")

    async def _pairs(self) -> list[tuple[str, str]]:
        """Read the fields of a form without files."""
        try:
            text = (await self.request.read(_MAX_FORM)).decode()
            if text.count("&") >= _MAX_FIELDS:
                raise ScimError(400, f"The form has more than {_MAX_FIELDS} fields.")
            return parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))
        except ValueError:
            raise ScimError(
                400, "The form is malformed. Open the page again and resubmit it."
            ) from None

    def form_token(self) -> tuple[str, Headers]:
        """Return a CSRF token, and its cookie, for a form outside a session."""
        token = self.cookie(FORM_COOKIE) or secrets.token_urlsafe(24)
        self.csrf = token
        return token, [self.set_cookie(FORM_COOKIE, token)]


def read_cookies(header: str) -> dict[str, str]:
    """Parse a Cookie header (RFC 6265 section 4.2.1) in time linear in its length.

    Before Python 3.11.10, http.cookies takes quadratic time for quoted values.

    Returns:
        The cookies by name; the first of several with the same name.

    Raises:
        ScimError: 431 if the header is too long.
    """
    if len(header) > MAX_HEADER:
        raise ScimError(
            431, f"The cookies are {len(header):,} bytes long; the limit is {MAX_HEADER:,}."
        )
    found: dict[str, str] = {}
    for pair in header.split(";"):
        name, _, value = pair.partition("=")
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] == '"':
            value = value[1:-1]
        found.setdefault(name.strip(), value)
    return found


Handler = Callable[[Visit], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class PageRoute(Route):
    """A page of the console.

    Attributes:
        method: The HTTP method.
        path: The path, with {name} for each variable part.
        permission: The required permission in the workspace, or SIGNED_IN, INSTALLATION_ADMIN or
            ANYONE, or GUEST.
        handler: Answers the request.
        also: Further required permissions.
        upload: The size up to which a form with files is read, in bytes; 0 for forms without files.
        first: Whether it opens before a required second factor is set up.
    """

    permission: str
    handler: Handler
    also: tuple[str, ...] = ()
    upload: int = 0
    first: bool = False


ANYONE, SIGNED_IN, INSTALLATION_ADMIN = "anyone", "signed in", ADMIN
GUEST = "guest"
"""The permission of pages for people without an account: a session is not read for them."""

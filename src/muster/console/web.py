"""What every page needs: the visit, its form, its cookies, and the answer as HTML with its headers."""

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

from muster.access.administrators import Session
from muster.access.audit_notes import Administrator
from muster.access.permissions import ADMIN, AUDIT, RESTORE, SCIM, SETTINGS, allows
from muster.base import clock
from muster.base.clock import timestamp
from muster.console import flashes
from muster.console.flashes import Flashes
from muster.directory.caller import Caller
from muster.http.wire.base_url import BaseUrl as BaseUrl
from muster.http.wire.media import UnsupportedMedia
from muster.http.wire.message import MAX_HEADER, Headers, Request, Response
from muster.http.wire.router import Route
from muster.scim.errors import ScimError, forbidden
from muster.scim.schema.model import Registry
from muster.scim.values import Json
from muster.storage.port.accounts import Workspace
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.items import INSTALLATION

SESSION_COOKIE, FORM_COOKIE = "muster_session", "muster_form"
_FORM = "application/x-www-form-urlencoded"
_MAX_FORM = 200_000
_MAX_FIELDS = 500
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Headers = [
    ("content-security-policy", _POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cache-control", "no-store"),
]
_STARTS = ((SCIM, ""), (SETTINGS, "/keys"), (AUDIT, "/audit"), (RESTORE, "/undo"))
"""The first page of a workspace by permission: an administrator gets the first that they may open."""
_ONCE_COOKIE = "muster_once"
_HSTS = ("strict-transport-security", "max-age=31536000; includeSubDomains")


def _ago(text: str | None) -> str:
    """A moment as people say it."""
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
    """The value of an attribute: a string as it is, any other as JSON; a dash if it has none."""
    return value if isinstance(value, str) else _quoted(value)


def _quoted(value: Json) -> str:
    """The value of an attribute as JSON; a dash if it has none."""
    return "—" if value is None else json.dumps(value, ensure_ascii=False)


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
_templates.tests["about"] = lambda error, name: re.match(rf"{name}\b", error) is not None
_templates.filters["path"] = lambda text: quote(str(text), safe="")


async def _allowed() -> bool:
    return True


@dataclass(slots=True)
class Visit:
    """One request of a browser. session: None where no one is signed in. workspace: where the page is about one.

    still_allowed: whether the administrator may see the page by now; a page that goes on for long asks again and again.
    """

    request: Request
    base: BaseUrl
    session: Session | None = None
    workspace: Workspace | None = None
    workspaces: list[Workspace] = field(default_factory=list)
    registry: Registry | None = None
    names: dict[str, str] = field(default_factory=dict)
    fields: dict[str, list[str]] = field(default_factory=dict)
    page: str = ""
    csrf: str = ""
    cookies: dict[str, str] | None = None
    still_allowed: Callable[[], Awaitable[bool]] = _allowed
    flashes: Flashes | None = None
    told: dict[str, Any] = field(default_factory=dict)
    """The values that the form before left for this page to show once."""
    spent: bool = False
    """Whether there were such values, and the browser is to forget their token."""

    @property
    def secure(self) -> bool:
        """Whether the browser speaks TLS to us, or to the proxy before us."""
        return self.base.base(self.request).startswith("https://")

    @property
    def origin(self) -> ChangeOrigin:
        """Where what is done here comes from, for the audit log."""
        return ChangeOrigin(
            self._actor,
            self.request.id,
            timestamp(),
            self.base.client(self.request),
        )

    @property
    def _has_host_alone(self) -> bool:
        """Whether the console is at the root of its host: under a prefix, the host's policies are another application's."""
        return not self.request.prefix and not urlsplit(self.base.base(self.request)).path

    @property
    def _actor(self) -> str:
        """The actor of the audit log: visitor, admin:EMAIL, or openid:WORKSPACE:EMAIL.

        The workspace is the one whose OpenID provider signed the administrator in, * for the installation's. No other
        administrator can have such an actor, whatever address a provider sends.
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
        """What whoever is signed in may do in the workspace."""
        if self.session is None or self.workspace is None:
            return ()
        return self.session.admin.permissions(self.workspace.id)

    def may(self, permission: str) -> bool:
        return allows(self.permissions, permission)

    def start(self, workspace: Workspace) -> str | None:
        """The first page of a workspace for whoever is signed in; None if they may open none of its pages."""
        held = () if self.session is None else self.session.admin.permissions(workspace.id)
        page = next((page for permission, page in _STARTS if allows(held, permission)), None)
        return None if page is None else f"/w/{quote(workspace.name)}{page}"

    def home(self) -> str:
        """The first page for whoever is signed in: of the workspace that this page is about, or else of another."""
        places = [*([self.workspace] if self.workspace else []), *self.workspaces]
        return next((page for place in places if (page := self.start(place))), "/account")

    def there(self) -> Workspace:
        """The workspace that the page is about."""
        if self.workspace is None:
            raise forbidden("this page is about a workspace")
        return self.workspace

    @property
    def administrator(self) -> Administrator:
        """Who is signed in, as what they change is recorded."""
        return Administrator(self.there(), self.origin, self.permissions)

    @property
    def caller(self) -> Caller:
        """Who is signed in, as the directory has it."""
        origin = self.origin
        made = Caller(self.there(), origin.actor, origin.request_id, origin.address)
        if self.registry is not None:
            made.registry = self.registry
        return made

    def caller_overriding(self) -> Caller:
        """The caller, who passes the guard and the provisioning switches if the form's `override` is checked.

        Raises ScimError 403 if they may not change the settings, and so not override them either.
        """
        override = self.text("override") == "on"
        if override and not self.may(SETTINGS):
            raise forbidden(f'override: this needs the permission "{SETTINGS}" in this workspace')
        return replace(self.caller, overrides=override)

    def text(self, name: str, default: str = "") -> str:
        """A field of the form, or of the query."""
        values = self.fields.get(name)
        return values[-1].strip() if values else default

    def url(self, path: str, /, **query: Any) -> str:
        """A link within the console. path: as /keys, of the workspace where it begins with a dot as ./keys."""
        if path.startswith("."):
            path = f"/w/{quote(self.there().name)}{path[1:]}"
        given = {name: value for name, value in query.items() if value not in (None, "")}
        return f"{self.base.prefix(self.request)}{path}" + (f"?{urlencode(given)}" if given else "")

    def cookie(self, name: str) -> str | None:
        """The value of a cookie. Raises ScimError 431 if all cookies together are too long."""
        if self.cookies is None:
            self.cookies = read_cookies(self.request.header("cookie") or "")
        return self.cookies.get(name)

    def set_cookie(self, name: str, value: str, seconds: int | None = None) -> tuple[str, str]:
        """The header that sets a cookie; seconds: 0 to remove it."""
        parts = [
            f"{name}={value}",
            f"Path={self.base.prefix(self.request) or '/'}",
            "HttpOnly",
            "SameSite=Lax",
        ]
        if seconds is not None:
            parts.append(f"Max-Age={seconds}")
        if self.secure:
            parts.append("Secure")
        return "set-cookie", "; ".join(parts)

    def render(
        self, template: str, status: int = 200, headers: Headers | None = None, /, **values: Any
    ) -> Response:
        """A page."""
        body = (
            _templates.get_template(template)
            .render(visit=self, **values)
            .encode("utf-8", "replace")
        )
        return self._answer(status, "text/html; charset=utf-8", body, headers)

    def file(self, media: str, body: bytes, name: str) -> Response:
        """A file to keep."""
        return self._answer(
            200, media, body, [("content-disposition", f'attachment; filename="{name}"')]
        )

    def _answer(self, status: int, media: str, body: bytes, headers: Headers | None) -> Response:
        strict = [_HSTS] if self.secure and self._has_host_alone else []
        forget = [self.set_cookie(_ONCE_COOKIE, "", 0)] if self.spent else []
        return Response(
            status, [("content-type", media), *HEADERS, *strict, *forget, *(headers or ())], body
        )

    def redirect(self, path: str, headers: Headers | None = None, /, **query: Any) -> Response:
        """303 to another page of the console: never to anywhere else."""
        return Response(303, [("location", self.url(path, **query)), *HEADERS, *(headers or ())])

    async def redirect_telling(
        self, path: str, query: Mapping[str, str] | None = None, /, **told: Json
    ) -> Response:
        """303 to a page of the console that shows these values once: reloading it neither submits the form again nor shows them.

        The cookie has a token for them alone; see Flashes.
        """
        if self.session is None or self.flashes is None:
            raise forbidden("no one is signed in")
        token = await self.flashes.put(self.session.id, self.url(path), told)
        return self.redirect(
            path, [self.set_cookie(_ONCE_COOKIE, token, flashes.SECONDS)], **(query or {})
        )

    async def read_told(self) -> None:
        """Take the values that the form before left for this page, which `told` then has."""
        token = self.cookie(_ONCE_COOKIE)
        if token and self.session is not None and self.flashes is not None:
            place = f"{self.base.prefix(self.request)}{self.request.path}"
            found = await self.flashes.take(self.session.id, place, token)
            self.told, self.spent = found or {}, found is not None

    def leave(self, url: str, headers: Headers) -> Response:
        """303 to an identity provider that an administrator has set up."""
        return Response(303, [("location", url), *HEADERS, *headers])

    async def read_form(self) -> None:
        """The fields of a POST, with its token checked. Raises ScimError 400, 403, 413 and 415."""
        request = self.request
        if (request.header("content-type") or "").partition(";")[0].strip().lower() != _FORM:
            raise UnsupportedMedia(f"Content-Type must be {_FORM}", "accept", _FORM)
        origin = request.header("origin")
        own = self.base.base(request).removesuffix(self.base.prefix(request))
        if origin is not None and origin != own:
            raise forbidden("this form was sent from another site")
        try:
            text = (await request.read(_MAX_FORM)).decode()
            if text.count("&") >= _MAX_FIELDS:
                raise ScimError(400, f"the form has more than {_MAX_FIELDS} fields")
            pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))
        except ValueError:
            raise ScimError(400, "the form cannot be read") from None
        for name, value in pairs:
            self.fields.setdefault(name, []).append(value.replace("\0", ""))
        expected = self.csrf
        if not expected or not hmac.compare_digest(self.text("csrf").encode(), expected.encode()):
            raise forbidden("the form is too old: open the page again")

    def form_token(self) -> tuple[str, Headers]:
        """The token for a form of someone who is not signed in, and the cookie that goes with it."""
        token = self.cookie(FORM_COOKIE) or secrets.token_urlsafe(24)
        self.csrf = token
        return token, [self.set_cookie(FORM_COOKIE, token)]


def read_cookies(header: str) -> dict[str, str]:
    """The cookies of a Cookie header by name (RFC 6265 section 4.2.1), in time linear in its length; the first of a name.

    Raises ScimError 431 if it is too long. (http.cookies takes quadratic time for quoted values before Python 3.11.10.)
    """
    if len(header) > MAX_HEADER:
        raise ScimError(
            431, f"the cookies are {len(header):,} bytes long, and at most {MAX_HEADER:,} are read"
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
        path: The path, with {names}.
        permission: The permission needed in the workspace; SIGNED_IN, INSTALLATION_ADMIN, or ANYONE.
        also: Further permissions needed as well.
    """

    permission: str
    handler: Handler
    also: tuple[str, ...] = ()


ANYONE, SIGNED_IN, INSTALLATION_ADMIN = "anyone", "signed in", ADMIN

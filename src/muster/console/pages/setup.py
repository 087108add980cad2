"""The page of a set-up link: a customer's administrator connects a provider, without an account.

Each step is the page /setup with the name of the step. The token of the link is in a cookie of its
own, so that it is in no address that the browser keeps or sends on.
"""

import re
import secrets
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from muster.access.brands import Brands
from muster.access.kept_answers import Kept
from muster.access.keys import KeyOptions, Keys
from muster.access.oauth.clients import SECRET, OAuthClients
from muster.access.oauth.trusts import Trusts
from muster.access.permissions import SCIM
from muster.access.registries import Registries
from muster.access.settings import WorkspaceSettings
from muster.access.setup_links import (
    STEPS,
    Setup,
    SetupLink,
    SetupLinks,
    SetupOver,
    by_link,
)
from muster.base import clock
from muster.base.clock import timestamp
from muster.console.live_check import CHECKED, LATEST, LiveCheck
from muster.console.providers import OAUTH_CLIENT, PROVIDERS, TRUST, Provider
from muster.console.web import GUEST, HEADERS, PageRoute, Visit
from muster.directory.documents import parse
from muster.http.management.setup_links import SETUP_PATH
from muster.http.oauth import TOKEN_PATH
from muster.http.wire.base_url import SCIM_ROOT, is_loopback
from muster.http.wire.message import Response
from muster.insight.doctor import diagnosis
from muster.insight.people import subjects
from muster.scim.errors import ScimError, invalid_value, not_found
from muster.storage.port.changes import ChangeFilter
from muster.storage.port.engine import Storage
from muster.storage.port.errors import Outdated
from muster.storage.port.items import INSTALLATION
from muster.storage.records.attempts import Attempts

COOKIE = "muster_setup"
_TITLES = {
    "provider": "Choose your identity provider",
    "credential": "Set up {provider}",
    "mapping": "Check the attribute mapping",
    "test": "Test the connection",
    "users": "See the first users arrive",
    "done": "Done",
}
_SHORT = ("Provider", "Set-up", "Mapping", "Test", "Users", "Done")
_UNKNOWN, _UNKNOWN_WINDOW = 30, 600
"""Unknown links from one address, and in how many seconds."""
_ACTS, _ACTS_WINDOW = 120, 300
"""Forms sent with one link, and in how many seconds."""
_ACTORS = {"key": "key", OAUTH_CLIENT: "oauth", TRUST: "trust"}
"""The prefixes of actors in the audit log, by the kind of credential."""
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_EXAMPLE_ID = "72f988bf-86f1-41af-91ab-2d7cd011db47"


@dataclass(frozen=True, slots=True)
class SetupParts:
    """The services that the page uses."""

    storage: Storage
    links: SetupLinks
    keys: Keys
    clients: OAuthClients
    trusts: Trusts
    registries: Registries
    settings: WorkspaceSettings
    live: LiveCheck
    brands: Brands


class SetupPages:
    """The page of a set-up link."""

    def __init__(self, parts: SetupParts) -> None:
        self._parts = parts
        self._unknown = Attempts(parts.storage, _UNKNOWN, _UNKNOWN_WINDOW)
        self._acts = Attempts(parts.storage, _ACTS, _ACTS_WINDOW)

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", "/setup", GUEST, self.show)
        yield PageRoute("GET", "/setup/{token}", GUEST, self.open)
        yield PageRoute("POST", "/setup/provider", GUEST, self.choose)
        yield PageRoute("POST", "/setup/credential", GUEST, self.create)
        yield PageRoute("POST", "/setup/step", GUEST, self.advance)
        yield PageRoute("GET", "/brand/style.css", GUEST, self.style)
        yield PageRoute("GET", "/brand/logo", GUEST, self.logo)

    async def open(self, visit: Visit) -> Response:
        """Take the token from the address into the cookie, and show the page."""
        token = visit.names["token"]
        try:
            setup = await self._find(visit, token)
        except SetupOver as over:
            return await self._over(visit, over)
        await self._parts.links.open(setup, visit.origin)
        left = datetime.fromisoformat(setup.link.expires) - clock.now()
        seconds = max(1, int(left.total_seconds()))
        cookie = visit.set_cookie(COOKIE, token, seconds, SETUP_PATH)
        return visit.redirect(SETUP_PATH, [cookie])

    async def show(self, visit: Visit) -> Response:
        """Show one step of the set-up."""
        try:
            setup = await self._current(visit)
        except SetupOver as over:
            return await self._over(visit, over)
        return await self._page(visit, setup)

    async def _page(
        self, visit: Visit, setup: Setup, status: int = 200, error: str = ""
    ) -> Response:
        await visit.read_flashed()
        link, step = setup.link, self._step(visit, setup.link)
        provider = PROVIDERS.get(link.provider)
        _, headers = visit.form_token()
        partial = visit.request.header("hx-request") == "true" and step in ("test", "users")
        values: dict[str, Any] = {
            "brand": await self._parts.brands.current(),
            "setup": setup,
            "link": link,
            "step": step,
            "title": _TITLES[step].format(provider=provider.title if provider else "the client"),
            "steps": list(zip(STEPS, _SHORT, strict=True)),
            "past": STEPS[: STEPS.index(link.step)],
            "place": setup.workspace.display_name or setup.workspace.name,
            "providers": PROVIDERS,
            "provider": provider,
            "accepted": provider.accepted_by(setup.workspace.scim_credentials) if provider else (),
            "error": error,
            "said": visit.flashed.get("said", ""),
            **self._values_of_fields(visit, setup),
            **(await self._found(setup, step)),
        }
        template = "setup_live.html" if partial else "setup.html"
        return visit.render(template, status, headers, **values)

    def _values_of_fields(self, visit: Visit, setup: Setup) -> dict[str, Any]:
        """Return the values of the provider's fields, and the secret if it was just made."""
        link, flashed = setup.link, visit.flashed
        made = link.credential
        base = visit.base.base(visit.request)
        kind = made.kind if made else ""
        provider = PROVIDERS.get(link.provider)
        return {
            "base": base + SCIM_ROOT,
            "token_url": base + TOKEN_PATH,
            "local": is_loopback(urlsplit(base).hostname or ""),
            "made": made,
            "kind": kind,
            "secret": flashed.get("secret", ""),
            "fields": provider.fields_for(kind) if provider and made else (),
        }

    async def _found(self, setup: Setup, step: str) -> dict[str, Any]:
        """Return the requests and users to show in a step."""
        parts, workspace, made = self._parts, setup.workspace, setup.link.credential
        types = (await parts.registries.of(workspace)).types
        found: dict[str, Any] = {"latest": [], "attempts": [], "people": {}, "arrived": []}
        found["extensions"] = [
            (schema.id, attribute)
            for schema in types["/Users"].extensions.values()
            for attribute in schema.attributes.values()
            if not schema.id.startswith("urn:ietf:params:scim:schemas:")
        ]
        found["connected"] = False
        if made is None or step not in ("test", "users", "done"):
            return found
        if step == "users":
            found["arrived"] = await self._arrived(workspace.id, made.kind, made.id)
            return found
        latest = await parts.live.latest(workspace.id, made.id)
        found["connected"] = any(kept.status < 400 for kept in latest)
        key = await parts.storage.key(workspace.id, made.id)
        attempts = await parts.live.attempts(workspace.id, {key.id: key} if key else {})
        found["latest"] = [
            (kept, diagnosis(kept) if kept.status >= 400 else None) for kept in latest
        ]
        found["attempts"] = [attempt for attempt in attempts if attempt.kept.key_id == made.id]
        found["people"] = await subjects(parts.storage, workspace.id, types, latest)
        return found

    async def _arrived(self, workspace: int, kind: str, made: str) -> list[dict[str, Any]]:
        """Return the users that the credential created last."""
        actor = f"{_ACTORS[kind]}:{made}"
        wanted = ChangeFilter(actors=frozenset({actor}), type="User", action="create")
        rows, _ = await self._parts.storage.search_changes(workspace, None, LATEST, wanted)
        return [{"time": row.origin.time, **_user(row.document)} for row in rows]

    async def choose(self, visit: Visit) -> Response:
        """Choose the provider."""
        return await self._act(visit, self._chosen)

    async def _chosen(self, visit: Visit, setup: Setup) -> Response:
        await self._parts.links.choose(setup, visit.text("provider"), visit.origin)
        return visit.redirect("/setup", step="credential")

    async def create(self, visit: Visit) -> Response:
        """Create a credential, and record its reads for a while."""
        return await self._act(visit, self._created)

    async def _created(self, visit: Visit, setup: Setup) -> Response:
        provider, kind = _provider(setup.link), visit.text("kind")
        if kind not in provider.accepted_by(setup.workspace.scim_credentials):
            raise invalid_value("kind: choose one of the credentials")
        by, parts = by_link(setup, visit.origin), self._parts
        if setup.link.credential is not None and not visit.text("replace"):
            raise _created_already()
        try:
            keep = await parts.links.claim_credential(setup, kind, visit.origin)
            made_id, shown = await self._make(visit, setup, provider, kind, keep)
        except Outdated:
            link = await parts.links.get(setup.workspace.id, setup.link.id)
            if link.credential == setup.link.credential:
                raise
            raise _created_already() from None
        until = timestamp(clock.now() + CHECKED)
        await parts.settings.record_reads(by, until, made_id)
        return await visit.redirect_with("/setup", {"step": "credential"}, secret=shown)

    async def _make(
        self,
        visit: Visit,
        setup: Setup,
        provider: Provider,
        kind: str,
        keep: Callable[[str], Kept],
    ) -> tuple[str, str]:
        """Create a credential; return its id and its secret, which is empty for a trust.

        Args:
            visit: The form.
            setup: The set-up.
            provider: Its provider.
            kind: The kind of credential.
            keep: Returns the items to store in the same transaction, by the id of the credential.
        """
        parts, by, connection = self._parts, by_link(setup, visit.origin), setup.link.connection
        name = f"{provider.title} ({timestamp()[:10]}, {secrets.token_hex(3)})"
        if kind == OAUTH_CLIENT:
            client, secret = await parts.clients.create(
                by, connection, name, SECRET, keep=lambda client, _: keep(client.id)
            )
            return client.id, secret or ""
        if kind == TRUST:
            tenant, subject = visit.text("tenant").lower(), visit.text("subject").lower()
            for field, value in (("tenant", tenant), ("subject", subject)):
                if not _UUID.fullmatch(value):
                    raise invalid_value(f"{field}: expected an ID such as {_EXAMPLE_ID}")
            issuer = provider.trust_issuer.format(tenant=tenant)
            trust = await parts.trusts.create(
                *(by, connection, issuer, provider.trust_audience, subject, tenant),
                keep=lambda trust: keep(trust.id),
            )
            return trust.id, ""
        options = KeyOptions((SCIM,), connection=setup.connection.stored_id)
        token, key = await parts.keys.create_named(
            setup.workspace, name, options, by, lambda _, key: keep(key.id)
        )
        return key.id, token

    async def advance(self, visit: Visit) -> Response:
        """Go on to a step."""
        return await self._act(visit, self._advanced)

    async def _advanced(self, visit: Visit, setup: Setup) -> Response:
        step = visit.text("step")
        if step != STEPS[0] and not setup.link.provider:
            raise invalid_value("provider: choose your identity provider first")
        if step in STEPS[2:] and setup.link.credential is None:
            raise invalid_value("kind: create the credential first")
        await self._parts.links.advance(setup, step, visit.origin)
        return visit.redirect("/setup", step=step)

    async def _act(
        self, visit: Visit, act: Callable[[Visit, Setup], Awaitable[Response]]
    ) -> Response:
        """Carry out a form; an error is shown on the page of its step."""
        try:
            setup = await self._current(visit)
            wait = await self._acts.take(setup.workspace.id, f"setup:{setup.link.id}")
            if wait:
                raise ScimError(429, f"Too many attempts. Try again in {wait} seconds.")
            try:
                _check_link(visit, setup)
                return await act(visit, setup)
            except SetupOver:
                raise
            except ScimError as failed:
                return await self._page(visit, setup, failed.status, failed.detail)
        except SetupOver as over:
            return await self._over(visit, over)

    async def style(self, _: Visit) -> Response:
        """Answer the style sheet of the operator's color."""
        return _cached("text/css; charset=utf-8", (await self._parts.brands.current()).style)

    async def logo(self, _: Visit) -> Response:
        """Answer the operator's logo."""
        logo = (await self._parts.brands.current()).logo
        if logo is None:
            raise not_found("File not found.")
        return _cached(logo.media, logo.body)

    async def _current(self, visit: Visit) -> Setup:
        """Return the set-up of the cookie.

        Raises:
            SetupOver: The link does not work any more, or the cookie is missing.
        """
        token = visit.cookie(COOKIE)
        if not token:
            raise SetupOver("Open the set-up link again from the message that contains it.")
        setup = await self._find(visit, token)
        visit.guest = f"setup:{setup.link.id}"
        return setup

    async def _find(self, visit: Visit, token: str) -> Setup:
        """Return the set-up of a token. Unknown ones are counted by address.

        Raises:
            SetupOver: The link does not work.
            ScimError: 429 if the address has tried too many.
        """
        try:
            return await self._parts.links.find(token)
        except SetupOver:
            address = visit.base.client(visit.request)
            wait = await self._unknown.take(INSTALLATION, f"setup:{address}")
            if wait:
                raise ScimError(429, f"Too many attempts. Try again in {wait} seconds.") from None
            raise

    async def _over(self, visit: Visit, over: SetupOver) -> Response:
        return visit.render(
            "setup_over.html",
            over.status,
            brand=await self._parts.brands.current(),
            detail=over.detail,
            back=over.back,
        )

    def _step(self, visit: Visit, link: SetupLink) -> str:
        """Return the step to show: the one asked for, or else the one that was reached."""
        asked = visit.text("step")
        step = asked if asked in STEPS else link.step
        if not link.provider:
            return STEPS[0]
        if link.credential is None and step in STEPS[2:]:
            return STEPS[1]
        return step


def _created_already() -> ScimError:
    return ScimError(409, "The credential was created already. To make another one, say so.")


def _check_link(visit: Visit, setup: Setup) -> None:
    """Check that a form is one of the link that this browser has opened last.

    The page of another link may still be open in a second tab. Pages of former versions do not name
    their link.

    Raises:
        ScimError: 409 if it is one of another link.
    """
    if visit.text("link") not in ("", setup.link.id):
        place = setup.workspace.display_name or setup.workspace.name
        raise ScimError(
            409,
            f"Nothing was changed. You have opened another set-up link since, which is for {place}"
            " and is shown here. To go on with the former one, open it again.",
        )


def _provider(link: SetupLink) -> Provider:
    if link.provider not in PROVIDERS:
        raise invalid_value("provider: choose your identity provider first")
    return PROVIDERS[link.provider]


def _user(document: bytes) -> dict[str, Any]:
    """Return the name of a user as it was created, and whether it is active."""
    found = parse(document)
    return {
        "name": str(found.get("userName", "")),
        "display": str(found.get("displayName", "") or ""),
        "active": found.get("active") is not False,
    }


def _cached(media: str, body: bytes) -> Response:
    kept = [("cache-control", "public, max-age=3600")]
    others = [header for header in HEADERS if header[0] != "cache-control"]
    return Response(200, [("content-type", media), *others, *kept], body)

"""OpenID Connect in the console: the connector's settings, and sign-in."""

import hmac
import re
from collections.abc import Iterator

from muster.access.connectors import Connector, Connectors, Setter
from muster.access.openid import OpenId
from muster.access.permissions import ADMIN, PERMISSIONS, SCIM
from muster.base.signing import InvalidToken, Signer
from muster.console.pages.sign_in import signed_in
from muster.console.stamps import check_unchanged, seen
from muster.console.web import ANYONE, INSTALLATION_ADMIN, PageRoute, Visit
from muster.http.wire.message import Response
from muster.scim.errors import ScimError, forbidden, not_found
from muster.storage.port.engine import Storage
from muster.storage.port.items import INSTALLATION
from muster.storage.records.attempts import Attempts

_COOKIE = "muster_openid"
_SECONDS = 600
_MAX_TO = 500
_FROM_ONE_PLACE = 300
_CALLBACK = "/sign-in/openid/callback"
_SHOWN = ("title", "issuer", "clientId", "allowedDomains")
_REFUSAL = re.compile(r"[a-z_]{1,50}")
_Flow = tuple[str, str, str, int, str]
"""A started sign-in: state, nonce, PKCE verifier, workspace and target page."""


class ConnectorPages:
    """The settings page of the Open ID Connector, and sign-in with it."""

    def __init__(self, storage: Storage, connectors: Connectors, openid: OpenId) -> None:
        self._flows = Signer(storage.signing_secret, "openid")
        self._connectors = connectors
        self._openid = openid
        self._places = Attempts(storage, _FROM_ONE_PLACE, _SECONDS)

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", "/sign-in/openid", ANYONE, self.start)
        yield PageRoute("GET", _CALLBACK, ANYONE, self.finish)
        yield PageRoute("GET", "/open-id-connector", INSTALLATION_ADMIN, self.show)
        yield PageRoute("POST", "/open-id-connector", INSTALLATION_ADMIN, self.change)
        yield PageRoute("POST", "/open-id-connector/remove", INSTALLATION_ADMIN, self.remove)
        yield PageRoute("GET", "/w/{workspace}/open-id-connector", SCIM, self.show)
        yield PageRoute("POST", "/w/{workspace}/open-id-connector", SCIM, self.change)
        yield PageRoute("POST", "/w/{workspace}/open-id-connector/remove", SCIM, self.remove)

    async def start(self, visit: Visit) -> Response:
        """Redirect to the identity provider of a workspace or of the installation."""
        await self._take(visit)
        found = await self._connectors.find(visit.text("workspace"))
        if found is None:
            raise not_found("No SSO is set up under this name. Check the workspace name.")
        place, connector = found
        begun = await self._openid.start(connector.client, self._redirect_uri(visit))
        flow = (
            begun.state,
            begun.nonce,
            begun.verifier,
            place,
            visit.text("to")[:_MAX_TO],
        )
        signed = await self._flows.sign(flow, (_COOKIE,), _SECONDS)
        cookie = visit.set_cookie(_COOKIE, signed, _SECONDS)
        return visit.leave(begun.url, [cookie])

    async def finish(self, visit: Visit) -> Response:
        """Sign in an administrator who returns from the identity provider."""
        await self._take(visit)
        flow = await self._flow(visit)
        if flow is None or not hmac.compare_digest(visit.text("state").encode(), flow[0].encode()):
            raise forbidden(
                "This sign-in has expired or was started in another browser. Sign in again."
            )
        _, nonce, verifier, place, to = flow
        connector = await self._connectors.get(place)
        if connector is None:
            raise not_found("SSO was removed for this workspace. Sign in another way.")
        if visit.text("error"):
            said = _REFUSAL.fullmatch(visit.text("error"))
            raise forbidden(
                "The identity provider rejected the sign-in:"
                f" {said[0] if said else 'no reason given'}"
            )
        if visit.text("iss") not in ("", connector.client.issuer):  # RFC 9207
            raise forbidden("The response came from a different identity provider. Sign in again.")
        identity = await self._openid.finish(
            connector.client, self._redirect_uri(visit), visit.text("code"), nonce, verifier
        )
        agent = visit.request.header("user-agent") or ""
        token = await self._connectors.welcome(place, connector, identity, visit.origin, agent)
        return signed_in(visit, token, to, [visit.set_cookie(_COOKIE, "", 0)])

    async def show(self, visit: Visit, status: int = 200, error: str = "") -> Response:
        connector = await self._connectors.get(_place(visit))
        given = _typed(visit) if error else _given(connector)
        wanted = (
            visit.fields.get("permission", [])
            if error
            else list(connector.permissions if connector else ())
        )
        name = visit.workspace.name if visit.workspace else None
        values = {
            "given": given,
            "wanted": wanted,
            "permissions": (ADMIN, *PERMISSIONS),
            "there": connector is not None,
            "seen": seen(visit, connector.shown() if connector else {}, error),
        }
        links = {"redirect": "", "link": "", "unset": ""}
        try:
            base = visit.base.public(visit.request)
            links["redirect"], links["link"] = (
                base + _CALLBACK,
                f"{base}/sign-in/openid" + (f"?workspace={name}" if name else ""),
            )
        except ScimError as refused:
            links["unset"] = refused.detail
        said = visit.flashed.get("said", "")
        return visit.render("connector.html", status, said=said, error=error, **values, **links)

    async def change(self, visit: Visit) -> Response:
        raw = {name: visit.text(name) for name in ("title", "issuer", "clientId", "clientSecret")}
        raw_flags = {"trustEmail": visit.text("trustEmail") == "on"}
        lists = {
            "allowedDomains": visit.text("allowedDomains").split(),
            "permissions": visit.fields.get("permission", []),
        }
        try:
            connector = await self._connectors.get(_place(visit))
            check_unchanged(visit, connector.shown() if connector else {})
            await self._connectors.put(_setter(visit), {**raw, **lists, **raw_flags})
        except ScimError as error:
            return await self.show(visit, error.status, error=error.detail)
        said = "Connector saved and verified. Administrators who used it are signed out."
        return await visit.redirect_with(_page(visit), said=said)

    async def remove(self, visit: Visit) -> Response:
        try:
            await self._connectors.delete(_setter(visit))
        except ScimError as error:
            return await self.show(visit, error.status, error=error.detail)
        return await visit.redirect_with(
            _page(visit), said="Connector removed. Administrators who used it are signed out."
        )

    async def _take(self, visit: Visit) -> None:
        wait = await self._places.take(INSTALLATION, f"openid from {visit.origin.address}")
        if wait:
            raise ScimError(429, f"Too many attempts. Try again in {wait} seconds.")

    def _redirect_uri(self, visit: Visit) -> str:
        return visit.base.public(visit.request) + _CALLBACK

    async def _flow(self, visit: Visit) -> _Flow | None:
        """Return the sign-in that this browser started; None if unknown or expired."""
        try:
            state, nonce, verifier, place, to = await self._flows.read(
                visit.cookie(_COOKIE) or "", (_COOKIE,)
            )
        except InvalidToken:
            return None
        return state, nonce, verifier, place, to


def _place(visit: Visit) -> int:
    return INSTALLATION if visit.workspace is None else visit.workspace.id


def _page(visit: Visit) -> str:
    return "/open-id-connector" if visit.workspace is None else "./open-id-connector"


def _setter(visit: Visit) -> Setter:
    """Return the administrator who sets up the connector of this page."""
    permissions = visit.permissions if visit.workspace is not None else (ADMIN,)
    return Setter(_place(visit), visit.origin, permissions)


def _typed(visit: Visit) -> dict[str, str]:
    """Return the submitted values, so that a rejected form keeps them."""
    return {name: visit.text(name) for name in (*_SHOWN, "trustEmail")}


def _given(connector: Connector | None) -> dict[str, str]:
    """Return the form values of a connector, without its secret."""
    if connector is None:
        return dict.fromkeys((*_SHOWN, "trustEmail"), "")
    client = connector.client
    domains = "\n".join(connector.domains)
    shown = {
        "title": connector.title,
        "issuer": client.issuer,
        "clientId": client.client_id,
        "allowedDomains": domains,
    }
    return {**shown, "trustEmail": "on" if connector.trust_email else ""}

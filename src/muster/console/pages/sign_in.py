"""Sign-in, sign-out, the first administrator, and the administrator's own account."""

from collections.abc import Iterator

from muster.access.administrators import Administrators, CodeNeeded, NotSignedIn
from muster.access.connectors import Connectors
from muster.console.web import ANYONE, SESSION_COOKIE, SIGNED_IN, PageRoute, Visit
from muster.http.wire.message import Headers, Response
from muster.scim.errors import ScimError, forbidden


class SignInPages:
    """The pages for sign-in, invitations and the account."""

    def __init__(self, administrators: Administrators, connectors: Connectors) -> None:
        self._administrators = administrators
        self._connectors = connectors

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", "/", ANYONE, self.home)
        yield PageRoute("GET", "/sign-in", ANYONE, self.sign_in_form)
        yield PageRoute("POST", "/sign-in", ANYONE, self.sign_in)
        yield PageRoute("POST", "/sign-out", SIGNED_IN, self.sign_out)
        yield PageRoute("GET", "/first", ANYONE, self.first_form)
        yield PageRoute("POST", "/first", ANYONE, self.first)
        yield PageRoute("GET", "/account", SIGNED_IN, self.account)
        yield PageRoute("POST", "/account/password", SIGNED_IN, self.change_password)
        yield PageRoute("POST", "/account/totp", SIGNED_IN, self.keep_totp)
        yield PageRoute("POST", "/account/totp/off", SIGNED_IN, self.drop_totp)
        yield PageRoute("POST", "/account/sessions/{id}/end", SIGNED_IN, self.end_session)

    async def home(self, visit: Visit) -> Response:
        if visit.session is None:
            return visit.redirect("/sign-in")
        return visit.redirect(visit.home())

    async def sign_in_form(self, visit: Visit) -> Response:
        if visit.session is not None:
            return visit.redirect("/")
        return await self._sign_in_page(
            visit, to=visit.text("to"), empty=not await self._administrators.all()
        )

    async def _sign_in_page(self, visit: Visit, status: int = 200, **values: object) -> Response:
        _, headers = visit.form_token()
        name = visit.text("workspace")
        found = await self._connectors.find(name)
        connector = None if found is None else found[1]
        if name and found is None and status == 200:
            status, values["error"] = (
                404,
                "workspace: no SSO is set up under this name. Check the workspace name.",
            )
        usual = {"to": "", "email": "", "error": "", "code": False, "empty": False}
        return visit.render(
            "sign_in.html",
            status,
            headers,
            connector=connector,
            workspace=name,
            **{**usual, **values},
        )

    async def sign_in(self, visit: Visit) -> Response:
        email, to = visit.text("email"), visit.text("to")
        agent = visit.request.header("user-agent") or ""
        password = visit.fields.get("password", [""])[-1]
        try:
            token = await self._administrators.sign_in(
                email, password, visit.text("code"), visit.origin, agent
            )
        except (CodeNeeded, NotSignedIn) as error:
            code = isinstance(error, CodeNeeded) or bool(visit.text("code"))
            return await self._sign_in_page(
                visit, 401, to=to, email=email, error=error.detail, code=code
            )
        except ScimError as error:
            return await self._sign_in_page(
                visit, error.status, to=to, email=email, error=error.detail
            )
        return signed_in(visit, token, to)

    async def sign_out(self, visit: Visit) -> Response:
        session = visit.session
        if session is not None:
            await self._administrators.end(session.admin, session.id, visit.origin)
        return visit.redirect("/sign-in", [visit.set_cookie(SESSION_COOKIE, "", 0)])

    async def first_form(self, visit: Visit) -> Response:
        token = visit.text("token")
        if not await self._administrators.invited(token):
            raise forbidden(
                "This invitation has expired or was already used. Ask an administrator for a new"
                " one."
            )
        _, headers = visit.form_token()
        return visit.render("first.html", 200, headers, token=token, email="", error="")

    async def first(self, visit: Visit) -> Response:
        token, email = visit.text("token"), visit.text("email")
        password = visit.fields.get("password", [""])[-1]
        try:
            admin = await self._administrators.accept(token, email, password, visit.origin)
        except ScimError as error:
            _, headers = visit.form_token()
            return visit.render(
                "first.html", error.status, headers, token=token, email=email, error=error.detail
            )
        agent = visit.request.header("user-agent") or ""
        return signed_in(
            visit, await self._administrators.begin(admin, visit.origin, agent, admin), "/"
        )

    async def account(self, visit: Visit, status: int = 200, **values: object) -> Response:
        if visit.session is None:
            raise forbidden("You are not signed in.")
        admin = visit.session.admin
        secret, uri = (
            await self._administrators.begin_totp(admin) if admin.totp is None else ("", "")
        )
        given = {"error": "", "said": "", "codes": [], **visit.flashed, **values}
        sessions = await self._administrators.sessions(admin)
        return visit.render(
            "account.html", status, admin=admin, secret=secret, uri=uri, sessions=sessions, **given
        )

    async def change_password(self, visit: Visit) -> Response:
        if visit.session is None:
            raise forbidden("You are not signed in.")
        old, new = (visit.fields.get(name, [""])[-1] for name in ("old", "new"))
        try:
            await self._administrators.change_password(visit.session, old, new, visit.origin)
        except ScimError as error:
            return await self.account(visit, error.status, error=error.detail)
        return await visit.redirect_with(
            "/account", said="Password changed. Your other sessions were ended."
        )

    async def keep_totp(self, visit: Visit) -> Response:
        if visit.session is None:
            raise forbidden("You are not signed in.")
        admin = visit.session.admin
        try:
            codes = await self._administrators.keep_totp(
                admin, visit.text("secret"), visit.text("code"), visit.origin
            )
        except ScimError as error:
            return await self.account(visit, error.status, error=error.detail)
        return await visit.redirect_with(
            "/account",
            codes=codes,
            said="Two-factor authentication is on. Save your recovery codes.",
        )

    async def drop_totp(self, visit: Visit) -> Response:
        if visit.session is None:
            raise forbidden("You are not signed in.")
        password = visit.fields.get("password", [""])[-1]
        try:
            await self._administrators.drop_totp(
                visit.session.admin, password, visit.text("code"), visit.origin
            )
        except ScimError as error:
            return await self.account(visit, error.status, error=error.detail)
        return await visit.redirect_with("/account", said="Two-factor authentication is off.")

    async def end_session(self, visit: Visit) -> Response:
        if visit.session is not None:
            await self._administrators.end(visit.session.admin, visit.names["id"], visit.origin)
        return visit.redirect("/account")


def signed_in(visit: Visit, token: str, to: str, headers: Headers | None = None) -> Response:
    """Set the session cookie and redirect to the requested page of the console."""
    return visit.back(to, [visit.set_cookie(SESSION_COOKIE, token), *(headers or ())])

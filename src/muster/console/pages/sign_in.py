"""Sign-in by password or passkey, sign-out, and the page that an invitation opens."""

from collections.abc import Iterator

from muster.access.administrators import Administrators, CodeNeeded, NotSignedIn
from muster.access.connectors import Connectors
from muster.access.invitations import Invitation, InvitationOver, Invitations
from muster.access.passkeys import Passkeys
from muster.access.verified_passwords import CodeRefused, VerifiedPasswords
from muster.console.passkey_site import passkey_site, why_no_passkeys
from muster.console.roles import (
    allowed_in_words,
    place_in_words,
    role_in_words,
    withheld_in_words,
)
from muster.console.web import ANYONE, SESSION_COOKIE, SIGNED_IN, PageRoute, Visit
from muster.http.wire.message import Headers, Response
from muster.scim.errors import ScimError
from muster.storage.port.accounts import Accounts


class SignInPages:
    """The pages for sign-in and for invited people."""

    def __init__(
        self,
        accounts: Accounts,
        administrators: Administrators,
        invitations: Invitations,
        passkeys: Passkeys,
        connectors: Connectors,
    ) -> None:
        self._accounts = accounts
        self._administrators = administrators
        self._invitations = invitations
        self._passkeys = passkeys
        self._connectors = connectors
        self._verified = VerifiedPasswords(accounts, administrators)

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", "/", ANYONE, self.home)
        yield PageRoute("GET", "/sign-in", ANYONE, self.sign_in_form)
        yield PageRoute("POST", "/sign-in", ANYONE, self.sign_in)
        yield PageRoute("POST", "/sign-in/passkey/challenge", ANYONE, self.challenge)
        yield PageRoute("POST", "/sign-in/passkey", ANYONE, self.sign_in_by_passkey)
        yield PageRoute("POST", "/sign-out", SIGNED_IN, self.sign_out, first=True)
        yield PageRoute("GET", "/first", ANYONE, self.first_form)
        yield PageRoute("POST", "/first", ANYONE, self.first)

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
        usual = {"to": "", "email": "", "error": "", "empty": False}
        first = {"verified": "", "authenticator": True}
        return visit.render(
            "sign_in.html",
            status,
            headers,
            connector=connector,
            workspace=name,
            passkeys=not why_no_passkeys(visit),
            **{**usual, **first, **values},
        )

    async def sign_in(self, visit: Visit) -> Response:
        if visit.text("verified"):
            return await self._sign_in_with_code(visit)
        email, to = visit.text("email"), visit.text("to")
        agent = visit.request.header("user-agent") or ""
        password = visit.fields.get("password", [""])[-1]
        try:
            token = await self._administrators.sign_in(
                email, password, visit.text("code"), visit.origin, agent
            )
        except CodeNeeded as needed:
            verified = await self._verified.keep(needed.admin, visit.csrf)
            authenticator = needed.admin.totp is not None
            return await self._sign_in_page(
                visit, to=to, verified=verified, authenticator=authenticator
            )
        except ScimError as error:
            return await self._sign_in_page(
                visit, error.status, to=to, email=email, error=error.detail
            )
        return signed_in(visit, token, to)

    async def _sign_in_with_code(self, visit: Visit) -> Response:
        """Sign in with the code alone, after the password was correct."""
        to, agent = visit.text("to"), visit.request.header("user-agent") or ""
        try:
            token = await self._verified.sign_in(
                visit.text("verified"), visit.csrf, visit.text("code"), visit.origin, agent
            )
        except CodeRefused as refused:
            return await self._sign_in_page(
                visit,
                refused.status,
                to=to,
                error=refused.detail,
                verified=refused.token,
                authenticator=refused.authenticator,
            )
        except NotSignedIn as error:
            return await self._sign_in_page(visit, error.status, to=to, error=error.detail)
        return signed_in(visit, token, to)

    async def sign_out(self, visit: Visit) -> Response:
        session = visit.session
        if session is not None:
            await self._administrators.end(session.admin, session.id, visit.origin)
        return visit.redirect("/sign-in", [visit.set_cookie(SESSION_COOKIE, "", 0)])

    async def challenge(self, visit: Visit) -> Response:
        """Answer the script that signs in by a passkey with its options."""
        try:
            options = await self._passkeys.begin_sign_in(
                passkey_site(visit), visit.csrf, visit.origin
            )
        except ScimError as error:
            return visit.json(error.status, {"error": error.detail})
        return visit.json(200, options)

    async def sign_in_by_passkey(self, visit: Visit) -> Response:
        to, agent = visit.text("to"), visit.request.header("user-agent") or ""
        try:
            token = await self._passkeys.sign_in(
                passkey_site(visit), visit.csrf, visit.text("credential"), visit.origin, agent
            )
        except ScimError as error:
            return await self._sign_in_page(visit, error.status, to=to, error=error.detail)
        return signed_in(visit, token, to)

    async def first_form(self, visit: Visit) -> Response:
        """Show an invitation, with the form that accepts it."""
        token = visit.text("token")
        try:
            found = await self._invitations.find(token)
        except InvitationOver as over:
            return visit.render("invitation_over.html", over.status, detail=over.detail)
        return await self._invitation_page(visit, found, token)

    async def _invitation_page(
        self, visit: Visit, found: Invitation, token: str, status: int = 200, error: str = ""
    ) -> Response:
        _, headers = visit.form_token()
        workspaces = {str(each.id): each.name for each in await self._accounts.workspaces()}
        held = [permission for each in found.roles.values() for permission in each]
        return visit.render(
            "first.html",
            status,
            headers,
            token=token,
            found=found,
            role=role_in_words(found.roles),
            allowed=allowed_in_words(held),
            withheld=withheld_in_words(held),
            place=place_in_words(found.place, workspaces),
            email=visit.text("email"),
            name=visit.text("name", found.name) if error else found.name,
            error=error,
        )

    async def first(self, visit: Visit) -> Response:
        """Accept an invitation, and sign in the new administrator."""
        token, email = visit.text("token"), visit.text("email")
        password = visit.fields.get("password", [""])[-1]
        try:
            found = await self._invitations.find(token)
            try:
                admin = await self._invitations.accept(
                    token, email, password, visit.origin, visit.text("name")
                )
            except InvitationOver:
                raise
            except ScimError as error:
                return await self._invitation_page(visit, found, token, error.status, error.detail)
        except InvitationOver as over:
            return visit.render("invitation_over.html", over.status, detail=over.detail)
        agent = visit.request.header("user-agent") or ""
        session = await self._administrators.begin(admin, visit.origin, agent, admin, "invitation")
        return signed_in(visit, session, "/")


def signed_in(visit: Visit, token: str, to: str, headers: Headers | None = None) -> Response:
    """Set the session cookie and redirect to the requested page of the console."""
    return visit.back(to, [visit.set_cookie(SESSION_COOKIE, token), *(headers or ())])

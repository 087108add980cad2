"""The administrator's own account: password, two-factor authentication, passkeys, sessions."""

import re
from collections.abc import Iterator
from typing import Any

import pyotp

from muster.access.administrators import Administrators, Session
from muster.access.passkeys import Passkeys
from muster.console.passkey_site import passkey_site, why_no_passkeys
from muster.console.qr import qr_code
from muster.console.web import SIGNED_IN, PageRoute, Visit
from muster.http.wire.message import Response
from muster.scim.errors import ScimError, forbidden

ACCOUNT, SECOND_FACTOR = "/account", "/account/second-factor"
_SECRET = re.compile(r"[A-Z2-7]{16,64}")
_CODES_KEPT = "Save your recovery codes."


class AccountPages:
    """The pages of the account."""

    def __init__(self, administrators: Administrators, passkeys: Passkeys) -> None:
        self._administrators = administrators
        self._passkeys = passkeys

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", ACCOUNT, SIGNED_IN, self.account)
        yield PageRoute("POST", "/account/name", SIGNED_IN, self.rename)
        yield PageRoute("POST", "/account/password", SIGNED_IN, self.change_password)
        yield PageRoute("GET", SECOND_FACTOR, SIGNED_IN, self.second_factor, first=True)
        yield PageRoute("POST", "/account/totp", SIGNED_IN, self.keep_totp, first=True)
        yield PageRoute("POST", "/account/totp/off", SIGNED_IN, self.drop_totp)
        yield PageRoute("POST", "/account/recovery-codes", SIGNED_IN, self.renew_codes)
        yield PageRoute(
            "POST", "/account/passkeys/challenge", SIGNED_IN, self.challenge, first=True
        )
        yield PageRoute("POST", "/account/passkeys", SIGNED_IN, self.add_passkey, first=True)
        yield PageRoute("POST", "/account/passkeys/{id}/rename", SIGNED_IN, self.rename_passkey)
        yield PageRoute("POST", "/account/passkeys/{id}/remove", SIGNED_IN, self.remove_passkey)
        yield PageRoute("POST", "/account/sessions/{id}/end", SIGNED_IN, self.end_session)

    async def account(self, visit: Visit, status: int = 200, **values: object) -> Response:
        session = _session(visit)
        admin = session.admin
        passkeys = await self._passkeys.of(admin)
        given = {"error": "", "said": "", "codes": [], **visit.flashed, **values}
        return visit.render(
            "account.html",
            status,
            admin=admin,
            profile=await self._administrators.profile(admin.id),
            passkeys=passkeys,
            protected=admin.totp is not None or bool(passkeys),
            unusable=why_no_passkeys(visit),
            recent=session.recent,
            sessions=await self._administrators.sessions(admin),
            **given,
        )

    async def second_factor(self, visit: Visit, status: int = 200, **values: object) -> Response:
        """Show the page that sets up an authenticator app or the first passkey."""
        session = _session(visit)
        admin = session.admin
        if admin.totp is not None or admin.connector is not None:
            return visit.redirect(ACCOUNT)
        secret, uri = await self._secret(visit)
        demanding = (
            f"The workspace {found.name}"
            for found in visit.workspaces
            if found.require_second_factor and found.name == visit.text("workspace")
        )
        return visit.render(
            "second_factor.html",
            status,
            admin=admin,
            secret=secret,
            uri=uri,
            required_by=visit.required_by or next(demanding, ""),
            qr=qr_code(uri, "QR code of the secret for an authenticator app"),
            unusable=why_no_passkeys(visit),
            recent=session.recent,
            **{"error": "", **values},
        )

    async def _secret(self, visit: Visit) -> tuple[str, str]:
        """Return the secret that was shown already, or else a new one, and its URI."""
        shown = visit.text("secret")
        admin = _session(visit).admin
        if _SECRET.fullmatch(shown):
            return shown, pyotp.TOTP(shown).provisioning_uri(name=admin.email, issuer_name="muster")
        return await self._administrators.begin_totp(admin)

    async def rename(self, visit: Visit) -> Response:
        try:
            await self._administrators.rename(_session(visit).admin, visit.text("name"))
        except ScimError as error:
            return await self.account(visit, error.status, error=error.detail)
        return await visit.redirect_with(ACCOUNT, said="Name saved.")

    async def change_password(self, visit: Visit) -> Response:
        old, new = (visit.fields.get(name, [""])[-1] for name in ("old", "new"))
        try:
            await self._administrators.change_password(_session(visit), old, new, visit.origin)
        except ScimError as error:
            return await self.account(visit, error.status, error=error.detail)
        return await visit.redirect_with(
            ACCOUNT, said="Password changed. Your other sessions were ended."
        )

    async def keep_totp(self, visit: Visit) -> Response:
        secret, code = visit.text("secret"), visit.text("code")
        password = visit.fields.get("password", [""])[-1]
        try:
            codes = await self._administrators.add_totp(
                _session(visit), secret, code, password, visit.origin
            )
        except ScimError as error:
            if error.status == 409:
                return await self.account(visit, error.status, error=error.detail)
            return await self.second_factor(visit, error.status, error=error.detail)
        return await _turned_on(visit, "Your authenticator app is on.", codes)

    async def drop_totp(self, visit: Visit) -> Response:
        password = visit.fields.get("password", [""])[-1]
        try:
            await self._administrators.drop_totp(
                _session(visit).admin, password, visit.text("code"), visit.origin
            )
        except ScimError as error:
            return await self.account(visit, error.status, error=error.detail)
        return await visit.redirect_with(ACCOUNT, said="The authenticator app is off.")

    async def renew_codes(self, visit: Visit) -> Response:
        password = visit.fields.get("password", [""])[-1]
        try:
            codes = await self._administrators.renew_recovery_codes(
                _session(visit), password, visit.origin
            )
        except ScimError as error:
            return await self.account(visit, error.status, error=error.detail)
        said = f"You have new recovery codes; the old ones no longer work. {_CODES_KEPT}"
        return await visit.redirect_with(ACCOUNT, codes=codes, said=said)

    async def challenge(self, visit: Visit) -> Response:
        """Answer the script that creates a passkey with its options."""
        password = visit.fields.get("password", [""])[-1]
        try:
            options = await self._passkeys.begin_registration(
                passkey_site(visit), _session(visit), password
            )
        except ScimError as error:
            return visit.json(error.status, {"error": error.detail})
        return visit.json(200, options)

    async def add_passkey(self, visit: Visit) -> Response:
        name = visit.text("name")
        page: Any = self.second_factor if visit.text("from") == SECOND_FACTOR else self.account
        try:
            codes = await self._passkeys.register(
                passkey_site(visit), _session(visit), name, visit.text("credential"), visit.origin
            )
        except ScimError as error:
            response: Response = await page(visit, error.status, error=error.detail)
            return response
        return await _turned_on(visit, f'The passkey "{name}" was added.', codes)

    async def rename_passkey(self, visit: Visit) -> Response:
        try:
            await self._passkeys.rename(
                _session(visit).admin, visit.names["id"], visit.text("name"), visit.origin
            )
        except ScimError as error:
            return await self.account(visit, error.status, error=error.detail)
        return await visit.redirect_with(ACCOUNT, said="Passkey renamed.")

    async def remove_passkey(self, visit: Visit) -> Response:
        password = visit.fields.get("password", [""])[-1]
        try:
            await self._passkeys.remove(_session(visit), visit.names["id"], password, visit.origin)
        except ScimError as error:
            return await self.account(visit, error.status, error=error.detail)
        return await visit.redirect_with(
            ACCOUNT, said="Passkey removed. Remove it from your device or password manager too."
        )

    async def end_session(self, visit: Visit) -> Response:
        await self._administrators.end(_session(visit).admin, visit.names["id"], visit.origin)
        return visit.redirect(ACCOUNT)


async def _turned_on(visit: Visit, said: str, codes: list[str]) -> Response:
    if codes:
        said += f" Your other sessions were ended. {_CODES_KEPT}"
    return await visit.redirect_with(ACCOUNT, codes=codes, said=said)


def _session(visit: Visit) -> Session:
    if visit.session is None:
        raise forbidden("You are not signed in.")
    return visit.session

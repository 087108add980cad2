"""The time between a correct password and the code of the second factor.

The form for the code must not contain the password. A token stands for it instead: it works once,
for five minutes, in the browser that sent the password, and as long as the password is the same.
"""

import secrets
from dataclasses import replace
from datetime import timedelta

from muster.access.administrators import (
    CHALLENGE_KIND,
    Admin,
    Administrators,
    CodeNeeded,
    NotSignedIn,
    digest,
)
from muster.base import clock
from muster.base.clock import timestamp
from muster.scim.errors import ScimError
from muster.scim.values import Json
from muster.storage.port.accounts import Accounts
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.errors import Outdated
from muster.storage.port.items import INSTALLATION, Item

_LIFETIME = timedelta(minutes=5)
_PURPOSE = "second factor"


class CodeRefused(ScimError):
    """401 or 429: the code is wrong, or one attempt too many.

    Attributes:
        token: The token for another attempt.
        authenticator: Whether the administrator uses an authenticator app.
    """

    def __init__(self, status: int, detail: str, token: str, admin: Admin) -> None:
        super().__init__(status, detail)
        self.token = token
        self.authenticator = admin.totp is not None


class VerifiedPasswords:
    """Remembers correct passwords until the code of the second factor arrives."""

    def __init__(self, accounts: Accounts, administrators: Administrators) -> None:
        self._accounts = accounts
        self._administrators = administrators

    async def keep(self, admin: Admin, form: str) -> str:
        """Return a token that stands for the correct password of an administrator.

        Args:
            admin: The administrator.
            form: The token of the browser's form, which the new token is bound to.
        """
        return await self._store(
            {
                "purpose": _PURPOSE,
                "bound": digest(form),
                "expires": timestamp(clock.now() + _LIFETIME),
                "admin": admin.id,
                "password": digest(admin.password or ""),
            }
        )

    async def sign_in(
        self, token: str, form: str, code: str, origin: ChangeOrigin, agent: str
    ) -> str:
        """Check the code and return the token of a new session.

        Args:
            token: The token of `keep`, which is used up.
            form: The token of the browser's form.
            code: The code of the authenticator, or a recovery code.
            origin: The origin of the request.
            agent: The User-Agent.

        Raises:
            CodeRefused: 401 if the code is wrong or missing, with a new token that expires when
                the former would have; 429 after too many attempts, with the same token.
            NotSignedIn: The token is unknown, used or expired, or the password has changed.
        """
        admin, item = await self._found(token, form)
        try:
            await self._administrators.take_turn(admin.id, origin)
        except ScimError as error:
            raise CodeRefused(error.status, error.detail, token, admin) from None
        try:
            await self._accounts.administer([replace(item, body=None)], (), [item])
        except Outdated:  # a concurrent attempt has used it
            raise _over() from None
        try:
            return await self._administrators.finish(admin, code, origin, agent)
        except (CodeNeeded, NotSignedIn):
            again = await self._store(item.body)
        detail = (
            "Wrong recovery code. Check it and try again."
            if admin.totp is None
            else "Wrong code. Enter the code that the app shows now, or a recovery code."
        )
        raise CodeRefused(401, detail, again, admin)

    async def _store(self, body: Json) -> str:
        token = secrets.token_urlsafe(32)
        await self._accounts.administer([Item(INSTALLATION, CHALLENGE_KIND, digest(token), body)])
        return token

    async def _found(self, token: str, form: str) -> tuple[Admin, Item]:
        item = await self._accounts.item(INSTALLATION, CHALLENGE_KIND, digest(token))
        wanted = {"purpose": _PURPOSE, "bound": digest(form)}
        if (
            item is None
            or {name: item.body[name] for name in wanted} != wanted
            or item.body["expires"] <= timestamp()
        ):
            raise _over()
        admin = await self._administrators.get(item.body["admin"])
        if admin is None or digest(admin.password or "") != item.body["password"]:
            raise _over()
        return admin, item


def _over() -> NotSignedIn:
    return NotSignedIn("This took too long, or was used already. Enter your password again.")

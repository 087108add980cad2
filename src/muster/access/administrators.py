"""Console administrators: accounts, sign-in, sessions and 2FA codes."""

import base64
import contextlib
import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import orjson
import pyotp

from muster.access.permissions import ADMIN, PERMISSIONS
from muster.access.settings import SettingsStore
from muster.base import clock
from muster.base.clock import timestamp
from muster.base.passwords import hash_password, verify_password
from muster.scim.errors import ScimError, invalid_value
from muster.scim.values import Json, fold
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.errors import Outdated, StorageError
from muster.storage.port.items import INSTALLATION, Item
from muster.storage.port.resources import FLASH_KIND
from muster.storage.records.attempts import Attempts
from muster.storage.records.items import refresh

ADMINISTRATOR_KIND, SESSION_KIND, INVITATION_KIND = "administrator", "session", "invitation"
PROFILE_KIND, PASSKEYS_KIND = "administrator-profile", "passkeys"
"""Items beside that of the administrator, under the same id.

They are apart because earlier versions, which may run at the same time, refuse unknown fields.
"""
ENDED_INVITATION_KIND, CHALLENGE_KIND = "ended-invitation", "challenge"
INVITATION_TURN_KIND = "invitation-turn"
EVERYWHERE = "*"
"""The key in `Admin.roles` for permissions that apply to all workspaces."""
ADDRESS = re.compile(
    r"[^\s@\x00-\x1f\x7f\"(),:;<>\[\\\]]{1,64}@[^\s@\x00-\x1f\x7f\"(),:;<>\[\\\]]{1,190}"
)
"""A plain e-mail address: one @, without quotes, comments or lists (RFC 5322 section 3.4.1)."""
_SECRET, _CODE = re.compile(r"[A-Z2-7]{16,64}"), re.compile(r"[0-9]{6}")
_MIN_PASSWORD, _MAX_PASSWORD = 12, 1000
_TRIES, _FROM_ONE_PLACE, _WINDOW = 10, 50, 600
"""Sign-in attempts per account and per address, within a window in seconds."""
_SESSION = timedelta(hours=12)
_SEEN_AGAIN = timedelta(minutes=5)
_RECENT = timedelta(minutes=10)
"""The age up to which a sign-in counts as a confirmation of the password."""
_MAX_NAME = 100
_RECOVERY_CODES = 8


class NotSignedIn(ScimError):
    """401: the credentials are wrong. The message does not reveal which one."""

    def __init__(
        self, detail: str = "Wrong e-mail address, password or code. Check them and try again."
    ) -> None:
        super().__init__(401, detail)


@dataclass(frozen=True, slots=True)
class Admin:
    """An administrator.

    Attributes:
        id: Derived from the e-mail address, or from the identity provider's id of the person.
        email: The e-mail address.
        password: The password hash; None for administrators who sign in with OpenID Connect.
        roles: The permissions by workspace id, or EVERYWHERE.
        created: The time of creation.
        totp: The secret of the authenticator; None without two-factor authentication.
        recovery: The hashes of the unused recovery codes.
        last_code: The last accepted code, as stored by versions without `last_step`.
        connector: The workspace, or INSTALLATION, of the connector they sign in with; None for
            those with a password.
        last_step: The time step of the last accepted code. Codes of this and earlier steps are
            rejected, so that no code works twice.
    """

    id: str
    email: str
    password: str | None
    roles: dict[str, list[str]]
    created: str
    totp: str | None = None
    recovery: tuple[str, ...] = ()
    last_code: str | None = None
    connector: int | None = None
    last_step: int | None = None

    def permissions(self, workspace: int) -> tuple[str, ...]:
        """Return the permissions in a workspace."""
        return tuple({*self.roles.get(EVERYWHERE, ()), *self.roles.get(str(workspace), ())})

    def has_role_in(self, workspace: int) -> bool:
        """Return whether the administrator has any permission in a workspace."""
        return bool(self.roles.get(EVERYWHERE) or self.roles.get(str(workspace)))

    @property
    def everywhere(self) -> bool:
        """Whether this is an administrator of the whole installation."""
        return ADMIN in self.roles.get(EVERYWHERE, ())

    def item(self) -> Item:
        """Return the stored form."""
        body = {
            "email": self.email,
            "password": self.password,
            "roles": self.roles,
            "created": self.created,
            "totp": self.totp,
            "recovery": list(self.recovery),
            "last_code": self.last_code,
            "connector": self.connector,
            "last_step": self.last_step,
        }
        return Item(INSTALLATION, ADMINISTRATOR_KIND, self.id, body)


class CodeNeeded(ScimError):
    """401: the password is correct, but a second factor is required.

    Attributes:
        admin: The administrator whose password is correct.
    """

    def __init__(self, admin: Admin) -> None:
        super().__init__(
            401,
            "Enter a code from your authenticator, or a recovery code."
            if admin.totp is not None
            else "Sign in with your passkey, or enter a recovery code.",
        )
        self.admin = admin


@dataclass(frozen=True, slots=True)
class Profile:
    """Details of an account that the list of administrators shows.

    Attributes:
        name: The name; empty if unknown.
        invited_by: Who invited them, in words; empty if unknown.
        signed_in: The time of the last sign-in; None if unknown.
    """

    name: str = ""
    invited_by: str = ""
    signed_in: str | None = None

    def item(self, admin_id: str) -> Item:
        """Return the stored form."""
        body = {"name": self.name, "invitedBy": self.invited_by, "signedIn": self.signed_in}
        return Item(INSTALLATION, PROFILE_KIND, admin_id, body)


@dataclass(frozen=True, slots=True)
class Session:
    """A session in a browser.

    Attributes:
        id: The hash of the token in the cookie.
        admin: The administrator.
        csrf: The token that each form must contain.
        created: The time of sign-in.
        seen: The time of the last request, to within 5 minutes.
        expires: The time after which the session is invalid.
        address: The IP address at sign-in.
        agent: The User-Agent at sign-in.
    """

    id: str
    admin: Admin
    csrf: str
    created: str
    seen: str
    expires: str
    address: str
    agent: str

    @property
    def recent(self) -> bool:
        """Whether the sign-in is recent enough to count as a confirmation of the password."""
        return self.created > timestamp(clock.now() - _RECENT)


class Administrators:
    """Creates and removes administrators, and manages their sessions."""

    def __init__(self, accounts: SettingsStore) -> None:
        self._accounts = accounts
        self._names = Attempts(accounts, _TRIES, _WINDOW)
        self._places = Attempts(accounts, _FROM_ONE_PLACE, _WINDOW)

    async def all(self) -> Sequence[Admin]:
        """Return all administrators, ordered by e-mail address."""
        found = [
            _admin(item) for item in await self._accounts.items(INSTALLATION, ADMINISTRATOR_KIND)
        ]
        return sorted(found, key=lambda admin: admin.email)

    async def get(self, admin_id: str) -> Admin | None:
        """Return an administrator by id, or None."""
        item = await self._accounts.item(INSTALLATION, ADMINISTRATOR_KIND, admin_id)
        return None if item is None else _admin(item)

    async def permissions_of(self, actor: str, workspace: int) -> tuple[str, ...]:
        """Return the current permissions of an administrator in a workspace.

        Args:
            actor: The administrator as the audit log names them: admin:EMAIL, or
                openid:PLACE:EMAIL. PLACE may be the former name of a workspace, so that it only
                tells the installation (*) from a workspace.

        Returns:
            The permissions; empty if there is no such administrator any more.
        """
        kind, _, rest = actor.partition(":")
        place, _, email = rest.partition(":") if kind == "openid" else ("", "", rest)
        found: set[str] = set()
        for admin in await self.all():
            if admin.email == email and _place(admin) == (kind, place == "*"):
                found.update(admin.permissions(workspace))
        return tuple(found)

    async def profiles(self) -> dict[str, Profile]:
        """Return the profiles of all administrators by their ids."""
        items = await self._accounts.items(INSTALLATION, PROFILE_KIND)
        return {item.id: _profile(item) for item in items}

    async def profile(self, admin_id: str) -> Profile:
        """Return the profile of an administrator."""
        item = await self._accounts.item(INSTALLATION, PROFILE_KIND, admin_id)
        return Profile() if item is None else _profile(item)

    async def has_second_factor(self, admin: Admin) -> bool:
        """Return whether an administrator signs in with more than a password.

        The identity provider decides for those who sign in with OpenID Connect.
        """
        if admin.totp is not None or admin.connector is not None:
            return True
        return await self._has_passkeys(admin.id)

    async def _has_passkeys(self, admin_id: str) -> bool:
        return await self._accounts.item(INSTALLATION, PASSKEYS_KIND, admin_id) is not None

    async def create(
        self, email: str, password: str, roles: dict[str, list[str]], origin: ChangeOrigin
    ) -> Admin:
        """Create an administrator with a password.

        Raises:
            ScimError: 400 if the address or password is invalid; 409 if the address is taken.
        """
        made = await self.prepare(email, password, roles)
        await self._accounts.administer(
            [
                made.item(),
                # An earlier version may have removed an administrator of this address without them.
                Item(INSTALLATION, PASSKEYS_KIND, made.id, None),
            ],
            [self.note(made, "create", origin)],
            [nobody(made.id)],
        )
        return made

    async def prepare(self, email: str, password: str, roles: dict[str, list[str]]) -> Admin:
        """Return a new administrator, who is not stored yet.

        Raises:
            ScimError: 400 if the address or password is invalid; 409 if the address is taken.
        """
        email = email.strip()
        if not ADDRESS.fullmatch(email):
            raise invalid_value("email: enter a valid e-mail address")
        check_password(password)
        admin_id = digest(fold(email))[:16]
        if await self.get(admin_id) is not None:
            raise ScimError(409, "email: an administrator with this address already exists")
        return Admin(admin_id, email, await hash_password(password), roles, timestamp())

    async def remove(self, admin: Admin, origin: ChangeOrigin) -> None:
        """Remove an administrator, their sessions, and the invitations that they have made.

        Raises:
            ScimError: 409 if this is the last administrator of the installation.
        """
        others = [
            other.item() for other in await self.all() if other.everywhere and other.id != admin.id
        ]
        if admin.everywhere and not others:
            raise ScimError(
                409,
                "The last administrator of the installation cannot be removed."
                " Invite another one first.",
            )
        gone = [
            admin.item(),
            *(Item(INSTALLATION, kind, admin.id, None) for kind in (PROFILE_KIND, PASSKEYS_KIND)),
            *await self._items_of(admin, SESSION_KIND),
            *await self._items_of(admin, INVITATION_KIND),
        ]
        await self._accounts.administer(
            [replace(item, body=None) for item in gone],
            [self.note(admin, "delete", origin)],
            others if admin.everywhere else (),
        )

    async def forget_workspace(self, workspace: int, origin: ChangeOrigin) -> None:
        """Take the roles in a workspace that is erased from everybody who has one.

        Administrators who have no other role are removed.
        """
        place = str(workspace)
        for admin in await self.all():
            if place not in admin.roles:
                continue
            roles = {key: value for key, value in admin.roles.items() if key != place}
            if not roles:
                await self.remove(admin, origin)
                continue
            changed = replace(admin, roles=roles)
            note = self.note(changed, "update", origin, changed="roles")
            await self._accounts.administer([changed.item()], [note], [admin.item()])

    async def _items_of(self, admin: Admin, kind: str) -> list[Item]:
        """Return the items of a kind that belong to an administrator."""
        items = await self._accounts.items(INSTALLATION, kind)
        return [item for item in items if item.body.get("admin") == admin.id]

    async def change_password(
        self, session: Session, old: str, new: str, origin: ChangeOrigin
    ) -> None:
        """Change the password of an administrator and end their other sessions.

        Raises:
            ScimError: 400 if the new password is invalid; 401 if the current one is wrong; 429
                after too many attempts.
        """
        check_password(new)
        await self.confirm(session.admin, old, "old")
        changed = replace(session.admin, password=await hash_password(new))
        ended = await self.ended_others(session)
        note = self.note(changed, "update", origin, changed="password")
        await self._accounts.administer([changed.item(), *ended], [note], [session.admin.item()])

    async def begin_totp(self, admin: Admin) -> tuple[str, str]:
        """Return a new authenticator secret and its URI; `keep_totp` stores it."""
        secret = pyotp.random_base32()
        return secret, pyotp.TOTP(secret).provisioning_uri(name=admin.email, issuer_name="muster")

    async def add_totp(
        self, session: Session, secret: str, code: str, password: str, origin: ChangeOrigin
    ) -> list[str]:
        """Turn on the authenticator app of a signed-in administrator.

        The first second factor ends their other sessions, which were opened without one.

        Returns:
            The recovery codes; empty if the administrator has some already.

        Raises:
            ScimError: 400 if the code is wrong; 401 if the sign-in is not recent and the password
                is wrong; 409 if the app is already on, or if the administrator signs in with
                OpenID Connect; 429 after too many attempts.
        """
        _check_without_totp(session.admin)
        await self.confirm_session(session, password)
        ended = await self.ended_by_first_factor(session)
        return await self.keep_totp(session.admin, secret, code, origin, ended)

    async def keep_totp(
        self,
        admin: Admin,
        secret: str,
        code: str,
        origin: ChangeOrigin,
        also: Sequence[Item] = (),
    ) -> list[str]:
        """Turn on the authenticator app, and store further items in the same transaction.

        Returns:
            The recovery codes; empty if the administrator has some already.

        Raises:
            ScimError: 400 if the code is wrong; 409 if it is already on, or if the administrator
                signs in with OpenID Connect.
        """
        _check_without_totp(admin)
        step = _step_of(secret, code.strip(), clock.now()) if _SECRET.fullmatch(secret) else None
        if step is None:
            raise invalid_value("code: wrong code. Enter the code that the authenticator shows now")
        codes = [] if admin.recovery else new_recovery_codes()
        changed = replace(admin, totp=secret, last_step=step)
        if codes:
            changed = replace(changed, recovery=tuple(map(digest, codes)))
        await self._accounts.administer(
            [changed.item(), *also],
            [self.note(changed, "update", origin, changed="totp", turned="on")],
            [admin.item()],
        )
        return codes

    async def renew_recovery_codes(
        self, session: Session, password: str, origin: ChangeOrigin
    ) -> list[str]:
        """Replace the recovery codes and return the new ones.

        Raises:
            ScimError: 401 if the sign-in is not recent and the password is wrong; 409 without a
                second factor; 429 after too many attempts.
        """
        admin = session.admin
        if admin.connector is not None or not await self.has_second_factor(admin):
            raise ScimError(409, "Set up two-factor authentication first.")
        await self.confirm_session(session, password)
        codes = new_recovery_codes()
        changed = replace(admin, recovery=tuple(map(digest, codes)))
        note = self.note(changed, "update", origin, changed="recovery codes")
        await self._accounts.administer([changed.item()], [note], [admin.item()])
        return codes

    async def rename(self, admin: Admin, name: str) -> None:
        """Change the name of an administrator.

        Raises:
            ScimError: 400 if the name is too long.
        """
        profile = replace(await self.profile(admin.id), name=check_name(name))
        await self._accounts.administer([profile.item(admin.id)])

    async def drop_totp(self, admin: Admin, password: str, code: str, origin: ChangeOrigin) -> None:
        """Turn off the authenticator app. Recovery codes stay as long as there are passkeys.

        Raises:
            ScimError: 401 if the password or code is wrong; 429 after too many attempts.
        """
        checked = await self.confirm(
            admin, password, "password", None if admin.totp is None else code.strip()
        )
        changed = replace(checked, totp=None, last_code=None, last_step=None)
        if not await self._has_passkeys(admin.id):
            changed = replace(changed, recovery=())
        await self._accounts.administer(
            [changed.item()],
            [self.note(changed, "update", origin, changed="totp", turned="off")],
            [admin.item()],
        )

    async def reset_second_factor(self, admin: Admin, origin: ChangeOrigin) -> None:
        """Remove the authenticator and passkeys of another administrator, who has lost them.

        It ends their sessions: somebody else may have the authenticator.

        Raises:
            ScimError: 409 if they have none.
        """
        passkeys = await self._accounts.item(INSTALLATION, PASSKEYS_KIND, admin.id)
        if admin.totp is None and passkeys is None:
            raise ScimError(409, f"{admin.email} does not use two-factor authentication.")
        changed = replace(admin, totp=None, recovery=(), last_code=None, last_step=None)
        ended = [replace(item, body=None) for item in await self._sessions_of(admin)]
        if passkeys is not None:
            ended.append(replace(passkeys, body=None))
        await self._accounts.administer(
            [changed.item(), *ended],
            [self.note(changed, "update", origin, changed="second factor", turned="off")],
            [admin.item()],
        )

    async def confirm_session(self, session: Session, password: str) -> None:
        """Check that a session is recent, or else the password.

        Raises:
            ScimError: 401 if neither holds; 429 after too many attempts.
        """
        if not session.recent:
            await self.confirm(session.admin, password, "password")

    async def confirm(
        self, admin: Admin, password: str, name: str, code: str | None = None
    ) -> Admin:
        """Check the password, and optionally a code, of a signed-in administrator.

        Args:
            admin: The administrator.
            password: The password.
            name: The name of the form field for the password, used in the error.
            code: The two-factor code; None if none is required.

        Returns:
            The administrator as to be stored, so that the code does not work again.

        Raises:
            ScimError: 401 if the password or code is wrong; 429 after too many attempts.
        """
        wait = await self._names.take(INSTALLATION, f"account {admin.id}")
        if wait:
            raise ScimError(429, f"Too many attempts. Try again in {wait} seconds.")
        if not await verify_password(admin.password, password[:_MAX_PASSWORD]):
            raise ScimError(401, f"{name}: wrong password")
        checked = admin
        if code is not None:
            try:
                checked = await self._check_code(admin, code)
            except (CodeNeeded, NotSignedIn):
                raise ScimError(
                    401, "code: wrong code. Enter the current authenticator code or a recovery code"
                ) from None
        await self._names.forget(INSTALLATION, f"account {admin.id}")
        return checked

    async def sign_in(
        self, email: str, password: str, code: str, origin: ChangeOrigin, agent: str
    ) -> str:
        """Check the credentials and return the token of a new session.

        An unknown address takes as long to reject as a wrong password.

        Raises:
            NotSignedIn: The address, password or code is wrong.
            CodeNeeded: The password is correct, but a code is required.
            ScimError: 429 after too many attempts.
        """
        admin_id = digest(fold(email.strip()))[:16]
        await self.take_turn(admin_id, origin)
        admin = await self.get(admin_id)
        verified = await verify_password(
            None if admin is None else admin.password, password[:_MAX_PASSWORD]
        )
        if admin is None or not verified:
            known = email.strip() if ADDRESS.fullmatch(email.strip()) else ""
            await self.record_failure(admin_id, known, "wrong address or password", origin)
            raise NotSignedIn
        return await self.finish(admin, code, origin, agent)

    async def finish(self, admin: Admin, code: str, origin: ChangeOrigin, agent: str) -> str:
        """Check the code of an administrator whose password is correct.

        Returns:
            The token of a new session.

        Raises:
            NotSignedIn: The code is wrong.
            CodeNeeded: A code is required.
        """
        try:
            checked, factor = await self._check_factor(admin, code.strip())
        except NotSignedIn:
            await self.record_failure(admin.id, admin.email, "wrong code", origin)
            raise
        try:
            token = await self.begin(checked, origin, agent, admin, factor)
        except Outdated:  # removed or changed meanwhile, or a concurrent sign-in used the code
            await self.record_failure(admin.id, admin.email, "changed during the sign-in", origin)
            raise NotSignedIn from None
        await self.forget_attempt("sign-in", origin)
        await self._names.forget(INSTALLATION, f"sign-in {admin.id}")
        return token

    async def take_turn(self, admin_id: str, origin: ChangeOrigin) -> None:
        """Count an attempt to sign in as an administrator from an address.

        Raises:
            ScimError: 429 after too many.
        """
        await self.take_attempt("sign-in", origin)
        wait = await self._names.take(INSTALLATION, f"sign-in {admin_id}")
        if wait:
            raise ScimError(429, f"Too many attempts. Try again in {wait} seconds.")

    async def take_attempt(self, way: str, origin: ChangeOrigin) -> None:
        """Count an attempt to sign in from an address.

        Args:
            way: The way to sign in; each is counted apart, so that using up one, which may need
                no credentials, does not close the others.
            origin: The origin of the attempt.

        Raises:
            ScimError: 429 after too many.
        """
        wait = await self._places.take(INSTALLATION, f"{way} from {origin.address}")
        if wait:
            raise ScimError(429, f"Too many attempts. Try again in {wait} seconds.")

    async def forget_attempt(self, way: str, origin: ChangeOrigin) -> None:
        """Uncount an attempt of this way from an address, because it succeeded."""
        await self._places.give_back(INSTALLATION, f"{way} from {origin.address}")

    async def record_failure(
        self, admin_id: str, email: str, reason: str, origin: ChangeOrigin
    ) -> None:
        """Add a failed attempt to sign in to the log of the installation.

        A full disk or a locked database does not change the answer to the attempt.

        Args:
            admin_id: The id that the attempt was for.
            email: The e-mail address; empty if the text is no address, since it may be a password.
            reason: Why it failed.
            origin: The origin of the attempt.
        """
        document = orjson.dumps({"email": email, "reason": reason})
        note = Note(INSTALLATION, origin, "Administrator", admin_id, "sign-in-failed", document)
        with contextlib.suppress(StorageError):
            await self._accounts.record([note])

    async def _check_factor(self, admin: Admin, code: str) -> tuple[Admin, str]:
        """Check the second factor after the password.

        Returns:
            The administrator as to be stored, and the factors in words.

        Raises:
            CodeNeeded: A code is required and missing.
            NotSignedIn: The code is wrong.
        """
        if admin.totp is None and not await self._has_passkeys(admin.id):
            return admin, "password"
        if not code:
            raise CodeNeeded(admin)
        checked = await self._check_code(admin, code)
        recovered = checked.recovery != admin.recovery
        return checked, "password and " + ("recovery code" if recovered else "authenticator")

    async def _check_code(self, admin: Admin, code: str) -> Admin:
        if not code:
            raise CodeNeeded(admin)
        step = None if admin.totp is None else _step_of(admin.totp, code, clock.now())
        if step is not None:
            if code == admin.last_code or (admin.last_step is not None and step <= admin.last_step):
                raise NotSignedIn
            return replace(admin, last_code=None, last_step=step)
        given = digest(code.lower())
        left = tuple(kept for kept in admin.recovery if not hmac.compare_digest(kept, given))
        if len(left) == len(admin.recovery):
            raise NotSignedIn
        return replace(admin, recovery=left)

    async def begin(
        self,
        admin: Admin,
        origin: ChangeOrigin,
        agent: str,
        before: Admin | None,
        factor: str = "password",
        also: Sequence[Item] = (),
        standing: Sequence[Item] = (),
    ) -> str:
        """Create a session for an authenticated administrator and delete expired items.

        Args:
            admin: The administrator to store with the session.
            origin: The origin of the sign-in, for the audit log.
            agent: The User-Agent.
            before: The administrator as read; None if they are new.
            factor: How they have proved who they are, in words.
            also: Further items to store in the same transaction.
            standing: Further items that must not have changed since they were read.

        Returns:
            The token for the cookie.

        Raises:
            Outdated: The administrator, or an item of `standing`, has changed since it was read.
        """
        token, now = secrets.token_urlsafe(32), clock.now()
        body = {
            "admin": admin.id,
            "csrf": secrets.token_urlsafe(24),
            "created": timestamp(now),
            "seen": timestamp(now),
            "expires": timestamp(now + _SESSION),
            "address": origin.address,
            "agent": agent[:200],
        }
        ended = [
            replace(item, body=None)
            for kind in (SESSION_KIND, FLASH_KIND, CHALLENGE_KIND, ENDED_INVITATION_KIND)
            for item in await self._accounts.items(INSTALLATION, kind)
            if item.body["expires"] <= timestamp(now)
        ]
        session = Item(INSTALLATION, SESSION_KIND, digest(token), body)
        profile = replace(await self.profile(admin.id), signed_in=timestamp(now))
        note = self.note(admin, "sign-in", origin, factor=factor)
        read = nobody(admin.id) if before is None else before.item()
        await self._accounts.administer(
            [admin.item(), profile.item(admin.id), session, *ended, *also],
            [note],
            [read, *standing],
        )
        return token

    async def session(self, token: str) -> Session | None:
        """Return the session of a token; None if it has expired or was ended."""
        item = await self._accounts.item(INSTALLATION, SESSION_KIND, digest(token))
        now = clock.now()
        if item is None or item.body["expires"] <= timestamp(now):
            return None
        admin = await self.get(item.body["admin"])
        if admin is None:
            return None
        if item.body["seen"] < timestamp(now - _SEEN_AGAIN):
            # Only for display: if the disk is full or the database is locked, go on without it.
            with contextlib.suppress(StorageError):
                await refresh(self._accounts, item, {**item.body, "seen": timestamp(now)})
        return _session(item, admin)

    async def sessions(self, admin: Admin) -> Sequence[Session]:
        """Return the sessions of an administrator, most recently seen first."""
        found = [_session(item, admin) for item in await self._sessions_of(admin)]
        return sorted(found, key=lambda session: session.seen, reverse=True)

    async def end(self, admin: Admin, session_id: str, origin: ChangeOrigin) -> None:
        """End a session of an administrator."""
        for item in await self._sessions_of(admin):
            if item.id == session_id:
                await self._accounts.administer(
                    [replace(item, body=None)], [self.note(admin, "sign-out", origin)]
                )

    async def ended_others(self, session: Session) -> list[Item]:
        """Return the other sessions of an administrator, as items that delete them."""
        found = await self._sessions_of(session.admin)
        return [replace(item, body=None) for item in found if item.id != session.id]

    async def ended_by_first_factor(self, session: Session) -> list[Item]:
        """Return the sessions to end when an administrator gets one more second factor.

        If it is their first, the other sessions were opened with the password alone. They must not
        pass for sessions with a second factor.
        """
        if session.admin.recovery and await self.has_second_factor(session.admin):
            return []
        return await self.ended_others(session)

    async def _sessions_of(self, admin: Admin) -> list[Item]:
        now = timestamp()
        items = await self._accounts.items(INSTALLATION, SESSION_KIND)
        return [
            item for item in items if item.body["admin"] == admin.id and item.body["expires"] > now
        ]

    def note(self, admin: Admin, action: str, origin: ChangeOrigin, **extra: Json) -> Note:
        """Return the audit log entry for an action on an administrator."""
        connector = {} if admin.connector is None else {"connector": admin.connector}
        document = orjson.dumps({"email": admin.email, "roles": admin.roles, **connector, **extra})
        return Note(INSTALLATION, origin, "Administrator", admin.id, action, document)


def _check_without_totp(admin: Admin) -> None:
    if admin.totp is not None:
        # Replacing the secret would bypass the password and code that turning it off requires.
        raise ScimError(409, "An authenticator app is already on. Turn it off first.")
    if admin.connector is not None:
        raise ScimError(
            409, "You sign in with OpenID Connect. Set up two-factor authentication there."
        )


def _step_of(secret: str, code: str, now: datetime) -> int | None:
    """Return the latest time step, among the valid ones, with this code (RFC 6238).

    Only ASCII digits are accepted: other Unicode digits would be alternative spellings of a code
    that was already used.
    """
    if not _CODE.fullmatch(code):
        return None
    totp = pyotp.TOTP(secret)
    present = totp.timecode(now)
    matching = [
        step
        for step in (present - 1, present, present + 1)
        if hmac.compare_digest(totp.generate_otp(step), code)
    ]
    return max(matching, default=None)


def check_password(password: str) -> None:
    """Check the length of a new password.

    Raises:
        ScimError: invalidValue if it is too short or too long.
    """
    if not _MIN_PASSWORD <= len(password) <= _MAX_PASSWORD:
        raise invalid_value(f"password: enter {_MIN_PASSWORD} to {_MAX_PASSWORD:,} characters")


def check_name(name: str) -> str:
    """Return the name of a person without surrounding spaces.

    Raises:
        ScimError: invalidValue if it is too long or contains control characters.
    """
    name = name.strip()
    if len(name) > _MAX_NAME or not (name.isprintable() or not name):
        raise invalid_value(f"name: enter at most {_MAX_NAME} characters")
    return name


def new_recovery_codes() -> list[str]:
    """Return new recovery codes; only their hashes are stored.

    Each has 80 random bits in four groups of base32, so that a hash in a stolen backup does not
    lead back to it.
    """
    return [
        "-".join(code[start : start + 4] for start in range(0, len(code), 4))
        for code in (
            base64.b32encode(secrets.token_bytes(10)).decode().lower()
            for _ in range(_RECOVERY_CODES)
        )
    ]


def all_permissions() -> dict[str, list[str]]:
    """Return the roles of an administrator of the whole installation."""
    return {EVERYWHERE: [ADMIN, *PERMISSIONS]}


def nobody(admin_id: str) -> Item:
    """Return the stored form of an administrator who does not exist."""
    return Item(INSTALLATION, ADMINISTRATOR_KIND, admin_id, None)


def _admin(item: Item) -> Admin:
    body: dict[str, Any] = {**item.body, "recovery": tuple(item.body["recovery"])}
    return Admin(item.id, **body)


def _place(admin: Admin) -> tuple[str, bool]:
    """Return how an actor begins, and whether the installation's provider signs them in."""
    if admin.connector is None:
        return "admin", False
    return "openid", admin.connector == INSTALLATION


def _profile(item: Item) -> Profile:
    body = item.body
    return Profile(body["name"], body["invitedBy"], body["signedIn"])


def _session(item: Item, admin: Admin) -> Session:
    body = {name: value for name, value in item.body.items() if name != "admin"}
    return Session(item.id, admin, **body)


def digest(text: str) -> str:
    """Return the SHA-256 hash of a secret or name, for use in an id."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()

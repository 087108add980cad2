"""Administrators: who may sign in to the console, with what, and to do what in which workspace."""

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
EVERYWHERE = "*"
"""The workspace of permissions that hold in all of them."""
ADDRESS = re.compile(
    r"[^\s@\x00-\x1f\x7f\"(),:;<>\[\\\]]{1,64}@[^\s@\x00-\x1f\x7f\"(),:;<>\[\\\]]{1,190}"
)
"""A plain e-mail address: one @, and neither quotes nor comments nor lists (RFC 5322 section 3.4.1)."""
_SECRET, _CODE = re.compile(r"[A-Z2-7]{16,64}"), re.compile(r"[0-9]{6}")
_MIN_PASSWORD, _MAX_PASSWORD = 12, 1000
_TRIES, _FROM_ONE_PLACE, _WINDOW = 10, 50, 600
"""How many times one may try to sign in by one name, and from one address, within so many seconds."""
_SESSION = timedelta(hours=12)
_SEEN_AGAIN = timedelta(minutes=5)
INVITATION = timedelta(hours=1)
_RECOVERY_CODES = 8


class NotSignedIn(ScimError):
    """401: the e-mail address, the password or the code is wrong; which of them is not said."""

    def __init__(self) -> None:
        super().__init__(401, "the e-mail address, the password or the code is wrong")


class CodeNeeded(ScimError):
    """401: the password is right, and a code is needed as well."""

    def __init__(self) -> None:
        super().__init__(401, "a code of the authenticator, or a recovery code, is needed")


@dataclass(frozen=True, slots=True)
class Admin:
    """An administrator. roles: workspace id, or EVERYWHERE, to permissions. totp: the secret of the authenticator, if any.

    recovery: the hashes of codes that stand in for it, each once. last_step: the time step of the last accepted code; no code of
    this or an earlier step is accepted again. last_code: the last accepted code, as versions before last_step stored it.
    connector: the place of the Open ID Connector that they come by, None for those who have a password.
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
        """What they may do in a workspace."""
        return tuple({*self.roles.get(EVERYWHERE, ()), *self.roles.get(str(workspace), ())})

    @property
    def everywhere(self) -> bool:
        """Whether they administer the installation."""
        return ADMIN in self.roles.get(EVERYWHERE, ())

    def item(self) -> Item:
        """As they are kept."""
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


@dataclass(frozen=True, slots=True)
class Session:
    """A session in a browser. csrf: what its forms carry. id: the hash of the token in its cookie."""

    id: str
    admin: Admin
    csrf: str
    created: str
    seen: str
    expires: str
    address: str
    agent: str


class Administrators:
    """Makes administrators and sessions."""

    def __init__(self, accounts: SettingsStore) -> None:
        self._accounts = accounts
        self._names = Attempts(accounts, _TRIES, _WINDOW)
        self._places = Attempts(accounts, _FROM_ONE_PLACE, _WINDOW)

    async def all(self) -> Sequence[Admin]:
        """Everyone, by e-mail address."""
        found = [
            _admin(item) for item in await self._accounts.items(INSTALLATION, ADMINISTRATOR_KIND)
        ]
        return sorted(found, key=lambda admin: admin.email)

    async def get(self, admin_id: str) -> Admin | None:
        """The administrator of that id."""
        item = await self._accounts.item(INSTALLATION, ADMINISTRATOR_KIND, admin_id)
        return None if item is None else _admin(item)

    async def invite(
        self, roles: dict[str, list[str]], also: Sequence[Item] = (), standing: Sequence[Item] = ()
    ) -> str:
        """A token with which one administrator can be made, once and soon.

        also: items to store with it. standing: items that must still be as they were read; otherwise Outdated is raised.
        """
        token = secrets.token_urlsafe(32)
        ends = timestamp(clock.now() + INVITATION)
        body = {"roles": roles, "expires": ends}
        await self._accounts.administer(
            [Item(INSTALLATION, INVITATION_KIND, digest(token), body), *also], (), standing
        )
        return token

    async def invited(self, token: str) -> bool:
        """Whether a token still holds."""
        item = await self._accounts.item(INSTALLATION, INVITATION_KIND, digest(token))
        return item is not None and item.body["expires"] > timestamp()

    async def accept(self, token: str, email: str, password: str, origin: ChangeOrigin) -> Admin:
        """Make the administrator whom a token is for. Raises ScimError 400, and 403 where the token does not hold."""
        item = await self._accounts.item(INSTALLATION, INVITATION_KIND, digest(token))
        if item is None or item.body["expires"] <= timestamp():
            raise ScimError(403, "this link was used already, or its time is up: ask for another")
        made = await self._make(email, password, item.body["roles"])
        puts, read = [replace(item, body=None), made.item()], [item, _nobody(made.id)]
        await self._accounts.administer(puts, [self._note(made, "create", origin)], read)
        return made

    async def create(
        self, email: str, password: str, roles: dict[str, list[str]], origin: ChangeOrigin
    ) -> Admin:
        """Make an administrator. Raises ScimError 400 and 409."""
        made = await self._make(email, password, roles)
        await self._accounts.administer(
            [made.item()], [self._note(made, "create", origin)], [_nobody(made.id)]
        )
        return made

    async def _make(self, email: str, password: str, roles: dict[str, list[str]]) -> Admin:
        email = email.strip()
        if not ADDRESS.fullmatch(email):
            raise invalid_value("email: this is no e-mail address")
        check_password(password)
        admin_id = digest(fold(email))[:16]
        if await self.get(admin_id) is not None:
            raise ScimError(409, "email: there is an administrator with this address already")
        return Admin(admin_id, email, await hash_password(password), roles, timestamp())

    async def remove(self, admin: Admin, origin: ChangeOrigin) -> None:
        """Remove an administrator, and end their sessions. Raises ScimError 409 for the last one of the installation."""
        others = [
            other.item() for other in await self.all() if other.everywhere and other.id != admin.id
        ]
        if admin.everywhere and not others:
            raise ScimError(409, "the last administrator of the installation cannot be removed")
        ended = [
            item
            for item in await self._accounts.items(INSTALLATION, SESSION_KIND)
            if item.body["admin"] == admin.id
        ]
        gone = [replace(item, body=None) for item in (admin.item(), *ended)]
        await self._accounts.administer(
            gone, [self._note(admin, "delete", origin)], others if admin.everywhere else ()
        )

    async def change_password(
        self, session: Session, old: str, new: str, origin: ChangeOrigin
    ) -> None:
        """Give an administrator another password, and end their other sessions. Raises ScimError 400 and 401."""
        check_password(new)
        await self._confirm(session.admin, old, "old")
        changed = replace(session.admin, password=await hash_password(new))
        others = [item for item in await self._sessions_of(session.admin) if item.id != session.id]
        ended = [replace(item, body=None) for item in others]
        note = self._note(changed, "update", origin, changed="password")
        await self._accounts.administer([changed.item(), *ended], [note], [session.admin.item()])

    async def begin_totp(self, admin: Admin) -> tuple[str, str]:
        """A secret for an authenticator, and its URI; it is kept once a code of it is given."""
        secret = pyotp.random_base32()
        return secret, pyotp.TOTP(secret).provisioning_uri(name=admin.email, issuer_name="muster")

    async def keep_totp(
        self, admin: Admin, secret: str, code: str, origin: ChangeOrigin
    ) -> list[str]:
        """Turn the second factor on, and return the recovery codes, which are shown this once.

        Raises ScimError 400 for a wrong code, and 409 if the second factor is on already or an OpenID provider has it.
        """
        if (
            admin.totp is not None
        ):  # replacing it is turning it off: that needs the password and a code
            raise ScimError(409, "The second factor is on already. Turn it off first.")
        if admin.connector is not None:
            raise ScimError(
                409, "You sign in by OpenID Connect: the second factor is the identity provider's."
            )
        step = _step_of(secret, code.strip(), clock.now()) if _SECRET.fullmatch(secret) else None
        if step is None:
            raise invalid_value("code: this is not the code that the authenticator shows")
        codes = [f"{secrets.token_hex(3)}-{secrets.token_hex(3)}" for _ in range(_RECOVERY_CODES)]
        changed = replace(admin, totp=secret, recovery=tuple(map(digest, codes)), last_step=step)
        await self._accounts.administer(
            [changed.item()],
            [self._note(changed, "update", origin, changed="totp")],
            [admin.item()],
        )
        return codes

    async def drop_totp(self, admin: Admin, password: str, code: str, origin: ChangeOrigin) -> None:
        """Turn the second factor off. Raises ScimError 401 for a wrong password or code, and 429 for too many of them."""
        await self._confirm(
            admin, password, "password", None if admin.totp is None else code.strip()
        )
        changed = replace(admin, totp=None, recovery=(), last_code=None, last_step=None)
        await self._accounts.administer(
            [changed.item()],
            [self._note(changed, "update", origin, changed="totp")],
            [admin.item()],
        )

    async def _confirm(
        self, admin: Admin, password: str, name: str, code: str | None = None
    ) -> None:
        """Have someone who is signed in show again that it is them. name: the form's field for the password.

        Raises ScimError 401 if the password or the code is wrong, and 429 after too many attempts.
        """
        wait = await self._names.take(INSTALLATION, f"account {admin.id}")
        if wait:
            raise ScimError(429, f"Too many attempts. Try again in {wait} seconds.")
        if not await verify_password(admin.password, password[:_MAX_PASSWORD]):
            raise ScimError(401, f"{name}: this is not your password")
        if code is not None:
            try:
                await self._check_code(admin, code)
            except (CodeNeeded, NotSignedIn):
                raise ScimError(
                    401, "code: enter a code that the authenticator shows now, or a recovery code"
                ) from None
        await self._names.forget(INSTALLATION, f"account {admin.id}")

    async def sign_in(
        self, email: str, password: str, code: str, origin: ChangeOrigin, agent: str
    ) -> str:
        """The token of a new session. It takes as long for an unknown address as for a wrong password.

        Raises NotSignedIn, CodeNeeded, and ScimError 429.
        """
        admin_id = digest(fold(email.strip()))[:16]
        place = f"sign-in from {origin.address}"
        wait = await self._places.take(INSTALLATION, place) or await self._names.take(
            INSTALLATION, f"sign-in {admin_id}"
        )
        if wait:
            raise ScimError(429, f"too many attempts: try again in {wait} seconds")
        admin = await self.get(admin_id)
        verified = await verify_password(
            None if admin is None else admin.password, password[:_MAX_PASSWORD]
        )
        if admin is None or not verified:
            raise NotSignedIn
        checked = admin if admin.totp is None else await self._check_code(admin, code.strip())
        try:
            token = await self.begin(checked, origin, agent, admin)
        except Outdated:  # removed meanwhile, or with another password, or this code was used
            raise NotSignedIn from None
        await self._names.forget(INSTALLATION, f"sign-in {admin_id}")
        await self._places.give_back(INSTALLATION, place)
        return token

    async def _check_code(self, admin: Admin, code: str) -> Admin:
        if not code:
            raise CodeNeeded
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
        self, admin: Admin, origin: ChangeOrigin, agent: str, before: Admin | None
    ) -> str:
        """The token of a new session of someone who has shown who they are. What has ended is swept away.

        before: the administrator as they were read, None for one who is new. Raises Outdated where they are not so any more.
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
            for kind in (SESSION_KIND, INVITATION_KIND, FLASH_KIND)
            for item in await self._accounts.items(INSTALLATION, kind)
            if item.body["expires"] <= timestamp(now)
        ]
        session = Item(INSTALLATION, SESSION_KIND, digest(token), body)
        note = self._note(admin, "sign-in", origin)
        read = _nobody(admin.id) if before is None else before.item()
        await self._accounts.administer([admin.item(), session, *ended], [note], [read])
        return token

    async def session(self, token: str) -> Session | None:
        """The session of a token, where it holds."""
        item = await self._accounts.item(INSTALLATION, SESSION_KIND, digest(token))
        now = clock.now()
        if item is None or item.body["expires"] <= timestamp(now):
            return None
        admin = await self.get(item.body["admin"])
        if admin is None:
            return None
        if item.body["seen"] < timestamp(now - _SEEN_AGAIN):
            with contextlib.suppress(
                StorageError
            ):  # the disk is full, or the database cannot be written just now
                await refresh(self._accounts, item, {**item.body, "seen": timestamp(now)})
        return _session(item, admin)

    async def sessions(self, admin: Admin) -> Sequence[Session]:
        """The sessions of an administrator, the latest first."""
        found = [_session(item, admin) for item in await self._sessions_of(admin)]
        return sorted(found, key=lambda session: session.seen, reverse=True)

    async def end(self, admin: Admin, session_id: str, origin: ChangeOrigin) -> None:
        """End a session of an administrator."""
        for item in await self._sessions_of(admin):
            if item.id == session_id:
                await self._accounts.administer(
                    [replace(item, body=None)], [self._note(admin, "sign-out", origin)]
                )

    async def _sessions_of(self, admin: Admin) -> list[Item]:
        now = timestamp()
        items = await self._accounts.items(INSTALLATION, SESSION_KIND)
        return [
            item for item in items if item.body["admin"] == admin.id and item.body["expires"] > now
        ]

    def _note(self, admin: Admin, action: str, origin: ChangeOrigin, **told: Json) -> Note:
        came_by = {} if admin.connector is None else {"connector": admin.connector}
        document = orjson.dumps({"email": admin.email, "roles": admin.roles, **came_by, **told})
        return Note(INSTALLATION, origin, "Administrator", admin.id, action, document)


def _step_of(secret: str, code: str, now: datetime) -> int | None:
    """The latest time step, of the present one and its neighbours, whose code this is (RFC 6238).

    Only ASCII digits count: other digits of Unicode would be further spellings of a code that was used.
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
    """Raises ScimError invalidValue where a password is too short, or too long to be one."""
    if not _MIN_PASSWORD <= len(password) <= _MAX_PASSWORD:
        raise invalid_value(f"password: {_MIN_PASSWORD} characters at least")


def all_permissions() -> dict[str, list[str]]:
    """The roles of an administrator of the installation."""
    return {EVERYWHERE: [ADMIN, *PERMISSIONS]}


def _nobody(admin_id: str) -> Item:
    """What there is of an administrator who is none yet."""
    return Item(INSTALLATION, ADMINISTRATOR_KIND, admin_id, None)


def _admin(item: Item) -> Admin:
    body: dict[str, Any] = {**item.body, "recovery": tuple(item.body["recovery"])}
    return Admin(item.id, **body)


def _session(item: Item, admin: Admin) -> Session:
    body = {name: value for name, value in item.body.items() if name != "admin"}
    return Session(item.id, admin, **body)


def digest(text: str) -> str:
    """The hash that stands for a secret, or for a name, in an id."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()

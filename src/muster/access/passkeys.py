"""Passkeys of administrators (WebAuthn Level 3): registration, sign-in and removal.

A passkey counts as both factors, because the authenticator verifies the user itself, by a
fingerprint or a PIN. Each ceremony has a challenge. It is stored before it is handed out, bound to
the form or session that asked for it, and deleted in the transaction that uses it, so that no
response works twice.
"""

import base64
import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import timedelta
from typing import NoReturn
from urllib.parse import urlsplit

import orjson

from muster.access.administrators import (
    CHALLENGE_KIND,
    PASSKEYS_KIND,
    Admin,
    Administrators,
    NotSignedIn,
    Session,
    digest,
    new_recovery_codes,
)
from muster.base import clock
from muster.base.clock import timestamp
from muster.base.signing import InvalidToken, NumberSigner
from muster.scim.errors import ScimError, invalid_value, not_found
from muster.scim.values import Json
from muster.storage.port.accounts import Accounts
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.errors import Outdated
from muster.storage.port.items import INSTALLATION, Item

_LIFETIME = timedelta(minutes=5)
_MOST, _MAX_NAME = 20, 100
_REGISTRATION, _SIGN_IN = "registration", "sign-in"
_MALFORMED = (ValueError, KeyError, TypeError, IndexError)
"""The errors for a response that cannot be read."""


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """The site that passkeys are for (WebAuthn section 4).

    Attributes:
        id: Its host name; authenticators keep each passkey for one id.
        origin: The only origin whose responses are accepted.
    """

    id: str
    origin: str


@dataclass(frozen=True, slots=True)
class Passkey:
    """A passkey of an administrator.

    Attributes:
        id: The id of the credential, in base64url.
        name: The name that the administrator gave it.
        key: The public key in COSE form, in base64url.
        count: The signature counter; 0 for authenticators without one.
        created: The time of registration.
        used: The time of the last sign-in; None for never.
    """

    id: str
    name: str
    key: str
    count: int
    created: str
    used: str | None = None


def relying_party(base: str) -> RelyingParty:
    """Return the site at a base URL.

    Raises:
        ScimError: 409 if browsers allow no passkeys there.
    """
    parts = urlsplit(base)
    host = parts.hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        here = "localhost" if parts.port is None else f"localhost:{parts.port}"
        raise ScimError(
            409,
            f"Passkeys need a host name, and {host} is an address. Open the console at its host"
            f" name ({parts.scheme}://{here}{parts.path} on this machine).",
        )
    if parts.scheme != "https" and host != "localhost" and not host.endswith(".localhost"):
        raise ScimError(409, "Passkeys need HTTPS. Serve the console over TLS to use them.")
    return RelyingParty(host, f"{parts.scheme}://{parts.netloc}")


class Passkeys:
    """Registers, uses, renames and removes the passkeys of administrators."""

    def __init__(self, accounts: Accounts, administrators: Administrators) -> None:
        self._accounts = accounts
        self._administrators = administrators
        self._handles = NumberSigner(accounts.signing_secret, "passkey user")

    async def of(self, admin: Admin) -> tuple[Passkey, ...]:
        """Return the passkeys of an administrator, oldest first."""
        return _passkeys(await self._stored(admin.id))

    async def count(self) -> dict[str, int]:
        """Return the number of passkeys of each administrator who has some, by id."""
        items = await self._accounts.items(INSTALLATION, PASSKEYS_KIND)
        return {item.id: len(_passkeys(item)) for item in items}

    async def begin_registration(
        self, party: RelyingParty, session: Session, password: str
    ) -> bytes:
        """Return the options for `navigator.credentials.create`, as JSON.

        Raises:
            ScimError: 401 if the sign-in is not recent and the password is wrong; 409 if the
                administrator cannot have one more; 429 after too many attempts.
        """
        from webauthn import generate_registration_options, options_to_json  # slow to load
        from webauthn.helpers.structs import (
            AuthenticatorSelectionCriteria,
            PublicKeyCredentialDescriptor,
            ResidentKeyRequirement,
            UserVerificationRequirement,
        )

        admin = session.admin
        there = await self.of(admin)
        _check_addable(admin, there)
        await self._administrators.confirm_session(session, password)
        options = generate_registration_options(
            rp_id=party.id,
            rp_name="muster",
            user_id=await self._handle(admin),
            user_name=admin.email,
            user_display_name=admin.email,
            challenge=await self._challenge(_REGISTRATION, session.id),
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[
                PublicKeyCredentialDescriptor(id=_decode(passkey.id)) for passkey in there
            ],
        )
        return options_to_json(options).encode()

    async def register(
        self, party: RelyingParty, session: Session, name: str, response: str, origin: ChangeOrigin
    ) -> list[str]:
        """Store a new passkey. The first second factor ends the administrator's other sessions.

        Args:
            party: The site.
            session: The session that asked for the options.
            name: The name for the passkey.
            response: The response of the authenticator, as JSON.
            origin: The origin of the request, for the audit log.

        Returns:
            Recovery codes; empty if the administrator has some already.

        Raises:
            ScimError: 400 if the name or the response is invalid; 409 if the administrator cannot
                have one more.
        """
        from webauthn import verify_registration_response
        from webauthn.helpers.exceptions import WebAuthnException

        admin, name = session.admin, _check_name(name)
        raw, challenge, asked = await self._answered(_REGISTRATION, session.id, response)
        try:
            found = verify_registration_response(
                credential=raw,
                expected_challenge=challenge,
                expected_rp_id=party.id,
                expected_origin=party.origin,
                require_user_verification=True,
            )
        except (WebAuthnException, *_MALFORMED):
            await self._accounts.administer([replace(asked, body=None)], (), [asked])
            raise _not_accepted() from None
        made = Passkey(
            _encode(found.credential_id),
            name,
            _encode(found.credential_public_key),
            found.sign_count,
            timestamp(),
        )
        before = await self._stored(admin.id)
        there = _passkeys(before)
        _check_addable(admin, there)
        if any(passkey.id == made.id for passkey in there):
            raise ScimError(409, "This authenticator has a passkey for your account already.")
        codes = [] if admin.recovery else new_recovery_codes()
        after = replace(admin, recovery=tuple(map(digest, codes))) if codes else admin
        note = self._administrators.note(
            admin, "update", origin, changed="passkey", turned="on", passkey=name
        )
        ended = await self._administrators.ended_by_first_factor(session)
        await self._accounts.administer(
            [_item(admin.id, (*there, made)), after.item(), replace(asked, body=None), *ended],
            [note],
            [before, admin.item(), asked],
        )
        return codes

    async def rename(self, admin: Admin, passkey_id: str, name: str, origin: ChangeOrigin) -> None:
        """Give a passkey another name.

        Raises:
            ScimError: 400 if the name is invalid; 404 if there is no such passkey.
        """
        before = await self._stored(admin.id)
        found, name = _found(before, passkey_id), _check_name(name)
        after = tuple(
            replace(passkey, name=name) if passkey == found else passkey
            for passkey in _passkeys(before)
        )
        note = self._administrators.note(
            admin, "update", origin, changed="passkey name", passkey=name, before=found.name
        )
        await self._accounts.administer([_item(admin.id, after)], [note], [before])

    async def remove(
        self, session: Session, passkey_id: str, password: str, origin: ChangeOrigin
    ) -> None:
        """Remove a passkey. Recovery codes go with the last second factor.

        Raises:
            ScimError: 401 if the sign-in is not recent and the password is wrong; 404 if there is
                no such passkey; 429 after too many attempts.
        """
        admin = session.admin
        before = await self._stored(admin.id)
        found = _found(before, passkey_id)
        await self._administrators.confirm_session(session, password)
        left = tuple(passkey for passkey in _passkeys(before) if passkey != found)
        changed = admin if left or admin.totp is not None else replace(admin, recovery=())
        note = self._administrators.note(
            admin, "update", origin, changed="passkey", turned="off", passkey=found.name
        )
        await self._accounts.administer(
            [_item(admin.id, left), changed.item()], [note], [before, admin.item()]
        )

    async def begin_sign_in(self, party: RelyingParty, form: str, origin: ChangeOrigin) -> bytes:
        """Return the options for `navigator.credentials.get`, as JSON.

        They name no passkey: the authenticator offers those that it has for the site. So they do
        not reveal who has an account.

        Args:
            party: The site.
            form: The token of the browser's form, which the challenge is bound to.
            origin: The origin of the request.

        Raises:
            ScimError: 429 after too many attempts.
        """
        from webauthn import generate_authentication_options, options_to_json
        from webauthn.helpers.structs import UserVerificationRequirement

        await self._administrators.take_attempt("passkey", origin)
        options = generate_authentication_options(
            rp_id=party.id,
            challenge=await self._challenge(_SIGN_IN, form),
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return options_to_json(options).encode()

    async def sign_in(
        self, party: RelyingParty, form: str, response: str, origin: ChangeOrigin, agent: str
    ) -> str:
        """Sign in an administrator by a passkey and return the token of the session.

        Args:
            party: The site.
            form: The token of the browser's form that asked for the options.
            response: The response of the authenticator, as JSON.
            origin: The origin of the request.
            agent: The User-Agent.

        Raises:
            NotSignedIn: The passkey is unknown, or the response is invalid.
            ScimError: 400 if the challenge has expired or was used.
        """
        from webauthn import verify_authentication_response
        from webauthn.helpers.exceptions import WebAuthnException

        raw, challenge, asked = await self._answered(_SIGN_IN, form, response)
        await self._accounts.administer([replace(asked, body=None)], (), [asked])
        admin, before, passkey = await self._owner(raw, origin)
        try:
            found = verify_authentication_response(
                credential=raw,
                expected_challenge=challenge,
                expected_rp_id=party.id,
                expected_origin=party.origin,
                credential_public_key=_decode(passkey.key),
                credential_current_sign_count=passkey.count,
                require_user_verification=True,
            )
        except (WebAuthnException, *_MALFORMED):
            await self._fail(admin.id, admin.email, origin)
        used = replace(passkey, count=found.new_sign_count, used=timestamp())
        after = tuple(used if each == passkey else each for each in _passkeys(before))
        try:
            token = await self._administrators.begin(
                admin, origin, agent, admin, "passkey", [_item(admin.id, after)], [before]
            )
        except Outdated:  # removed, or used meanwhile
            await self._fail(admin.id, admin.email, origin)
        await self._administrators.forget_attempt("passkey", origin)
        return token

    async def _owner(
        self, raw: dict[str, Json], origin: ChangeOrigin
    ) -> tuple[Admin, Item, Passkey]:
        """Return the administrator and the passkey that a response names.

        Raises:
            NotSignedIn: There is no such passkey.
        """
        try:
            handle = _decode(raw["response"]["userHandle"]).decode()
            number = await self._handles.read(handle, INSTALLATION)
            credential_id = _encode(_decode(raw["rawId"]))
        except (InvalidToken, *_MALFORMED):
            await self._fail("", "", origin)
        admin = await self._administrators.get(f"{number:016x}")
        if admin is None:
            await self._fail(f"{number:016x}", "", origin)
        before = await self._stored(admin.id)
        passkey = next((each for each in _passkeys(before) if each.id == credential_id), None)
        if passkey is None:
            await self._fail(admin.id, admin.email, origin)
        return admin, before, passkey

    async def _fail(self, admin_id: str, email: str, origin: ChangeOrigin) -> NoReturn:
        await self._administrators.record_failure(admin_id, email, "wrong passkey", origin)
        raise NotSignedIn("This passkey was not accepted. Try again, or sign in another way.")

    async def _handle(self, admin: Admin) -> bytes:
        """Return the id of an administrator at authenticators.

        It is unlinkable to the e-mail address without the installation's secret, as WebAuthn
        section 14.6.1 asks, and it leads back to the administrator without a look-up.
        """
        return (await self._handles.sign(int(admin.id, 16), INSTALLATION)).encode()

    async def _challenge(self, purpose: str, bound: str) -> bytes:
        """Return a new challenge, and delete expired ones.

        A session has one challenge for a registration: a new one replaces it.
        """
        challenge, now = secrets.token_bytes(32), clock.now()
        body = {
            "purpose": purpose,
            "bound": digest(bound),
            "expires": timestamp(now + _LIFETIME),
        }
        items = await self._accounts.items(INSTALLATION, CHALLENGE_KIND)
        replaced = {name: body[name] for name in ("purpose", "bound")}
        old = [
            replace(item, body=None)
            for item in items
            if item.body["expires"] <= timestamp(now)
            or (
                purpose == _REGISTRATION
                and {name: item.body.get(name) for name in replaced} == replaced
            )
        ]
        made = Item(INSTALLATION, CHALLENGE_KIND, digest(_encode(challenge)), body)
        await self._accounts.administer([made, *old])
        return challenge

    async def _answered(
        self, purpose: str, bound: str, response: str
    ) -> tuple[dict[str, Json], bytes, Item]:
        """Return a response as JSON, with the challenge that it answers.

        Raises:
            ScimError: 400 if it answers no challenge that was handed out for this purpose and
                place.
        """
        try:
            raw = orjson.loads(response)
            client = orjson.loads(_decode(raw["response"]["clientDataJSON"]))
            challenge = _decode(client["challenge"])
        except _MALFORMED:
            raise _not_accepted() from None
        item = await self._accounts.item(INSTALLATION, CHALLENGE_KIND, digest(_encode(challenge)))
        wanted = {"purpose": purpose, "bound": digest(bound)}
        if item is None or {name: item.body[name] for name in wanted} != wanted:
            raise invalid_value("passkey: this page has expired. Try again")
        if item.body["expires"] <= timestamp():
            raise invalid_value("passkey: that took too long. Try again")
        return raw, challenge, item

    async def _stored(self, admin_id: str) -> Item:
        """Return the item with the passkeys of an administrator, as stored."""
        item = await self._accounts.item(INSTALLATION, PASSKEYS_KIND, admin_id)
        return item or Item(INSTALLATION, PASSKEYS_KIND, admin_id, None)


def _check_addable(admin: Admin, there: Sequence[Passkey]) -> None:
    if admin.connector is not None:
        raise ScimError(409, "You sign in with OpenID Connect. Set up passkeys there.")
    if len(there) >= _MOST:
        raise ScimError(409, f"You can have at most {_MOST} passkeys. Remove one first.")


def _check_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > _MAX_NAME or not name.isprintable():
        raise invalid_value(f"name: enter 1 to {_MAX_NAME} characters")
    return name


def _not_accepted() -> ScimError:
    return invalid_value("passkey: the response of the authenticator was not accepted. Try again")


def _passkeys(item: Item) -> tuple[Passkey, ...]:
    kept = [] if item.body is None else item.body["passkeys"]
    return tuple(
        Passkey(**{field.name: each[field.name] for field in fields(Passkey)}) for each in kept
    )


def _item(admin_id: str, passkeys: Sequence[Passkey]) -> Item:
    body = {"passkeys": [asdict(passkey) for passkey in passkeys]} if passkeys else None
    return Item(INSTALLATION, PASSKEYS_KIND, admin_id, body)


def _found(item: Item, passkey_id: str) -> Passkey:
    for passkey in _passkeys(item):
        if passkey.id == passkey_id:
            return passkey
    raise not_found("Passkey not found. It may have been removed.")


def _encode(raw: bytes) -> str:
    """Encode as base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    """Decode base64url without padding. Raises ValueError."""
    return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)

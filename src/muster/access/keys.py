"""API keys: JWTs, stored only as SHA-256 hashes and checked at every request."""

import base64
import contextlib
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import jwt
import orjson

from muster.access import allowlist
from muster.access.allowlist import Network
from muster.access.audit_notes import Administrator
from muster.access.claims import claimed, read_claim
from muster.access.connections import DEFAULT, Connection, all_connections, barred_from
from muster.access.kept_answers import Kept, keep_nothing
from muster.access.oauth.bearers import Bearers
from muster.access.oauth.clients import PRIVATE_KEY
from muster.access.permissions import ADMIN
from muster.access.protection import protected_users
from muster.access.rate_limit import capped, limit_of
from muster.access.registries import Registries
from muster.access.roles import KEY_CLAIM, KEY_CLAIM_KIND, ROLE_KIND
from muster.base import clock
from muster.base.clock import timestamp
from muster.scim.errors import ScimError, invalid_value, not_found, uniqueness
from muster.scim.schema.model import Registry
from muster.storage.port.accounts import Accounts, KeyRecord, Workspace
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.errors import Outdated
from muster.storage.port.items import INSTALLATION, Item

_ALGORITHM = "HS256"
_API_KEY = "api_key"
"""The kind of credential that an API key is, beside those of Bearer."""
_ISSUER = "muster"
_CACHED = 10_000
_SHA256 = hashlib.sha256()
_TRIES = 5
_LONGEST = timedelta(days=10 * 366)


@dataclass(frozen=True, slots=True)
class Grant:
    """The access that a valid key grants.

    Attributes:
        workspace: The workspace of the key.
        key: The stored key.
        actor: The key's name in the audit log.
        place: The id of the workspace and of the key.
        limit: Requests per minute; None for the server default, 0 for no limit.
        expires: Seconds since 1970; None if it never expires.
        permissions: The permissions of the key and of its role.
        registry: The schemas and resource types of the workspace.
        networks: The IP allowlist that applies; empty to allow all.
        connection: The connection of the key.
        through: The workspace with the settings of the connection.
        barred: The connections whose resources the key may not change, by stored id.
        protected: The ids of the workspace's protected users.
        counted_as: The names of the workspace and the connection with a NUL between them, which
            neither can have; one text, so that counting a request hashes no more than it must.
        refusal: Why SCIM refuses the credential, whose kind the workspace does not accept; None if
            it does not.
    """

    workspace: Workspace
    key: KeyRecord
    actor: str
    place: tuple[int, str]
    limit: int | None
    expires: float | None
    permissions: tuple[str, ...]
    registry: Registry
    networks: tuple[Network, ...]
    connection: Connection
    through: Workspace
    barred: Mapping[str | None, str]
    protected: frozenset[str] = frozenset()
    refusal: str | None = None

    counted_as: str = ""

    @property
    def opens_scim_alone(self) -> bool:
        """Whether it is the access token of an OAuth client or of a trusted issuer."""
        return not self.actor.startswith("key:")

    def admits(self, address: str) -> bool:
        """Return whether the workspace accepts requests from an address."""
        return not self.networks or allowlist.admits(self.networks, address)


def state_of(key: KeyRecord, now: datetime) -> str:
    """Return the state of a key: active, expired or revoked."""
    return (
        "revoked"
        if key.revoked
        else "expired"
        if key.expires is not None and key.expires < timestamp(now)
        else "active"
    )


def check_expiry(moment: datetime) -> None:
    """Check a time at which a key is to expire.

    Raises:
        ScimError: 400 if it has passed, or is too far away.
    """
    now = clock.now()
    if moment <= now:
        raise invalid_value(
            "expires: must be in the future. To end a key at once, revoke it instead."
        )
    if moment - now > _LONGEST:
        raise invalid_value("expires: must be within 10 years. Leave it out for a key that stays.")


@dataclass(frozen=True, slots=True)
class KeyOptions:
    """The options of a new key.

    Attributes:
        permissions: The key's own permissions.
        rate_limit: Requests per minute; None for the default of the workspace.
        lifetime: The time until it expires; None for never.
        role: The name of a role whose permissions it has as well.
        user: The id of the user that /Me returns.
        connection: The stored id of its connection; None for `default`.
    """

    permissions: tuple[str, ...] = (ADMIN,)
    rate_limit: int | None = None
    lifetime: timedelta | None = None
    role: str | None = None
    user: str | None = None
    connection: str | None = None


_DEFAULTS = KeyOptions()


class Keys:
    """Creates, checks, rotates and revokes keys.

    Args:
        accounts: The storage.
        rate_limit: The server default in requests per minute.
        ceiling: The highest limit of any key in requests per minute; 0 for no ceiling.
        registries: The registries of all workspaces; None to build them here.
        bearers: Reads bearer tokens that are no API keys; None to accept API keys alone.
    """

    def __init__(
        self,
        accounts: Accounts,
        rate_limit: int | None = None,
        ceiling: int = 0,
        registries: Registries | None = None,
        bearers: Bearers | None = None,
    ) -> None:
        self._accounts = accounts
        self._bearers = bearers
        self._rate_limit = rate_limit
        self.ceiling = ceiling
        self._grants: dict[bytes, Grant] = {}
        self._epoch = -1
        self._secret: bytes | None = None
        self._registries = registries or Registries(accounts)

    async def create(
        self,
        workspace: Workspace,
        name: str,
        options: KeyOptions = _DEFAULTS,
        by: Administrator | None = None,
        also: Sequence[Item] = (),
        standing: Sequence[Item] = (),
        keep: Callable[[str, KeyRecord], Kept] = keep_nothing,
    ) -> tuple[str, KeyRecord]:
        """Create a key.

        Args:
            workspace: The workspace.
            name: The display name.
            options: Its permissions, limit, lifetime, role and user.
            by: The administrator; None for the command line.
            also: Further items to store in the same transaction.
            standing: Items that must not have changed since they were read.
            keep: Returns the items to store in the same transaction, by the token and the key.

        Returns:
            The token, which is not stored, and the stored key.

        Raises:
            ScimError: 404 if the workspace has no such role.
            Outdated: The role, or one of the items in `standing` or of `keep`, has changed.
        """
        now = clock.now()
        standing = [*standing, *await self._role(workspace.id, options.role)]
        key_id = secrets.token_hex(8)
        claims: dict[str, object] = {
            "iss": _ISSUER,
            "sub": key_id,
            "wid": workspace.id,
            "iat": int(now.timestamp()),
            "jti": secrets.token_urlsafe(32),
        }
        expires = None if options.lifetime is None else now + options.lifetime
        if expires is not None:
            claims["exp"] = int(expires.timestamp())
        token = jwt.encode(claims, await self._signing_secret(), algorithm=_ALGORITHM)
        record = KeyRecord(
            workspace.id,
            key_id,
            name,
            _digest(token),
            options.permissions,
            options.rate_limit,
            timestamp(now),
            None if expires is None else timestamp(expires),
            None,
            None,
            options.role,
            options.user,
            options.connection,
        )
        detail = {
            "name": name,
            "permissions": options.permissions,
            "role": options.role,
            "user": options.user,
            "expires": record.expires,
            "connection": options.connection or DEFAULT,
        }
        note = self._by(workspace, by).note("ApiKey", key_id, "create", **detail)
        kept = keep(token, record)
        await self._accounts.administer(
            [record, *also, *kept.puts], [note, *kept.notes], [*standing, *kept.standing]
        )
        return token, record

    async def _role(self, workspace: int, name: str | None) -> list[Item]:
        """Return the item of a custom role, so that it is not renamed or deleted meanwhile."""
        if name is None or name == ADMIN:
            return []
        item = await self._accounts.item(workspace, ROLE_KIND, name)
        if item is None:
            raise not_found(f"Role {name[:100]!r} not found.")
        return [item]

    async def create_named(
        self,
        workspace: Workspace,
        name: str,
        options: KeyOptions,
        by: Administrator,
        keep: Callable[[str, KeyRecord], Kept] = keep_nothing,
    ) -> tuple[str, KeyRecord]:
        """Create a key with a name that no other active key of the workspace has.

        Args:
            workspace: The workspace.
            name: The display name.
            options: Its permissions, limit, lifetime, role and user.
            by: The administrator.
            keep: Returns the items to store in the same transaction, by the token and the key.

        Returns:
            The token, which is not stored, and the stored key.

        Raises:
            ScimError: 409 if an active key has the name.
            Outdated: Other keys keep being named at the same time.
        """
        for _ in range(_TRIES):
            claim = await self._claim(workspace.id)
            await self._check_name(workspace.id, name)
            with contextlib.suppress(Outdated):
                claims = ([claimed(claim)], [claim])
                return await self.create(workspace, name, options, by, *claims, keep)
        raise Outdated

    async def edit(
        self, workspace: Workspace, key: KeyRecord, changes: dict[str, Any], by: Administrator
    ) -> KeyRecord:
        """Change the name, rate limit or expiry of a key.

        Args:
            workspace: The workspace.
            key: The key.
            changes: The new values of `name`, `rate_limit` and `expires`; others stay.
            by: The administrator.

        Raises:
            ScimError: 409 if the key is revoked, or another active key has the name.
            Outdated: The key no longer exists, or keeps changing.
        """
        standing: KeyRecord | None = key
        for _ in range(_TRIES):
            if standing is None:
                break
            changed = replace(standing, **changes)
            if changed == standing:
                return standing
            claim = await self._claim(workspace.id)
            await self._check_edit(standing, changed)
            note = by.note("ApiKey", key.id, "update", **_detail(standing, changed))
            try:
                await self._accounts.administer(
                    [changed, claimed(claim)], [note], [standing, claim]
                )
                return changed
            except Outdated:
                standing = await self._accounts.key(key.workspace, key.id)
        raise Outdated

    async def _check_edit(self, key: KeyRecord, changed: KeyRecord) -> None:
        """Check that a key may be changed, and have its name from then on.

        A key that was rotated shares its name with its successor while both are active.

        Raises:
            ScimError: 409.
        """
        if key.revoked is not None:
            raise ScimError(409, "The key is revoked. Create another key instead.")
        now = clock.now()
        returns = state_of(key, now) != "active" and state_of(changed, now) == "active"
        if returns or changed.name != key.name:
            await self._check_name(key.workspace, changed.name, key.id)

    async def _check_name(self, workspace: int, name: str, own: str = "") -> None:
        """Raise ScimError 409 if another active key has a name, whatever its case."""
        now = clock.now()
        for key in await self._accounts.keys(workspace):
            same = key.name.casefold() == name.casefold() and key.id != own
            if same and state_of(key, now) == "active":
                raise uniqueness(
                    f'name: the active key "{key.name}" ({key.id}) has this name. Choose another'
                    " name, or rotate or revoke that key."
                )

    async def _claim(self, workspace: int) -> Item:
        return await read_claim(self._accounts, workspace, KEY_CLAIM_KIND, KEY_CLAIM)

    def _by(self, workspace: Workspace, by: Administrator | None) -> Administrator:
        """Return the administrator, or the command line if none is given."""
        return by or Administrator(workspace, ChangeOrigin("command", "", timestamp()), (ADMIN,))

    async def rotate(
        self,
        workspace: Workspace,
        key: KeyRecord,
        overlap: timedelta,
        by: Administrator | None = None,
    ) -> tuple[str, KeyRecord]:
        """Replace a key by a new one with the same permissions, limit and lifetime.

        Args:
            workspace: The workspace.
            key: The key to replace.
            overlap: The time for which the old key remains valid.
            by: The administrator; None for the command line.

        Returns:
            The new token and the new stored key.

        Raises:
            Outdated: Other keys keep being named at the same time.
        """
        lasts = (
            None
            if key.expires is None
            else datetime.fromisoformat(key.expires) - datetime.fromisoformat(key.created)
        )
        made = await self._successor(workspace, key, lasts, by)
        end = timestamp(clock.now() + overlap)
        note = self._by(workspace, by).note(
            "ApiKey",
            key.id,
            "rotate",
            name=key.name,
            expires=min(end, key.expires or end),
            next=made[1].id,
        )
        await self._set(
            key, note, lambda standing: replace(standing, expires=min(end, standing.expires or end))
        )
        return made

    async def _successor(
        self,
        workspace: Workspace,
        key: KeyRecord,
        lasts: timedelta | None,
        by: Administrator | None,
    ) -> tuple[str, KeyRecord]:
        """Create a key like another. Its role may be renamed at the same time."""
        for _ in range(_TRIES):
            claim = await self._claim(workspace.id)
            key = await self._accounts.key(workspace.id, key.id) or key
            options = KeyOptions(
                key.permissions, key.rate_limit, lasts, key.role, key.user, key.connection
            )
            with contextlib.suppress(Outdated):
                return await self.create(
                    workspace, key.name, options, by, [claimed(claim)], [claim]
                )
        raise Outdated

    async def revoke(
        self, workspace: Workspace, key: KeyRecord, by: Administrator | None = None
    ) -> None:
        """Revoke a key, effective from the next request in every worker."""
        note = self._by(workspace, by).note("ApiKey", key.id, "revoke", name=key.name)
        now = timestamp()
        await self._set(key, note, lambda standing: replace(standing, revoked=now))

    async def limit(
        self,
        workspace: Workspace,
        key: KeyRecord,
        rate_limit: int | None,
        by: Administrator | None = None,
    ) -> None:
        """Set the rate limit of a key, in requests per minute; None for the default."""
        note = self._by(workspace, by).note(
            "ApiKey", key.id, "update", name=key.name, rateLimit=rate_limit
        )
        await self._set(key, note, lambda standing: replace(standing, rate_limit=rate_limit))

    async def _set(
        self, key: KeyRecord, note: Note, change: Callable[[KeyRecord], KeyRecord]
    ) -> None:
        """Change a key, retrying if it has changed since it was read.

        Raises:
            Outdated: The key no longer exists, or keeps changing.
        """
        standing: KeyRecord | None = key
        for _ in range(_TRIES):
            if standing is None:
                break
            try:
                return await self._accounts.administer([change(standing)], [note], [standing])
            except Outdated:
                standing = await self._accounts.key(key.workspace, key.id)
        raise Outdated

    async def turned_away(self, grant: Grant, request_id: str, address: str) -> None:
        """Record in the audit log that the IP allowlist rejected a request."""
        origin = ChangeOrigin(grant.actor, request_id, timestamp(), address)
        detail = {"attempted": "request", "detail": f"the IP allowlist does not include {address}"}
        await self._accounts.record(
            [
                Note(
                    grant.workspace.id,
                    origin,
                    "ApiKey",
                    grant.key.id,
                    "refuse",
                    orjson.dumps(detail),
                )
            ]
        )

    def known(self, token: str) -> Grant | None:
        """Return the cached grant of a token; None if it must be checked with `check`."""
        epoch = self._accounts.epoch()
        if epoch != self._epoch:
            self._grants.clear()
            self._epoch = epoch
        grant = self._grants.get(_digest(token))
        if grant is None or (grant.expires is not None and clock.seconds() >= grant.expires):
            return None
        return grant

    async def check(self, token: str) -> Grant | None:
        """Return the grant of a token; None if it is not a valid key."""
        known = self.known(token)
        if known is not None:
            return known
        epoch, digest = self._epoch, _digest(token)
        grant = await self._read(token, digest)
        if grant is None or (grant.expires is not None and clock.seconds() >= grant.expires):
            return None
        if epoch == self._accounts.epoch():  # do not cache a grant that was read before a change
            if len(self._grants) >= _CACHED:
                self._grants.clear()
            # The key's own copy of the digest; a token of another kind has none.
            self._grants[grant.key.digest if grant.key.digest == digest else digest] = grant
        return grant

    async def meant(self, token: str) -> Grant:
        """Return a grant without permissions, for logging a request with an invalid token.

        The request is logged under the key that the token names, which may be revoked, expired or
        mistyped; ids of keys cannot be guessed. If the token names no key, the key id is empty and
        the workspace is the only one of the installation; if there are several, it is a workspace
        with the id INSTALLATION and no name, whose requests no workspace shows as its own.
        """
        claims = _named(token)
        record = None if claims is None else await self._accounts.key(*claims)
        if record is not None:
            workspace = await self._accounts.workspace(record.workspace)
        else:
            workspaces = await self._accounts.workspaces()
            workspace = workspaces[0] if len(workspaces) == 1 else None
        if workspace is None:
            workspace = Workspace(INSTALLATION, "", "rfc7644", strict=False, created="")
            record = None
        if record is None:
            record = KeyRecord(
                workspace.id, "", "", b"", (), None, "", None, None, None, None, None
            )
        place = (workspace.id, record.id)
        return Grant(
            workspace,
            record,
            f"key:{record.id}",
            place,
            None,
            None,
            (),
            await self._registries.of(workspace),
            (),
            Connection(),
            workspace,
            {},
            counted_as=f"{workspace.name}\0" if workspace.name else "",
        )

    @property
    def epoch(self) -> int:
        """The epoch of accounts and settings at the last check."""
        return self._epoch

    async def _read(self, token: str, digest: bytes) -> Grant | None:
        claims = _claims(token, await self._signing_secret())
        if claims is None:
            bearer = None if self._bearers is None else await self._bearers.find(token)
            if bearer is None:
                return None
            return await self._grant(bearer.key, bearer.actor, bearer.expires, bearer.auth)
        record = await self._accounts.key(*claims)
        if (
            record is None
            or not hmac.compare_digest(record.digest, digest)
            or record.revoked is not None
        ):
            return None
        expires = (
            None if record.expires is None else datetime.fromisoformat(record.expires).timestamp()
        )
        return await self._grant(record, f"key:{record.id}", expires)

    async def _grant(
        self, record: KeyRecord, actor: str, expires: float | None, auth: str = _API_KEY
    ) -> Grant | None:
        """Return the access of a credential; None if its workspace or connection is gone."""
        workspace = await self._accounts.workspace(record.workspace)
        if workspace is None:
            return None
        permissions = record.permissions
        if record.role is not None:
            roles = {
                item.id: item.body for item in await self._accounts.items(workspace.id, ROLE_KIND)
            }
            permissions += tuple(roles.get(record.role, {}).get("permissions", ()))
        every = await all_connections(self._accounts, workspace.id)
        owner = record.connection or DEFAULT
        connection = next((one for one in every if one.id == owner), None)
        if connection is None:
            return None
        through = connection.through(workspace)
        networks = allowlist.networks(through.ip_allowlist)
        limit = capped(limit_of(record, through, self._rate_limit), self.ceiling)
        named = (actor, (record.workspace, record.id), limit)
        return Grant(
            workspace,
            record,
            *named,
            expires,
            permissions,
            await self._registries.of(workspace),
            networks,
            connection,
            through,
            barred_from(connection, every),
            await protected_users(self._accounts, workspace.id),
            _refusal(workspace, auth),
            f"{workspace.name}\0{connection.name}",
        )

    async def _signing_secret(self) -> bytes:
        if self._secret is None:
            self._secret = await self._accounts.signing_secret()
        return self._secret


def _refusal(workspace: Workspace, auth: str) -> str | None:
    """Return why SCIM refuses a valid credential; None if it does not.

    Args:
        workspace: The workspace.
        auth: _API_KEY, or the `auth` of a Bearer.
    """
    accepted, is_key = workspace.scim_credentials, auth == _API_KEY
    if workspace.is_ipsie and auth != PRIVATE_KEY:
        return (
            "The profile of the workspace, ipsie, accepts only access tokens of OAuth clients that"
            " authenticate with private_key_jwt."
        )
    if accepted == "oauth" and is_key:
        return (
            "The workspace accepts no API keys for SCIM. Use an access token of an OAuth client, or"
            " a token of an issuer that the workspace trusts."
        )
    if accepted == "keys" and not is_key:
        return "The workspace accepts no OAuth tokens for SCIM. Use an API key."
    return None


def _detail(key: KeyRecord, changed: KeyRecord) -> dict[str, object]:
    """Return the new values of a key and its name, as the audit log records them."""
    names = {"rate_limit": "rateLimit", "expires": "expires"}
    found: dict[str, object] = {"name": changed.name}
    if changed.name != key.name:
        found["formerName"] = key.name
    return found | {
        shown: getattr(changed, name)
        for name, shown in names.items()
        if getattr(changed, name) != getattr(key, name)
    }


def _claims(token: str, secret: bytes) -> tuple[int, str] | None:
    """Verify a token's signature and return its workspace and key ids, or None."""
    try:
        claims = jwt.decode(
            token,
            secret,
            algorithms=[_ALGORITHM],
            issuer=_ISSUER,
            options={"verify_exp": False, "verify_iat": False, "require": ["sub", "wid", "jti"]},
        )
    except (jwt.InvalidTokenError, ValueError):
        return None
    return _place_of(claims)


def _place_of(claims: dict[str, object]) -> tuple[int, str] | None:
    workspace, key_id = claims.get("wid"), claims.get("sub")
    if not isinstance(workspace, int) or not 0 < workspace < 2**31 or not isinstance(key_id, str):
        return None
    return workspace, key_id


def _named(token: str) -> tuple[int, str] | None:
    """Return the workspace and key ids in an unverified token, or None.

    A token that was copied without its end still names its key.
    """
    _, _, rest = token.partition(".")
    payload = rest.partition(".")[0].encode("utf-8", "replace")
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
    except ValueError:
        return None
    return _place_of(claims) if isinstance(claims, dict) else None


def _digest(token: str) -> bytes:
    digest = _SHA256.copy()  # copying takes half the time of hashlib.sha256()
    digest.update(token.encode("utf-8", "surrogateescape"))
    return digest.digest()

"""API keys: tokens in JWT form, kept as SHA-256 alone, checked at every request."""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import jwt
import orjson

from muster.access import allowlist
from muster.access.allowlist import Network
from muster.access.audit_notes import Administrator
from muster.access.permissions import ADMIN
from muster.access.rate_limit import capped, limit_of
from muster.access.registries import Registries
from muster.access.roles import ROLE_KIND
from muster.base import clock
from muster.base.clock import timestamp
from muster.scim.schema.model import Registry
from muster.storage.port.accounts import Accounts, KeyRecord, Workspace
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.errors import Outdated
from muster.storage.port.items import Item

_ALGORITHM = "HS256"
_ISSUER = "muster"
_CACHED = 10_000
_SHA256 = hashlib.sha256()
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Grant:
    """What a valid key grants. expires: seconds since 1970, or None. permissions: the key's own and its role's.

    actor: the key, as `changes` has it. place: its workspace and its id. limit: requests a minute, None for the installation's.
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

    def admits(self, address: str) -> bool:
        """Whether the workspace takes requests from an address."""
        return not self.networks or allowlist.admits(self.networks, address)


def state_of(key: KeyRecord, now: datetime) -> str:
    """Whether a key is active, expired or revoked."""
    return (
        "revoked"
        if key.revoked
        else "expired"
        if key.expires is not None and key.expires < timestamp(now)
        else "active"
    )


class Keys:
    """Makes, checks, rotates and revokes keys.

    Args:
        rate_limit: The installation's requests a minute.
        ceiling: The most requests a minute that any key gets; 0 for no ceiling.
        registries: The registries of all workspaces; None to build them here.
    """

    def __init__(
        self,
        accounts: Accounts,
        rate_limit: int | None = None,
        ceiling: int = 0,
        registries: Registries | None = None,
    ) -> None:
        self._accounts = accounts
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
        permissions: tuple[str, ...] = (ADMIN,),
        rate_limit: int | None = None,
        lifetime: timedelta | None = None,
        role: str | None = None,
        user: str | None = None,
        by: Administrator | None = None,
        also: Sequence[Item] = (),
        standing: Sequence[Item] = (),
    ) -> tuple[str, KeyRecord]:
        """A new key: the token, which is told this once, and the record that is kept. by: who makes it; the command without.

        also: items to store with it. standing: items that must still be as they were read; otherwise Outdated is raised.
        """
        now = clock.now()
        key_id = secrets.token_hex(8)
        claims: dict[str, object] = {
            "iss": _ISSUER,
            "sub": key_id,
            "wid": workspace.id,
            "iat": int(now.timestamp()),
            "jti": secrets.token_urlsafe(32),
        }
        expires = None if lifetime is None else now + lifetime
        if expires is not None:
            claims["exp"] = int(expires.timestamp())
        token = jwt.encode(claims, await self._signing_secret(), algorithm=_ALGORITHM)
        record = KeyRecord(
            workspace.id,
            key_id,
            name,
            _digest(token),
            permissions,
            rate_limit,
            timestamp(now),
            None if expires is None else timestamp(expires),
            None,
            None,
            role,
            user,
        )
        told = {
            "name": name,
            "permissions": permissions,
            "role": role,
            "user": user,
            "expires": record.expires,
        }
        note = self._by(workspace, by).note("ApiKey", key_id, "create", **told)
        await self._accounts.administer([record, *also], [note], standing)
        return token, record

    def _by(self, workspace: Workspace, by: Administrator | None) -> Administrator:
        """Who does something: whoever runs the command, where no one is named."""
        return by or Administrator(workspace, ChangeOrigin("command", "", timestamp()), (ADMIN,))

    async def rotate(
        self,
        workspace: Workspace,
        key: KeyRecord,
        overlap: timedelta,
        by: Administrator | None = None,
    ) -> tuple[str, KeyRecord]:
        """A new key with what another has, to last as long as that one was to, which ends after the overlap."""
        lasts = (
            None
            if key.expires is None
            else datetime.fromisoformat(key.expires) - datetime.fromisoformat(key.created)
        )
        made = await self.create(
            workspace, key.name, key.permissions, key.rate_limit, lasts, key.role, key.user, by
        )
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

    async def revoke(
        self, workspace: Workspace, key: KeyRecord, by: Administrator | None = None
    ) -> None:
        """End a key; it stops at the next request, in every worker."""
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
        """Set the key's own rate limit, in requests a minute; None for the installation's."""
        note = self._by(workspace, by).note(
            "ApiKey", key.id, "update", name=key.name, rateLimit=rate_limit
        )
        await self._set(key, note, lambda standing: replace(standing, rate_limit=rate_limit))

    async def _set(
        self, key: KeyRecord, note: Note, change: Callable[[KeyRecord], KeyRecord]
    ) -> None:
        """Change a key as it stands, which need not be as it was read. Raises Outdated where it has gone."""
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
        """Record that a request was refused for where it came from."""
        origin = ChangeOrigin(grant.actor, request_id, timestamp(), address)
        detail = {"attempted": "request", "detail": f"the IP allowlist does not admit {address}"}
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
        """What a token grants, as the last check of it found and nothing has changed since; else None, and check tells."""
        epoch = self._accounts.epoch()
        if epoch != self._epoch:
            self._grants.clear()
            self._epoch = epoch
        grant = self._grants.get(_digest(token))
        if grant is None or (grant.expires is not None and clock.seconds() >= grant.expires):
            return None
        return grant

    async def check(self, token: str) -> Grant | None:
        """What a token grants, or None where it is not a key that holds now."""
        known = self.known(token)
        if known is not None:
            return known
        epoch, digest = self._epoch, _digest(token)
        grant = await self._read(token, digest)
        if grant is None or (grant.expires is not None and clock.seconds() >= grant.expires):
            return None
        if epoch == self._accounts.epoch():  # what was read before a change must not outlive it
            if len(self._grants) >= _CACHED:
                self._grants.clear()
            self._grants[digest] = grant
        return grant

    async def meant(self, token: str) -> Grant | None:
        """The grant to record a request under whose token is not valid; it must not be used for anything else.

        It is that of the key that the token names, which may be revoked, expired or mistyped: the id of a key cannot be guessed.
        If the token names none, it has an empty key id, and the workspace is the only one of the installation.
        """
        claims = _named(token)
        record = None if claims is None else await self._accounts.key(*claims)
        if record is not None:
            workspace = await self._accounts.workspace(record.workspace)
        else:
            workspaces = await self._accounts.workspaces()
            workspace = workspaces[0] if len(workspaces) == 1 else None
        if workspace is None:
            return None
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
        )

    @property
    def epoch(self) -> int:
        """The epoch of accounts and settings that the last check saw."""
        return self._epoch

    async def _read(self, token: str, digest: bytes) -> Grant | None:
        claims = _claims(token, await self._signing_secret())
        if claims is None:
            return None
        record = await self._accounts.key(*claims)
        if (
            record is None
            or not hmac.compare_digest(record.digest, digest)
            or record.revoked is not None
        ):
            return None
        workspace = await self._accounts.workspace(record.workspace)
        if workspace is None:
            return None
        expires = (
            None if record.expires is None else datetime.fromisoformat(record.expires).timestamp()
        )
        permissions = record.permissions
        if record.role is not None:
            roles = {
                item.id: item.body for item in await self._accounts.items(workspace.id, ROLE_KIND)
            }
            permissions += tuple(roles.get(record.role, {}).get("permissions", ()))
        networks = allowlist.networks(workspace.ip_allowlist)
        limit = capped(limit_of(record, workspace, self._rate_limit), self.ceiling)
        named = (f"key:{record.id}", (record.workspace, record.id), limit)
        return Grant(
            workspace,
            record,
            *named,
            expires,
            permissions,
            await self._registries.of(workspace),
            networks,
        )

    async def _signing_secret(self) -> bytes:
        if self._secret is None:
            self._secret = await self._accounts.signing_secret()
        return self._secret


def _claims(token: str, secret: bytes) -> tuple[int, str] | None:
    """The workspace and key that a token signed by this installation names."""
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
    """The workspace and key that a token names, whoever signed it."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        return None
    return _place_of(claims)


def _digest(token: str) -> bytes:
    digest = _SHA256.copy()  # at half of what it costs to look the algorithm up
    digest.update(token.encode("utf-8", "surrogateescape"))
    return digest.digest()

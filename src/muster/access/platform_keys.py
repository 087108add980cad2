"""Platform keys: credentials of the platform API, which administers every workspace.

A platform key is `muster_platform_`, its id and a secret. Only a SHA-256 hash is stored, in an
item of the installation. The prefix lets people and scanners of leaked secrets recognise it. It is
no JWT, so no workspace accepts it; and no API key has the prefix, so the platform accepts none.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import orjson

from muster.base import clock
from muster.base.clock import timestamp
from muster.scim.errors import ScimError, invalid_value, not_found, uniqueness
from muster.storage.port.accounts import Accounts
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.errors import Outdated
from muster.storage.port.items import INSTALLATION, PLATFORM_KEY_USE_KIND, Item

PREFIX = "muster_platform_"
PLATFORM_KEY_KIND = "platform-key"
MAX_NAME = 200
MAX_KEYS = 100
"""Platform keys of an installation that are not revoked."""
_TOKEN = re.compile(rf"{PREFIX}([0-9a-f]{{16}})_[\w-]{{43}}", re.ASCII)
_NAMES_KIND = "platform-key-names"
"""The item that every new key rewrites, so that two at once do not both pass."""
_TRIES = 5


@dataclass(frozen=True, slots=True)
class PlatformKey:
    """A platform key as it is stored.

    Attributes:
        id: Its id, which the token contains.
        name: Its name.
        digest: The SHA-256 of the token, in hexadecimal.
        created: The time of creation.
        created_by: The actor who created it.
        expires: The time at which it expires; None for never.
        revoked: The time at which it was revoked; None if it was not.
    """

    id: str
    name: str
    digest: str
    created: str
    created_by: str
    expires: str | None = None
    revoked: str | None = None

    @property
    def actor(self) -> str:
        """The key's name in the audit log."""
        return f"platform:{self.id}"

    @property
    def place(self) -> tuple[int, str]:
        """The key as the rate limit counts it."""
        return INSTALLATION, self.id

    def state(self, now: datetime) -> str:
        """Return `active`, `expired` or `revoked`."""
        if self.revoked is not None:
            return "revoked"
        return (
            "expired" if self.expires is not None and self.expires <= timestamp(now) else "active"
        )


class PlatformKeys:
    """Creates, checks and revokes platform keys."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._known: dict[str, PlatformKey] = {}
        self._epoch = -1

    @property
    def epoch(self) -> int:
        """The epoch of the keys at the last check."""
        return self._epoch

    async def all(self) -> Sequence[PlatformKey]:
        """Return the platform keys, newest first."""
        items = await self._accounts.items(INSTALLATION, PLATFORM_KEY_KIND)
        return sorted(map(_key, items), key=lambda key: (key.created, key.id), reverse=True)

    async def last_used(self) -> dict[str, str]:
        """Return the time at which each key was last used, by its id."""
        items = await self._accounts.items(INSTALLATION, PLATFORM_KEY_USE_KIND)
        return {item.id: item.body["time"] for item in items}

    async def create(
        self, name: str, origin: ChangeOrigin, lifetime: timedelta | None = None
    ) -> tuple[str, PlatformKey]:
        """Create a platform key.

        Args:
            name: Its name, which no other active platform key has.
            origin: Who creates it.
            lifetime: The time until it expires; None for never.

        Returns:
            The token, which is not stored, and the stored key.

        Raises:
            ScimError: 400 if the name is invalid or there are too many keys; 409 if it is taken.
            Outdated: Other keys keep being created at the same time.
        """
        name = name.strip()
        if not 0 < len(name) <= MAX_NAME or not name.isprintable():
            raise invalid_value(f"name: enter a name of 1 to {MAX_NAME} characters")
        key_id = secrets.token_hex(8)
        token = f"{PREFIX}{key_id}_{secrets.token_urlsafe(32)}"
        now = clock.now()
        expires = None if lifetime is None else timestamp(now + lifetime)
        made = PlatformKey(key_id, name, _digest(token), timestamp(now), origin.actor, expires)
        for _ in range(_TRIES):
            found = await self._accounts.item(INSTALLATION, _NAMES_KIND, "latest")
            claim = found or Item(INSTALLATION, _NAMES_KIND, "latest", None)
            await self._check_new(name)
            claimed = replace(claim, body={"key": key_id})
            try:
                await self._accounts.administer(
                    [_item(made), claimed], [_note(made, "create", origin)], [claim]
                )
                return token, made
            except Outdated:
                continue
        raise Outdated

    async def _check_new(self, name: str) -> None:
        now = clock.now()
        active = [key for key in await self.all() if key.state(now) == "active"]
        if len(active) >= MAX_KEYS:
            raise invalid_value(
                f"An installation has at most {MAX_KEYS} active platform keys. Revoke one first."
            )
        if any(key.name.casefold() == name.casefold() for key in active):
            raise uniqueness(f"name: an active platform key {name!r} exists already")

    async def revoke(self, key_id: str, origin: ChangeOrigin) -> PlatformKey:
        """Revoke a platform key, effective from the next request in every worker.

        Raises:
            ScimError: 404 if it does not exist; 409 if it is revoked already.
        """
        item = await self._accounts.item(INSTALLATION, PLATFORM_KEY_KIND, key_id)
        if item is None:
            raise not_found("Platform key not found.")
        key = _key(item)
        if key.revoked is not None:
            raise ScimError(409, "This platform key is revoked already.")
        revoked = replace(key, revoked=timestamp())
        await self._accounts.administer([_item(revoked)], [_note(key, "revoke", origin)], [item])
        return revoked

    async def check(self, token: str) -> PlatformKey | None:
        """Return the key of a token; None if it is not an active platform key."""
        matched = _TOKEN.fullmatch(token)
        if matched is None:
            return None
        key = await self._find(matched[1])
        if key is None or not hmac.compare_digest(key.digest, _digest(token)):
            return None
        return key if key.state(clock.now()) == "active" else None

    async def _find(self, key_id: str) -> PlatformKey | None:
        """Return the key with an id; only keys that exist are cached, so their number is bound."""
        epoch = self._accounts.epoch()
        if epoch != self._epoch:
            self._known.clear()
            self._epoch = epoch
        found = self._known.get(key_id)
        if found is not None:
            return found
        item = await self._accounts.item(INSTALLATION, PLATFORM_KEY_KIND, key_id)
        if item is None:
            return None
        key = _key(item)
        if epoch == self._accounts.epoch():  # do not cache a key that was read before a change
            self._known[key_id] = key
        return key

    async def touch(self, used: set[str]) -> None:
        """Record that keys were used now, by their ids."""
        now = clock.now().isoformat(timespec="seconds")
        items = [Item(INSTALLATION, PLATFORM_KEY_USE_KIND, key, {"time": now}) for key in used]
        await self._accounts.record([], items)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _key(item: Item) -> PlatformKey:
    body = item.body
    who = (item.id, body["name"], body["digest"], body["created"], body["createdBy"])
    return PlatformKey(*who, body.get("expires"), body.get("revoked"))


def _item(key: PlatformKey) -> Item:
    body = {
        "name": key.name,
        "digest": key.digest,
        "created": key.created,
        "createdBy": key.created_by,
        "expires": key.expires,
        "revoked": key.revoked,
    }
    return Item(INSTALLATION, PLATFORM_KEY_KIND, key.id, body)


def _note(key: PlatformKey, action: str, origin: ChangeOrigin) -> Note:
    detail = orjson.dumps({"name": key.name, "expires": key.expires})
    return Note(INSTALLATION, origin, "PlatformKey", key.id, action, detail)

"""Values that a page shows once after a form submission, such as a new key.

They are stored in the database, so that any worker can show them, and encrypted with a key that is
only in the browser's cookie. Reading deletes them in the same step, so only one of two concurrent
readers gets them.
"""

import base64
import hashlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from muster.access.administrators import digest
from muster.base import clock
from muster.scim.values import Json
from muster.storage.port.accounts import Accounts
from muster.storage.port.errors import Outdated, StorageError
from muster.storage.port.items import INSTALLATION, Item
from muster.storage.port.resources import FLASH_KIND

SECONDS = 60
_NONCE = 12


class Flashes:
    """Stores values for the next page of a session and returns them once."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def put(self, session: str, place: str, values: Mapping[str, Json]) -> str:
        """Store values for one page of a session and return the token for the cookie.

        Args:
            session: The id of the session.
            place: The path of the page.
            values: The values to show, by name.
        """
        token, now = secrets.token_urlsafe(32), clock.now()
        nonce = os.urandom(_NONCE)
        sealed = nonce + _cipher(token).encrypt(nonce, orjson.dumps(values), _bound(session, place))
        body = {
            "place": place,
            "expires": (now + timedelta(seconds=SECONDS)).isoformat(),
            "sealed": base64.b64encode(sealed).decode(),
        }
        kept = await self._accounts.items(INSTALLATION, FLASH_KIND)
        ended = [
            replace(item, body=None) for item in kept if item.body["expires"] <= now.isoformat()
        ]
        await self._accounts.administer(
            [Item(INSTALLATION, FLASH_KIND, digest(token), body), *ended]
        )
        return token

    async def take(self, session: str, place: str, token: str) -> dict[str, Any] | None:
        """Remove the values of a token and return them.

        Returns:
            The values by name; None if the token is unknown, expired or for another page.
        """
        try:
            item = await self._accounts.item(INSTALLATION, FLASH_KIND, digest(token))
            if (
                item is None
                or item.body["place"] != place
                or item.body["expires"] <= clock.now().isoformat()
            ):
                return None
            values = _opened(token, item.body["sealed"], _bound(session, place))
            if values is not None:
                await self._accounts.administer([replace(item, body=None)], (), [item])
        except (Outdated, StorageError):
            # Another request has taken the values, or they cannot be deleted now. Showing them
            # without deleting them would let them be shown twice.
            return None
        return values


def _opened(token: str, sealed: str, bound: bytes) -> dict[str, Any] | None:
    raw = base64.b64decode(sealed)
    try:
        values: dict[str, Any] = orjson.loads(
            _cipher(token).decrypt(raw[:_NONCE], raw[_NONCE:], bound)
        )
    except InvalidTag:  # the cookie belongs to another session or page
        return None
    return values


def _cipher(token: str) -> AESGCM:
    """Return the cipher of a token.

    The database stores a different hash of the token, so the key cannot be derived from it.
    """
    return AESGCM(
        hashlib.sha256(b"muster flash " + token.encode("utf-8", "surrogateescape")).digest()
    )


def _bound(session: str, place: str) -> bytes:
    return f"{session} {place}".encode("utf-8", "surrogateescape")

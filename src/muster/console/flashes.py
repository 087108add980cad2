"""Values that one page shows once after a form was sent: messages, and secrets such as a new API key.

They wait in the database, so that any worker can show them, encrypted under a key that only the browser's cookie has. Whoever
reads them deletes them in the same step: of two readers one gets them.
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
    """Stores values for the next page of a session, and hands them out once."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def put(self, session: str, place: str, values: Mapping[str, Json]) -> str:
        """Store values for one page of a session; return the token that the cookie carries.

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
        """Remove the values that a token stands for, and return them; None if they are not for this session and page."""
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
        except (
            Outdated,
            StorageError,
        ):  # another view took them, or they cannot be deleted now: no view may be the second
            return None
        return values


def _opened(token: str, sealed: str, bound: bytes) -> dict[str, Any] | None:
    raw = base64.b64decode(sealed)
    try:
        values: dict[str, Any] = orjson.loads(
            _cipher(token).decrypt(raw[:_NONCE], raw[_NONCE:], bound)
        )
    except InvalidTag:  # the cookie came to another session
        return None
    return values


def _cipher(token: str) -> AESGCM:
    """The cipher of a token: its key is in no database, which only has another hash of the token."""
    return AESGCM(
        hashlib.sha256(b"muster flash " + token.encode("utf-8", "surrogateescape")).digest()
    )


def _bound(session: str, place: str) -> bytes:
    return f"{session} {place}".encode("utf-8", "surrogateescape")

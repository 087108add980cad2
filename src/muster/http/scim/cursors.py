"""Cursors (RFC 9865): where the next page begins, signed, for one workspace and one query, for a while."""

import base64
import hashlib
import hmac
from dataclasses import dataclass

import orjson

from muster.base import clock
from muster.scim.errors import ScimError
from muster.storage.port.accounts import Accounts
from muster.storage.port.resources import Position

_MAC_BYTES = 16
_MAX_LENGTH = 8192


@dataclass(frozen=True, slots=True)
class Cursor:
    """kind: which of the resource types is listed next. places: where in it, or where in each of those that are merged; None for
    the beginning. total: of all, as the first page counted it.
    """

    kind: int
    places: tuple[Position | None, ...]
    total: int


class Cursors:
    """Makes and reads cursors. seconds: how long one holds."""

    def __init__(self, accounts: Accounts, seconds: int) -> None:
        self._accounts = accounts
        self._seconds = seconds
        self._secret: bytes | None = None

    async def write(self, cursor: Cursor, query: tuple[object, ...]) -> str:
        """The cursor as text that says nothing and cannot be changed. query: all that the listing depends on."""
        places = [None if place is None else [place.value, place.key] for place in cursor.places]
        payload = orjson.dumps(
            [int(clock.seconds()) + self._seconds, cursor.kind, places, cursor.total]
        )
        return (
            base64.urlsafe_b64encode(await self._mac(payload, query) + payload)
            .rstrip(b"=")
            .decode()
        )

    async def read(self, text: str, query: tuple[object, ...]) -> Cursor:
        """The cursor that a text is. Raises ScimError invalidCursor where it is not one of this query, and expiredCursor."""
        try:
            whole = (
                base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
                if len(text) <= _MAX_LENGTH
                else b""
            )
        except ValueError:
            whole = b""
        mac, payload = whole[:_MAC_BYTES], whole[_MAC_BYTES:]
        if not hmac.compare_digest(mac, await self._mac(payload, query)):
            raise ScimError(400, "cursor: it was not given for this listing", "invalidCursor")
        expires, kind, places, total = orjson.loads(payload)
        if clock.seconds() >= expires:
            raise ScimError(
                400, f"cursor: it held for {self._seconds} seconds; begin again", "expiredCursor"
            )
        return Cursor(
            kind, tuple(None if place is None else Position(*place) for place in places), total
        )

    async def _mac(self, payload: bytes, query: tuple[object, ...]) -> bytes:
        if self._secret is None:
            self._secret = hmac.digest(await self._accounts.signing_secret(), b"cursor", "sha256")
        bound = hashlib.sha256(orjson.dumps(query)).digest()
        return hmac.digest(self._secret, bound + payload, "sha256")[:_MAC_BYTES]

"""Signed tokens: values that clients keep for the service and cannot change.

Each token is bound to a purpose, because each purpose signs with a key of its own, derived from the
secret of the installation; and to a context, such as a workspace and a query. A token is valid only
for the purpose and the context that it was issued for.
"""

import base64
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson

from muster.base import clock

Secret = Callable[[], Awaitable[bytes]]
"""Reads the secret of the installation, which never changes."""
_MAC_BYTES = 16
_MAX_LENGTH = 8192
_NUMBER_BYTES = 8


class InvalidToken(Exception):
    """The token was not issued for this purpose and context, or was changed."""


class ExpiredToken(InvalidToken):
    """The token was issued for this purpose and context, and is no longer valid."""


class PurposeKey:
    """The key of one purpose.

    It is derived when it is first needed, since reading the secret may wait.
    """

    def __init__(self, secret: Secret, purpose: str) -> None:
        self._secret = secret
        self._purpose = purpose.encode()
        self._key: bytes | None = None

    async def get(self) -> bytes:
        """Return the key."""
        if self._key is None:
            self._key = hmac.digest(await self._secret(), self._purpose, "sha256")
        return self._key


class Signer:
    """Signs and reads tokens that hold JSON values for a limited time.

    A token is base64url(MAC || payload). The payload is a JSON array that starts with the time at
    which the token expires. The MAC is the first half of HMAC-SHA-256 over the hash of the context
    and the payload.
    """

    def __init__(self, secret: Secret, purpose: str) -> None:
        self._key = PurposeKey(secret, purpose)

    async def sign(self, values: Sequence[Any], context: Sequence[object], seconds: int) -> str:
        """Return a token.

        Args:
            values: The values to hold; not encrypted.
            context: The values that must be the same when the token is read.
            seconds: How long the token is valid.
        """
        payload = orjson.dumps([int(clock.seconds()) + seconds, *values])
        return _encode(await self._mac(payload, context) + payload)

    async def read(self, token: str, context: Sequence[object]) -> list[Any]:
        """Return the values of a token.

        Raises:
            ExpiredToken: The token is no longer valid.
            InvalidToken: It is not a token for this purpose and context.
        """
        raw = _decode(token, _MAX_LENGTH)
        mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, await self._mac(payload, context)):
            raise InvalidToken
        values: list[Any]
        expires, *values = orjson.loads(payload)
        if clock.seconds() >= expires:
            raise ExpiredToken
        return values

    async def _mac(self, payload: bytes, context: Sequence[object]) -> bytes:
        # The hash has a fixed length, so that context and payload cannot run into each other.
        bound = hashlib.sha256(orjson.dumps(context)).digest()
        return hmac.digest(await self._key.get(), bound + payload, "sha256")[:_MAC_BYTES]


class NumberSigner:
    """Signs and reads tokens that hold one number, hide it, and never expire.

    A token is base64url(MAC || number XOR mask), and the mask is derived from the MAC. So a number
    has exactly one token in each context, and the tokens do not show which number is greater.
    Clients keep them for months: their form must not change.
    """

    def __init__(self, secret: Secret, purpose: str) -> None:
        self._key = PurposeKey(secret, purpose)

    async def sign(self, number: int, context: int) -> str:
        """Return the token of a number.

        Args:
            number: At least 0, less than 2**64.
            context: A number that must be the same when the token is read, such as a workspace.
        """
        key, plain = await self._key.get(), number.to_bytes(_NUMBER_BYTES)
        mac = _short_mac(key, b"mac", context.to_bytes(_NUMBER_BYTES) + plain)
        return _encode(mac + _xor(plain, _short_mac(key, b"mask", mac)))

    async def read(self, token: str, context: int) -> int:
        """Return the number of a token. Raises InvalidToken."""
        key, raw = await self._key.get(), _decode(token, _MAX_LENGTH)
        if len(raw) != 2 * _NUMBER_BYTES:
            raise InvalidToken
        mac, masked = raw[:_NUMBER_BYTES], raw[_NUMBER_BYTES:]
        plain = _xor(masked, _short_mac(key, b"mask", mac))
        expected = _short_mac(key, b"mac", context.to_bytes(_NUMBER_BYTES) + plain)
        if not hmac.compare_digest(mac, expected):
            raise InvalidToken
        return int.from_bytes(plain)


def _encode(raw: bytes) -> str:
    """Encode as base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(token: str, most: int) -> bytes:
    """Decode a token in the exact form that `_encode` writes; any other is empty.

    Python's decoder skips characters outside the alphabet and ignores the unused bits of the last
    one, so that several texts would be read as one token.
    """
    if len(token) > most:
        return b""
    try:
        raw = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except ValueError:
        return b""
    return raw if _encode(raw) == token else b""


def _short_mac(key: bytes, label: bytes, data: bytes) -> bytes:
    return hmac.digest(key, label + data, "sha256")[:_NUMBER_BYTES]


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))

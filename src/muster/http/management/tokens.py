"""Places among a workspace's changes, as text that says nothing and cannot be made up.

The numbers of changes are drawn for all workspaces together, so that a number as it is would tell how busy the others are.
"""

import base64
import hmac

from muster.scim.errors import invalid_value
from muster.storage.port.accounts import Accounts

_BYTES = 8
_MAX_LENGTH = 64


class Tokens:
    """Makes and reads tokens."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._secret: bytes | None = None

    async def write(self, workspace: int, sequence: int) -> str:
        """The token of a place in a workspace; always the same."""
        secret, number = await self._key(), sequence.to_bytes(_BYTES)
        mac = _mac(secret, b"mac", workspace.to_bytes(_BYTES) + number)
        return (
            base64.urlsafe_b64encode(mac + _mixed(number, _mac(secret, b"mask", mac)))
            .rstrip(b"=")
            .decode()
        )

    async def read(self, workspace: int, text: str, name: str = "cursor") -> int:
        """The place that a token names. Raises ScimError invalidValue where it is none of this workspace."""
        secret = await self._key()
        try:
            whole = (
                base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
                if len(text) <= _MAX_LENGTH
                else b""
            )
        except ValueError:
            whole = b""
        mac, masked = whole[:_BYTES], whole[_BYTES:]
        number = _mixed(masked, _mac(secret, b"mask", mac)) if len(whole) == 2 * _BYTES else b""
        if not hmac.compare_digest(mac, _mac(secret, b"mac", workspace.to_bytes(_BYTES) + number)):
            raise invalid_value(f"{name}: it was not given for this workspace")
        return int.from_bytes(number)

    async def _key(self) -> bytes:
        if self._secret is None:
            self._secret = hmac.digest(await self._accounts.signing_secret(), b"changes", "sha256")
        return self._secret


def _mac(secret: bytes, purpose: bytes, data: bytes) -> bytes:
    return hmac.digest(secret, purpose + data, "sha256")[:_BYTES]


def _mixed(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))

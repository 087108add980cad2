"""Verifies JSON Web Tokens with key sets (RFC 7517) that are given, or fetched from a URL.

A fetched set is used for an hour. A token that names an unknown key makes it be fetched again, but
at most once a minute for each URL, because anybody can send such tokens. If the URL does not
answer, the keys that were fetched before remain valid for a day: an outage of the provider must not
stop the provisioning of an organisation, and a stolen key must not be valid for ever.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from muster.base import clock
from muster.scim.errors import ScimError
from muster.scim.values import Json

ALGORITHMS = ("RS256", "PS256", "ES256")
"""Signatures that are accepted. With HMAC, whoever can verify a token can also sign one."""
LEEWAY = 60
"""Seconds by which the clocks of the signer and of this server may differ."""
MAX_KEYS = 50
_FRESH_SECONDS = 3_600
_RETRY_SECONDS = 60
_KEPT_SECONDS = 86_400
_KEPT_SETS = 1_000
_MAX_TOKEN = 16_384
Fetch = Callable[[str], Awaitable[dict[str, Any]]]


class InvalidJwt(Exception):
    """A token is not one that the keys have signed for this use; the message says why."""


@dataclass(slots=True)
class _Fetched:
    """A fetched set.

    Attributes:
        keys: The set; None if it could not be fetched yet.
        fetched: The time at which it was fetched, in seconds since 1970.
        tried: The time of the last attempt.
    """

    keys: Mapping[str, Any] | None = None
    fetched: float = 0.0
    tried: float = 0.0


class KeySets:
    """Fetches key sets and caches them.

    Args:
        fetch: Returns the JSON object at a URL, or raises ScimError.
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._sets: OrderedDict[str, _Fetched] = OrderedDict()
        self._locks: dict[str, asyncio.Lock] = {}

    async def at(self, url: str, kid: str | None) -> Mapping[str, Any]:
        """Return the key set at a URL.

        Args:
            url: The URL of the set.
            kid: The id of the key that is needed; None if the token names none.

        Raises:
            InvalidJwt: It cannot be fetched, and was not within the last day.
        """
        known = self._sets.get(url)
        if known is None or self._is_stale(known, kid):
            known = await self._refresh(url, kid)
        if known.keys is None or clock.seconds() - known.fetched > _KEPT_SECONDS:
            raise InvalidJwt(f"the keys at {url} cannot be fetched")
        return known.keys

    def _is_stale(self, known: _Fetched, kid: str | None) -> bool:
        now = clock.seconds()
        if now - known.tried < _RETRY_SECONDS:
            return False
        return now - known.fetched > _FRESH_SECONDS or not _has_key(known.keys, kid)

    async def _refresh(self, url: str, kid: str | None) -> _Fetched:
        lock = self._locks.setdefault(url, asyncio.Lock())
        try:
            async with lock:
                known = self._sets.get(url)
                if known is not None and not self._is_stale(known, kid):
                    return known  # another request has fetched it meanwhile
                known = known or _Fetched()
                known.tried = clock.seconds()
                with contextlib.suppress(ScimError):  # the keys of the last time remain, for a day
                    known.keys, known.fetched = _checked(await self._fetch(url)), clock.seconds()
                self._sets[url] = known
                self._sets.move_to_end(url)
                if len(self._sets) > _KEPT_SETS:
                    self._sets.popitem(last=False)
                return known
        finally:
            if not lock.locked():
                self._locks.pop(url, None)


def check_key_set(value: Json) -> dict[str, Any]:
    """Return a key set that somebody has given.

    Raises:
        ValueError: It is no set of public keys.
    """
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    checked = _checked(value)
    try:
        found = KeySet.import_key_set(checked)  # type: ignore[arg-type]  # validates any JSON
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"it is not a JSON Web Key Set ({str(error)[:100]})") from None
    for key in found.keys:
        if key.key_type not in ("RSA", "EC"):
            raise ValueError(f"it has a key of the type {key.key_type!r}; expected RSA or EC")
        if key.is_private:
            raise ValueError("it has a private key; give the public keys alone")
    return checked


def unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return the header and the claims of a token without verifying it; None if it is no JWT."""
    import base64

    import orjson

    parts = token.split(".")
    if len(parts) != 3 or len(token) > _MAX_TOKEN:
        return None
    read = []
    for part in parts[:2]:
        try:
            padded = part.encode("ascii") + b"=" * (-len(part) % 4)
            value = orjson.loads(base64.b64decode(padded, b"-_", validate=True))
        except ValueError:
            return None
        if not isinstance(value, dict):
            return None
        read.append(value)
    return read[0], read[1]


def verify(
    token: str, keys: Mapping[str, Any], algorithms: Sequence[str] = ALGORITHMS
) -> dict[str, Any]:
    """Verify the signature and the times of a token, and return its claims.

    Raises:
        InvalidJwt: No key has signed it, or it is not valid now.
    """
    claims = _signed(token, keys, algorithms)
    now = clock.seconds()
    expires, begins = claims.get("exp"), claims.get("nbf")
    if not _is_number(expires):
        raise InvalidJwt("it has no exp")
    if now > expires + LEEWAY:
        raise InvalidJwt("it has expired")
    if begins is not None and (not _is_number(begins) or now < begins - LEEWAY):
        raise InvalidJwt("it is not valid yet")
    return dict(claims)


def _signed(token: str, keys: Mapping[str, Any], algorithms: Sequence[str]) -> dict[str, Any]:
    """Return the claims of a token that one of the keys has signed.

    Raises:
        InvalidJwt: None of them has.
    """
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import JWKRegistry
    from joserfc.jws import JWSRegistry

    registry = JWSRegistry(algorithms=list(algorithms), strict_check_header=False)
    read, why = unverified(token), "no key has its kid"
    kid = None if read is None else read[0].get("kid")
    # A token may leave out the id of its key (RFC 7515 section 4.1.4): then any key may fit.
    fitting = [key for key in keys["keys"] if kid is None or key.get("kid") in (kid, None)]
    for key in fitting:
        try:
            imported = JWKRegistry.import_key(key)
            return dict(jwt.decode(token, imported, registry=registry).claims)
        except (JoseError, ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
            why = str(error)[:100] or type(error).__name__
    raise InvalidJwt(f"its signature is invalid ({why})")


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**53


def _checked(value: Json) -> dict[str, Any]:
    keys = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(keys, list) or not 0 < len(keys) <= MAX_KEYS:
        raise ScimError(400, f"A key set has a list `keys` with 1 to {MAX_KEYS} keys.")
    if not all(isinstance(key, dict) for key in keys):
        raise ScimError(400, "Each key of a key set is an object.")
    return {"keys": keys}


def _has_key(keys: Mapping[str, Any] | None, kid: str | None) -> bool:
    if keys is None:
        return False
    return kid is None or any(key.get("kid") == kid for key in keys["keys"])

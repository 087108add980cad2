"""Verifies JSON Web Tokens with key sets (RFC 7517) that are given, or fetched.

A set is fetched from a URL, or by an issuer's metadata (OpenID Connect Discovery). It is used for
an hour. A token that names an unknown key makes it be fetched again, but at most once a minute for
each source, because anybody can send such tokens. If the source does not answer, the keys that were
fetched before remain valid for a day: an outage of the provider must not stop the provisioning of
an organisation, and a stolen key must not be valid for ever.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from muster.base import clock
from muster.base.outbound import is_absolute_url
from muster.scim.errors import ScimError, invalid_value
from muster.scim.values import Json

ALGORITHMS = ("RS256", "PS256", "ES256")
"""Signatures that are accepted. With HMAC, a party that can verify a token can also sign one."""
LEEWAY = 60
"""Seconds by which the clocks of the signer and of this server may differ."""
MAX_KEYS = 50
TYPES = ("", "jwt", "at+jwt")
"""The types of tokens that are credentials; other types mean something else (RFC 8725 3.12)."""
_FRESH_SECONDS = 3_600
RETRY_SECONDS = 60
_KEPT_SECONDS = 86_400
_KEPT_SETS = 1_000
_MAX_TOKEN = 16_384
_RSA_BITS = (2_048, 8_192)
"""The sizes of RSA keys: at least that of RFC 7518 section 3.3, and quick to verify."""
_PARTS = ("kty", "kid", "use", "alg", "n", "e", "crv", "x", "y")
"""The members of a key that are kept; a certificate chain would only take memory."""
_MAX_PART = 1_500
Fetch = Callable[[str], Awaitable[dict[str, Any]]]
_Load = Callable[[], Awaitable[dict[str, Any]]]


class InvalidJwt(Exception):
    """A token is not one that the keys have signed for this use; the message says why."""


class KeysUnavailable(InvalidJwt):
    """The keys of a token cannot be fetched now, so nobody can tell whether it is valid."""


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
            KeysUnavailable: It cannot be fetched, and was not within the last day.
        """
        return await self._find(f"set {url}", kid, lambda: self._load(url))

    async def of(self, issuer: str, kid: str | None) -> Mapping[str, Any]:
        """Return the key set of an issuer; arguments and errors are those of `at`."""
        return await self._find(f"issuer {issuer}", kid, lambda: self.load(issuer))

    async def load(self, issuer: str) -> dict[str, Any]:
        """Fetch the key set of an issuer now.

        Raises:
            ScimError: The issuer does not answer, or not with metadata of its own and keys.
        """
        found = await self._fetch(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        url = found.get("jwks_uri")
        if found.get("issuer") != issuer:
            raise invalid_value(
                f"issuer: {issuer[:200]} names itself {str(found.get('issuer'))[:200]!r}:"
                " enter that"
            )
        if not isinstance(url, str) or not is_absolute_url(url, ("https", "http")):
            raise invalid_value(f"issuer: {issuer[:200]} publishes no jwks_uri")
        return await self._load(url)

    async def _load(self, url: str) -> dict[str, Any]:
        """Fetch the key set at a URL. Keys that cannot be used are left out."""
        keys = [_public(key) for key in _listed(await self._fetch(url)) if _flaw(key) is None]
        if not keys:
            raise ScimError(400, f"{url[:200]} has no key that can be used")
        return {"keys": keys}

    async def _find(self, source: str, kid: str | None, load: _Load) -> Mapping[str, Any]:
        known = self._sets.get(source)
        if known is None or self._is_stale(known, kid):
            known = await self._refresh(source, kid, load)
        if known.keys is None or clock.seconds() - known.fetched > _KEPT_SECONDS:
            raise KeysUnavailable(f"the keys of {source.partition(' ')[2]} cannot be fetched")
        return known.keys

    def _is_stale(self, known: _Fetched, kid: str | None) -> bool:
        now = clock.seconds()
        if now - known.tried < RETRY_SECONDS:
            return False
        return now - known.fetched > _FRESH_SECONDS or not _has_key(known.keys, kid)

    async def _refresh(self, source: str, kid: str | None, load: _Load) -> _Fetched:
        lock = self._locks.setdefault(source, asyncio.Lock())
        try:
            async with lock:
                known = self._sets.get(source)
                if known is not None and not self._is_stale(known, kid):
                    return known  # another request has fetched it meanwhile
                known = known or _Fetched()
                known.tried = clock.seconds()
                with contextlib.suppress(ScimError):  # the keys of the last time remain, for a day
                    known.keys, known.fetched = await load(), clock.seconds()
                self._sets[source] = known
                self._sets.move_to_end(source)
                if len(self._sets) > _KEPT_SETS:
                    self._sets.popitem(last=False)
                return known
        finally:
            if not lock.locked():
                self._locks.pop(source, None)


def check_key_set(value: Json) -> dict[str, Any]:
    """Return a key set that somebody has given.

    Raises:
        ValueError: It is no set of public keys that sign with one of ALGORITHMS.
        ScimError: 400 if it is no key set at all.
    """
    keys = _listed(value)
    for number, key in enumerate(keys, 1):
        flaw = _flaw(key)
        if flaw is not None:
            raise ValueError(f"key {number} {flaw}")
    return {"keys": [_public(key) for key in keys]}


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
    read = unverified(token)
    if read is None:
        raise InvalidJwt("it is no JWT")
    _check_header(read[0])
    claims = _signed(token, read[0].get("kid"), keys, algorithms)
    now = clock.seconds()
    expires, begins = claims.get("exp"), claims.get("nbf")
    if not is_number(expires):
        raise InvalidJwt("it has no exp")
    if now > expires + LEEWAY:
        raise InvalidJwt("it has expired")
    if begins is not None and (not is_number(begins) or now < begins - LEEWAY):
        raise InvalidJwt("it is not valid yet")
    return dict(claims)


def _check_header(header: Mapping[str, Any]) -> None:
    """Check the type of a token, and that it needs no extension (RFC 7515 section 4.1.11).

    Raises:
        InvalidJwt: It is of another type, or needs one.
    """
    kind = header.get("typ", "")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in TYPES:
        raise InvalidJwt(f"its typ is {str(kind)[:50]!r}")
    if "crit" in header:
        raise InvalidJwt("it has a crit header, and no extension is supported")


def _signed(
    token: str, kid: object, keys: Mapping[str, Any], algorithms: Sequence[str]
) -> dict[str, Any]:
    """Return the claims of a token that one of the keys has signed.

    Raises:
        InvalidJwt: None of them has.
    """
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import JWKRegistry
    from joserfc.jws import JWSRegistry

    registry = JWSRegistry(algorithms=list(algorithms), strict_check_header=False)
    registry.max_header_length = _MAX_TOKEN  # clients of Entra ID send their certificates there
    why = "no key has its kid"
    # A token may leave out the id of its key (RFC 7515 section 4.1.4): then any key may fit.
    fitting = [key for key in keys["keys"] if kid is None or key.get("kid") in (kid, None)]
    for key in fitting:
        try:
            imported = JWKRegistry.import_key(key)
            return dict(jwt.decode(token, imported, registry=registry).claims)
        except (JoseError, ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
            why = str(error)[:100] or type(error).__name__
    raise InvalidJwt(f"its signature is invalid ({why})")


def is_number(value: Any) -> TypeGuard[float]:
    """Tell whether a claim is a NumericDate (RFC 7519 section 2)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**53


def _listed(value: Json) -> list[dict[str, Any]]:
    """Return the keys of a key set. Raises ScimError 400 if it is none."""
    keys = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(keys, list) or not 0 < len(keys) <= MAX_KEYS:
        raise ScimError(400, f"A key set has a list `keys` with 1 to {MAX_KEYS} keys.")
    if not all(isinstance(key, dict) for key in keys):
        raise ScimError(400, "Each key of a key set is an object.")
    return keys


def _public(key: Mapping[str, Any]) -> dict[str, Any]:
    return {name: key[name] for name in _PARTS if name in key}


def _flaw(key: Mapping[str, Any]) -> str | None:
    """Return the reason why a key verifies no token, to follow its number; None if it does."""
    from joserfc.errors import JoseError
    from joserfc.jwk import JWKRegistry

    kind = key.get("kty")
    if kind not in ("RSA", "EC"):
        return f"has the kty {str(kind)[:20]!r}; expected RSA or EC"
    if "d" in key:
        return "is a private key; give the public keys alone"
    if kind == "EC" and key.get("crv") != "P-256":
        return f"has the crv {str(key.get('crv'))[:20]!r}; expected P-256"
    if not all(isinstance(key[part], str) and len(key[part]) < _MAX_PART for part in _public(key)):
        return "has a member that is no string, or is too long"
    if key.get("use", "sig") != "sig" or key.get("alg", ALGORITHMS[0]) not in ALGORITHMS:
        return f"is not for signatures with {', '.join(ALGORITHMS)}"
    try:
        if kind == "RSA" and not _RSA_BITS[0] <= _bits(key["n"]) <= _RSA_BITS[1]:
            return f"has no modulus of {_RSA_BITS[0]:,} to {_RSA_BITS[1]:,} bits"
        JWKRegistry.import_key(_public(key))
    except (JoseError, ValueError, TypeError, KeyError) as error:
        return f"is no JSON Web Key ({str(error)[:100] or type(error).__name__})"
    return None


def _bits(number: str) -> int:
    """Return the bits of a number in base64url."""
    import base64

    raw = base64.urlsafe_b64decode(number.encode("ascii") + b"=" * (-len(number) % 4))
    return int.from_bytes(raw).bit_length()


def _has_key(keys: Mapping[str, Any] | None, kid: str | None) -> bool:
    if keys is None:
        return False
    return kid is None or any(key.get("kid") == kid for key in keys["keys"])

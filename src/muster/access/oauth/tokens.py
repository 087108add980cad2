"""Access tokens: short-lived JWTs (RFC 9068) that stand for an OAuth client.

They are signed with ES256, so that others can verify them with the public key at `/oauth/jwks`. The
private key is derived from the secret of the installation, with which API keys are signed too:
nothing more has to be stored, shared between replicas or protected.
"""

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from muster.access.oauth.key_sets import InvalidJwt, verify
from muster.base import clock
from muster.base.signing import Secret
from muster.scim.values import Json

ALGORITHM, TYPE = "ES256", "at+jwt"
SCOPE = "scim"
SCIM_PATH = "/scim/v2"
"""The path of the SCIM service, which access tokens are for, below the issuer's URL."""
_PURPOSE = b"oauth access tokens 1"


@dataclass(frozen=True)
class _SigningKey:
    """The key pair of the installation."""

    secret: bytes

    @cached_property
    def private(self) -> Any:
        """The private key, for joserfc."""
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from joserfc.jwk import ECKey

        order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256
        # 64 bytes, reduced: the bias is below 2**-256 (FIPS 186-5, appendix A.2.1).
        wide = int.from_bytes(hmac.digest(self.secret, _PURPOSE, "sha512"))
        private = ec.derive_private_key(wide % (order - 1) + 1, ec.SECP256R1())
        pem = private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        key = ECKey.import_key(pem, {"use": "sig", "alg": ALGORITHM})
        key.ensure_kid()
        return key

    @cached_property
    def public(self) -> dict[str, Any]:
        """The public key as a JSON Web Key."""
        return dict(self.private.as_dict(private=False))


class AccessTokens:
    """Signs and verifies access tokens.

    Args:
        secret: Reads the secret of the installation.
        issuer: The public URL of this service; None if each request decides it by its host. Then
            the issuer and audience of a token are not compared: the key of the installation and the
            type of the token show that it is for the SCIM service of this installation.
        seconds: How long a token is valid.
    """

    def __init__(self, secret: Secret, issuer: str | None = None, seconds: int = 3_600) -> None:
        self._secret = secret
        self._issuer = issuer
        self.seconds = seconds
        self._key: _SigningKey | None = None

    async def sign(self, client_id: str, issuer: str, edition: int = 0) -> str:
        """Return an access token.

        Args:
            client_id: The client that it stands for.
            issuer: The public URL of this service.
            edition: The edition of the client's secrets.
        """
        from joserfc import jwt

        key, now = await self._signing_key(), int(clock.seconds())
        header = {"alg": ALGORITHM, "typ": TYPE, "kid": key.public["kid"]}
        claims: dict[str, Json] = {
            "iss": issuer,
            "sub": client_id,
            "client_id": client_id,
            "aud": issuer + SCIM_PATH,
            "iat": now,
            "exp": now + self.seconds,
            "jti": secrets.token_urlsafe(16),
            "scope": SCOPE,
            "edition": edition,
        }
        return str(jwt.encode(header, claims, key.private))

    async def issued(self, header: Mapping[str, Any]) -> bool:
        """Tell whether a token names the key of this service, by its header.

        Other issuers send access tokens of the same type (RFC 9068).
        """
        if header.get("typ") != TYPE or header.get("alg") != ALGORITHM:
            return False
        return bool(header.get("kid") == (await self._signing_key()).public["kid"])

    async def read(self, token: str) -> tuple[str, int, float]:
        """Return the claims of an access token.

        Returns:
            The client id, the edition of the client's secrets, and the time at which it ends.

        Raises:
            InvalidJwt: It is not one.
        """
        key = await self._signing_key()
        claims = verify(token, {"keys": [key.public]}, [ALGORITHM])
        client_id, edition, expires = claims.get("client_id"), claims.get("edition"), claims["exp"]
        if not isinstance(client_id, str) or claims.get("scope") != SCOPE:
            raise InvalidJwt("it is no access token for SCIM")
        if self._issuer is not None and (claims.get("iss"), claims.get("aud")) != (
            self._issuer,
            self._issuer + SCIM_PATH,
        ):
            raise InvalidJwt("it is for another service")
        if clock.seconds() >= expires:
            raise InvalidJwt("it has expired")
        return client_id, edition if isinstance(edition, int) else 0, float(expires)

    async def key_set(self) -> dict[str, Any]:
        """Return the public keys."""
        return {"keys": [(await self._signing_key()).public]}

    async def _signing_key(self) -> _SigningKey:
        if self._key is None:
            self._key = _SigningKey(await self._secret())
        return self._key

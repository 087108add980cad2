"""Keys, and tokens that they sign, with any header and claims."""

import base64
import json

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
STRANGER = RSAKey.generate_key(2048, {"kid": "rsa"})
"""A key with the id of RSA."""


def public(*keys):
    """Return the key set of some keys."""
    return {"keys": [key.as_dict(private=False) for key in keys]}


KEYS = public(RSA, EC)


def signed(claims, key=RSA, alg="RS256", **header):
    """Return a token; a claim or a header that is None is left out."""
    head = {"alg": alg, "kid": key.kid, **header}
    head = {name: value for name, value in head.items() if value is not None}
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(head, claims, key, algorithms=[alg])


def segment(value):
    """Return a JSON value as a part of a token."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def signed_anyhow(header, claims, sign):
    """Return a token with a header that no library writes; `sign` makes its signature."""
    text = f"{segment(header)}.{segment(claims)}"
    signature = base64.urlsafe_b64encode(sign(text.encode())).rstrip(b"=").decode()
    return f"{text}.{signature}"

"""Access tokens: what they contain, and which ones are refused."""

import asyncio

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey

from muster.access.oauth.key_sets import InvalidJwt, unverified
from muster.access.oauth.tokens import AccessTokens
from tests.support.signed import signed

ISSUER = "https://muster.example"


def secret_of(value):
    async def secret():
        return value

    return secret


def tokens(secret=b"s" * 32, issuer=ISSUER):
    return AccessTokens(secret_of(secret), issuer)


def sign(service, client="1.x", issuer=ISSUER, edition=0):
    return asyncio.run(service.sign(client, issuer, edition))


def read(service, token):
    return asyncio.run(service.read(token))


def key_of(service):
    return ECKey.import_key(asyncio.run(service._signing_key()).private.as_dict(private=True))


def test_a_token_has_the_form_of_rfc_9068(clock):
    service = tokens()
    header, claims = unverified(sign(service))
    now = int(clock.moment.timestamp())
    assert (header["typ"], header["alg"]) == ("at+jwt", "ES256")
    assert claims.pop("jti")
    assert claims == {
        "iss": ISSUER,
        "aud": f"{ISSUER}/scim/v2",
        "sub": "1.x",
        "client_id": "1.x",
        "scope": "scim",
        "iat": now,
        "exp": now + 3600,
        "edition": 0,
    }
    assert 15 * 60 <= service.seconds <= 60 * 60


def test_the_published_key_verifies_tokens_and_is_the_same_in_every_process():
    published = asyncio.run(tokens().key_set())
    assert "d" not in published["keys"][0]
    keys = KeySet.import_key_set(published)
    assert jwt.decode(sign(tokens()), keys, algorithms=["ES256"]).claims["sub"] == "1.x"
    assert read(tokens(), sign(tokens(), edition=3))[:2] == ("1.x", 3)


def test_a_token_ends_without_any_leeway(clock):
    service = tokens()
    token = sign(service)
    clock.advance(seconds=service.seconds - 1)
    assert read(service, token)
    clock.advance(seconds=1)
    with pytest.raises(InvalidJwt):
        read(service, token)


def test_a_token_of_another_installation_is_refused():
    with pytest.raises(InvalidJwt):
        read(tokens(), sign(tokens(b"t" * 32)))


def test_a_token_of_another_public_url_is_refused_where_one_is_configured():
    staging = tokens(issuer="https://staging.example")
    with pytest.raises(InvalidJwt, match="another service"):
        read(tokens(), sign(staging, issuer="https://staging.example"))
    assert read(tokens(issuer=None), sign(staging, issuer="https://any.example"))


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other.example"},
        {"aud": "https://muster.example/api/v1"},
        {"aud": ["https://muster.example/scim/v2", "https://x.example"]},
        {"scope": "scim admin"},
        {"scope": None},
        {"client_id": None},
        {"client_id": 7},
        {"exp": None},
        {"exp": 1},
        {"nbf": 2**40},
    ],
    ids=str,
)
def test_wrong_claims_are_refused_even_if_the_signature_is_right(claims):
    service = tokens()
    key = key_of(service)
    header, good = unverified(sign(service))
    assert read(service, signed(good, key, "ES256", typ="at+jwt"))
    with pytest.raises(InvalidJwt):
        read(service, signed(good | claims, key, "ES256", typ="at+jwt"))
    assert asyncio.run(service.issued(header))


def test_other_algorithms_are_refused():
    service = tokens()
    _, claims = unverified(sign(service))
    shared = OctKey.import_key(asyncio.run(service.key_set())["keys"][0]["x"], {"kid": "x"})
    with pytest.raises(InvalidJwt):
        read(service, signed(claims, shared, "HS256", typ="at+jwt"))


def test_tokens_are_told_from_those_of_other_issuers_by_the_key():
    service = tokens()
    header, _ = unverified(sign(service))
    assert asyncio.run(service.issued(header))
    for other in ({"typ": "JWT"}, {"kid": "other"}, {"kid": None}, {"alg": "HS256"}):
        assert not asyncio.run(service.issued(header | other))

"""Key sets: how tokens are verified, and how the keys are fetched and cached."""

import asyncio
import hmac

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, RSAKey

from muster.access.oauth import key_sets
from muster.access.oauth.key_sets import InvalidJwt, KeySets, check_key_set, unverified, verify
from muster.base import clock
from muster.scim.errors import ScimError
from tests.support.signed import EC, KEYS, RSA, STRANGER, public, segment, signed, signed_anyhow

P384 = ECKey.generate_key("P-384", {"kid": "p384"})
SHORT = RSAKey.import_key(rsa.generate_private_key(65537, 1024), {"kid": "short"})


def claims(**given):
    return {"sub": "x", "exp": int(clock.seconds()) + 60, **given}


def by_rsa(text):
    return RSA.private_key.sign(text, padding.PKCS1v15(), hashes.SHA256())


def by_p384(text):
    r, s = utils.decode_dss_signature(P384.private_key.sign(text, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(48) + s.to_bytes(48)


@pytest.mark.parametrize(("key", "alg"), [(RSA, "RS256"), (RSA, "PS256"), (EC, "ES256")])
def test_signatures_of_three_algorithms_are_accepted(key, alg):
    assert verify(signed(claims(), key, alg), KEYS)["sub"] == "x"
    assert verify(signed(claims(), key, alg, kid=None), KEYS)["sub"] == "x"


@pytest.mark.parametrize(
    "token",
    [
        lambda: signed(claims(), STRANGER),
        lambda: signed(claims(), RSA, kid="ec"),
        lambda: signed(claims(), RSA, kid="unknown"),
        lambda: signed_anyhow({"alg": "RS256", "kid": 7}, claims(), by_rsa),
        lambda: signed_anyhow({"alg": "none"}, claims(), lambda _: b""),
        lambda: signed_anyhow({"alg": "None", "kid": "rsa"}, claims(), lambda _: b""),
        lambda: signed_anyhow({"kid": "rsa"}, claims(), by_rsa),
        lambda: signed_anyhow({"alg": "ES256", "kid": "p384"}, claims(), by_p384),
        lambda: signed_anyhow({"alg": "RS256", "kid": "rsa"}, ["x"], by_rsa),
        lambda: signed_anyhow({"alg": "RS256", "kid": "rsa"}, claims(exp=float("nan")), by_rsa),
        lambda: signed(claims(), RSA, "RS512"),
    ],
    ids=[
        "another key with this id",
        "another key's id",
        "unknown id",
        "id that is a number",
        "no algorithm",
        "no algorithm in other letters",
        "no alg",
        "curve of another algorithm",
        "claims that are a list",
        "exp that is no number",
        "algorithm that is not allowed",
    ],
)
def test_other_signatures_are_refused(token):
    with pytest.raises(InvalidJwt):
        verify(token(), public(RSA, EC, P384))


@pytest.mark.parametrize("form", ["pem", "der", "jwk"])
def test_a_public_key_is_not_taken_for_a_shared_secret(form):
    secrets = {
        "pem": RSA.as_pem(private=False),
        "der": RSA.as_der(private=False),
        "jwk": RSA.as_dict(private=False)["n"].encode(),
    }
    token = signed_anyhow(
        {"alg": "HS256", "kid": "rsa"},
        claims(),
        lambda text: hmac.digest(secrets[form], text, "sha256"),
    )
    with pytest.raises(InvalidJwt):
        verify(token, KEYS)


def test_a_key_within_the_token_is_not_used():
    jwk = STRANGER.as_dict(private=False)
    for header in ({"jwk": jwk}, {"jku": "https://evil.example/keys"}, {"x5u": "https://x/"}):
        with pytest.raises(InvalidJwt):
            verify(signed(claims(), STRANGER, **header), KEYS)


@pytest.mark.parametrize(
    "header", [{"crit": ["x"], "x": 1}, {"crit": ["b64"], "b64": False}, {"crit": []}], ids=str
)
def test_extensions_are_refused(header):
    token = signed_anyhow({"alg": "RS256", "kid": "rsa", **header}, claims(), by_rsa)
    with pytest.raises(InvalidJwt, match="crit"):
        verify(token, KEYS)


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "application/at+jwt", None])
def test_types_of_credentials_are_accepted(typ):
    assert verify(signed(claims(), typ=typ), KEYS)


@pytest.mark.parametrize("typ", ["secevent+jwt", "logout+jwt", "dpop+jwt", "", 7])
def test_types_of_other_tokens_are_refused(typ):
    token = signed_anyhow({"alg": "RS256", "kid": "rsa", "typ": typ}, claims(), by_rsa)
    if typ == "":
        assert verify(token, KEYS)
        return
    with pytest.raises(InvalidJwt, match="typ"):
        verify(token, KEYS)


def test_a_certificate_chain_in_the_header_is_no_obstacle():
    assert verify(signed(claims(), x5c=["MII" + "A" * 3000]), KEYS)


@pytest.mark.parametrize(
    ("given", "offset", "accepted"),
    [
        ({"exp": 1000}, 1000, True),
        ({"exp": 1000}, 1060, True),
        ({"exp": 1000}, 1061, False),
        ({"exp": 5000, "nbf": 2000}, 1940, True),
        ({"exp": 5000, "nbf": 2000}, 1939, False),
        ({"exp": 1000.5}, 1000, True),
        ({"exp": True}, 0, False),
        ({"exp": "5000"}, 0, False),
        ({"exp": None}, 0, False),
        ({"exp": 1e300}, 0, False),
        ({"exp": 5000, "nbf": "x"}, 2000, False),
    ],
    ids=str,
)
def test_clocks_may_differ_by_a_minute(monkeypatch, given, offset, accepted):
    monkeypatch.setattr(key_sets.clock, "seconds", lambda: float(offset))
    token = signed({"sub": "x", **given})
    if accepted:
        assert verify(token, KEYS)
    else:
        with pytest.raises(InvalidJwt):
            verify(token, KEYS)


TOKEN = signed({"sub": "x", "exp": 2**40}, EC, "ES256")


@given(st.integers(0, len(TOKEN) - 1), st.characters(min_codepoint=33, max_codepoint=126))
def test_a_changed_token_is_refused(place, character):
    changed = TOKEN[:place] + character + TOKEN[place + 1 :]
    try:
        read = verify(changed, KEYS)
    except InvalidJwt:
        return
    # Only the unused bits of the last character of a part may differ.
    assert read == {"sub": "x", "exp": 2**40}
    assert changed == TOKEN or place == len(TOKEN) - 1


@given(st.text(alphabet="e.yJ{}0\n =é\0", max_size=40) | st.text(max_size=40))
def test_any_text_is_refused(text):
    with pytest.raises(InvalidJwt):
        verify(text, KEYS)


@pytest.mark.parametrize("text", ["", ".", "..", "a.b", "a.b.c.d", f"{segment([])}.{segment({})}."])
def test_other_texts_are_no_tokens(text):
    assert unverified(text) is None


def test_a_long_text_is_no_token():
    assert unverified(f"{segment({})}.{segment({'x': 'x' * 20_000})}.") is None


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (OctKey.import_key("secret").as_dict(private=True), "kty"),
        (RSA.as_dict(private=True), "private"),
        (EC.as_dict(private=True), "private"),
        (P384.as_dict(private=False), "P-256"),
        (SHORT.as_dict(private=False), "2,048"),
        ({**RSA.as_dict(private=False), "use": "enc"}, "signatures"),
        ({**RSA.as_dict(private=False), "alg": "RS512"}, "signatures"),
        ({**RSA.as_dict(private=False), "kid": 7}, "string"),
        ({**RSA.as_dict(private=False), "n": "A" * 3000}, "too long"),
        ({"kty": "RSA", "n": "é", "e": "AQAB"}, "JSON Web Key"),
        ({"kty": "RSA"}, "JSON Web Key"),
        ({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, "JSON Web Key"),
        ({}, "kty"),
    ],
)
def test_a_given_key_that_verifies_nothing_is_refused(key, why):
    with pytest.raises(ValueError, match=f"key 2 .*{why}"):
        check_key_set({"keys": [EC.as_dict(private=False), key]})


@pytest.mark.parametrize(
    "value", [None, [], {}, {"keys": []}, {"keys": ["x"]}, {"keys": [{}] * 51}]
)
def test_other_values_are_no_key_sets(value):
    with pytest.raises((ValueError, ScimError)):
        check_key_set(value)


def test_a_key_set_is_kept_without_certificates():
    given = {"keys": [{**RSA.as_dict(private=False), "x5c": ["MII"], "x5t": "x"}]}
    assert set(check_key_set(given)["keys"][0]) == {"kty", "kid", "n", "e"}


ISSUER = "https://issuer.example/"


class Web:
    """Answers the requests of a KeySets, and counts them."""

    def __init__(self):
        self.keys, self.up, self.asked = [RSA], True, []
        self.metadata = {"issuer": ISSUER, "jwks_uri": "https://issuer.example/keys"}
        self.sets = KeySets(self.fetch)

    async def fetch(self, url):
        self.asked.append(url)
        await asyncio.sleep(0)
        if not self.up:
            raise ScimError(502, "down")
        if url.endswith("/.well-known/openid-configuration"):
            return self.metadata
        return public(*self.keys)

    def kids(self, kid="rsa"):
        async def find():
            return [key["kid"] for key in (await self.sets.of(ISSUER, kid))["keys"]]

        return asyncio.run(find())


@pytest.fixture
def web():
    return Web()


def test_the_keys_of_an_issuer_are_found_by_its_metadata(web):
    assert web.kids() == ["rsa"]
    assert web.asked == [
        "https://issuer.example/.well-known/openid-configuration",
        "https://issuer.example/keys",
    ]
    assert web.kids() == ["rsa"]
    assert len(web.asked) == 2


def test_keys_that_cannot_be_used_are_left_out(web):
    web.keys = [P384, SHORT, OctKey.import_key("secret"), RSA]
    assert web.kids() == ["rsa"]


def test_an_unknown_key_is_looked_for_once_a_minute(web, clock):
    assert web.kids() == ["rsa"]
    web.keys = [RSA, EC]
    for _ in range(3):
        assert web.kids("ec") == ["rsa"]  # fetched less than a minute ago
    clock.advance(seconds=61)
    assert web.kids("ec") == ["rsa", "ec"]
    for _ in range(3):
        assert web.kids("unknown") == ["rsa", "ec"]
    assert len(web.asked) == 4
    clock.advance(seconds=61)
    web.kids("unknown")
    web.kids("unknown")
    assert len(web.asked) == 6


def test_keys_are_fetched_again_after_an_hour_and_from_where_the_issuer_says_then(web, clock):
    assert web.kids() == ["rsa"]
    clock.advance(seconds=3_601)
    web.metadata["jwks_uri"], web.keys = "https://elsewhere.example/keys", [EC]
    assert web.kids() == ["ec"]
    assert web.asked[-1] == "https://elsewhere.example/keys"


def test_keys_outlive_an_outage_of_a_day_and_no_longer(web, clock):
    assert web.kids() == ["rsa"]
    web.up = False
    for _ in range(23):
        clock.advance(seconds=3_600)
        assert web.kids() == ["rsa"]
    clock.advance(seconds=3_601)
    with pytest.raises(InvalidJwt, match="cannot be fetched"):
        web.kids()
    asked = len(web.asked)
    with pytest.raises(InvalidJwt):
        web.kids()
    assert len(web.asked) == asked  # at most once a minute, also while nothing is known
    web.up = True
    clock.advance(seconds=61)
    assert web.kids() == ["rsa"]


def test_requests_at_once_fetch_once(web):
    async def many():
        return await asyncio.gather(*(web.sets.of(ISSUER, "rsa") for _ in range(20)))

    assert len(asyncio.run(many())) == 20
    assert len(web.asked) == 2


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ({"issuer": "https://other.example/", "jwks_uri": "https://x.example/"}, "names itself"),
        ({"issuer": ISSUER}, "jwks_uri"),
        ({"issuer": ISSUER, "jwks_uri": "file:///etc/passwd"}, "jwks_uri"),
        ({"jwks_uri": "https://x.example/"}, "names itself"),
    ],
)
def test_metadata_of_others_is_refused(web, metadata, why):
    web.metadata = metadata
    with pytest.raises(ScimError, match=why):
        asyncio.run(web.sets.load(ISSUER))


def test_the_number_of_sets_in_memory_is_bounded(web, monkeypatch):
    monkeypatch.setattr(key_sets, "_KEPT_SETS", 3)

    async def many():
        for number in range(10):
            await web.sets.at(f"https://{number}.example/", "rsa")

    asyncio.run(many())
    assert len(web.sets._sets) == 3
    assert not web.sets._locks

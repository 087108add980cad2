"""The OpenID Connect client, with sound, faulty and silent providers."""

import asyncio
import base64
import hashlib
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from muster.access.openid import Client, Identity, OpenId, ProviderFailed
from muster.scim.errors import ScimError

KEY = RSAKey.generate_key(2048, {"kid": "1"})
CALLBACK = "http://localhost/callback"
DEEP = b"[" * 100_000


class Provider:
    """A provider with the metadata, claims and userinfo of a test.

    Args:
        metadata: Replaces values of the metadata; None removes one.
        claims: Replaces claims of the id_token; None removes one.
        userinfo: The userinfo response.
        raw: The bytes of the answers in places: metadata, token, keys or userinfo.
        encoding: The Content-Encoding of all answers.
        status: The status of answers in places.
    """

    def __init__(self, metadata=(), claims=(), userinfo=None, raw=(), encoding=None, status=()):
        self.metadata, self.claims, self.userinfo = dict(metadata), dict(claims), userinfo
        self.raw, self.encoding, self.status = dict(raw), encoding, dict(status)
        self.issuer, self.asked = "", []

    def answer(self, path):
        """Return the place of a path, and the answer."""
        if path.endswith("openid-configuration"):
            found = {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/go",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
            }
            return "metadata", _without_none({**found, **self.metadata})
        if path == "/keys":
            return "keys", {"keys": [KEY.as_dict(private=False)]}
        if path == "/userinfo":
            return "userinfo", self.userinfo
        now = int(time.time())
        claims = {"iss": self.issuer, "sub": "ann", "aud": "muster", "nonce": "n"}
        claims = _without_none({**claims, "iat": now, "exp": now + 60, **self.claims})
        token = jwt.encode({"alg": "RS256", "kid": "1"}, claims, KEY)
        return "token", {"access_token": "x", "token_type": "Bearer", "id_token": token}


def _without_none(values):
    return {name: value for name, value in values.items() if value is not None}


@contextmanager
def serving(provider):
    """Serve a provider on loopback, and give its issuer."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            body = self.rfile.read(int(self.headers["content-length"] or 0))
            provider.asked.append((self.path, body.decode()))
            place, found = provider.answer(self.path)
            answer = provider.raw.get(place, orjson.dumps(found))
            self.send_response(provider.status.get(place, 200))
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            if provider.encoding is not None:
                self.send_header("content-encoding", provider.encoding)
            self.end_headers()
            self.wfile.write(answer)

        def do_POST(self):
            self.do_GET()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("localhost", 0), Answers) as started:
        threading.Thread(target=started.serve_forever, args=[0.01], daemon=True).start()
        provider.issuer = f"http://localhost:{started.server_port}"
        try:
            yield provider.issuer
        finally:
            started.shutdown()


def sign_in(provider, private=True):
    """Start and finish a sign-in, and return the identity or the refusal."""

    async def run(issuer):
        openid, client = OpenId(private), Client(issuer, "muster", "secret")
        try:
            await openid.start(client, CALLBACK)
            return await openid.finish(client, CALLBACK, "code", "n", "verifier")
        except ScimError as error:
            return error

    with serving(provider) as issuer:
        return asyncio.run(run(issuer))


EMAIL = {"email": "ann@corp.example"}


def test_start_sends_the_browser_to_the_provider_with_pkce_state_and_nonce():
    async def run(issuer):
        client = Client(issuer, "muster", "secret")
        return [await OpenId(private=True).start(client, CALLBACK) for _ in range(2)]

    with serving(Provider()) as issuer:
        start, other = asyncio.run(run(issuer))
    url, query = urlsplit(start.url), parse_qs(urlsplit(start.url).query)
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{issuer}/go"
    challenge = query.pop("code_challenge")
    assert query == {
        "response_type": ["code"],
        "client_id": ["muster"],
        "redirect_uri": [CALLBACK],
        "scope": ["openid email"],
        "state": [start.state],
        "nonce": [start.nonce],
        "code_challenge_method": ["S256"],
    }
    digest = hashlib.sha256(start.verifier.encode()).digest()
    assert challenge == [base64.urlsafe_b64encode(digest).decode().rstrip("=")]
    assert len({start.state, start.nonce, start.verifier, other.state, other.nonce}) == 5


def test_finish_exchanges_the_code_with_its_verifier_and_the_client_secret():
    provider = Provider(claims={**EMAIL, "email_verified": True})
    assert sign_in(provider) == Identity("ann", "ann@corp.example", verified=True)
    sent = next(parse_qs(body) for path, body in provider.asked if path == "/token")
    assert (sent["code"], sent["code_verifier"]) == (["code"], ["verifier"])
    assert (sent["grant_type"], sent["redirect_uri"]) == (["authorization_code"], [CALLBACK])
    assert "client_secret" not in sent  # it is in the Authorization header
    assert not any(path == "/userinfo" for path, _ in provider.asked)


def test_the_secret_is_in_the_body_if_the_provider_takes_it_nowhere_else():
    methods = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    provider = Provider(methods, EMAIL)
    assert isinstance(sign_in(provider), Identity)
    sent = next(parse_qs(body) for path, body in provider.asked if path == "/token")
    assert sent["client_secret"] == ["secret"]


@pytest.mark.parametrize(
    ("claim", "verified"),
    [(True, True), ("true", True), (False, False), ("false", False), (1, False), (None, None)],
)
def test_only_true_marks_an_address_as_verified(claim, verified):
    assert sign_in(Provider(claims={**EMAIL, "email_verified": claim})).verified is verified


def test_userinfo_supplies_the_address_of_the_same_subject_only():
    userinfo = {"sub": "ann", **EMAIL, "email_verified": True}
    assert sign_in(Provider(userinfo=userinfo)) == Identity("ann", EMAIL["email"], True)
    assert sign_in(Provider(userinfo={**userinfo, "sub": "eve"})).status == 401
    assert sign_in(Provider(userinfo=userinfo, status={"userinfo": 500})).status == 401
    assert sign_in(Provider({"userinfo_endpoint": None}, userinfo=userinfo)).status == 401


def test_a_rejected_code_is_401():
    error = orjson.dumps({"error": "invalid_grant"})
    refused = sign_in(Provider(raw={"token": error}, status={"token": 400}))
    assert (refused.status, "invalid_grant" in refused.detail) == (401, True)


def test_a_provider_of_another_issuer_is_refused_by_name():
    refused = sign_in(Provider({"issuer": "https://another.example"}))
    assert isinstance(refused, ProviderFailed)
    assert "https://another.example" in refused.detail


def test_a_provider_that_answers_an_error_or_nothing_is_502():
    refused = sign_in(Provider(status={"metadata": 404}))
    assert (refused.status, "404" in refused.detail) == (502, True)
    with serving(Provider()) as issuer:
        pass
    with pytest.raises(ProviderFailed):
        asyncio.run(OpenId(private=True).check(issuer))


def test_a_provider_without_tls_at_a_private_address_is_refused_unless_it_is_allowed():
    refused = sign_in(Provider(claims=EMAIL), private=False)
    assert (refused.status, "does not use HTTPS" in refused.detail) == (502, True)


def test_a_response_is_read_up_to_a_megabyte():
    padded = orjson.dumps({"padding": "x" * 1_000_000})
    for place in ("metadata", "keys", "token"):
        refused = sign_in(Provider(claims=EMAIL, raw={place: padded}))
        assert (refused.status, "1,000,000" in refused.detail) == (502, True)


ODD = [
    DEEP, b'{"a":' * 100_000, b"{", b"", b"null", b"[]", b'"x"', b"7", b"\xff\xfe", b"1" * 100_000, b'{"issuer": 7}',
    b'{"keys": 7}', b'{"keys": [7]}', b'{"keys": [{"kty": 7}]}', b'{"access_token": [], "id_token": {}}',
    b'{"error": {"x": []}}', b'{"id_token": "a.b.c"}',
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("place", ["metadata", "token", "keys", "userinfo"])
def test_malformed_provider_responses_are_502_or_401(place, odd):
    answer = sign_in(Provider(userinfo={"sub": "ann", "email": 7}, raw={place: odd}))
    assert isinstance(answer, ScimError)
    assert answer.status in (401, 502)
    assert answer.detail


METADATA = [
    ("authorization_endpoint", "https://x\r\nSet-Cookie: a=b"), ("authorization_endpoint", "https://[bad"), ("jwks_uri", "https://x:99999/"),
    ("authorization_endpoint", "javascript:alert(1)"), ("authorization_endpoint", "https://u@x/"), ("token_endpoint", 7),
    ("token_endpoint", "https://\u00e9"), ("token_endpoint_auth_methods_supported", 7),
    ("id_token_signing_alg_values_supported", 7), ("id_token_signing_alg_values_supported", [[7]]), ("userinfo_endpoint", [7]),
    ("jwks_uri", "file:///etc/passwd"), ("issuer", ["x"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), METADATA)
def test_malformed_provider_metadata_is_502(name, value):
    answer = sign_in(Provider({name: value}, userinfo={"sub": "ann", "email": 7}))
    assert isinstance(answer, ScimError)
    assert answer.status in (401, 502)
    assert answer.detail


def test_a_compressed_response_is_rejected_before_decompression():
    assert "compressed" in sign_in(Provider(encoding="gzip")).detail

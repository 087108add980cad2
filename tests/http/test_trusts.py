"""Federated trusts: tokens of another issuer, in the shapes of Microsoft Entra ID."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from muster.access.oauth.server import ASSERTION_TYPE, GRANT
from muster.base import clock
from tests.support.people import name, person
from tests.support.tenant import Tenant, forget_attempts

TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
KEY, NEXT, STRANGER = (RSAKey.generate_key(2048, {"kid": kid}) for kid in ("one", "two", "one"))


class Issuer:
    """An issuer of tokens that publishes its keys."""

    def __init__(self):
        self.keys, self.fetched, self.up = [KEY], 0, True
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                content = issuer.answer(self.path)
                self.send_response(200 if content else 503)
                self.end_headers()
                self.wfile.write(json.dumps(content).encode())

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/{TENANT}/v2.0"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def answer(self, path):
        if not self.up:
            return None
        if path.endswith("/.well-known/openid-configuration"):
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        self.fetched += 1
        return {"keys": [key.as_dict(private=False) for key in self.keys]}

    def token(self, key=KEY, alg="RS256", **claims):
        """A token as Entra ID sends it for an application (version 2.0)."""
        now = int(clock.seconds())
        made = {
            "iss": self.url,
            "aud": "api://muster",
            "sub": "a1b2c3d4-0000-4000-8000-000000000001",
            "oid": "a1b2c3d4-0000-4000-8000-000000000001",
            "azp": "00000014-0000-0000-c000-000000000000",
            "azpacr": "2",
            "tid": TENANT,
            "ver": "2.0",
            "iat": now - 10,
            "nbf": now - 10,
            "exp": now + 3_600,
            **claims,
        }
        made = {name: value for name, value in made.items() if value is not None}
        return jwt.encode({"typ": "JWT", "alg": alg, "kid": key.kid}, made, key, algorithms=[alg])


@pytest.fixture
def issuer():
    made = Issuer()
    yield made
    made.http.shutdown()
    made.http.server_close()


class Trusting:
    """A connection that trusts an issuer."""

    def __init__(self, tenant, issuer):
        self.tenant, self.issuer = tenant, issuer
        made = tenant.api.post("/connections", json={"name": name("connection")}).json()
        self.id, self.path = made["id"], f"/connections/{made['id']}/trusts"

    def trust(self, **given):
        body = {
            "issuer": self.issuer.url,
            "audience": "api://muster",
            "subject": "a1b2c3d4-0000-4000-8000-000000000001",
            "tenant": TENANT,
            **given,
        }
        return self.tenant.api.post(self.path, json=body)

    def exchange(self, client_id, token):
        """Ask for an access token as Microsoft Entra ID does (RFC 7523 section 2.2)."""
        form = {
            "grant_type": GRANT,
            "client_id": client_id,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": token,
            "scope": "scim",
        }
        return httpx.post(f"{self.tenant.server.url}/oauth/token", data=form)

    def get(self, token):
        return self.tenant.client(token, "/scim/v2").get("/Users").status_code


@pytest.fixture
def trusting(fresh, issuer):
    forget_attempts(fresh.server)
    made = Trusting(fresh, issuer)
    assert made.trust().status_code == 201
    return made


def test_a_trusted_token_is_a_credential_of_the_connection(trusting):
    scim = trusting.tenant.client(trusting.issuer.token(), "/scim/v2")
    user = scim.post("/Users", json=person())
    assert user.status_code == 201, user.text
    owner = trusting.tenant.api.get(f"/resources/{user.json()['id']}/connection").json()
    assert owner["connection"]["id"] == trusting.id
    assert (
        trusting.tenant.client(trusting.issuer.token(), "/api/v1").get("/keys").status_code == 403
    )
    [trust] = trusting.tenant.api.get(trusting.path).json()["items"]
    rows = trusting.tenant.api.get("/audit", params={"limit": 1000}).json()["items"]
    assert rows[-1]["actor"] == f"trust:{trust['id']}"
    assert trusting.tenant.api.delete(f"{trusting.path}/{trust['id']}").status_code == 204
    assert scim.get("/Users").status_code == 401
    assert trusting.trust().status_code == 201
    assert scim.get("/Users").status_code == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://sts.example/"},
        {"iss": None},
        {"aud": "api://other"},
        {"aud": ["api://muster", "api://other"]},
        {"aud": None},
        {"sub": "a1b2c3d4-0000-4000-8000-000000000002"},
        {"sub": None},
        {"tid": "other"},
        {"tid": None},
        {"exp": 1},
        {"exp": None},
        {"exp": "never"},
        {"nbf": 2**40},
    ],
    ids=str,
)
def test_other_claims_are_refused(trusting, claims):
    assert trusting.get(trusting.issuer.token(**claims)) == 401


def test_other_signatures_are_refused(trusting):
    assert trusting.get(trusting.issuer.token(STRANGER)) == 401
    shared = OctKey.import_key("a secret that is long enough for HS256", {"kid": "one"})
    assert trusting.get(trusting.issuer.token(shared, "HS256")) == 401
    head, body, _ = trusting.issuer.token().split(".")
    assert trusting.get(f"{head}.{body}.") == 401
    assert trusting.get(trusting.issuer.token()) == 200


def test_an_unknown_key_is_fetched_at_most_once_a_minute(fresh, issuer):
    trusting = Trusting(fresh, issuer)
    assert trusting.trust().status_code == 201
    issuer.keys = [KEY, NEXT]
    assert trusting.get(issuer.token(NEXT)) == 200
    fetched = issuer.fetched
    unknown = RSAKey.generate_key(2048, {"kid": "three"})
    for _ in range(5):
        assert trusting.get(issuer.token(unknown)) == 401
    assert issuer.fetched <= fetched + 1


def test_keys_remain_valid_while_the_issuer_is_down(trusting):
    assert trusting.get(trusting.issuer.token()) == 200
    trusting.issuer.up = False
    assert trusting.get(trusting.issuer.token(jti="another")) == 200


def test_the_sync_goes_on_after_an_outage_at_a_restart(trusting):
    """No keys are cached then; Entra ID would end its whole sync after 401."""
    [made] = trusting.tenant.api.get(trusting.path).json()["items"]
    trusting.issuer.up = False
    refused = trusting.tenant.client(trusting.issuer.token(), "/scim/v2").get("/Users")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "60")
    assert "cannot be fetched now" in refused.json()["detail"]
    exchange = trusting.exchange(made["clientId"], trusting.issuer.token())
    assert (exchange.status_code, exchange.headers["retry-after"]) == (503, "60")
    assert exchange.json()["error"] == "temporarily_unavailable"
    assert trusting.get(trusting.issuer.token(sub="nobody")) == 401


def test_workload_identity_federation_exchanges_a_token(trusting):
    """The request of Microsoft Entra ID's provisioning service."""
    [made] = trusting.tenant.api.get(trusting.path).json()["items"]
    token = trusting.issuer.token()
    for _ in range(2):  # it sends the same token again while that is valid
        answer = trusting.exchange(made["clientId"], token)
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
    issued = answer.json()
    assert (issued["token_type"], issued["expires_in"], issued["scope"]) == ("Bearer", 3600, "scim")
    scim = trusting.tenant.client(issued["access_token"], "/scim/v2")
    user = scim.post("/Users", json=person()).json()
    owner = trusting.tenant.api.get(f"/resources/{user['id']}/connection").json()
    assert owner["connection"]["id"] == trusting.id
    rows = trusting.tenant.api.get("/audit", params={"limit": 1000}).json()["rows"]
    assert rows[-1]["actor"] == f"trust:{made['id']}"
    management = trusting.tenant.client(issued["access_token"], "/api/v1")
    assert management.get("/keys").status_code == 403
    assert trusting.tenant.api.delete(f"{trusting.path}/{made['id']}").status_code == 204
    assert scim.get("/Users").status_code == 401
    assert trusting.exchange(made["clientId"], token).status_code == 401


def test_only_tokens_of_the_trust_are_exchanged(trusting):
    [made] = trusting.tenant.api.get(trusting.path).json()["items"]
    workspace = made["clientId"].partition(".")[0]
    for client_id, claims in (
        (made["clientId"], {"sub": "other"}),
        (f"{int(workspace) + 1}.{made['id']}", {}),
    ):
        refused = trusting.exchange(client_id, trusting.issuer.token(**claims))
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    stranger = trusting.exchange(made["clientId"], trusting.issuer.token(STRANGER))
    assert "its signature is invalid" in stranger.json()["error_description"]
    by_secret = {"client_id": made["clientId"], "client_secret": "x", "grant_type": GRANT}
    assert (
        httpx.post(f"{trusting.tenant.server.url}/oauth/token", data=by_secret).status_code == 401
    )
    trusting.tenant.api.patch("/settings", json={"scimCredentials": "keys"})
    refused = trusting.exchange(made["clientId"], trusting.issuer.token())
    assert refused.json()["error"] == "unauthorized_client"


def test_two_connections_exchange_only_their_own_tokens(trusting):
    [made] = trusting.tenant.api.get(trusting.path).json()["items"]
    with Tenant(trusting.tenant.server) as other:
        second = Trusting(other, trusting.issuer)
        theirs = second.trust(subject="theirs").json()
        assert second.exchange(theirs["clientId"], trusting.issuer.token()).status_code == 401
        token = trusting.issuer.token(sub="theirs")
        assert trusting.exchange(made["clientId"], token).status_code == 401
        assert second.exchange(theirs["clientId"], token).status_code == 200


@pytest.mark.parametrize(
    ("given", "status", "pointer"),
    [
        ({"issuer": "x"}, 400, "/issuer"),
        ({"issuer": "ftp://x.example/"}, 400, "/issuer"),
        ({"audience": ""}, 400, "/audience"),
        ({"subject": ""}, 400, "/subject"),
        ({"tenant": ""}, 400, "/tenant"),
        ({"subject": None}, 400, "/subject"),
        ({"extra": 1}, 400, "/extra"),
    ],
    ids=str,
)
def test_wrong_members_are_named(fresh, issuer, given, status, pointer):
    answer = Trusting(fresh, issuer).trust(**given)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (status, pointer)


def test_an_issuer_that_does_not_answer_is_not_trusted(fresh, issuer):
    issuer.up = False
    trusting = Trusting(fresh, issuer)
    assert trusting.trust().status_code == 400
    assert trusting.tenant.api.get(trusting.path).json()["items"] == []
    issuer.up, issuer.url = True, issuer.url
    other = issuer.url.replace("/v2.0", "/v1.0")
    refusal = trusting.trust(issuer=other).json()
    assert "names itself" in refusal["detail"]
    assert [error["pointer"] for error in refusal["errors"]] == ["/issuer"]


def test_the_same_tokens_are_not_trusted_twice(trusting):
    refusal = trusting.trust()
    assert refusal.status_code == 409
    assert [error["pointer"] for error in refusal.json()["errors"]] == ["/subject"]
    with Tenant(trusting.tenant.server) as other:
        second = Trusting(other, trusting.issuer)
        assert second.trust().status_code == 409
        assert second.trust(audience="api://second").status_code == 201
        assert second.get(trusting.issuer.token(aud="api://second")) == 200
        user = other.client(trusting.issuer.token(aud="api://second"), "/scim/v2").post(
            "/Users", json=person()
        )
        assert trusting.tenant.scim.get(f"/Users/{user.json()['id']}").status_code == 404

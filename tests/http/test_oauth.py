"""/oauth: access tokens for OAuth clients, in the words of RFC 6749, 7523 and 8414."""

import itertools

import httpx
import pytest
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey
from scim2_models import ServiceProviderConfig

from muster.access.oauth.server import ASSERTION_TYPE
from muster.base import clock
from tests.support.in_process import InProcessServer
from tests.support.people import name, person
from tests.support.signed import EC, KEYS, RSA, STRANGER, signed
from tests.support.tenant import Tenant, forget_attempts

_numbers = itertools.count()


class Provider:
    """A connection with its OAuth clients."""

    def __init__(self, tenant):
        self.tenant = tenant
        made = tenant.api.post("/connections", json={"name": name("connection")})
        self.id = made.json()["id"]
        self.path = f"/connections/{self.id}"
        self.http = httpx.Client(base_url=tenant.server.url, timeout=30)

    def client(self, **given):
        body = {"name": name("client"), **given}
        made = self.tenant.api.post(f"{self.path}/oauth-clients", json=body)
        assert made.status_code == 201, made.text
        return made.json()

    def ask(self, auth=None, headers=None, **form):
        form = {"grant_type": "client_credentials", **form}
        form = {name: value for name, value in form.items() if value is not None}
        return self.http.post("/oauth/token", data=form, auth=auth, headers=headers)

    def by_secret(self, client, **form):
        return self.ask(auth=(client["clientId"], client["clientSecret"]), **form)

    def assertion(self, client, key=RSA, alg="RS256", header=None, **claims):
        now = int(clock.seconds())
        url = f"{self.tenant.server.url}/oauth/token"
        made = {
            "iss": client["clientId"],
            "sub": client["clientId"],
            "aud": url,
            "iat": now,
            "exp": now + 60,
            "jti": f"j{next(_numbers)}",
            **claims,
        }
        made = {name: value for name, value in made.items() if value is not None}
        head = {"alg": alg, "kid": key.kid, **(header or {})}
        return jwt.encode(head, made, key, algorithms=[alg])

    def by_assertion(self, assertion, **form):
        return self.ask(client_assertion_type=ASSERTION_TYPE, client_assertion=assertion, **form)

    def scim(self, token):
        return self.tenant.client(token, "/scim/v2")


@pytest.fixture
def provider(fresh):
    forget_attempts(fresh.server)
    return Provider(fresh)


def refused(response, status, error):
    assert (response.status_code, response.json()["error"]) == (status, error), response.text
    assert response.headers["cache-control"] == "no-store"
    assert response.json()["error_description"]
    if status == 401:
        assert response.headers["www-authenticate"].startswith("Basic ")
    return response.json()["error_description"]


def test_a_secret_by_basic_and_in_the_form(provider):
    client = provider.client()
    for answer in (
        provider.by_secret(client),
        provider.by_secret(client, scope="scim"),
        provider.ask(client_id=client["clientId"], client_secret=client["clientSecret"]),
    ):
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        token = answer.json()
        assert (token["token_type"], token["scope"]) == ("Bearer", "scim")
        assert 900 <= token["expires_in"] <= 3600
        made = provider.scim(token["access_token"]).post("/Users", json=person())
        assert made.status_code == 201


def test_an_access_token_has_the_scim_permission_of_its_connection_alone(provider):
    token = provider.by_secret(provider.client()).json()["access_token"]
    user = provider.scim(token).post("/Users", json=person()).json()
    owner = provider.tenant.api.get(f"/resources/{user['id']}/connection").json()["connection"]
    assert owner["id"] == provider.id
    api = provider.tenant.client(token, "/api/v1")
    # The first three take the permission that SCIM needs, and would do more than SCIM can.
    for path in ("/open-id-connector", "/changes", f"/history/{user['id']}", "/settings"):
        answer = api.get(path)
        assert answer.status_code == 403
        assert "opens SCIM alone" in answer.json()["detail"]
    assert api.delete("/open-id-connector").status_code == 403
    with Tenant(provider.tenant.server) as other:
        assert other.scim.get(f"/Users/{user['id']}").status_code == 404
    provider.tenant.api.post(f"{provider.path}/pause")
    assert provider.scim(token).get("/Users").status_code == 503


def test_anybody_can_verify_an_access_token(provider):
    token = provider.by_secret(client := provider.client()).json()["access_token"]
    metadata = provider.http.get("/.well-known/oauth-authorization-server").json()
    keys = provider.http.get(metadata["jwks_uri"]).json()
    assert set(keys["keys"][0]) >= {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert "d" not in keys["keys"][0]
    read = jwt.decode(token, KeySet.import_key_set(keys), algorithms=["ES256"])
    assert read.header["typ"] == "at+jwt"
    assert read.claims["client_id"] == client["clientId"]
    assert read.claims["iss"] == metadata["issuer"]
    assert metadata["token_endpoint"] == f"{metadata['issuer']}/oauth/token"
    assert metadata["grant_types_supported"] == ["client_credentials"]


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": None}, "invalid_request"),
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"scope": "admin"}, "invalid_scope"),
        ({"scope": "scim admin"}, "invalid_scope"),
        ({"client_secret": "x"}, "invalid_request"),
        ({"client_id": "1.0000000000000000"}, "invalid_request"),
        ({"client_assertion_type": ASSERTION_TYPE}, "invalid_request"),
    ],
)
def test_malformed_requests_say_what_is_wrong(provider, form, error):
    refused(provider.by_secret(provider.client(), **form), 400, error)


def test_an_id_that_no_client_can_have_is_unknown(provider):
    """PostgreSQL stores no NUL."""
    client_id = provider.client()["clientId"][:-1] + "\0"
    refused(provider.ask(client_id=client_id, client_secret="x"), 401, "invalid_client")
    token = signed({"iss": client_id, "sub": client_id, "exp": 2**40})
    assertion = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": token}
    refused(provider.ask(**assertion), 401, "invalid_client")


def test_repeated_parameters_and_other_bodies_are_refused(provider):
    form = {"content-type": "application/x-www-form-urlencoded"}
    twice = "grant_type=client_credentials&grant_type=client_credentials"
    refused(provider.http.post("/oauth/token", content=twice, headers=form), 400, "invalid_request")
    refused(provider.http.post("/oauth/token", json={}), 400, "invalid_request")
    refused(provider.http.post("/oauth/token", content="%", headers=form), 400, "invalid_request")
    many = "&".join(f"a{n}=1" for n in range(100))
    refused(provider.http.post("/oauth/token", content=many, headers=form), 400, "invalid_request")
    large = provider.http.post("/oauth/token", content="a=" + "x" * 100_000, headers=form)
    assert large.status_code == 413
    assert provider.http.get("/oauth/token").status_code in (404, 405)


@pytest.mark.parametrize(
    "auth",
    [
        ("", ""),
        ("x", "y"),
        ("1.0000000000000000", "x"),
        ("999999999.0000000000000000", "x"),
        ("é", "\0"),
    ],
)
def test_unknown_clients_are_refused(provider, auth):
    refused(provider.ask(auth=tuple(part.encode() for part in auth)), 401, "invalid_client")


def test_wrong_credentials_are_refused(provider):
    client, other = provider.client(), provider.client()
    refused(provider.ask(), 401, "invalid_client")
    refused(provider.ask(auth=(client["clientId"], "wrong")), 401, "invalid_client")
    crossed = (client["clientId"], other["clientSecret"])
    refused(provider.ask(auth=crossed), 401, "invalid_client")
    signer = provider.client(auth="private_key_jwt", jwks=KEYS)
    assert signer["clientSecret"] is None
    refused(provider.ask(auth=(signer["clientId"], "")), 401, "invalid_client")
    refused(provider.by_assertion(provider.assertion(client)), 401, "invalid_client")
    for header in ("Basic", "Basic x", "Bearer x", "Digest x"):
        refused(provider.ask(headers={"authorization": header}), 401, "invalid_client")


def test_attempts_are_limited_without_locking_out_the_client_elsewhere(provider):
    client = provider.client()
    for _ in range(10):
        refused(provider.ask(auth=(client["clientId"], "wrong")), 401, "invalid_client")
    answer = provider.by_secret(client)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 600
    assert provider.by_secret(provider.client()).status_code == 200


@pytest.mark.parametrize(
    ("key", "alg"), [(RSA, "RS256"), (RSA, "PS256"), (EC, "ES256")], ids=["RS256", "PS256", "ES256"]
)
def test_a_signed_assertion_is_used_once(provider, key, alg):
    client = provider.client(auth="private_key_jwt", jwks=KEYS)
    assertion = provider.assertion(client, key, alg)
    answer = provider.by_assertion(assertion)
    assert answer.status_code == 200, answer.text
    assert provider.scim(answer.json()["access_token"]).get("/Users").status_code == 200
    assert "jti" in refused(provider.by_assertion(assertion), 401, "invalid_client")
    assert provider.by_assertion(provider.assertion(client, key, alg)).status_code == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "x"},
        {"sub": "1.0000000000000000"},
        {"aud": "https://elsewhere.example/oauth/token"},
        {"aud": []},
        {"aud": None},
        {"jti": None},
        {"jti": 7},
        {"exp": None},
        {"exp": 1},
        {"exp": 2**40, "iat": None},
        {"exp": "soon"},
        {"iat": 1},
        {"nbf": 2**40},
        {"nbf": "x"},
    ],
    ids=str,
)
def test_wrong_claims_are_refused(provider, claims):
    client = provider.client(auth="private_key_jwt", jwks=KEYS)
    refused(provider.by_assertion(provider.assertion(client, **claims)), 401, "invalid_client")


def test_signatures_of_others_are_refused(provider):
    client = provider.client(auth="private_key_jwt", jwks=KEYS)
    refused(provider.by_assertion(provider.assertion(client, STRANGER)), 401, "invalid_client")
    shared = OctKey.import_key("a secret that is long enough for HS256", {"kid": "rsa"})
    hmac = provider.assertion(client, shared, "HS256")
    refused(provider.by_assertion(hmac), 401, "invalid_client")
    good = provider.assertion(client)
    head, body, _ = good.split(".")
    for bad in (f"{head}.{body}.", f"{head}.{body}", "x", "..", "", f"{head}.{body}.AAAA"):
        assert provider.by_assertion(bad).status_code in (400, 401)


def test_a_rotation_keeps_the_former_secret_for_as_long_as_asked(provider):
    client = provider.client()
    path = f"{provider.path}/oauth-clients/{client['clientId']}"
    next_one = provider.tenant.api.post(f"{path}/rotate", json={"overlapSeconds": 3600}).json()
    assert next_one["formerSecretExpires"] is not None
    assert provider.by_secret(client).status_code == 200
    assert provider.by_secret(next_one).status_code == 200
    last = provider.tenant.api.post(f"{path}/rotate").json()
    assert provider.by_secret(last).status_code == 200
    for former in (client, next_one):
        refused(provider.by_secret(former), 401, "invalid_client")


def test_the_deletion_of_a_client_ends_its_tokens(provider):
    client = provider.client()
    token = provider.by_secret(client).json()["access_token"]
    scim = provider.scim(token)
    assert scim.get("/Users").status_code == 200
    path = f"{provider.path}/oauth-clients/{client['clientId']}"
    assert provider.tenant.api.delete(path).status_code == 204
    assert scim.get("/Users").status_code == 401
    refused(provider.by_secret(client), 401, "invalid_client")
    again = provider.client()
    token = provider.by_secret(again).json()["access_token"]
    assert provider.tenant.api.delete(provider.path).status_code == 204
    assert provider.scim(token).get("/Users").status_code == 401


def test_the_audit_log_names_the_client_and_no_secret(provider):
    client = provider.client()
    token = provider.by_secret(client).json()["access_token"]
    provider.scim(token).post("/Users", json=person())
    log = provider.tenant.api.get("/audit", params={"limit": 1000})
    actors = [row["actor"] for row in log.json()["items"]]
    assert actors[-1] == f"oauth:{client['clientId']}"
    assert client["clientSecret"] not in log.text
    assert token not in log.text


def schemes(scim):
    config = ServiceProviderConfig.model_validate(scim.get("/ServiceProviderConfig").json())
    for scheme in config.authentication_schemes:
        assert scheme.spec_uri
        assert httpx.get(str(scheme.documentation_uri)).status_code == 200
    assert config.authentication_schemes[0].primary is True
    return [scheme.type for scheme in config.authentication_schemes]


def challenged(response, words):
    assert response.status_code == 401
    assert 'error="invalid_token"' in response.headers["www-authenticate"]
    assert response.headers["www-authenticate"].startswith("Bearer ")
    assert words in response.json()["detail"]


def test_a_workspace_can_refuse_api_keys_for_scim(provider):
    tenant, keyed = provider.tenant, provider.tenant.scim
    refusal = tenant.api.patch("/settings", json={"scimCredentials": "oauth"})
    assert refusal.status_code == 409
    assert "no OAuth client" in refusal.json()["detail"]
    oauth = provider.scim(provider.by_secret(provider.client()).json()["access_token"])
    assert schemes(keyed) == schemes(oauth) == ["oauthbearertoken", "oauth2"]
    assert tenant.api.patch("/settings", json={"scimCredentials": "oauth"}).status_code == 200
    for answer in (
        keyed.get("/Users"),
        keyed.post("/Users", json=person()),
        keyed.post("/Bulk", json={}),
        keyed.get("/ServiceProviderConfig"),
    ):
        challenged(answer, "no API keys")
    assert oauth.post("/Users", json=person()).status_code == 201
    assert schemes(oauth) == ["oauth2"]
    assert tenant.api.get("/settings").status_code == 200  # administrators are not locked out
    assert tenant.api.patch("/settings", json={"scimCredentials": "any"}).status_code == 200
    assert keyed.get("/Users").status_code == 200


def test_a_workspace_can_refuse_oauth_for_scim(provider):
    tenant, client = provider.tenant, provider.client()
    oauth = provider.scim(provider.by_secret(client).json()["access_token"])
    assert oauth.get("/Users").status_code == 200
    assert tenant.api.patch("/settings", json={"scimCredentials": "keys"}).status_code == 200
    challenged(oauth.get("/Users"), "Use an API key")
    refused(provider.by_secret(client), 400, "unauthorized_client")
    assert schemes(tenant.scim) == ["oauthbearertoken"]
    with Tenant(tenant.server) as other:
        assert schemes(other.scim) == ["oauthbearertoken", "oauth2"]


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
def test_authlib_gets_tokens_by_secret_and_by_key(provider):
    url = f"{provider.tenant.server.url}/oauth/token"
    client = provider.client()
    for method in ("client_secret_basic", "client_secret_post"):
        with OAuth2Client(
            client["clientId"],
            client["clientSecret"],
            token_endpoint_auth_method=method,
            scope="scim",
        ) as flow:
            assert flow.fetch_token(url, grant_type="client_credentials")["access_token"]
    signer = provider.client(auth="private_key_jwt", jwks=KEYS)
    with OAuth2Client(
        signer["clientId"],
        RSA.as_pem(private=True).decode(),
        token_endpoint_auth_method="private_key_jwt",
    ) as flow:
        flow.register_client_auth_method(PrivateKeyJWT(url))
        assert flow.fetch_token(url, grant_type="client_credentials")["access_token"]


def test_metadata_is_where_rfc_8414_puts_it_if_the_public_url_has_a_path(tmp_path):
    url = "https://muster.example/scim-service"
    with InProcessServer(tmp_path, MUSTER_BASE_URL=url) as server:
        for path in (
            "/.well-known/oauth-authorization-server/scim-service",
            "/scim-service/.well-known/oauth-authorization-server",
            "/.well-known/oauth-authorization-server",
        ):
            metadata = httpx.get(server.url + path).json()
            assert metadata["issuer"] == url
            assert metadata["token_endpoint"] == f"{url}/oauth/token"

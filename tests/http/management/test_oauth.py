"""/api/v1/connections/{id}/oauth-clients and /trusts: creation, lists, rotation and deletion."""

import pytest

from muster.access.permissions import SCIM, SETTINGS
from tests.support.people import name
from tests.support.signed import KEYS, RSA
from tests.support.tenant import Tenant


class Connection:
    """A connection, with the paths below it."""

    def __init__(self, tenant):
        self.api = tenant.api
        made = tenant.api.post("/connections", json={"name": name("connection")})
        self.id = made.json()["id"]
        self.path = f"/connections/{self.id}"

    def post(self, path, **options):
        return self.api.post(self.path + path, **options)

    def get(self, path, **options):
        return self.api.get(self.path + path, **options)

    def delete(self, path):
        return self.api.delete(self.path + path)

    def client(self, **given):
        return self.post("/oauth-clients", json={"name": "x", **given}).json()


@pytest.fixture
def connection(tenant):
    return Connection(tenant)


def trust_in(provider, subject="s"):
    return {"issuer": provider, "audience": name("api://"), "subject": subject}


def test_a_client_is_shown_with_its_secret_once(connection):
    made = connection.post("/oauth-clients", json={"name": "Entra"})
    assert made.status_code == 201
    client = made.json()
    assert made.headers["location"].endswith(
        f"{connection.path}/oauth-clients/{client['clientId']}"
    )
    assert len(client.pop("clientSecret")) == 43
    assert connection.get("/oauth-clients").json()["items"] == [client]
    assert (client["name"], client["connection"]) == ("Entra", connection.id)
    signer = connection.client(auth="private_key_jwt", jwksUri="https://client.example/keys")
    assert (signer["clientSecret"], signer["jwksUri"]) == (None, "https://client.example/keys")


def test_clients_are_listed_in_pages(connection):
    made = [connection.client()["clientId"] for _ in range(3)]
    first = connection.get("/oauth-clients", params={"limit": 2}).json()
    cursor = first["nextCursor"]
    rest = connection.get("/oauth-clients", params={"limit": 2, "cursor": cursor}).json()
    found = [client["clientId"] for client in first["items"] + rest["items"]]
    assert (sorted(found), rest["nextCursor"]) == (sorted(made), None)
    assert connection.get("/oauth-clients", params={"limit": 0}).status_code == 400


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"auth": "none"}, "/auth"),
        ({"auth": "private_key_jwt"}, "/jwks"),
        ({"auth": "private_key_jwt", "jwks": KEYS, "jwksUri": "https://x.example/"}, "/jwks"),
        ({"auth": "private_key_jwt", "jwks": {}}, "/jwks"),
        ({"auth": "private_key_jwt", "jwks": {"keys": [RSA.as_dict(private=True)]}}, "/jwks"),
        ({"auth": "private_key_jwt", "jwks": {"keys": [{"kty": "oct", "k": "eA"}]}}, "/jwks"),
        ({"auth": "private_key_jwt", "jwks": {"keys": ["x"]}}, "/jwks"),
        ({"auth": "private_key_jwt", "jwksUri": "x"}, "/jwksUri"),
        ({"jwks": KEYS}, "/auth"),
        ({"name": ""}, "/name"),
    ],
)
def test_a_client_is_created_with_keys_that_fit(connection, given, pointer):
    body = {"name": "x", **given}
    answer = connection.post("/oauth-clients", json=body)
    assert answer.status_code == 400, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert connection.get("/oauth-clients").json()["items"] == []


@pytest.mark.parametrize("seconds", [-1, 30 * 86_400 + 1, "1", None, 1.5])
def test_an_overlap_is_a_number_of_seconds(connection, seconds):
    path = f"/oauth-clients/{connection.client()['clientId']}/rotate"
    answer = connection.post(path, json={"overlapSeconds": seconds})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/overlapSeconds"


def test_a_client_with_keys_of_its_own_has_no_secret_to_rotate(connection):
    client = connection.client(auth="private_key_jwt", jwks=KEYS)
    assert connection.post(f"/oauth-clients/{client['clientId']}/rotate").status_code == 400


def test_credentials_of_other_connections_and_workspaces_are_not_found(tenant, connection):
    client = connection.client()["clientId"]
    with Tenant(tenant.server) as stranger:
        for api in (tenant.api, stranger.api):
            path = f"/connections/default/oauth-clients/{client}"
            assert api.post(f"{path}/rotate").status_code == 404
            assert api.delete(path).status_code == 404
        assert stranger.api.get(f"{connection.path}/oauth-clients").status_code == 404
        assert stranger.api.delete(f"{connection.path}/oauth-clients/{client}").status_code == 404
        assert stranger.api.get(f"{connection.path}/trusts").status_code == 404
    for path in ("/oauth-clients/x", "/trusts/x", "/trusts/é"):
        assert connection.delete(path).status_code == 404
    assert connection.delete(f"/oauth-clients/{client}").status_code == 204
    assert connection.get("/oauth-clients").json()["items"] == []


def test_a_trust_is_shown_as_it_was_given(connection, provider):
    given = {"issuer": provider, "audience": name("api://"), "subject": "s", "tenant": None}
    made = connection.post("/trusts", json=given)
    assert made.status_code == 201, made.text
    shown = made.json()
    assert given.items() <= shown.items()
    assert connection.get("/trusts").json()["items"] == [shown]
    assert connection.delete(f"/trusts/{shown['id']}").status_code == 204
    assert connection.get("/trusts").json()["items"] == []


def test_the_audit_log_names_changes_of_credentials_and_no_secret(tenant, connection):
    client = connection.client()
    path = f"/oauth-clients/{client['clientId']}"
    rotated = connection.post(f"{path}/rotate", json={"overlapSeconds": 60}).json()
    connection.delete(path)
    log = tenant.api.get("/audit", params={"limit": 1000})
    rows = [row for row in log.json()["items"] if row["resource"] == client["clientId"]]
    assert [row["action"] for row in rows] == ["create", "rotate", "delete"]
    for secret in (client["clientSecret"], rotated["clientSecret"]):
        assert secret not in log.text


def test_credentials_are_given_and_ended_only_by_who_may_provision(tenant, connection, provider):
    """An access token provisions, so the permission for settings alone must not lead to one."""
    client, trust = connection.client(), connection.post("/trusts", json=trust_in(provider)).json()
    limited = tenant.client(tenant.key("--permission", SETTINGS), "/api/v1")
    rotation = f"/oauth-clients/{client['clientId']}"
    for method, path, body in (
        ("POST", "/oauth-clients", {"name": "x"}),
        ("POST", f"{rotation}/rotate", {}),
        ("DELETE", rotation, None),
        ("POST", "/trusts", trust_in(provider, "other")),
        ("DELETE", f"/trusts/{trust['id']}", None),
    ):
        answer = limited.request(method, connection.path + path, json=body)
        assert (answer.status_code, SCIM in answer.text) == (403, True), path
    assert limited.get(f"{connection.path}/oauth-clients").json()["items"][0]["name"] == "x"
    assert len(connection.get("/trusts").json()["items"]) == 1

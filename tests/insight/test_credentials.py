"""The credentials of a workspace: their names, connections and states."""

from muster.access.oauth.trusts import Trust
from muster.access.permissions import SETTINGS
from muster.base.clock import timestamp
from muster.insight.credentials import credential_names, credentials_of
from tests.support.tenant import administer

ISSUER = "https://login.microsoftonline.com/tenant/v2.0"


def trusted(tenant, connection):
    """The id of a trust, as it is stored once the keys of its issuer have been fetched."""

    async def work(storage):
        workspace = await storage.find_workspace(tenant.name)
        parts = ("trust-1", connection, ISSUER, "api://muster", "sync", None, timestamp())
        await storage.administer([Trust(workspace.id, *parts).to_item()], [])
        return "trust-1"

    return administer(tenant.server, work)


def found(tenant):
    """The credentials of a workspace by name."""

    async def work(storage):
        workspace = await storage.find_workspace(tenant.name)
        return (
            {each.name: each for each in await credentials_of(storage, workspace.id)},
            await credential_names(storage, workspace.id),
        )

    return administer(tenant.server, work)


def test_keys_clients_and_trusts_are_named_with_their_connections(fresh):
    key = fresh.api.post("/keys", json={"name": "okta"}).json()["id"]
    reader = fresh.api.post("/keys", json={"name": "ops", "permissions": [SETTINGS]}).json()["id"]
    revoked = fresh.api.post("/keys", json={"name": "old"}).json()["id"]
    fresh.api.delete(f"/keys/{revoked}").raise_for_status()
    staff = fresh.api.post("/connections", json={"name": "Staff", "provider": "entra"}).json()["id"]
    path = f"/connections/{staff}"
    client = fresh.api.post(f"{path}/oauth-clients", json={"name": "Sync"}).json()["clientId"]
    trust_id = trusted(fresh, staff)
    credentials, names = found(fresh)
    host = "login.microsoftonline.com"
    assert {name: each.id for name, each in credentials.items() if name in ("okta", host)} == {
        "okta": key,
        host: trust_id,
    }
    assert credentials["Sync"].connection.provider == "entra"
    assert [credentials[name].manager for name in ("okta", "Sync", host)] == [
        "key okta",
        "connection Staff (OAuth client Sync)",
        f"connection Staff (federated trust {host})",
    ]
    assert [
        (each.active, each.provisions) for each in map(credentials.get, ("okta", "ops", "old"))
    ] == [
        (True, True),
        (True, False),
        (False, True),
    ]
    assert names[f"key:{reader}"] == 'key "ops"'
    assert names[f"oauth:{client}"] == 'OAuth client "Sync"'
    assert names[f"trust:{trust_id}"] == f'federated trust "{host}"'


def test_the_default_connection_is_named_once_it_has_a_name_of_its_own(fresh):
    fresh.api.post("/keys", json={"name": "okta"})
    fresh.api.patch("/connections/default", json={"name": "Okta"}).raise_for_status()
    assert found(fresh)[0]["okta"].manager == "connection Okta (key okta)"

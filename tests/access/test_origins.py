"""The connection from which requests and changes came, by the ids of credentials."""

from muster.access.connections import Connections
from muster.access.keys import KeyOptions, Keys
from muster.access.oauth.clients import OAuthClients
from muster.access.origins import CredentialOrigins


def test_credentials_are_found_by_their_actor_and_id_even_once_they_are_deleted(
    bench, administrator
):
    origins, keys = CredentialOrigins(bench.storage), Keys(bench.storage)
    workspace = administrator.workspace
    okta = bench.run(Connections(bench.storage).create(administrator, {"name": "Okta"}))
    _, plain = bench.run(keys.create(workspace, "plain"))
    _, own = bench.run(keys.create(workspace, "own", KeyOptions(connection=okta.id)))
    found = bench.run(origins.of(workspace.id))
    assert found.by_actor == {f"key:{plain.id}": "default", f"key:{own.id}": okta.id}
    clients = OAuthClients(bench.storage)
    client, *_ = bench.run(clients.create(administrator, okta.id, "c", "client_secret"))
    for _ in range(2):
        found = bench.run(origins.of(workspace.id))
        assert found.of_actor(f"oauth:{client.id}") == okta.id
        assert found.of_credential(client.id) == okta.id
        assert found.credentials(okta.id) == {own.id, client.id}
        bench.run(clients.delete(administrator, client))
    assert found.of_actor("admin:ada@example.com") is None
    assert found.of_credential("unknown") is None
    assert bench.run(origins.of(bench.new_workspace().id)).by_actor == {}

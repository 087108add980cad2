"""OAuth clients: their secrets, rotations and ids."""

import asyncio
from datetime import timedelta

import pytest

from muster.access.connections import Connections
from muster.access.oauth import clients
from muster.access.oauth.clients import (
    CLIENT_KIND,
    PRIVATE_KEY,
    SECRET,
    OAuthClients,
    workspace_of,
)
from muster.scim.errors import ScimError
from tests.support.signed import KEYS


class Place:
    """The OAuth clients of a storage."""

    def __init__(self, bench, by):
        self.run, self.storage, self.by = bench.run, bench.storage, by
        self.clients = OAuthClients(bench.storage)

    def create(self, auth=SECRET, connection="default", **given):
        return self.run(self.clients.create(self.by, connection, "x", auth, **given))

    def rotate(self, client, **overlap):
        return self.run(self.clients.rotate(self.by, client, timedelta(**overlap)))


@pytest.fixture
def place(bench, administrator):
    return Place(bench, administrator)


def test_a_secret_is_stored_as_a_digest_only(place):
    client, secret = place.create()
    assert client.accepts(secret)
    assert len(secret) == 43  # 256 bits
    for wrong in ("", secret[:-1], secret + "x", "é", "\udcff", client.secrets[0].digest):
        assert not client.accepts(wrong)
    item = place.run(place.storage.item(client.workspace, CLIENT_KIND, client.id))
    assert secret not in str(item.body)
    assert place.run(place.clients.find(client.id)) == client


def test_a_client_with_keys_has_no_secret(place):
    client, secret = place.create(PRIVATE_KEY, jwks=KEYS)
    assert secret is None
    assert not client.accepts("")
    assert place.run(place.clients.find(client.id)).jwks == KEYS
    with pytest.raises(ScimError, match="no secret"):
        place.rotate(client)


def test_a_rotation_keeps_the_former_secret_for_the_overlap(place, clock):
    client, first = place.create()
    changed, second = place.rotate(client, hours=1)
    assert changed.accepts(first)
    assert changed.accepts(second)
    clock.advance(minutes=59)
    changed, third = place.rotate(changed, hours=1)
    assert len(changed.secrets) == 3  # the first is not made to last longer
    clock.advance(minutes=2)
    assert [changed.accepts(one) for one in (first, second, third)] == [False, True, True]
    changed, last = place.rotate(changed)
    assert [changed.accepts(one) for one in (second, third, last)] == [False, False, True]


def test_a_rotation_without_an_overlap_begins_an_edition(place):
    client, _ = place.create()
    changed, _ = place.rotate(client, hours=1)
    assert changed.edition == client.edition
    again, _ = place.rotate(changed)
    assert again.edition == client.edition + 1
    assert place.run(place.clients.find(client.id)).edition == again.edition


def test_two_rotations_at_once_both_count(place):
    client, first = place.create()
    _, second = place.rotate(client, hours=1)
    changed, third = place.rotate(client, hours=1)  # from the state before the other rotation
    assert all(changed.accepts(one) for one in (first, second, third))


def test_no_client_is_made_of_a_connection_that_was_deleted_meanwhile(place, bench, connection):
    bench.run(Connections(bench.storage).delete(place.by, connection))
    with pytest.raises(ScimError) as refusal:
        place.create(connection=connection)
    assert refusal.value.status == 404


def test_a_client_is_made_while_its_connection_changes(place, bench, connection):
    connections = Connections(bench.storage)

    async def at_once():
        renaming = connections.change(place.by, connection, {"name": "Other"})
        making = place.clients.create(place.by, connection, "x", SECRET)
        return await asyncio.gather(renaming, making)

    renamed, (client, _) = bench.run(at_once())
    assert (renamed.name, client.connection) == ("Other", connection)


def test_clients_are_listed_by_connection(place, bench, connection):
    one, _ = place.create()
    two, _ = place.create(connection=connection)
    workspace = place.by.workspace.id
    assert [found.id for found in place.run(place.clients.all(workspace, connection))] == [two.id]
    assert place.run(place.clients.get(workspace, "default", one.id)) == one
    for wrong in ((workspace, connection, one.id), (bench.new_workspace().id, "default", one.id)):
        with pytest.raises(ScimError) as refusal:
            place.run(place.clients.get(*wrong))
        assert refusal.value.status == 404
    place.run(place.clients.delete(place.by, one))
    assert place.run(place.clients.find(one.id)) is None


def test_a_workspace_has_a_limited_number_of_clients(place, monkeypatch):
    monkeypatch.setattr(clients, "MAX_CLIENTS", 2)
    place.create()
    place.create()
    with pytest.raises(ScimError, match="at most 2"):
        place.create()


@pytest.mark.parametrize(
    ("client_id", "workspace"),
    [
        ("7.0123456789abcdef", 7),
        ("2147483647.0123456789abcdef", 2**31 - 1),
        ("2147483648.0123456789abcdef", None),
        ("0.0123456789abcdef", None),
        ("-1.0123456789abcdef", None),
        ("7.0123456789abcde", None),
        ("7.0123456789ABCDEF", None),
        ("7.0123456789abcde\0", None),
        ("7.0123456789abcde\n", None),
        ("7.0123456789abcdéf", None),
        ("7", None),
        (".0123456789abcdef", None),
        ("٧.0123456789abcdef", None),
        ("9" * 5000 + ".0123456789abcdef", None),
        ("", None),
    ],
)
def test_a_client_id_contains_the_workspace(client_id, workspace):
    assert workspace_of(client_id) == (None if workspace and workspace >= 10**9 else workspace)

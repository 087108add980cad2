"""Secrets in the database: what is encrypted, from when on, and what a wrong key does."""

import asyncio

import pytest

from muster.base.vault import Vault, is_sealed
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.engine import Statement
from muster.storage.port.errors import Outdated, SecretsLocked, StorageError
from muster.storage.port.items import INSTALLATION, Item
from muster.storage.postgres import PostgresStorage
from muster.storage.records.sealing import READ_SECRET, SEALED, seal_new
from muster.storage.sqlite import SqliteStorage
from muster.upkeep.secrets import rotate, survey
from tests.support.databases import migrated_database, migrated_file

ONE, TWO = "1" * 32, "2" * 32
HERE = ChangeOrigin("test", "request", "2026-01-01T00:00:00.000Z")


class Database:
    """A database, opened by several processes with keys of their own."""

    def __init__(self, engine, folder):
        self._loop, self._opened = asyncio.Runner(), []
        self._place = migrated_file(folder / "m.db") if engine == "sqlite" else migrated_database()
        self._kind = SqliteStorage if engine == "sqlite" else PostgresStorage

    def run(self, coroutine):
        return self._loop.run(coroutine)

    def opened(self, *keys):
        storage = self._kind(self._place, vault=Vault(keys))
        self.run(storage.start())
        self._opened.append(storage)
        return storage

    def stored(self, storage):
        """Return everything in the tables with secrets, as text."""
        secret = self.run(storage.query(Statement(READ_SECRET, ())))[0][0]
        rows = self.run(storage.query(Statement("SELECT body FROM configuration", ())))
        return secret, " ".join(row[0] for row in rows)

    def close(self):
        for storage in self._opened:
            self.run(storage.close())
        self._loop.close()


@pytest.fixture(params=["sqlite", "postgres"])
def database(request, tmp_path):
    made = Database(request.param, tmp_path)
    yield made
    made.close()


def item(kind="administrator", value="JBSWY3DPEHPK3PXP", **more):
    return Item(INSTALLATION, kind, "x", {SEALED[kind]: value, "name": "Ann", **more})


def put(database, storage, new, *expected):
    database.run(storage.administer([new], (), list(expected)))


def get(database, storage, kind="administrator"):
    return database.run(storage.item(INSTALLATION, kind, "x"))


@pytest.mark.parametrize("kind", SEALED)
def test_a_new_database_is_encrypted_from_the_start(database, kind):
    one = database.opened(ONE)
    made = item(kind)
    put(database, one, made)
    assert get(database, one, kind) == made
    assert database.run(one.items(INSTALLATION, kind)) == [made]
    secret, stored = database.stored(one)
    assert is_sealed(secret)
    assert database.run(one.signing_secret()) not in secret
    assert made.body[SEALED[kind]] not in stored
    assert '"name":"Ann"' in stored
    other = database.opened(TWO, ONE)
    assert get(database, other, kind) == made
    assert database.run(other.signing_secret()) == database.run(one.signing_secret())


def test_a_change_is_compared_by_the_value_and_not_by_its_encryption(database):
    one, two = database.opened(ONE, TWO), database.opened(TWO, ONE)
    put(database, one, item())
    put(database, two, item(value="ANOTHER"), item())  # it encrypts with another key
    with pytest.raises(Outdated):
        put(database, one, item(value="THIRD"), item())
    put(database, one, item(value=None), item(value="ANOTHER"))
    assert get(database, two).body["totp"] is None


def test_a_database_in_use_is_encrypted_by_the_rotation_alone(database):
    former = database.opened()  # without keys, as a former version
    put(database, former, item())
    new = database.opened(ONE)
    secret, stored = database.stored(new)
    assert len(secret) == 32
    assert "JBSWY3DPEHPK3PXP" in stored
    put(database, new, item("open-id-connector", "s3cret"))
    assert get(database, former, "open-id-connector").body["clientSecret"] == "s3cret"
    assert database.run(survey(new)).unencrypted == 3
    signing = database.run(new.signing_secret())
    assert database.run(rotate(new, new.vault)) == 3
    sealed, stored = database.stored(new)
    assert is_sealed(sealed)
    assert "JBSWY3DPEHPK3PXP" not in stored
    assert "s3cret" not in stored
    assert database.run(new.signing_secret()) == signing
    assert get(database, new) == item()
    assert database.run(rotate(new, new.vault)) == 0


def test_a_process_that_runs_during_the_rotation_encrypts_from_then_on(database):
    command = database.opened()
    database.run(command.add_workspace("w", "rfc7644", False, "x"))
    running, command = database.opened(ONE), database.opened(ONE)
    database.run(rotate(command, command.vault))
    put(database, running, item())
    assert "JBSWY3DPEHPK3PXP" not in database.stored(running)[1]
    note = Note(INSTALLATION, HERE, "Administrator", "x", "update", b"{}")
    database.run(running.record([note], [item(value="SECOND")]))
    assert "SECOND" not in database.stored(running)[1]
    assert get(database, running).body["totp"] == "SECOND"


def test_a_rotation_to_a_new_key_leaves_nothing_under_the_former_one(database):
    one = database.opened(ONE)
    put(database, one, item())
    both = database.opened(TWO, ONE)
    database.run(rotate(both, both.vault))
    assert database.run(survey(both)).keys == {Vault([TWO]).key_id(): 2}
    new = database.opened(TWO)
    assert get(database, new) == item()
    assert database.run(new.signing_secret()) == database.run(both.signing_secret())


def test_a_replica_with_another_key_says_so_and_changes_nothing(database):
    one = database.opened(ONE)
    put(database, one, item())
    for keys in ((TWO,), ()):
        wrong = database.opened(*keys)
        for work in (
            lambda wrong=wrong: wrong.signing_secret(),
            lambda wrong=wrong: wrong.ready(),
            lambda wrong=wrong: wrong.item(INSTALLATION, "administrator", "x"),
            lambda wrong=wrong: wrong.administer([item(value="OTHER")]),
            lambda wrong=wrong: rotate(wrong, Vault([TWO])),
        ):
            with pytest.raises(SecretsLocked, match=Vault([ONE]).key_id()):
                database.run(work())
    assert get(database, one) == item()


def test_a_value_that_is_moved_to_another_row_is_not_read(database):
    one = database.opened(ONE)
    put(database, one, item())
    move = "UPDATE configuration SET id = 'y' WHERE kind = $1"
    database.run(one.transact(INSTALLATION, [Statement(move, ("administrator",))]))
    with pytest.raises(SecretsLocked, match="changed or moved"):
        database.run(one.item(INSTALLATION, "administrator", "y"))


def test_a_database_without_an_installation_says_so(database):
    storage = database.opened(ONE)
    database.run(storage.transact(INSTALLATION, [Statement("DELETE FROM installation", ())]))
    with pytest.raises(StorageError, match="no muster installation"):
        database.run(seal_new(storage, storage.vault))

"""`muster secrets`: counting the secrets of a database, and encrypting them with another key."""

import pytest

from muster.access.keys import Keys
from muster.access.workspaces import create_workspace
from muster.base.vault import MAGIC
from muster.config import Settings
from muster.storage.port.engine import Statement
from muster.storage.port.errors import SecretsLocked
from muster.storage.port.items import INSTALLATION
from muster.storage.records.sealing import SET_SECRET, open_secret, seal_secret
from muster.upkeep.secrets import ResetReport, SecretsReport
from tests.storage.records.test_sealing import HERE, ONE, TWO, database, get, item, put

__all__ = ["database"]


def test_a_report_counts_by_key():
    report = SecretsReport()
    for value in (None, MAGIC + b"\1\2\3\4x", MAGIC + b"\1\2\3\4y", MAGIC + b"\0\0\0\0z"):
        report.add(value)
    assert (report.unencrypted, report.keys) == (1, {"01020304": 2, "00000000": 1})


def test_items_without_a_secret_are_not_counted(database):
    from muster.upkeep.secrets import rotate, survey

    storage = database.opened("1" * 32)
    put(database, storage, item(value=None))
    assert sum(database.run(survey(storage)).keys.values()) == 1  # that of the installation
    assert database.run(rotate(storage, storage.vault)) == 0
    assert get(database, storage).body["name"] == "Ann"


def test_a_lost_key_is_given_up_with_what_it_encrypted(database):
    from muster.upkeep.secrets import is_unencrypted, reset, survey

    storage = database.opened(ONE)
    workspace = database.run(create_workspace(storage, "acme", "rfc7644", HERE))
    token, _ = database.run(Keys(storage).create(workspace, "okta"))
    put(database, storage, item())
    put(database, storage, item("open-id-connector"))
    assert database.run(reset(storage, storage.vault, HERE)) is None  # nothing is lost
    other = database.opened(TWO)
    with pytest.raises(SecretsLocked):
        database.run(other.signing_secret())
    assert database.run(reset(other, other.vault, HERE)) == ResetReport(1, 1, 1)
    assert not database.run(is_unencrypted(other))
    assert list(database.run(survey(other)).keys.values()) == [1]  # that of the installation
    assert get(database, other).body["totp"] is None
    again = database.opened(TWO)
    assert len(database.run(again.signing_secret())) == 32
    keys = Keys(again)
    assert database.run(keys.check(token)) is None
    assert database.run(keys.check(database.run(keys.create(workspace, "new"))[0])) is not None
    [_, note] = database.run(again.changes(INSTALLATION, 0, 10))[-2:]
    assert (note.type, note.action) == ("Secrets", "reset")
    assert database.run(reset(again, again.vault, HERE)) is None


def test_a_secret_whose_key_is_known_is_kept_by_a_reset(database):
    """A rotation ended after its first step, and the new key is lost."""
    from muster.upkeep.secrets import reset

    one, two = database.opened(ONE), database.opened(TWO, ONE)
    put(database, one, item())
    stored, _ = database.stored(one)
    begun = seal_secret(two.vault, open_secret(one.vault, stored))
    database.run(one.transact(INSTALLATION, [Statement(SET_SECRET, (begun, stored))]))
    again = database.opened(ONE)
    assert database.run(reset(again, again.vault, HERE)) == ResetReport(0, 0, 0)
    assert get(database, again) == item()


def test_the_start_warns_of_secrets_that_are_not_encrypted(database, capsys):
    from muster.cli.serve import _first

    settings = Settings()
    put(database, database.opened(), item())  # without a key, as on PostgreSQL
    database.run(_first(database.opened(), settings, False))
    said = capsys.readouterr().err
    assert said.startswith("muster: MUSTER_SECRET_KEY is not set, so the secrets")
    keyed = database.opened(ONE)
    database.run(_first(keyed, settings, False))
    assert "run muster secrets rotate" in capsys.readouterr().err
    from muster.upkeep.secrets import rotate

    database.run(rotate(keyed, keyed.vault))
    database.run(_first(database.opened(ONE), settings, False))
    assert capsys.readouterr().err == ""

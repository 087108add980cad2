"""`muster secrets`: counting the secrets of a database, and encrypting them with another key."""

from muster.base.vault import MAGIC
from muster.upkeep.secrets import SecretsReport
from tests.storage.records.test_sealing import database, get, item, put

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

"""`muster secrets`, and backups without the key."""

import json
import shutil

from tests.support.server import Server

ONE, TWO = "1" * 40, "2" * 40


def keys_of(muster):
    return json.loads(muster("secrets", "status", "--json").stdout)


def test_a_key_file_is_made_beside_a_new_database_and_replaced_by_a_rotation(muster, tmp_path):
    muster("keys", "create", "--name", "k")
    [file] = tmp_path.rglob("*.db.key")
    before = keys_of(muster)
    assert before["unencrypted"] == 0
    assert sum(before["keys"].values()) == 1
    said = muster("secrets", "rotate").stdout
    after = keys_of(muster)
    [key] = after["keys"]
    assert key not in before["keys"]
    assert said == f"1 secrets encrypted with the key {key} of {file}\n"
    assert muster("secrets", "status").stdout == f"1 encrypted with the key {key}\n"


def test_a_key_of_the_environment_replaces_the_key_file(tmp_path):
    here, both = Server(tmp_path), Server(tmp_path, MUSTER_SECRET_KEY=f"{ONE},{TWO}")
    here.muster("keys", "create", "--name", "k")
    said = both.muster("secrets", "rotate", "--json").stdout
    assert json.loads(said)["origin"] == "MUSTER_SECRET_KEY"
    (tmp_path / "muster.db.key").unlink()
    assert both.muster("keys", "create", "--name", "l").returncode == 0
    refused = here.muster("keys", "create", "--name", "m", check=False)
    assert refused.returncode == 1
    assert json.loads(said)["key"] in refused.stderr
    assert "MUSTER_SECRET_KEY" in refused.stderr
    assert here.muster("keys", "list").returncode == 0  # it needs no secret


def test_a_short_key_is_refused(tmp_path):
    refused = Server(tmp_path, MUSTER_SECRET_KEY="short").muster("keys", "list", check=False)
    assert refused.returncode == 2
    assert "at least 32 characters" in refused.stderr
    assert "short," not in refused.stderr


def test_a_lost_key_is_reported_by_the_restore_and_by_the_start(tmp_path):
    there = tmp_path / "there"
    there.mkdir()
    here, restored = Server(tmp_path), Server(there)
    token = here.muster("keys", "create", "--name", "k").stdout
    backup = str(tmp_path / "backup.db")
    said = here.muster("backup", backup)
    assert f"keep a copy of {tmp_path / 'muster.db.key'}" in said.stderr
    assert token
    refused = restored.muster("restore", backup, check=False)
    assert refused.returncode == 1
    assert "is restored, but the service cannot start" in refused.stderr
    started = restored.muster("serve", "--first-key", check=False)
    assert started.returncode == 1
    assert f"put the key file of its server at {there / 'muster.db.key'}" in started.stderr
    rotated = restored.muster("secrets", "rotate", check=False)
    assert rotated.returncode == 1
    assert not (there / "muster.db.key").exists()
    shutil.copy(tmp_path / "muster.db.key", there)
    assert restored.muster("keys", "create", "--name", "l").returncode == 0


def test_a_lost_key_is_given_up_only_if_that_is_said(tmp_path):
    here = Server(tmp_path)
    here.muster("keys", "create", "--name", "k")
    refused = here.muster("secrets", "reset", "--confirm", "yes", check=False)
    assert (refused.returncode, "expected 'api-keys'" in refused.stderr) == (2, True)
    refused = here.muster("secrets", "reset", "--confirm", "api-keys", check=False)
    assert (refused.returncode, "nothing is lost" in refused.stderr) == (1, True)
    (tmp_path / "muster.db.key").unlink()
    assert here.muster("keys", "create", "--name", "l", check=False).returncode == 1
    said = here.muster("secrets", "reset", "--confirm", "api-keys")
    assert said.stdout.startswith("1 API keys revoked; 0 Open ID Connectors")
    assert "create new API keys" in said.stderr
    assert here.muster("keys", "create", "--name", "l").returncode == 0

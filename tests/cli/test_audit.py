"""`muster audit verify`."""

import json
import sqlite3


def test_a_sound_log_has_no_breaks(muster):
    muster("workspaces", "create", "acme")
    muster("keys", "create", "--workspace", "acme", "--name", "k")
    said = muster("audit", "verify").stdout
    assert said.endswith(" rows are linked; 0 breaks\n")
    found = json.loads(muster("audit", "verify", "--json").stdout)
    assert found["rows"] >= 1
    assert (found["broken"], found["breaks"], found["unlinked"]) == (0, [], 0)


def test_an_altered_row_is_a_break_and_an_exit_code_of_1(muster, tmp_path):
    muster("workspaces", "create", "acme")
    for name in ("k", "l"):
        muster("keys", "create", "--workspace", "acme", "--name", name)
    (file,) = tmp_path.glob("*.db")
    with sqlite3.connect(file) as database:
        database.execute(
            "UPDATE changes SET actor = 'nobody'"
            " WHERE sequence = (SELECT min(sequence) FROM changes WHERE type = 'ApiKey')"
        )
    database.close()
    broken = muster("audit", "verify", check=False)
    assert broken.returncode == 1
    assert "acme: the chain breaks at change" in broken.stdout
    found = json.loads(muster("audit", "verify", "--json", check=False).stdout)
    assert found["broken"] == len(found["breaks"]) == 1

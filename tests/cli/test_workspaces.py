"""`muster workspaces`."""

import json


def test_workspaces(muster):
    muster("workspaces", "create", "acme", "--contract", "cortex", "--strict")
    muster("workspaces", "set", "acme", "--no-strict")
    rows = [line.split("\t")[:3] for line in muster("workspaces", "list").stdout.splitlines()]
    assert rows == [["acme", "cortex", "lenient"], ["default", "rfc7644", "lenient"]] or rows == [
        ["acme", "cortex", "lenient"]
    ]
    again = muster("workspaces", "create", "acme", check=False)
    assert (again.returncode, again.stderr) == (1, "muster: a workspace 'acme' exists already\n")


def test_list_as_json(muster):
    muster("migrate")
    assert json.loads(muster("workspaces", "list", "--json").stdout) == []
    muster("workspaces", "create", "acme", "--strict")
    [workspace] = json.loads(muster("workspaces", "list", "--json").stdout)
    assert workspace.pop("created")
    assert workspace == {
        "name": "acme",
        "displayName": "acme",
        "state": "active",
        "contract": "rfc7644",
        "strict": True,
    }


def test_an_unknown_workspace_is_answered_with_similar_names(muster):
    muster("workspaces", "create", "acme")
    refused = muster("keys", "list", "--workspace", "acne", check=False)
    assert (refused.returncode, refused.stderr) == (
        1,
        "muster: no workspace named 'acne'; did you mean 'acme'? Workspaces: acme, default\n",
    )
    refused = muster("keys", "list", "--workspace", "zzz", check=False)
    assert refused.stderr == "muster: no workspace named 'zzz'. Workspaces: acme, default\n"
    for number in range(10):
        muster("workspaces", "create", f"w{number}")
    refused = muster("keys", "list", "--workspace", "zzz", check=False)
    assert "There are 12, among them acme, default, w0, " in refused.stderr
    assert refused.stderr.endswith("; see muster workspaces list\n")


def test_a_deleted_workspace_is_not_renamed(muster):
    muster("workspaces", "create", "gone")
    muster("workspaces", "delete", "gone", "--confirm", "gone")
    refused = muster("workspaces", "rename", "gone", "other", check=False)
    assert (refused.returncode, "is deleted. Restore it first" in refused.stderr) == (1, True)
    muster("workspaces", "restore", "gone")
    muster("workspaces", "rename", "gone", "other")


def test_a_workspace_is_renamed(muster):
    muster("workspaces", "create", "acme")
    muster("keys", "create", "--workspace", "acme", "--name", "okta", "--admin")
    assert muster("workspaces", "rename", "acme", "acme-inc").stdout == ""
    listed = muster("keys", "list", "--workspace", "acme-inc").stdout
    assert "okta" in listed
    former = muster("keys", "list", "--workspace", "acme", check=False)
    assert former.stderr == "muster: the workspace 'acme' is called 'acme-inc' now\n"
    for arguments, status, says in (
        (("create", "acme"), 1, "former name of the workspace 'acme-inc'"),
        (("rename", "acme-inc", "Acme"), 2, "lower-case letters"),
        (("rename", "default", "main"), 1, "cannot be renamed"),
    ):
        refused = muster("workspaces", *arguments, check=False)
        assert (refused.returncode, says in refused.stderr) == (status, True), refused.stderr
    muster("workspaces", "rename", "acme-inc", "acme")
    assert "acme\t" in muster("workspaces", "list").stdout


def state(muster, name):
    listed = json.loads(muster("workspaces", "list", "--json").stdout)
    return next(item["state"] for item in listed if item["name"] == name)


def test_a_workspace_is_suspended_and_resumed(muster):
    muster("workspaces", "create", "acme")
    muster("workspaces", "suspend", "acme", "--reason", "The invoice is overdue")
    assert state(muster, "acme") == "suspended"
    muster("workspaces", "resume", "acme")
    assert state(muster, "acme") == "active"
    refused = muster("workspaces", "suspend", "acme", "--reason", "x" * 301, check=False)
    assert (refused.returncode, "300 characters" in refused.stderr) == (2, True)
    refused = muster("workspaces", "suspend", "acme", "--reason", "a\nb", check=False)
    assert (refused.returncode, "--reason: expected at most" in refused.stderr) == (2, True)


def test_a_workspace_is_deleted_and_restored(muster):
    muster("workspaces", "create", "acme")
    refused = muster("workspaces", "delete", "acme", "--confirm", "acne", check=False)
    assert (refused.returncode, "--confirm: expected 'acme'" in refused.stderr) == (2, True)
    muster("workspaces", "delete", "acme", "--confirm", "acme")
    assert state(muster, "acme") == "deleted"
    refused = muster("workspaces", "suspend", "acme", check=False)
    assert (refused.returncode, "is deleted" in refused.stderr) == (1, True)
    muster("workspaces", "restore", "acme")
    assert state(muster, "acme") == "active"
    refused = muster("workspaces", "delete", "default", "--confirm", "default", check=False)
    assert (refused.returncode, "cannot be deleted" in refused.stderr) == (1, True)


def test_the_profile_is_set_if_the_workspace_fits_it(muster):
    muster("workspaces", "create", "acme")
    refused = muster("workspaces", "set", "acme", "--profile", "ipsie", check=False)
    assert refused.returncode == 1
    assert "private_key_jwt" in refused.stderr
    assert muster("workspaces", "set", "acme", "--profile", "none").returncode == 0

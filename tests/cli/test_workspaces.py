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
    assert workspace == {"name": "acme", "contract": "rfc7644", "strict": True}


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

"""`muster connections`, and keys of a connection."""

import json

import pytest


def listed(muster):
    return {one["name"]: one for one in json.loads(muster("connections", "list", "--json").stdout)}


def test_a_connection_is_created_changed_paused_and_deleted(muster):
    muster("keys", "create", "--name", "first", "--admin")
    made = muster(
        *("connections", "create", "Entra", "--provider", "entra", "--ownership", "exclusive"),
        *("--strict", "--rate-limit", "60", "--guard-mode", "pause"),
    ).stdout.strip()
    one = listed(muster)["Entra"]
    assert (one["id"], one["provider"], one["ownership"]) == (made, "entra", "exclusive")
    assert (one["strict"], one["rateLimit"], one["guardMode"]) == (True, 60, "pause")
    assert one["owns"] == {}
    muster("connections", "update", "entra", "--name", "Entra ID", "--inherit", "strict")
    one = listed(muster)["Entra ID"]
    assert (one["strict"], one["rateLimit"]) == (None, 60)
    muster("connections", "pause", made, "--reason", "Moving")
    one = listed(muster)["Entra ID"]
    assert (one["state"], one["pausedBy"], one["pauseReason"]) == (
        "paused",
        "administrator",
        "Moving",
    )
    rows = muster("connections", "list").stdout.splitlines()
    assert rows[1].split("\t")[1:] == ["Entra ID", "entra", "paused", "exclusive", "owns 0"]
    muster("connections", "resume", "Entra ID")
    assert listed(muster)["Entra ID"]["state"] == "active"
    muster("connections", "delete", "Entra ID")
    assert list(listed(muster)) == ["default"]


def test_a_key_of_a_connection(muster):
    muster("keys", "create", "--name", "first", "--admin")
    made = muster("connections", "create", "Okta").stdout.strip()
    muster("keys", "create", "--name", "okta", "--connection", "okta", "--admin")
    keys = {key["name"]: key["connection"] for key in json.loads(_keys(muster))}
    assert keys == {"first": "default", "okta": made}
    muster("connections", "delete", "Okta")
    assert [key["status"] for key in json.loads(_keys(muster))] == ["active", "revoked"]


def _keys(muster):
    return muster("keys", "list", "--json").stdout


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (("create", "x", "--provider", "octa"), 2, "--provider: 'octa' is none of 'okta'"),
        (("create", "x", "--ownership", "mine"), 2, "--ownership: 'mine'"),
        (("create", "x", "--guard-mode", "on"), 2, "--guard-mode: 'on' is none of 'hold'"),
        (("create", "x", "--rate-limit", "10000001"), 2, "at most 10,000,000"),
        (("create", " "), 2, "name: expected 1 to 100 characters"),
        (("create", "Default"), 1, "has this name. Choose another."),
        (("update", "default"), 2, "name at least one option"),
        (("update", "default", "--inherit", "name"), 2, "no setting 'name'; allowed are contract"),
        (("update", "default", "--strict", "--inherit", "strict"), 2, "not both"),
        (("update", "nobody", "--strict"), 1, "no connection 'nobody'; the workspace has"),
        (("pause", "default", "--reason", "x" * 301), 2, "at most 300"),
        (("pause", "default", "--reason", "a\nb"), 2, "--reason: expected at most 300"),
        (("delete", "default"), 1, "cannot be deleted. Pause it instead."),
        (("list", "--workspace", "nowhere"), 1, "nowhere"),
    ],
)
def test_wrong_arguments_are_named(muster, arguments, status, told):
    muster("keys", "create", "--name", "first", "--admin")
    refused = muster("connections", *arguments, check=False)
    assert (refused.returncode, refused.stdout) == (status, "")
    assert told in refused.stderr


def test_a_key_of_an_unknown_connection_is_refused(muster):
    refused = muster("keys", "create", "--name", "x", "--connection", "nobody", check=False)
    assert refused.returncode == 1
    assert "no connection 'nobody'; the workspace has 'default'" in refused.stderr
    platform = ("--platform", "--connection", "default")
    assert muster("keys", "create", "--name", "x", *platform, check=False).returncode == 2

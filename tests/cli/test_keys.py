"""`muster keys`."""

import json
import re

import pytest


def test_a_key_is_printed_alone(muster):
    muster("migrate")
    made = muster("keys", "create", "--name", "x", "--admin")
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", made.stdout)
    assert made.stderr == ""


def test_a_key_that_may_do_everything_comes_with_a_warning_unless_asked_for(muster):
    muster("migrate")
    made = muster("keys", "create", "--name", "bare")
    assert made.stdout.count("\n") == 1
    assert made.stderr == (
        "muster: this key may do everything in the workspace 'default'. For an identity provider,"
        ' use --permission "Configure Open ID Connector & SCIM"; for a key that may do everything,'
        " use --admin.\n"
    )
    for chosen in (["--admin"], ["--permission", "Admin"], ["--permission", "Read directory"]):
        assert muster("keys", "create", "--name", chosen[-1].strip("-"), *chosen).stderr == ""
    listed = [row.split("\t")[3] for row in muster("keys", "list").stdout.splitlines()]
    assert listed == ["Admin", "Admin", "Admin", "Read directory"]


def test_keys_are_listed_rotated_and_revoked(muster):
    muster(
        "keys",
        "create",
        "--name",
        "okta",
        "--permission",
        "View audit logs",
        "Edit Roles",
        "--permission",
        "Edit Roles",
    )
    listed = muster("keys", "list").stdout.split("\t")
    assert listed[1:4] == ["okta", "active", "View audit logs, Edit Roles"]
    assert muster("keys", "rotate", "okta", "--overlap", "60").stdout.count(".") == 2
    assert muster("keys", "revoke", listed[0]).stdout == ""
    assert [line.split("\t")[2] for line in muster("keys", "list").stdout.splitlines()] == [
        "revoked",
        "active",
    ]


def test_list_as_json(muster):
    muster("keys", "create", "--name", "a\tb", "--rate-limit", "5")
    [key] = json.loads(muster("keys", "list", "--json").stdout)
    assert (key["name"], key["state"], key["permissions"], key["rateLimit"]) == (
        "a\tb",
        "active",
        ["Admin"],
        5,
    )
    assert key["status"] == "active"
    assert muster("keys", "list").stdout.endswith("\tlimit 5\tlast used never\n")
    assert len(muster("keys", "list").stdout.split("\t")) == 6  # a tab in a name adds no column
    muster("keys", "set", key["id"], "--rate-limit", "-1")
    assert json.loads(muster("keys", "list", "--json").stdout)[0]["rateLimit"] is None


def test_errors_name_the_next_step(muster):
    for name in ("okta", "twice", "twice"):
        muster("keys", "create", "--name", name)
    cases = {
        ("revoke", "okat"): (
            1,
            "no key 'okat' in workspace 'default'; did you mean 'okta'? See muster keys list",
        ),
        ("revoke", "twice"): (
            1,
            "2 active keys are named 'twice': give the id instead. See muster keys list",
        ),
        ("create", "--name", "x", "--permission", "View audit log"): (
            2,
            "did you mean 'View audit logs'?",
        ),
        ("create", "--name", "x", "--permission", "Fly"): (
            2,
            "allowed are 'Configure Open ID Connector & SCIM', ",
        ),
        ("create", "--name", "x", "--admin", "--permission", "Admin"): (
            2,
            "give either --permission or --admin, not both",
        ),
        ("create", "--name", " "): (2, "--name: expected 1 to 200 characters"),
        ("create", "--name", "x" * 201): (2, "--name: expected 1 to 200 characters"),
        ("create", "--name", "x", "--expires-in-days", "0"): (
            2,
            "must be a whole number, 1 or more",
        ),
        ("create", "--name", "x", "--rate-limit", "1.5"): (2, "must be a whole number, 0 or more"),
    }
    for arguments, (status, says) in cases.items():
        refused = muster("keys", *arguments, check=False)
        assert (refused.returncode, refused.stdout) == (status, "")
        assert refused.stderr.startswith("muster: ")
        assert says in refused.stderr


def test_help_says_that_a_key_without_permissions_is_an_administrators(muster):
    shown = " ".join(muster("keys", "create", "--help").stdout.split())
    assert "Without --permission, the key has the Admin role" in shown


def test_platform_keys_are_listed_and_revoked(muster):
    muster("migrate")
    for name in ("sign-up", "billing"):
        muster("keys", "create", "--platform", "--name", name)
    listed = json.loads(muster("keys", "list", "--platform", "--json").stdout)
    assert {key["name"] for key in listed if key["status"] == "active"} >= {"sign-up", "billing"}
    assert "muster_platform_" not in str(listed)
    mistyped = muster("keys", "revoke", "sing-up", "--platform", check=False)
    assert (mistyped.returncode, "'sign-up'" in mistyped.stderr) == (1, True)
    muster("keys", "revoke", "sign-up", "--platform")
    [billing] = [key["id"] for key in listed if key["name"] == "billing"]
    muster("keys", "revoke", billing, "--platform")
    lines = muster("keys", "list", "--platform").stdout.splitlines()
    states = {line.split("\t")[1]: line.split("\t")[2] for line in lines}
    assert (states["sign-up"], states["billing"]) == ("revoked", "revoked")
    assert muster("keys", "revoke", "billing", "--platform", check=False).returncode == 1
    for command in (["list"], ["revoke", "x"]):
        refused = muster("keys", *command, "--platform", "--workspace", "acme", check=False)
        assert (refused.returncode, "without --workspace" in refused.stderr) == (2, True)


@pytest.mark.parametrize("option", ["--name", "--workspace"])
def test_text_that_is_not_utf_8_is_refused(muster, option):
    muster("migrate")
    arguments = {"--name": "x", option: "x\udcff"}
    refused = muster("keys", "create", *sum(arguments.items(), ()), check=False)
    assert (refused.returncode, "is not valid UTF-8" in refused.stderr) == (2, True)


def test_a_platform_key_is_printed_alone(muster):
    muster("migrate")
    made = muster("keys", "create", "--platform", "--name", "signup", "--expires-in-days", "30")
    assert re.fullmatch(r"muster_platform_[0-9a-f]{16}_[\w-]{43}\n", made.stdout)
    assert made.stderr == ""
    again = muster("keys", "create", "--platform", "--name", "Signup", check=False)
    assert (again.returncode, "exists already" in again.stderr) == (1, True)
    for more in (["--admin"], ["--workspace", "acme"], ["--rate-limit", "5"]):
        refused = muster("keys", "create", "--platform", "--name", "x", *more, check=False)
        assert (refused.returncode, "belongs to no workspace" in refused.stderr) == (2, True)

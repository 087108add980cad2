"""`muster admins`."""

import json


def test_admins_are_created_from_a_pipe_and_listed(muster):
    muster("migrate")
    assert muster("admins", "list").stdout == ""
    made = muster(
        "admins", "create", "--email", "ada@example.com", typed="a long enough password\n"
    )
    assert made.stdout == "Created administrator ada@example.com\n"
    [email, access, _] = muster("admins", "list").stdout.rstrip("\n").split("\t")
    assert (email, access) == ("ada@example.com", "everything")
    [admin] = json.loads(muster("admins", "list", "--json").stdout)
    assert (admin["email"], admin["everyWorkspace"]) == ("ada@example.com", True)
    assert (admin["secondFactor"], admin["lastSignIn"]) == (False, None)


def test_an_administrator_is_removed_and_never_the_last(muster):
    for email in ("ada@example.com", "ben@example.com"):
        muster("admins", "create", "--email", email, typed="a long enough password\n")
    assert muster("admins", "remove", "BEN@example.com").stdout == ""
    [left] = json.loads(muster("admins", "list", "--json").stdout)
    assert left["email"] == "ada@example.com"
    refused = muster("admins", "remove", left["id"], check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "The last administrator of the installation cannot be removed" in refused.stderr


def test_reset_needs_a_second_factor_and_someone_who_exists(muster):
    muster("admins", "create", "--email", "ada@example.com", typed="a long enough password\n")
    for who, says in (
        ("ada@example.com", "ada@example.com does not use two-factor authentication."),
        (
            "adda@example.com",
            "no administrator 'adda@example.com'; did you mean 'ada@example.com'?",
        ),
    ):
        refused = muster("admins", "reset", who, check=False)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert says in refused.stderr


def test_an_invitation_with_a_role_is_listed_and_revoked(muster):
    muster("workspaces", "create", "acme")
    role = ("--workspace", "acme", "--permission", "View audit logs", "--hours", "24")
    link = muster("admins", "invite", "--name", "Sam Lee", *role).stdout
    assert "/first?token=" in link
    muster("admins", "invite")
    found = json.loads(muster("admins", "invitations", "--json").stdout)
    [sam] = [each for each in found if each["name"] == "Sam Lee"]
    assert (sam["workspace"], sam["permissions"]) == ("acme", ["View audit logs"])
    assert sam["invitedBy"] == "the operator of this installation"
    [owner] = [each for each in found if each != sam]
    assert (owner["workspace"], owner["permissions"][0]) == (None, "Admin")
    rows = [line.split("\t") for line in muster("admins", "invitations").stdout.splitlines()]
    assert [row[1:3] for row in rows if row[0] == sam["id"][:12]] == [["Sam Lee", "acme"]]
    assert muster("admins", "revoke", sam["id"][:12]).stdout == ""
    [left] = json.loads(muster("admins", "invitations", "--json").stdout)
    assert left == owner
    refused = muster("admins", "revoke", sam["id"][:12], check=False)
    assert (refused.returncode, "no pending invitations begin with" in refused.stderr) == (1, True)


def test_an_invitation_names_what_does_not_exist(muster):
    muster("migrate")
    for options, says in (
        (("--permission", "View audit log"), "did you mean 'View audit logs'?"),
        (("--workspace", "defalt"), "did you mean 'default'?"),
        (("--hours", "1000"), "at most 7 days"),
    ):
        refused = muster("admins", "invite", *options, check=False)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert says in refused.stderr

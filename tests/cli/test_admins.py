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

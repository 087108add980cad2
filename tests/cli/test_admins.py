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

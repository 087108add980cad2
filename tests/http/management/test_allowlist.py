"""/api/v1/ip-allowlist, and networks with descriptions."""

import pytest

from tests.http.management.test_connections import connect, refused, scim_of

HERE = ["127.0.0.0/8", "192.0.2.0/24"]


def set_allowlist(fresh, entries):
    changed = fresh.api.patch("/settings", json={"ipAllowlist": entries})
    assert changed.status_code == 200, changed.text
    return changed.json()


def test_a_network_has_a_description_which_a_client_that_knows_none_keeps(fresh):
    office = {"range": "192.0.2.7", "description": "Office in Berlin"}
    changed = set_allowlist(fresh, ["127.0.0.0/8", office])
    assert changed["ipAllowlist"] == ["127.0.0.0/8", "192.0.2.7/32"]
    described = [
        {"range": "127.0.0.0/8", "description": ""},
        {"range": "192.0.2.7/32", "description": "Office in Berlin"},
    ]
    assert changed["ipAllowlistEntries"] == described
    # A client of today sends back what it has read.
    assert set_allowlist(fresh, changed["ipAllowlist"])["ipAllowlistEntries"] == described
    assert fresh.api.get("/settings").json()["ipAllowlistEntries"] == described
    cleared = set_allowlist(fresh, ["127.0.0.0/8", {"range": "192.0.2.7", "description": ""}])
    assert {entry["description"] for entry in cleared["ipAllowlistEntries"]} == {""}
    rows = fresh.api.get("/audit", params={"type": "Settings"}).json()["items"]
    assert rows[-1]["document"]["before"]["ipAllowlistEntries"] == described


@pytest.mark.parametrize(
    "entry",
    [
        "10.0.0.0/33",
        7,
        {},
        {"range": "x"},
        {"range": 7},
        {"range": "10.0.0.0/8", "description": 7},
        {"range": "10.0.0.0/8", "description": "x" * 201},
        {"range": "10.0.0.0/8", "description": "a\nb"},
        {"range": "10.0.0.0/8", "note": "x"},
    ],
)
def test_wrong_entries_are_named(fresh, entry):
    body = {"ipAllowlist": ["127.0.0.0/8", entry]}
    refused(fresh.api.patch("/settings", json=body), 400, "/ipAllowlist/1")
    refused(fresh.api.patch("/connections/default", json=body), 400, "/ipAllowlist/1")
    assert fresh.api.get("/settings").json()["ipAllowlist"] == []


def validated(fresh, address, **more):
    answer = fresh.api.post("/ip-allowlist/validate", json={"address": address, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_address_is_checked_against_the_workspace_or_a_connection(fresh):
    anywhere = {"address": "203.0.113.1", "allowed": True, "entry": None, "inherited": True}
    assert validated(fresh, " 203.0.113.1 ") == anywhere
    set_allowlist(fresh, [*HERE, {"range": "2001:db8::/32", "description": "Data centre"}])
    assert validated(fresh, "203.0.113.1")["allowed"] is False
    assert validated(fresh, "192.0.2.9")["entry"] == {"range": "192.0.2.0/24", "description": ""}
    found = validated(fresh, "2001:db8::7")
    assert found["entry"] == {"range": "2001:db8::/32", "description": "Data centre"}
    assert validated(fresh, "::ffff:192.0.2.9")["allowed"] is True
    okta = connect(fresh, name="Okta")
    assert validated(fresh, "203.0.113.1", connection="Okta")["allowed"] is False
    own = [{"range": "203.0.113.0/24", "description": "Okta's cell"}]
    changed = fresh.api.patch(f"/connections/{okta['id']}", json={"ipAllowlist": own}).json()
    assert changed["ipAllowlistEntries"] == own
    found = validated(fresh, "203.0.113.1", connection=okta["id"])
    assert (found["allowed"], found["inherited"], found["entry"]) == (True, False, own[0])
    assert validated(fresh, "192.0.2.9", connection="Okta")["allowed"] is False
    assert (
        fresh.api.patch(f"/connections/{okta['id']}", json={"ipAllowlist": None}).json()[
            "ipAllowlistEntries"
        ]
        is None
    )


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/address"),
        ({"address": "x"}, "/address"),
        ({"address": "192.0.2.0/24"}, "/address"),
        ({"address": "192.0.2.1", "connection": "x"}, "/connection"),
    ],
)
def test_wrong_members_are_named(fresh, body, pointer):
    refused(fresh.api.post("/ip-allowlist/validate", json=body), 400, pointer)


def test_a_key_does_not_lock_itself_out_without_a_word(fresh):
    own = {"ipAllowlist": ["192.0.2.0/24"]}
    detail = refused(fresh.api.patch("/connections/default", json=own), 409)
    assert "127.0.0.1" in detail
    assert fresh.scim.get("/Users").status_code == 200
    okta = connect(fresh, **own)  # that of another connection is no lockout
    assert scim_of(fresh, okta).get("/Users").status_code == 403
    confirmed = {**own, "confirmLockout": True}
    assert fresh.api.patch("/connections/default", json=confirmed).status_code == 200
    assert fresh.api.get("/settings").status_code == 403

"""Entries of the installation's log as sentences."""

import orjson
import pytest

from muster.console.activity import activity_of
from muster.storage.port.changes import Change, ChangeOrigin

EMAIL = {"email": "bob@example.com"}
CASES = [
    ("Administrator", "sign-in", {**EMAIL, "factor": "passkey"}, "bob@example.com signed in with a passkey"),
    ("Administrator", "sign-in", EMAIL, "bob@example.com signed in"),
    ("Administrator", "sign-in-failed", {"email": "", "reason": "wrong passkey"},
     "Somebody failed to sign in as an unknown address: wrong passkey"),
    ("Administrator", "sign-out", EMAIL, "bob@example.com signed out"),
    ("Administrator", "create", {**EMAIL, "roles": {"7": ["Admin"]}, "invitedBy": "Ada"},
     "bob@example.com became Owner of acme, invited by Ada"),
    ("Administrator", "delete", EMAIL, "ada@example.com removed bob@example.com"),
    ("Administrator", "update", {**EMAIL, "changed": "totp"},
     "bob@example.com turned an authenticator app on or off"),
    ("Administrator", "update", {**EMAIL, "changed": "passkey", "turned": "on", "passkey": "Key {x}"},
     "bob@example.com added the passkey “Key {x}”"),
    ("Administrator", "update", {**EMAIL, "changed": "passkey name", "passkey": "b", "before": "a"},
     "bob@example.com renamed the passkey “a” to “b”"),
    ("Administrator", "update", {**EMAIL, "changed": "second factor", "turned": "off"},
     "ada@example.com reset the second factor of bob@example.com"),
    ("Administrator", "update", {**EMAIL, "changed": "something later"},
     "bob@example.com changed their account"),
    ("Invitation", "create", {"name": "Bob", "roles": {"*": ["View audit logs"]}},
     "ada@example.com invited Bob as Auditor of all workspaces"),
    ("Invitation", "revoke", {"name": "", "roles": {"7": ["Admin"]}},
     "ada@example.com revoked the invitation of a new administrator as Owner of acme"),
    ("Invitation", "accept", {**EMAIL, "name": "Bob"}, "bob@example.com accepted the invitation of Bob"),
    ("SignInPolicy", "update", {"after": {"requireSecondFactor": True}},
     "ada@example.com made two-factor authentication required"),
    ("Workspace", "create", {"name": "acme"}, "ada@example.com created the workspace acme"),
]  # fmt: skip


def entry(kind, action, details, actor="admin:ada@example.com"):
    origin = ChangeOrigin(actor, "request", "2026-01-01T00:00:00.000Z", "192.0.2.1")
    document = orjson.dumps(details)
    return Change(1, origin, kind, "x", action, 0, document)


@pytest.mark.parametrize(("kind", "action", "details", "sentence"), CASES)
def test_an_entry_says_who_did_what_to_whom(kind, action, details, sentence):
    found = activity_of(entry(kind, action, details), {"7": "acme"})
    assert (found.text, found.address) == (sentence, "192.0.2.1")
    assert found.failed == (action == "sign-in-failed")


@pytest.mark.parametrize(
    ("actor", "words"),
    [
        ("command", "An operator on the command line"),
        ("openid:acme:eve@example.com", "eve@example.com"),
    ],
)
def test_actors_are_named(actor, words):
    assert activity_of(entry("Workspace", "delete", {"name": "w"}, actor), {}).text == (
        f"{words} deleted the workspace w"
    )

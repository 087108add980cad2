"""Which administrators must set up a second factor, and what the log says, on every engine."""

import json
from dataclasses import replace

import pyotp
import pytest

from muster.access.administrators import NotSignedIn
from muster.access.sign_in_policy import SignInPolicy
from muster.storage.port.changes import ChangeFilter
from muster.storage.port.items import INSTALLATION
from tests.access.test_administrators import HERE, PASSWORD, admin, here

__all__ = ["here"]


def log(here):
    rows, _ = here.run(here.storage.search_changes(INSTALLATION, None, 50, ChangeFilter()))
    return [(row.type, row.action, json.loads(row.document)) for row in rows]


@pytest.fixture
def policy(here):
    return SignInPolicy(here.storage, here.administrators)


def test_the_installation_requires_a_second_factor_of_everybody_without_one(here, policy):
    made = admin(here)
    place = here.new_workspace()
    assert here.run(policy.missing(made, [place])) == ""
    here.run(policy.require(True, HERE))
    assert here.run(policy.missing(made, [place])) == "This installation"
    assert here.run(policy.missing(replace(made, connector=0), [place])) == ""
    secret = pyotp.random_base32()
    here.run(here.administrators.keep_totp(made, secret, pyotp.TOTP(secret).now(), HERE))
    protected = here.run(here.administrators.get(made.id))
    assert here.run(policy.missing(protected, [place])) == ""
    here.run(policy.require(False, HERE))
    assert here.run(policy.missing(made, [place])) == ""
    kept = [document for kind, _, document in log(here) if kind == "SignInPolicy"]
    assert [each["after"] for each in kept] == [
        {"requireSecondFactor": False},
        {"requireSecondFactor": True},
    ]


def test_a_workspace_requires_a_second_factor_of_those_with_a_role_there(here, policy):
    made, place = admin(here), here.new_workspace()
    strict = replace(place, require_second_factor=True)
    here.run(here.storage.administer([strict], (), [place]))
    stored = here.run(here.storage.workspace(place.id))
    assert stored.require_second_factor
    assert here.run(policy.missing(made, [stored])) == ""
    assert here.run(policy.missing(made, [stored], stored)) == f"The workspace {place.name}"
    own = replace(made, roles={str(place.id): ["Admin"]})
    assert here.run(policy.missing(own, [stored])) == f"The workspace {place.name}"


def test_failed_attempts_are_recorded_without_what_may_be_a_password(here):
    admin(here)

    def attempt(email, password, code=""):
        with pytest.raises(NotSignedIn):
            here.run(here.administrators.sign_in(email, password, code, HERE, ""))

    attempt("ada@example.com", "wrong")
    attempt("nobody@example.com", "wrong")
    attempt("my secret password", "wrong")
    failures = [document for _, action, document in log(here) if action == "sign-in-failed"]
    assert [each["email"] for each in failures] == ["", "nobody@example.com", "ada@example.com"]
    here.run(here.administrators.sign_in("ada@example.com", PASSWORD, "", HERE, ""))
    _, action, document = log(here)[0]
    assert (action, document["factor"]) == ("sign-in", "password")


def test_the_log_says_which_second_factor_was_used(here, clock):
    made = admin(here)
    secret = pyotp.random_base32()
    totp = pyotp.TOTP(secret)
    codes = here.run(here.administrators.keep_totp(made, secret, totp.at(clock.moment), HERE))
    clock.advance(minutes=2)
    for code in (totp.at(clock.moment), codes[0]):
        here.run(here.administrators.sign_in("ada@example.com", PASSWORD, code, HERE, ""))
    factors = [document["factor"] for _, action, document in log(here) if action == "sign-in"]
    assert factors == ["password and recovery code", "password and authenticator"]


def test_recovery_codes_are_renewed_and_the_old_ones_end(here):
    made = admin(here)
    secret = pyotp.random_base32()
    old = here.run(here.administrators.keep_totp(made, secret, pyotp.TOTP(secret).now(), HERE))
    token = here.run(here.administrators.sign_in("ada@example.com", PASSWORD, old[0], HERE, ""))
    session = here.run(here.administrators.session(token))
    new = here.run(here.administrators.renew_recovery_codes(session, "", HERE))
    with pytest.raises(NotSignedIn):
        here.run(here.administrators.sign_in("ada@example.com", PASSWORD, old[1], HERE, ""))
    assert here.run(here.administrators.sign_in("ada@example.com", PASSWORD, new[0], HERE, ""))

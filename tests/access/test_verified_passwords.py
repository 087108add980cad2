"""The step of a sign-in between the password and the code, on every engine."""

import tempfile
from pathlib import Path

import pyotp
import pytest

from muster.access.administrators import (
    Administrators,
    CodeNeeded,
    NotSignedIn,
    all_permissions,
    digest,
)
from muster.access.verified_passwords import CodeRefused, VerifiedPasswords
from muster.base.passwords import hash_password
from muster.storage.port.changes import ChangeOrigin
from tests.access.test_administrators import outcomes
from tests.storage.conftest import ENGINES, Bench

HERE = ChangeOrigin("test", "request", "2026-01-01T00:00:00.000Z", "127.0.0.1")
EMAIL, PASSWORD = "ada@example.com", "correct horse battery"


class Person:
    """An administrator with an authenticator app, and their browser."""

    def __init__(self, here):
        self.here = here
        self.administrators = Administrators(here.storage)
        self.verified = VerifiedPasswords(here.storage, self.administrators)
        made = here.run(self.administrators.create(EMAIL, PASSWORD, all_permissions(), HERE))
        secret = pyotp.random_base32()
        code = pyotp.TOTP(secret).now()
        self.codes = here.run(self.administrators.keep_totp(made, secret, code, HERE))

    def begin(self, form="form"):
        """Enter the password; return the token for the code."""
        with pytest.raises(CodeNeeded) as needed:
            self.here.run(self.administrators.sign_in(EMAIL, PASSWORD, "", HERE, ""))
        return self.here.run(self.verified.keep(needed.value.admin, form))

    def finish(self, token, code, form="form"):
        return self.verified.sign_in(token, form, code, HERE, "agent")

    def attempt(self, *given, **more):
        return self.here.run(self.finish(*given, **more))


@pytest.fixture(params=list(ENGINES))
def person(request):
    with tempfile.TemporaryDirectory() as folder:
        here = Bench(ENGINES[request.param](Path(folder)))
        yield Person(here)
        here.close()


def test_a_token_signs_in_once(person):
    token = person.begin()
    session = person.here.run(person.administrators.session(person.attempt(token, person.codes[0])))
    assert (session.admin.email, session.agent) == (EMAIL, "agent")
    with pytest.raises(NotSignedIn, match="used already"):
        person.attempt(token, person.codes[1])


def test_of_concurrent_codes_with_one_token_one_is_checked(person):
    token = person.begin()
    tries = [person.finish(token, "000000") for _ in range(4)]
    refused = [type(found) for found in outcomes(person.here, *tries)]
    assert sorted(kind.__name__ for kind in refused) == ["CodeRefused", *["NotSignedIn"] * 3]


def test_a_token_needs_its_own_form(person):
    token = person.begin()
    for form, given in (("other", token), ("form", f"{token}x"), ("form", digest(token))):
        with pytest.raises(NotSignedIn):
            person.attempt(given, person.codes[0], form=form)
    assert person.attempt(token, person.codes[0])


def test_a_wrong_code_does_not_extend_the_time(person, clock):
    token = person.begin()
    clock.advance(minutes=4)
    with pytest.raises(CodeRefused) as refused:
        person.attempt(token, "000000")
    assert refused.value.status == 401
    clock.advance(minutes=1)
    with pytest.raises(NotSignedIn, match="too long"):
        person.attempt(refused.value.token, person.codes[0])


def test_a_changed_password_ends_the_token(person):
    token = person.begin()
    [before] = person.here.run(person.administrators.all())
    item = before.item()
    other = person.here.run(hash_password("another horse battery"))
    changed = type(item)(item.workspace, item.kind, item.id, {**item.body, "password": other})
    person.here.run(person.here.storage.administer([changed], (), [item]))
    with pytest.raises(NotSignedIn):
        person.attempt(token, person.codes[0])


def test_guesses_of_the_code_are_limited(person):
    token = person.begin()
    for _ in range(9):
        with pytest.raises(CodeRefused) as refused:
            person.attempt(token, "000000")
        assert refused.value.status == 401
        token = refused.value.token
    for _ in range(2):
        with pytest.raises(CodeRefused) as refused:
            person.attempt(token, person.codes[0])
        assert (refused.value.status, refused.value.token) == (429, token)

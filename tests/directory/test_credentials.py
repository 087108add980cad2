"""Verification of users' passwords, and the limit on guesses."""

from dataclasses import replace

import pytest

from muster.directory.caller import Caller
from muster.directory.credentials import Credentials, TooManyAttempts
from muster.directory.service import Directory
from muster.scim.errors import ScimError
from muster.scim.schema.model import registry
from muster.storage.port.engine import Statement
from tests.support.people import patch, person
from tests.support.people import replace as setting

USERS = registry().types["/Users"]
PASSWORD = "correct horse battery staple"


class SignIn:
    """A workspace whose users sign in at an application."""

    def __init__(self, bench):
        self.run, self.storage = bench.run, bench.storage
        self.directory = Directory(bench.storage)
        self.credentials = Credentials(bench.storage, self.directory)
        self.caller = Caller(bench.new_workspace(), "key:k", "request")

    def user(self, name, password=PASSWORD, **attributes):
        given = {} if password is None else {"password": password}
        body = person(name, emails=[], **attributes, **given)
        return self.run(self.directory.create(self.caller, USERS, body)).id

    def verify(self, name, password=PASSWORD, caller=None):
        return self.run(self.credentials.verify(caller or self.caller, name, password))

    def change(self, user, operations):
        work = self.directory.patch(self.caller, USERS, user, operations, lambda _: None)
        self.run(work)


@pytest.fixture
def sign_in(bench):
    return SignIn(bench)


NAMES = [
    "ada", "Ada Lovelace", "a\"b", "a\\", "\\\"", "a\tb", "a\nb", "\x01", "zoë", "ﬁne", "😀",
    "a%b_c", "x\u2028y", "' OR 1=1 --", "userName eq", "n" * 600,
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_user_of_any_name_signs_in_with_their_password_and_no_other(sign_in, name):
    user = sign_in.user(name)
    assert sign_in.verify(name) == user
    assert sign_in.verify(name, PASSWORD + " ") is None
    assert sign_in.verify(name, "") is None


def test_a_name_is_read_in_any_case(sign_in):
    user = sign_in.user("Zoë@Example.com")
    assert sign_in.verify("ZOË@example.COM") == user
    for other in ("Zoë@Example.co", "Zoë@Example.com ", "*", ""):
        assert sign_in.verify(other) is None


@pytest.mark.parametrize("name", ["nobody", 'a"', "x\0y", "n" * 10_000])
def test_an_unknown_name_is_no_error(sign_in, name):
    assert sign_in.verify(name) is None


def test_who_has_no_password_or_no_access_does_not_sign_in(sign_in):
    sign_in.user("none", password=None)
    assert sign_in.verify("none") is None
    assert sign_in.verify("none", "") is None
    user = sign_in.user("inactive")
    sign_in.change(user, setting("active", False))
    assert sign_in.verify("inactive") is None
    sign_in.change(user, setting("active", True))
    assert sign_in.verify("inactive") == user
    sign_in.change(user, patch({"op": "remove", "path": "password"}))
    assert sign_in.verify("inactive") is None


def test_a_new_password_replaces_the_one_before(sign_in):
    user = sign_in.user("ada")
    sign_in.change(user, setting("password", "another horse"))
    assert sign_in.verify("ada") is None
    assert sign_in.verify("ada", "another horse") == user


def test_users_of_another_workspace_do_not_sign_in_here(sign_in, bench):
    sign_in.user("ada")
    elsewhere = replace(sign_in.caller, workspace=bench.new_workspace())
    assert sign_in.verify("ada", caller=elsewhere) is None


@pytest.mark.parametrize("exists", [True, False])
def test_ten_passwords_a_minute_can_be_tried_for_one_name(sign_in, clock, exists, bench):
    if exists:
        sign_in.user("ada")
    sign_in.user("bob")
    for name in ("ada", "ADA") * 5:
        assert sign_in.verify(name, "a guess") is None
    clock.advance(seconds=20)
    with pytest.raises(TooManyAttempts) as caught:
        sign_in.verify("ada")
    assert (caught.value.status, 39 <= caught.value.retry_after <= 41) == (429, True)
    assert isinstance(caught.value, ScimError)
    assert sign_in.verify("bob") is not None
    elsewhere = replace(sign_in.caller, workspace=bench.new_workspace())
    assert sign_in.verify("ada", caller=elsewhere) is None
    clock.advance(seconds=caught.value.retry_after)
    assert (sign_in.verify("ada") is not None) == exists


def test_attempts_are_stored_without_the_name(sign_in):
    sign_in.verify("a password in the wrong field")
    rows = sign_in.run(sign_in.storage.query(Statement("SELECT key_id FROM rate_windows", ())))
    assert rows
    assert not any("wrong field" in row[0] for row in rows)

"""Administrators and sessions under concurrent changes, on every engine."""

import asyncio
import re
import tempfile
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyotp
import pytest

from muster.access import administrators
from muster.access.administrators import (
    Administrators,
    NotSignedIn,
    all_permissions,
    new_recovery_codes,
)
from muster.base.clock import timestamp
from muster.scim.errors import ScimError
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.engine import Statement
from muster.storage.port.errors import Outdated, StorageFull
from tests.storage.conftest import ENGINES, Bench

HERE = ChangeOrigin("test", "request", "2026-01-01T00:00:00.000Z", "127.0.0.1")
EPOCH = Statement("SELECT epoch FROM installation", ())
PASSWORD, OTHER = "correct horse battery", "another horse battery"


@pytest.fixture(params=list(ENGINES))
def here(request):
    with tempfile.TemporaryDirectory() as folder:
        made = Bench(ENGINES[request.param](Path(folder)))
        made.administrators = Administrators(made.storage)
        yield made
        made.close()


def admin(here, email="ada@example.com"):
    return here.run(here.administrators.create(email, PASSWORD, all_permissions(), HERE))


def outcomes(here, *work):
    """Run coroutines at the same moment; return the answer or exception of each."""

    async def together():
        return await asyncio.gather(*work, return_exceptions=True)

    return here.run(together())


def meanwhile(monkeypatch, happens):
    """Have something happen while a password is looked at, which takes its time."""
    verify = administrators.verify_password

    async def verified(*given):
        found = await verify(*given)
        await happens()
        return found

    monkeypatch.setattr(administrators, "verify_password", verified)


def test_an_email_address_belongs_to_one_administrator(here):
    made = outcomes(
        here,
        *(
            here.administrators.create("a@example.com", PASSWORD, all_permissions(), HERE)
            for _ in range(4)
        ),
    )
    assert len([each for each in made if not isinstance(each, Exception)]) == 1


def test_an_administrator_removed_during_sign_in_stays_removed(here, monkeypatch):
    admin(here)
    leaving = admin(here, "bob@example.com")
    meanwhile(monkeypatch, lambda: here.administrators.remove(leaving, HERE))
    with pytest.raises(NotSignedIn):
        here.run(here.administrators.sign_in("bob@example.com", PASSWORD, "", HERE, ""))
    assert [each.email for each in here.run(here.administrators.all())] == ["ada@example.com"]


def test_a_password_changed_during_sign_in_stays_changed(here, monkeypatch):
    admin(here)
    session = here.run(
        here.administrators.session(
            here.run(here.administrators.sign_in("ada@example.com", PASSWORD, "", HERE, ""))
        )
    )
    change = here.administrators.change_password
    with monkeypatch.context() as patched:
        done = []

        async def once():
            if not done:
                done.append(True)
                await change(session, PASSWORD, OTHER, HERE)

        meanwhile(patched, once)
        with pytest.raises(NotSignedIn):
            here.run(here.administrators.sign_in("ada@example.com", PASSWORD, "", HERE, ""))
    assert here.run(here.administrators.sign_in("ada@example.com", OTHER, "", HERE, ""))


def test_a_code_works_once(here):
    made = admin(here)
    secret, _ = here.run(here.administrators.begin_totp(made))
    codes = here.run(here.administrators.keep_totp(made, secret, pyotp.TOTP(secret).now(), HERE))
    tries = [
        here.administrators.sign_in("ada@example.com", PASSWORD, codes[0], HERE, "")
        for _ in range(4)
    ]
    assert sorted(type(each).__name__ for each in outcomes(here, *tries)) == ["NotSignedIn"] * 3 + [
        "str"
    ]


def test_two_administrators_removing_each_other_leave_one(here):
    one, two = admin(here), admin(here, "bob@example.com")
    found = outcomes(
        here, here.administrators.remove(one, HERE), here.administrators.remove(two, HERE)
    )
    assert [type(each) for each in found if each is not None] in ([Outdated], [ScimError])
    assert len(here.run(here.administrators.all())) == 1


def test_a_session_ended_during_a_request_stays_ended(here, clock, monkeypatch):
    made = admin(here)
    token = here.run(here.administrators.sign_in("ada@example.com", PASSWORD, "", HERE, ""))
    clock.advance(hours=1)
    later = Administrators(here.storage)
    get = later.get

    async def get_slowly(admin_id):
        found = await get(admin_id)
        await here.administrators.end(made, administrators.digest(token), HERE)
        return found

    monkeypatch.setattr(later, "get", get_slowly)
    here.run(later.session(token))
    assert here.run(here.administrators.session(token)) is None


def test_a_session_stays_valid_while_the_disk_is_full(here, clock, monkeypatch):
    made = admin(here)
    token = here.run(here.administrators.begin(made, HERE, "agent", made))
    clock.advance(minutes=6)
    later = Administrators(here.storage)

    async def full(*_):
        raise StorageFull("the disk is full")

    monkeypatch.setattr(here.storage, "transact", full)
    assert here.run(later.session(token)).admin == made


def test_using_a_session_does_not_change_the_epoch(here, clock):
    """Viewing a page must not move the epoch, which clears every worker's keys."""
    made = admin(here)
    token = here.run(here.administrators.begin(made, HERE, "agent", made))
    epoch = here.run(here.storage.query(EPOCH))
    for _ in range(3):
        clock.advance(minutes=6)
        later = Administrators(here.storage)
        here.run(later.session(token))
        assert here.run(later.session(token)).seen == timestamp(clock.moment)
    assert here.run(here.storage.query(EPOCH)) == epoch


class Clocked:
    """An administrator with a second factor, at a time of the test's own."""

    def __init__(self, here, clock):
        self.here, self.clock = here, clock
        clock.moment = datetime(2026, 1, 1, 12, 0, 5, tzinfo=UTC)
        self.administrators = Administrators(here.storage)
        self.made = admin(here)
        self.secret, _ = here.run(self.administrators.begin_totp(self.made))
        self.codes = here.run(
            self.administrators.keep_totp(self.made, self.secret, self.code(), HERE)
        )
        clock.advance(minutes=5)

    def code(self, steps=0):
        return pyotp.TOTP(self.secret).at(self.clock.moment + steps * timedelta(seconds=30))

    def standing(self):
        return self.here.run(self.administrators.get(self.made.id))

    def signs_in(self, code):
        try:
            return bool(
                self.here.run(
                    self.administrators.sign_in("ada@example.com", PASSWORD, code, HERE, "")
                )
            )
        except NotSignedIn:
            return False


@pytest.fixture
def clocked(here, clock):
    return Clocked(here, clock)


def spellings(code):
    """The code in other digits of Unicode, and with invisible characters."""
    for zero in map(chr, range(0x80, 0x110000)):
        if unicodedata.decimal(zero, None) == 0:
            yield "".join(chr(ord(zero) + int(digit)) for digit in code)
    yield from (
        f"{code[:3]} {code[3:]}",
        f"{code}\u200b",
        f"+{code}",
        f"0{code}",
        code[:5],
        f"{code[:3]}_{code[3:]}",
    )


def test_codes_with_non_ascii_digits_are_rejected(clocked):
    for spelling in list(spellings(clocked.code()))[::9]:
        clocked.administrators._names = clocked.administrators._places = Unlimited()
        assert not clocked.signs_in(spelling), ascii(spelling)
    code = clocked.code()
    assert clocked.signs_in(code)
    for spelling in list(spellings(code))[::9]:
        assert not clocked.signs_in(spelling), ascii(spelling)


class Unlimited:
    """Attempts without a limit."""

    async def take(self, *_):
        return 0

    forget = give_back = take


@pytest.mark.parametrize(
    ("used", "later", "accepted"),
    [(used, later, later > used) for used in (-1, 0, 1) for later in (-1, 0, 1)],
)
def test_a_code_of_the_same_or_an_earlier_step_is_rejected_after_use(
    clocked, used, later, accepted
):
    assert clocked.signs_in(clocked.code(used))
    assert clocked.signs_in(clocked.code(later)) == accepted


@pytest.mark.parametrize("steps", [-3, -2, 2, 3])
def test_a_code_of_another_time_is_rejected(clocked, steps):
    assert not clocked.signs_in(clocked.code(steps))


def test_the_code_that_turned_on_two_factor_is_used_up(here, clock):
    clocked = Clocked(here, clock)
    clock.advance(minutes=-5)
    assert not clocked.signs_in(clocked.code())


def test_a_code_accepted_by_an_earlier_version_is_used_up(clocked):
    old = replace(clocked.standing(), last_step=None, last_code=clocked.code())
    clocked.here.run(clocked.here.storage.administer([old.item()], [], []))
    assert not clocked.signs_in(clocked.code())
    assert clocked.signs_in(clocked.code(1))
    assert not clocked.signs_in(clocked.code())


def test_turning_off_two_factor_requires_password_and_code(clocked):
    off = clocked.administrators.drop_totp
    for password, code in (
        (OTHER, clocked.code()),
        (PASSWORD, ""),
        (PASSWORD, "000000"),
        ("", ""),
        (PASSWORD, clocked.code(5)),
    ):
        with pytest.raises(ScimError) as caught:
            clocked.here.run(off(clocked.standing(), password, code, HERE))
        assert caught.value.status == 401
        assert clocked.standing().totp is not None
    clocked.here.run(off(clocked.standing(), PASSWORD, clocked.code(), HERE))
    assert clocked.standing().totp is None
    assert clocked.signs_in("")


def test_recovery_codes_have_80_random_bits_and_fit_into_the_forms():
    """Only their SHA-256 is stored, without a salt: a few bits less could be searched."""
    codes = [code for _ in range(20) for code in new_recovery_codes()]
    assert len(set(codes)) == 160
    for code in codes:
        assert re.fullmatch(r"[a-z2-7]{4}(-[a-z2-7]{4}){3}", code)
    for position in range(19):
        kinds = {code[position] for code in codes}
        assert kinds == {"-"} if position in (4, 9, 14) else len(kinds) > 20
    assert len(codes[0]) <= 20  # as many as the sign-in form of earlier versions takes


def test_a_recovery_code_turns_off_two_factor(clocked):
    clocked.here.run(
        clocked.administrators.drop_totp(clocked.standing(), PASSWORD, clocked.codes[0], HERE)
    )
    assert clocked.standing().totp is None


def test_the_first_authenticator_ends_the_other_sessions(here):
    made = admin(here)
    work = [here.administrators.sign_in(made.email, PASSWORD, "", HERE, "") for _ in range(2)]
    tokens = [here.run(each) for each in work]
    session = here.run(here.administrators.session(tokens[0]))
    secret = pyotp.random_base32()
    code = pyotp.TOTP(secret).now()
    here.run(here.administrators.add_totp(session, secret, code, "", HERE))
    left = [here.run(here.administrators.session(token)) for token in tokens]
    assert [each is not None for each in left] == [True, False]


def test_two_factor_cannot_be_replaced_while_it_is_on(clocked):
    secret = pyotp.random_base32()
    with pytest.raises(ScimError, match="already on"):
        clocked.here.run(
            clocked.administrators.keep_totp(
                clocked.standing(), secret, pyotp.TOTP(secret).at(clocked.clock.moment), HERE
            )
        )
    assert clocked.standing().totp == clocked.secret


def test_guesses_of_the_old_password_and_of_codes_are_limited(clocked):
    here, administrators = clocked.here, clocked.administrators
    session = here.run(
        administrators.session(
            here.run(administrators.begin(clocked.standing(), HERE, "", clocked.standing()))
        )
    )
    statuses = []
    for number in range(12):
        work = (
            administrators.change_password(session, f"wrong password {number}", OTHER, HERE)
            if number % 2
            else administrators.drop_totp(clocked.standing(), PASSWORD, f"{number:06}", HERE)
        )
        with pytest.raises(ScimError) as caught:
            here.run(work)
        statuses.append(caught.value.status)
    assert statuses == [401] * 10 + [429] * 2
    with pytest.raises(ScimError, match="Too many"):
        here.run(administrators.change_password(session, PASSWORD, OTHER, HERE))
    assert clocked.signs_in(clocked.code())  # a stolen session locks nobody out


def test_a_lost_second_factor_is_reset_and_ends_sessions(clocked):
    administrators, here = clocked.administrators, clocked.here
    token = here.run(administrators.sign_in("ada@example.com", PASSWORD, clocked.code(), HERE, ""))
    assert here.run(administrators.session(token)) is not None
    here.run(administrators.reset_second_factor(clocked.standing(), HERE))
    assert here.run(administrators.session(token)) is None
    assert clocked.standing().recovery == ()
    assert clocked.signs_in("")
    with pytest.raises(ScimError) as caught:
        here.run(administrators.reset_second_factor(clocked.standing(), HERE))
    assert caught.value.status == 409

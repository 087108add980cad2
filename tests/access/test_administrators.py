"""Administrators and their sessions, while others change them at the same moment; on every engine."""

import asyncio
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyotp
import pytest

from muster.access import administrators
from muster.access.administrators import Administrators, NotSignedIn, all_permissions
from muster.scim.errors import ScimError
from muster.storage.port import Origin, Outdated, StorageFull
from tests.storage.conftest import ENGINES, Bench

HERE = Origin("test", "request", "2026-01-01T00:00:00.000Z", "127.0.0.1")
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
    """What came of things done at the same moment: the answer or the exception of each."""

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


def test_an_invitation_makes_one_administrator(here):
    token = here.run(here.administrators.invite(all_permissions()))
    accepted = [here.administrators.accept(token, f"a{n}@example.com", PASSWORD, HERE) for n in range(4)]
    made = [each for each in outcomes(here, *accepted) if not isinstance(each, Exception)]
    assert len(made) == len(here.run(here.administrators.all())) == 1


def test_an_address_is_one_administrators(here):
    made = outcomes(here, *(here.administrators.create("a@example.com", PASSWORD, all_permissions(), HERE) for _ in range(4)))
    assert len([each for each in made if not isinstance(each, Exception)]) == 1


def test_who_is_removed_while_they_sign_in_stays_removed(here, monkeypatch):
    admin(here)
    leaving = admin(here, "bob@example.com")
    meanwhile(monkeypatch, lambda: here.administrators.remove(leaving, HERE))
    with pytest.raises(NotSignedIn):
        here.run(here.administrators.sign_in("bob@example.com", PASSWORD, "", HERE, ""))
    assert [each.email for each in here.run(here.administrators.all())] == ["ada@example.com"]


def test_a_password_that_is_changed_while_somebody_signs_in_stays_changed(here, monkeypatch):
    admin(here)
    session = here.run(
        here.administrators.session(here.run(here.administrators.sign_in("ada@example.com", PASSWORD, "", HERE, "")))
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


def test_a_code_lets_in_once(here):
    made = admin(here)
    secret, _ = here.run(here.administrators.begin_totp(made))
    here.run(here.administrators.keep_totp(made, secret, pyotp.TOTP(secret).now(), HERE))
    codes = here.run(
        here.administrators.keep_totp(here.run(here.administrators.get(made.id)), secret, pyotp.TOTP(secret).now(), HERE)
    )
    tries = [here.administrators.sign_in("ada@example.com", PASSWORD, codes[0], HERE, "") for _ in range(4)]
    assert sorted(type(each).__name__ for each in outcomes(here, *tries)) == ["NotSignedIn"] * 3 + ["str"]


def test_two_who_remove_each_other_do_not_leave_nobody(here):
    one, two = admin(here), admin(here, "bob@example.com")
    found = outcomes(here, here.administrators.remove(one, HERE), here.administrators.remove(two, HERE))
    assert [type(each) for each in found if each is not None] in ([Outdated], [ScimError])
    assert len(here.run(here.administrators.all())) == 1


def test_a_session_that_is_ended_while_it_is_seen_stays_ended(here, monkeypatch):
    made = admin(here)
    token = here.run(here.administrators.sign_in("ada@example.com", PASSWORD, "", HERE, ""))
    later = Administrators(
        here.storage, lambda: administrators.datetime.now(administrators.UTC) + administrators.timedelta(hours=1)
    )
    get = later.get

    async def get_slowly(admin_id):
        found = await get(admin_id)
        await here.administrators.end(made, administrators.digest(token), HERE)
        return found

    monkeypatch.setattr(later, "get", get_slowly)
    here.run(later.session(token))
    assert here.run(here.administrators.session(token)) is None


def test_a_session_holds_while_the_disk_is_full(here, monkeypatch):
    made = admin(here)
    token = here.run(here.administrators.begin(made, HERE, "agent", made))
    later = Administrators(here.storage, lambda: datetime.now(UTC) + timedelta(minutes=6))

    async def full(*_):
        raise StorageFull("the disk is full")

    monkeypatch.setattr(here.storage, "administer", full)
    assert here.run(later.session(token)).admin == made

"""Passkeys with an authenticator in software, on every engine."""

import json
from dataclasses import replace

import pyotp
import pytest

from muster.access.administrators import (
    CHALLENGE_KIND,
    PASSKEYS_KIND,
    CodeNeeded,
    NotSignedIn,
    digest,
)
from muster.access.passkeys import Passkeys, RelyingParty, relying_party
from muster.scim.errors import ScimError
from muster.storage.port.changes import ChangeFilter
from muster.storage.port.items import INSTALLATION
from tests.access.test_administrators import HERE, PASSWORD, admin, here, outcomes
from tests.support.authenticator import Authenticator, b64, unb64

__all__ = ["here"]
PARTY = RelyingParty("console.example.com", "https://console.example.com")
EMAIL = "ada@example.com"


class Person:
    """An administrator who is signed in, with an authenticator."""

    def __init__(self, here, email=EMAIL):
        self.here, self.email = here, email
        self.passkeys = Passkeys(here.storage, here.administrators)
        self.device = Authenticator(PARTY.origin)
        admin(here, email)
        token = here.run(here.administrators.sign_in(email, PASSWORD, "", HERE, ""))
        self.token = token

    @property
    def session(self):
        return self.here.run(self.here.administrators.session(self.token))

    def options(self, password=""):
        session = self.session
        return json.loads(self.here.run(self.passkeys.begin_registration(PARTY, session, password)))

    def register(self, name="Laptop", options=None, **changes):
        response = self.device.create(options or self.options(), **changes)
        return self.keep(name, response)

    def keep(self, name, response):
        return self.here.run(self.passkeys.register(PARTY, self.session, name, response, HERE))

    def asked(self, form="form"):
        return json.loads(self.here.run(self.passkeys.begin_sign_in(PARTY, form, HERE)))

    def sign_in(self, response, form="form"):
        return self.here.run(self.passkeys.sign_in(PARTY, form, response, HERE, "agent"))

    def signs_in(self, **changes):
        return self.sign_in(self.device.get(self.asked(), **changes))

    @property
    def kept(self):
        return self.here.run(self.passkeys.of(self.session.admin))


@pytest.fixture
def person(here):
    return Person(here)


def log(here):
    rows, _ = here.run(here.storage.search_changes(INSTALLATION, None, 50, ChangeFilter()))
    return [(row.action, json.loads(row.document)) for row in rows]


def test_a_passkey_signs_in_as_both_factors(person, here):
    codes = person.register()
    assert len(codes) == 8
    assert person.register("Key") == []
    assert [each.name for each in person.kept] == ["Laptop", "Key"]
    session = here.run(here.administrators.session(person.signs_in()))
    assert session.admin.email == EMAIL
    assert [bool(each.used) for each in person.kept] == [False, True]
    action, note = log(here)[0]
    assert (action, note["factor"]) == ("sign-in", "passkey")


def test_the_password_alone_no_longer_signs_in(person, here):
    codes = person.register()

    def attempt(code):
        return here.run(here.administrators.sign_in(EMAIL, PASSWORD, code, HERE, ""))

    with pytest.raises(CodeNeeded, match="passkey"):
        attempt("")
    with pytest.raises(NotSignedIn):
        attempt("000000")
    assert attempt(codes[0])
    with pytest.raises(NotSignedIn):
        attempt(codes[0])


@pytest.mark.parametrize(
    "changes",
    [
        {"origin": "https://console.example.com.evil.example"},
        {"origin": "http://console.example.com"},
        {"rp": "example.com"},
        {"challenge": b64(b"x" * 32)},
    ],
)
def test_a_registration_for_another_site_or_challenge_is_refused(person, changes):
    with pytest.raises(ScimError) as caught:
        person.register(**changes)
    assert caught.value.status == 400
    assert person.kept == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"origin": "https://console.example.com.evil.example"},
        {"rp": "example.com"},
        {"signature": b"x" * 70},
        {"handle": b64(b"x" * 22)},
        {"handle": ""},
    ],
)
def test_a_sign_in_for_another_site_or_by_another_key_is_refused(person, here, changes):
    person.register()
    with pytest.raises(NotSignedIn):
        person.signs_in(**changes)
    action, note = log(here)[0]
    assert (action, note["reason"]) == ("sign-in-failed", "wrong passkey")
    assert person.signs_in()


def test_an_authenticator_must_verify_the_user(person):
    person.device.verifies = False
    with pytest.raises(ScimError):
        person.register()
    person.device.verifies = True
    person.register()
    person.device.verifies = False
    with pytest.raises(NotSignedIn):
        person.signs_in()


def test_a_challenge_works_once_for_one_purpose_in_one_place(person, here, clock):
    options = person.options()
    response = person.device.create(options)
    person.keep("Laptop", response)
    with pytest.raises(ScimError, match="expired"):
        person.keep("Again", response)
    asked = person.asked()
    answer = person.device.get(asked)
    with pytest.raises(ScimError, match="expired"):
        person.sign_in(answer, form="another")
    assert person.sign_in(answer)
    with pytest.raises(ScimError, match="expired"):
        person.sign_in(answer)
    crossed = person.device.create({**options, "challenge": person.asked()["challenge"]})
    with pytest.raises(ScimError, match="expired"):
        person.keep("Crossed", crossed)
    late = person.device.get(person.asked())
    clock.advance(minutes=6)
    with pytest.raises(ScimError, match="too long"):
        person.sign_in(late)
    person.asked()
    assert len(here.run(here.storage.items(INSTALLATION, CHALLENGE_KIND))) == 1


def test_a_session_has_one_challenge_for_a_registration(person, here):
    first = person.options()
    for _ in range(3):
        last = person.options()
    [item] = here.run(here.storage.items(INSTALLATION, CHALLENGE_KIND))
    assert item.id == digest(last["challenge"])
    with pytest.raises(ScimError, match="expired"):
        person.register(options=first)
    assert person.register(options=last)


def test_challenges_of_passkeys_use_up_no_attempts_with_a_password(person, here):
    for _ in range(50):
        person.asked()
    with pytest.raises(ScimError, match="Too many"):
        person.asked()
    assert here.run(here.administrators.sign_in(EMAIL, PASSWORD, "", HERE, ""))


def test_the_first_passkey_ends_the_other_sessions(person, here):
    def sign_in(code):
        return here.run(here.administrators.sign_in(EMAIL, PASSWORD, code, HERE, ""))

    other = sign_in("")
    codes = person.register()
    assert here.run(here.administrators.session(other)) is None
    assert person.session is not None
    other = sign_in(codes[0])
    person.register("Another")
    assert here.run(here.administrators.session(other)) is not None


def test_a_recovery_code_that_turns_off_the_authenticator_is_used_up(person, here):
    codes = person.register()
    secret = pyotp.random_base32()
    administrators = here.administrators
    here.run(administrators.add_totp(person.session, secret, pyotp.TOTP(secret).now(), "", HERE))
    here.run(administrators.drop_totp(person.session.admin, PASSWORD, codes[0], HERE))
    assert len(person.session.admin.recovery) == 7
    with pytest.raises(NotSignedIn):
        here.run(administrators.sign_in(EMAIL, PASSWORD, codes[0], HERE, ""))


def test_an_authenticator_is_added_by_an_old_session_with_the_password_alone(person, here, clock):
    person.register()
    clock.advance(minutes=11)
    secret = pyotp.random_base32()

    def add(password):
        code = pyotp.TOTP(secret).at(clock.moment)
        work = here.administrators.add_totp(person.session, secret, code, password, HERE)
        return here.run(work)

    for wrong in ("", "wrong"):
        with pytest.raises(ScimError, match="wrong password"):
            add(wrong)
    assert person.session.admin.totp is None
    add(PASSWORD)
    assert person.session.admin.totp == secret


def test_of_concurrent_uses_of_a_challenge_one_signs_in(person, here):
    person.register()
    answer = person.device.get(person.asked())
    tries = [person.passkeys.sign_in(PARTY, "form", answer, HERE, "") for _ in range(4)]
    signed_in = [each for each in outcomes(here, *tries) if isinstance(each, str)]
    assert len(signed_in) == 1


def test_a_copied_authenticator_is_noticed_by_its_counter(person):
    person.register()
    person.signs_in()
    person.device.count -= 1
    with pytest.raises(NotSignedIn):
        person.signs_in()
    assert person.signs_in()


def test_an_authenticator_without_a_counter_signs_in_again(here):
    person = Person(here)
    person.device = Authenticator(PARTY.origin, counts=False)
    person.register()
    assert person.signs_in()
    assert person.signs_in()


def test_another_administrators_passkey_signs_in_as_them_alone(person, here):
    person.register()
    other = Person(here, "bob@example.com")
    other.register()
    session = here.run(here.administrators.session(other.signs_in()))
    assert session.admin.email == "bob@example.com"
    mine = next(iter(person.device.keys.values()))[1]
    with pytest.raises(NotSignedIn):
        other.signs_in(handle=mine)


def test_the_user_handle_does_not_contain_the_address_or_its_hash(person):
    handle = unb64(person.options()["user"]["id"])
    assert EMAIL.encode() not in handle
    assert digest(EMAIL)[:16].encode() not in handle
    assert bytes.fromhex(digest(EMAIL)[:16]) not in unb64(handle.decode())


def test_passkeys_are_renamed_and_removed(person, here):
    person.register()
    person.register("Phone")
    laptop, phone = person.kept
    here.run(person.passkeys.rename(person.session.admin, laptop.id, "Desk", HERE))
    assert [each.name for each in person.kept] == ["Desk", "Phone"]
    with pytest.raises(ScimError) as caught:
        here.run(person.passkeys.rename(person.session.admin, "x", "Desk", HERE))
    assert caught.value.status == 404
    here.run(person.passkeys.remove(person.session, laptop.id, "", HERE))
    assert person.session.admin.recovery
    here.run(person.passkeys.remove(person.session, phone.id, "", HERE))
    assert person.session.admin.recovery == ()
    assert here.run(here.storage.item(INSTALLATION, PASSKEYS_KIND, person.session.admin.id)) is None
    assert here.run(here.administrators.sign_in(EMAIL, PASSWORD, "", HERE, ""))
    changes = [note.get("changed") for action, note in log(here) if action == "update"]
    assert changes == ["passkey", "passkey", "passkey name", "passkey", "passkey"]


def test_a_passkey_is_added_and_removed_by_an_old_session_with_the_password_alone(
    person, here, clock
):
    person.register()
    clock.advance(minutes=11)
    with pytest.raises(ScimError, match="wrong password"):
        person.options()
    [passkey] = person.kept
    with pytest.raises(ScimError, match="wrong password"):
        here.run(person.passkeys.remove(person.session, passkey.id, "wrong", HERE))
    person.register("Phone", person.options(PASSWORD))
    here.run(person.passkeys.remove(person.session, passkey.id, PASSWORD, HERE))
    assert [each.name for each in person.kept] == ["Phone"]


def test_a_reset_and_a_removal_take_the_passkeys(person, here):
    admin(here, "bob@example.com")
    person.register()
    made = person.session.admin
    here.run(here.administrators.reset_second_factor(made, HERE))
    assert here.run(person.passkeys.of(made)) == ()
    assert here.run(here.administrators.session(person.token)) is None
    with pytest.raises(NotSignedIn):
        person.signs_in()
    person.token = here.run(here.administrators.sign_in(EMAIL, PASSWORD, "", HERE, ""))
    person.register()
    here.run(here.administrators.remove(person.session.admin, HERE))
    assert here.run(person.passkeys.of(made)) == ()
    with pytest.raises(NotSignedIn):
        person.signs_in()


def test_attempts_with_passkeys_are_limited_by_address(person):
    person.register()
    for _ in range(50):
        person.asked()
    for _ in range(2):
        with pytest.raises(ScimError) as caught:
            person.asked()
        assert caught.value.status == 429


def test_an_administrator_has_a_limited_number_of_passkeys(person, here, monkeypatch):
    monkeypatch.setattr("muster.access.passkeys._MOST", 2)
    person.register()
    person.register("Two")
    with pytest.raises(ScimError, match="at most 2"):
        person.options()


@pytest.mark.parametrize(
    "response",
    ["", "x", "[]", "{}", '{"response": 1}', '{"response": {"clientDataJSON": 7}}', "null",
     '{"response": {"clientDataJSON": "e30"}}', '{"response": {"clientDataJSON": "\u00e9"}}'],
)  # fmt: skip
def test_a_malformed_response_is_refused(person, response):
    for attempt in (person.sign_in, lambda given: person.keep("Laptop", given)):
        with pytest.raises(ScimError) as caught:
            attempt(response)
        assert caught.value.status == 400


def test_a_response_with_any_part_missing_or_of_another_type_is_refused(person):
    for value in (None, 7, "", "x", "AAAA", [], {}):
        for part in ("attestationObject", "rawId", "id", "type"):
            made = json.loads(person.device.create(person.options()))
            place = made["response"] if part in made["response"] else made
            place[part] = value
            with pytest.raises(ScimError) as caught:
                person.keep("Laptop", json.dumps(made))
            assert caught.value.status == 400, (part, value)
    person.register()
    for value in (None, 7, "", "x", "AAAA", [], {}):
        for part in ("authenticatorData", "signature", "userHandle", "rawId", "id", "type"):
            person.here.administrators._places = Unlimited()
            got = json.loads(person.device.get(person.asked()))
            place = got["response"] if part in got["response"] else got
            place[part] = value
            with pytest.raises(NotSignedIn):
                person.sign_in(json.dumps(got))


class Unlimited:
    async def take(self, *_):
        return 0

    forget = give_back = take


@pytest.mark.parametrize(
    ("base", "party"),
    [
        ("https://muster.example.com", ("muster.example.com", "https://muster.example.com")),
        ("https://apps.example:8443/idp", ("apps.example", "https://apps.example:8443")),
        ("http://localhost:8080", ("localhost", "http://localhost:8080")),
        ("http://muster.localhost", ("muster.localhost", "http://muster.localhost")),
    ],
)
def test_the_relying_party_is_the_host_of_the_base_url(base, party):
    assert relying_party(base) == RelyingParty(*party)


@pytest.mark.parametrize(
    ("base", "says"),
    [
        ("http://127.0.0.1:8080", r"http://localhost:8080 on this machine"),
        ("https://[::1]:8443/idp", r"https://localhost:8443/idp on this machine"),
        ("http://127.0.0.1", r"http://localhost on this machine"),
        ("http://muster.example.com", "HTTPS"),
    ],
)
def test_browsers_allow_no_passkeys_at_addresses_and_without_tls(base, says):
    with pytest.raises(ScimError, match=says):
        relying_party(base)


def test_a_passkey_of_a_later_version_is_read(person, here):
    person.register()
    item = here.run(here.storage.item(INSTALLATION, PASSKEYS_KIND, person.session.admin.id))
    [kept] = item.body["passkeys"]
    later = replace(item, body={"passkeys": [{**kept, "transports": ["usb"]}]})
    here.run(here.storage.administer([later]))
    assert person.signs_in()

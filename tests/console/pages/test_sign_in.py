"""Signing in and out, first passwords, and one's own account."""

import re

import httpx
import pyotp
import pytest

from muster.access.permissions import SCIM
from tests.console.browsing import PASSWORD, Visitor, invitation, invited
from tests.support.people import name


def test_signing_in_and_out(server, fresh):
    admin = invited(server, fresh.name, SCIM)
    cookie = admin.http.cookies["muster_session"]
    admin.get("/account")
    assert admin.post("/sign-out").headers["location"] == "/sign-in"
    ended = Visitor(server)
    ended.http.cookies.set("muster_session", cookie)
    assert ended.get("/account").status_code == 303
    ended.close()
    admin.get("/sign-in", to="/account")
    wrong = admin.post("/sign-in", email=admin.email, password="x" * 12)
    unknown = admin.post("/sign-in", email=name("nobody"), password="x" * 12)
    assert wrong.status_code == unknown.status_code == 401
    for answer in (wrong, unknown):
        assert "Wrong e-mail address, password or code" in answer.text
    admin.get("/sign-in")
    answer = admin.post("/sign-in", email=admin.email.upper(), password=PASSWORD, to="/account")
    assert answer.headers["location"] == "/account"
    header = answer.headers["set-cookie"]
    assert "HttpOnly" in header
    assert "SameSite=Lax" in header
    assert admin.http.cookies["muster_session"] != cookie
    admin.close()


@pytest.mark.outside
def test_cookies_are_secure_and_hsts_is_on_with_tls(server, tmp_path):
    from tests.support.server import Server

    with Server(tmp_path, MUSTER_TRUSTED_PROXIES="127.0.0.1") as proxied:
        visitor = Visitor(proxied, **{"X-Forwarded-Proto": "https"})
        answer = visitor.get("/sign-in")
        assert "; Secure" in answer.headers["set-cookie"]
        assert "max-age=31536000" in answer.headers["strict-transport-security"]
        visitor.close()
    assert "strict-transport-security" not in httpx.get(f"{server.url}/sign-in").headers


def test_sign_in_starts_a_new_session(server, fresh):
    admin = invited(server, fresh.name, SCIM)
    victim = Visitor(server)
    victim.http.cookies.set("muster_session", "chosen-by-somebody-else")
    victim.get("/sign-in")
    victim.given = victim.post("/sign-in", email=admin.email, password=PASSWORD).headers[
        "set-cookie"
    ]
    assert "chosen-by-somebody-else" not in victim.given
    stolen = Visitor(server)
    stolen.http.cookies.set("muster_session", "chosen-by-somebody-else")
    assert stolen.get("/account").status_code == 303
    for visitor in (admin, victim, stolen):
        visitor.close()


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/a\r\nx: y",
    ],
)
def test_redirects_stay_within_the_console(server, fresh, to):
    admin = invited(server, fresh.name, SCIM)
    other = Visitor(server)
    other.get("/sign-in", to=to)
    answer = other.post("/sign-in", email=admin.email, password=PASSWORD, to=to)
    assert answer.headers["location"] in ("/", "/ax:%20y", "/a x: y"), answer.headers
    assert "x" not in answer.headers
    admin.close()
    other.close()


@pytest.mark.outside
def test_sign_in_attempts_are_limited(server, fresh, tmp_path):
    from tests.support.server import Server

    with Server(tmp_path) as alone:
        visitor = Visitor(alone)
        visitor.get("/sign-in")
        answers = [
            visitor.post("/sign-in", email="a@example.com", password="x").status_code
            for _ in range(11)
        ]
        assert answers == [401] * 10 + [429]
        visitor.close()


def test_the_authenticator_and_its_recovery_codes(server, fresh):
    admin = invited(server, fresh.name, SCIM)
    page = admin.get("/account/second-factor").text
    secret = re.search(r'name="secret" value="([A-Z2-7]+)"', page)[1]
    wrong = admin.post("/account/totp", secret=secret, code="000000")
    assert wrong.status_code == 400
    assert f'name="secret" value="{secret}"' in wrong.text  # scanned already
    admin.get("/account")
    code = pyotp.TOTP(secret).now()
    codes = re.findall(
        r"<li><code>([a-z2-7-]+)</code>",
        admin.submit("/account/totp", secret=secret, code=code).text,
    )
    assert len(codes) == 8
    other = Visitor(server)
    other.get("/sign-in")
    assert (
        other.post("/sign-in", email=admin.email, password=PASSWORD, code="000000").status_code
        == 401
    )
    assert (
        other.post("/sign-in", email=admin.email, password=PASSWORD, code=code).status_code == 401
    )  # it was used already
    assert (
        other.post("/sign-in", email=admin.email, password=PASSWORD, code=codes[0]).status_code
        == 303
    )
    again = Visitor(server)
    again.get("/sign-in")
    assert (
        again.post("/sign-in", email=admin.email, password=PASSWORD, code=codes[0]).status_code
        == 401
    )
    assert (
        again.post("/sign-in", email=admin.email, password=PASSWORD, code=codes[1]).status_code
        == 303
    )
    again.get("/account")
    for fields in (
        {},
        {"password": PASSWORD},
        {"code": codes[2]},
        {"password": PASSWORD, "code": codes[1]},
    ):
        again.get("/account")
        assert again.post("/account/totp/off", **fields).status_code == 401
    again.get("/account")
    assert again.post("/account/totp/off", password=PASSWORD, code=codes[2]).status_code == 303
    third = Visitor(server)
    third.get("/sign-in")
    assert third.post("/sign-in", email=admin.email, password=PASSWORD).status_code == 303
    for visitor in (admin, other, again, third):
        visitor.close()


@pytest.fixture
def protected(server, fresh):
    """An administrator with an authenticator app, whose recovery codes are in `codes`."""
    admin = invited(server, fresh.name, SCIM)
    page = admin.get("/account/second-factor").text
    secret = re.search(r'name="secret" value="([A-Z2-7]+)"', page)[1]
    shown = admin.submit("/account/totp", secret=secret, code=pyotp.TOTP(secret).now())
    admin.codes = re.findall(r"<li><code>([a-z2-7-]+)</code>", shown.text)
    yield admin
    admin.close()


def verified(page):
    """The token in the form for the code."""
    return re.search(r'name="verified" value="([^"]+)"', page.text)[1]


def test_the_second_step_asks_for_the_code_alone(protected, server):
    visitor = Visitor(server)
    visitor.get("/sign-in", to="/account")
    page = visitor.post("/sign-in", email=protected.email, password=PASSWORD, to="/account")
    assert page.status_code == 200
    assert "Enter the code from your authenticator app" in page.text
    assert 'role="alert">' not in page.text
    assert "password" not in re.findall(r'name="(\w+)"', page.text)
    assert PASSWORD not in page.text
    first = verified(page)
    wrong = visitor.post("/sign-in", verified=first, code="000000", to="/account")
    assert wrong.status_code == 401
    assert re.search(r'role="alert">([^<]*)', wrong.text)[1].startswith("Wrong code.")
    second = verified(wrong)
    again = visitor.post("/sign-in", verified=first, code=protected.codes[0])
    assert (again.status_code, 'name="password"' in again.text) == (401, True)
    answer = visitor.post("/sign-in", verified=second, code=protected.codes[0], to="/account")
    assert answer.headers["location"] == "/account"
    assert visitor.get("/account").status_code == 200
    visitor.close()


def test_the_second_step_belongs_to_the_browser_of_the_first(protected, server):
    visitor, other = Visitor(server), Visitor(server)
    visitor.get("/sign-in")
    other.get("/sign-in")
    token = verified(visitor.post("/sign-in", email=protected.email, password=PASSWORD))
    stolen = other.post("/sign-in", verified=token, code=protected.codes[0])
    assert (stolen.status_code, 'name="password"' in stolen.text) == (401, True)
    answer = visitor.post("/sign-in", verified=token, code=protected.codes[0])
    assert answer.status_code == 303
    visitor.close()
    other.close()


def test_an_invitation_creates_one_administrator(server):
    link = invitation(server)
    Visitor(server).accept(link, name("one")).close()
    assert httpx.get(link).status_code == 410
    assert httpx.get(f"{server.url}/first?token=x").status_code == 410
    made = server.muster("admins", "list").stdout
    assert "everything" in made

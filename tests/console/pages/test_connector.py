"""OpenID Connect sign-in with a test provider, honest and malicious."""

import re
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import httpx
import orjson
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from muster.access.permissions import ADMIN, SCIM, SETTINGS
from tests.console.browsing import Visitor
from tests.support.identity_provider import DOMAIN, setting
from tests.support.tenant import Tenant


def by_provider(visitor, subject, **query):
    """Go to the provider, say who one is there, and come back: the answer to that."""
    sent = visitor.get("/sign-in/openid", **query)
    assert sent.status_code == 303, sent.text
    asked = parse_qs(urlsplit(sent.headers["location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    said = httpx.post(sent.headers["location"], data={"sub": subject})
    assert said.status_code == 302, said.text
    return visitor.http.get(said.headers["location"])


def listed(root):
    """The administrators on their page, without the log."""
    return root.get("/administrators").text.partition("Recent activity")[0]


def test_administrators_sign_in_with_the_workspace_provider(server, root, fresh, provider):
    assert fresh.api.put("/open-id-connector", json=setting(provider, SCIM)).status_code == 200
    shown = fresh.api.get("/open-id-connector").json()
    assert shown == {
        "title": "Corp",
        "issuer": provider,
        "clientId": "muster",
        "allowedDomains": [DOMAIN],
        "permissions": [SCIM],
        "trustEmail": False,
    }
    visitor = Visitor(server)
    answer = by_provider(visitor, "ann", workspace=fresh.name, to=f"/w/{fresh.name}/users")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/w/{fresh.name}/users")
    assert visitor.get(f"/w/{fresh.name}/users").status_code == 200
    assert visitor.get(f"/w/{fresh.name}/settings").status_code == 403
    assert visitor.get("/w/default").status_code == 404
    assert "You sign in with OpenID Connect" in visitor.get("/account").text
    assert "OpenID Connect</td>" in root.get("/administrators").text
    actors = [
        row["actor"]
        for row in fresh.api.get("/audit").json()["rows"]
        if row["type"] == "OpenIdConnector"
    ]
    assert len(actors) == 1
    assert "s3cret-words" not in fresh.api.get("/audit").text
    accounts = listed(root).count(f"Ann@{DOMAIN.upper()}")
    assert accounts > 0  # other tests leave some
    again = Visitor(server)
    by_provider(again, "ann", workspace=fresh.name)
    assert listed(root).count(f"Ann@{DOMAIN.upper()}") == accounts
    assert fresh.api.delete("/open-id-connector").status_code == 204
    for one in (visitor, again):
        assert one.get("/account").status_code == 303
        one.close()
    assert fresh.api.get("/open-id-connector").status_code == 404


def test_the_audit_log_names_administrators_of_a_provider(server, root, fresh, provider):
    """A provider chooses its addresses; it must imitate nobody in the audit log."""
    fresh.api.put("/open-id-connector", json=setting(provider, SETTINGS, SCIM))
    root.get("/open-id-connector")
    root.post(
        "/open-id-connector",
        **setting(provider, allowedDomains=DOMAIN, permissions=""),
        permission=[ADMIN],
    )
    for place, query in ((fresh.name, {"workspace": fresh.name}), ("*", {})):
        visitor = Visitor(server)
        by_provider(visitor, "ann", **query)
        visitor.get(f"/w/{fresh.name}/keys")
        assert (
            visitor.post(
                f"/w/{fresh.name}/keys", name=f"by ann of {place}", permission=[SCIM]
            ).status_code
            == 303
        )
        rows = fresh.api.get("/audit", params={"actor": f"openid:{place}:"}).json()["rows"]
        made = [(row["actor"], row["type"], row["action"]) for row in rows]
        assert made == [(f"openid:{place}:Ann@{DOMAIN.upper()}", "ApiKey", "create")]
        visitor.close()
    root.get("/open-id-connector")
    root.post("/open-id-connector/remove")


@pytest.mark.parametrize(
    ("subject", "status", "said"),
    [
        ("eve", 403, "elsewhere.example"),
        ("mal", 403, "verified"),
        ("nix", 401, "no e-mail address"),
    ],
)
def test_sign_in_is_rejected(server, fresh, provider, subject, status, said):
    fresh.api.put("/open-id-connector", json=setting(provider))
    visitor = Visitor(server)
    answer = by_provider(visitor, subject, workspace=fresh.name)
    assert (answer.status_code, said in answer.text) == (status, True)
    assert "muster_session" not in visitor.http.cookies
    visitor.close()


def test_the_installation_can_have_a_connector(server, root, provider):
    root.get("/open-id-connector")
    page = root.submit(
        "/open-id-connector",
        **setting(provider, title="The House", allowedDomains=DOMAIN, permissions=""),
        permission=[ADMIN],
    )
    assert "Connector saved" in page.text
    assert "s3cret-words" not in page.text
    visitor = Visitor(server)
    assert "Sign in with The House" in visitor.get("/sign-in").text
    assert by_provider(visitor, "ann").headers["location"] == "/"
    assert visitor.get("/administrators").status_code == 200
    visitor.get("/open-id-connector")
    assert root.post("/open-id-connector/remove").status_code == 303
    assert visitor.get("/account").status_code == 303
    assert "The House" not in visitor.get("/sign-in").text
    visitor.close()


def test_sso_never_signs_in_to_an_existing_account(server, root, fresh, provider):
    """A connector's provider must not speak for people outside its workspace."""
    root.get("/administrators")
    link = re.search(
        r'data-copy="(http[^"]+)"',
        root.submit("/administrators", name="Ann", workspace="*", role="owner").text,
    )[1]
    victim = Visitor(server).accept(link, f"ann@{DOMAIN}")
    fresh.api.put("/open-id-connector", json=setting(provider, SCIM))
    visitor = Visitor(server)
    by_provider(visitor, "ann", workspace=fresh.name)
    assert visitor.get("/administrators").status_code == 403
    fresh.api.delete("/open-id-connector")
    assert victim.get("/administrators").status_code == 200
    for one in (visitor, victim):
        one.close()


@pytest.mark.outside
def test_a_provider_at_a_private_address_is_rejected(tmp_path, provider):
    from tests.support.server import Server

    with Server(tmp_path) as strict, Tenant(strict) as tenant:
        for issuer in (provider, "https://localhost:1"):
            answer = tenant.api.put("/open-id-connector", json=setting(issuer))
            assert (answer.status_code, "issuer" in answer.json()["detail"]) == (400, True)
        assert "not a public address" in answer.json()["detail"]


def test_sign_in_requires_a_configured_host(server, fresh, provider):
    fresh.api.put("/open-id-connector", json=setting(provider))
    visitor = Visitor(server)
    answer = visitor.http.get(
        "/sign-in/openid", params={"workspace": fresh.name}, headers={"Host": "evil.example"}
    )
    assert (answer.status_code, "MUSTER_BASE_URL" in answer.text) == (400, True)
    assert "muster_openid" not in visitor.http.cookies
    visitor.close()


def test_a_sign_in_belongs_to_the_browser_that_started_it(server, fresh, provider):
    fresh.api.put("/open-id-connector", json=setting(provider))
    attacker, victim = Visitor(server), Visitor(server)
    sent = attacker.get("/sign-in/openid", workspace=fresh.name)
    back = httpx.post(sent.headers["location"], data={"sub": "ann"}).headers["location"]
    assert victim.http.get(back).status_code == 403
    victim.get("/sign-in/openid", workspace=fresh.name)
    assert victim.http.get(back).status_code == 403
    forged = victim.http.cookies["muster_openid"].replace(".", "x.")
    victim.http.cookies.set("muster_openid", forged, domain=urlsplit(server.url).hostname)
    assert victim.http.get(back).status_code == 403
    assert attacker.http.get(back).status_code == 303
    assert attacker.http.get(back).status_code == 403
    for query in ("", "?workspace=nothing-here", "?workspace=default"):
        assert victim.get(f"/sign-in/openid{query}").status_code == 404
    sent = victim.get("/sign-in/openid", workspace=fresh.name, to="//evil.example")
    back = httpx.post(sent.headers["location"], data={"sub": "ann"}).headers["location"]
    assert victim.http.get(back).headers["location"] == "/"
    sent = victim.get("/sign-in/openid", workspace=fresh.name)
    state = parse_qs(urlsplit(sent.headers["location"]).query)["state"][0]
    for said, shown in (("access_denied", "access_denied"), ("<b>", "no reason given")):
        assert shown in victim.get("/sign-in/openid/callback", error=said, state=state).text
    assert (
        "different identity provider"
        in victim.get("/sign-in/openid/callback", iss="https://x", code="c", state=state).text
    )
    for one in (attacker, victim):
        one.close()


KEY, OTHER = RSAKey.generate_key(2048, {"kid": "1"}), RSAKey.generate_key(2048, {"kid": "1"})


@contextmanager
def liar(forge):
    """A provider that lets `forge` change the claims of its tokens."""
    asked = {}

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            base = f"http://localhost:{self.server.server_port}"
            told = {
                "/.well-known/openid-configuration": {
                    "issuer": base,
                    "authorization_endpoint": f"{base}/go",
                    "token_endpoint": f"{base}/token",
                    "jwks_uri": f"{base}/keys",
                    "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
                },
                "/keys": {"keys": [KEY.as_dict(private=False)]},
            }[self.path]
            self.answer(told)

        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            base = f"http://localhost:{self.server.server_port}"
            right = {
                "iss": base,
                "sub": "ann",
                "aud": "muster",
                "iat": asked["now"],
                "exp": asked["now"] + 60,
            }
            right |= {"nonce": asked["nonce"], "email": f"ann@{DOMAIN}", "email_verified": True}
            self.answer({"access_token": "x", "token_type": "Bearer", "id_token": forge(right)})

        def answer(self, told):
            body = orjson.dumps(told)
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("localhost", 0), Answers) as started:
        threading.Thread(target=started.serve_forever, args=[0.01], daemon=True).start()
        yield f"http://localhost:{started.server_port}", asked
        started.shutdown()


NO_ADDRESSES = [
    DOMAIN, f"@{DOMAIN}", f"ann@evil.example@{DOMAIN}", f"ann@evil.example,ann@{DOMAIN}", f"ann@evil.example ann@{DOMAIN}",
    f'"ann@evil.example"@{DOMAIN}', f"<ann@{DOMAIN}>", f"ann@{DOMAIN}.", f"ann@{DOMAIN}.evil.example", f"ann@evil.{DOMAIN}",
    f"ann@[{DOMAIN}]", f"ann(@{DOMAIN})", f"ann@{DOMAIN}\n", f" ann@{DOMAIN}", f"ann\0@{DOMAIN}", f"ann@{DOMAIN}\u200b",
    "ann@\uff43orp.example", "ann@corp.example".replace("x", "\uff58"), "ann\uff20corp.example", "ann@corp\u3002example",
]  # fmt: skip
"""E-mail addresses that are not at DOMAIN, or could be read in two ways."""


def signed(claims, key=KEY, alg="RS256"):
    return jwt.encode({"alg": alg, "kid": "1"}, claims, key)


@pytest.mark.parametrize(
    ("forge", "status"),
    [
        (signed, 303),
        (lambda right: signed(right, OTHER), 401),
        (lambda right: signed({**right, "aud": "another"}), 401),
        (lambda right: signed({**right, "iss": "https://another.example"}), 401),
        (lambda right: signed({**right, "nonce": "another"}), 401),
        (lambda right: signed({key: value for key, value in right.items() if key != "nonce"}), 401),
        (lambda right: signed({key: value for key, value in right.items() if key != "sub"}), 401),
        (
            lambda right: signed({**right, "exp": right["iat"] - 3600, "iat": right["iat"] - 7200}),
            401,
        ),
        (lambda right: "eyJhbGciOiJub25lIn0." + signed(right).split(".")[1] + ".", 401),
        (lambda right: signed(right)[:-8] + "AAAAAAAA", 401),
        (lambda right: signed(right, OctKey.import_key("s3cret-words"), "HS256"), 401),
        (lambda right: None, 401),
        (lambda right: "nonsense", 401),
        (lambda right: signed({**right, "email": ["x"]}), 401),
        *(
            (lambda right, email=email: signed({**right, "email": email}), 403)
            for email in NO_ADDRESSES
        ),
        (lambda right: signed({**right, "email": f"ann@{DOMAIN.upper()}"}), 303),
        (lambda right: signed({**right, "email_verified": "true"}), 303),
        (lambda right: signed({**right, "email_verified": False}), 403),
        (lambda right: signed({**right, "email_verified": "false"}), 403),
        (lambda right: signed({**right, "email_verified": 1}), 403),
        (lambda right: signed({**right, "email_verified": ["true"]}), 403),
        (
            lambda right: signed(
                {key: value for key, value in right.items() if key != "email_verified"}
            ),
            403,
        ),
        (lambda right: signed({**right, "email_verified": None}), 403),
        (lambda right: signed({**right, "sub": ""}), 401),
        (lambda right: signed({**right, "sub": "x" * 256}), 401),
    ],
)
def test_invalid_id_tokens_are_rejected(server, fresh, forge, status):
    answer = callback(server, fresh, forge)
    assert answer.status_code == status, answer.text


def test_unverified_addresses_are_accepted_if_trusted(server, fresh):
    def forge(right):
        return signed({key: value for key, value in right.items() if key != "email_verified"})

    assert callback(server, fresh, forge, trustEmail=True).status_code == 303
    assert (
        callback(
            server, fresh, lambda right: signed({**right, "email_verified": False}), trustEmail=True
        ).status_code
        == 403
    )
    assert fresh.api.get("/open-id-connector").json()["trustEmail"] is True
    assert (
        fresh.api.put(
            "/open-id-connector", json={**setting("https://x"), "trustEmail": "yes"}
        ).status_code
        == 400
    )


def callback(server, fresh, forge, **others):
    """Return the answer to a browser that brings a forged token."""
    with liar(forge) as (issuer, asked):
        fresh.api.put("/open-id-connector", json=setting(issuer, **others))
        visitor = Visitor(server)
        begun = visitor.get("/sign-in/openid", workspace=fresh.name)
        assert begun.status_code == 303, begun.text
        sent = parse_qs(urlsplit(begun.headers["location"]).query)
        asked.update(nonce=sent["nonce"][0], now=int(time.time()))
        answer = visitor.get("/sign-in/openid/callback", code="c", state=sent["state"][0])
        visitor.signed_in = "muster_session" in visitor.http.cookies
        assert visitor.signed_in == (answer.status_code == 303)
        visitor.close()
        return answer


def test_an_old_page_does_not_set_back_the_connector(root, fresh, provider):
    fresh.api.put("/open-id-connector", json=setting(provider, SCIM))
    path = f"/w/{fresh.name}/open-id-connector"
    stamp = root.stamp(path)
    fresh.api.put("/open-id-connector", json=setting(provider, SETTINGS))
    sent = {"title": "Old", "issuer": provider, "clientId": "muster", "allowedDomains": DOMAIN}
    refused = root.post(path, **sent, permission=SCIM, seen=stamp)
    assert (refused.status_code, 'value="Old"' in refused.text) == (409, True)
    assert fresh.api.get("/open-id-connector").json()["permissions"] == [SETTINGS]
    assert root.post(path, **sent, permission=SCIM, seen=root.stamp(path)).status_code == 303

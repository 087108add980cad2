"""Reads and sign-ins do not move the epoch, which clears the caches of keys."""

import re
from dataclasses import replace

import pyotp
import pytest

import muster
from muster.access.permissions import SCIM
from muster.storage.port.engine import Statement
from muster.storage.port.items import INSTALLATION
from tests.console.browsing import PASSWORD, Visitor
from tests.support.invitations import invite
from tests.support.people import name, person
from tests.support.tenant import administer

EPOCH = Statement("SELECT epoch FROM installation", ())
ENDLESS = {"/w/{workspace}/requests/live"}
SCIM_READS = (
    "/Users",
    "/Groups",
    "/Users/{id}",
    "/Schemas",
    "/ResourceTypes",
    "/ServiceProviderConfig",
    "/?count=1",
)


def epoch(server):
    return administer(server, lambda storage: storage.query(EPOCH))[0][0]


@pytest.fixture
def routes(tmp_path):
    app = muster.create_app(muster.Settings(database=f"sqlite:///{tmp_path}/m.db"))
    pages = [route.path for route in app.service._site.routes if route.method == "GET"]
    return pages, [route.path for route in app.service._api.routes if route.method == "GET"]


@pytest.fixture
def admin(server):
    token = administer(server, invite)
    email = name("epoch")
    made = Visitor(server).accept(f"{server.url}/first?token={token}", email)
    made.email = email
    yield made
    made.close()


def age_sessions(server):
    """Backdate every session, so the next page updates its time of use."""

    async def work(storage):
        items = await storage.items(INSTALLATION, "session")
        aged = [
            replace(item, body={**item.body, "seen": "2026-01-01T00:00:00.000Z"}) for item in items
        ]
        await storage.record([], aged)

    administer(server, work)


def test_reads_do_not_change_the_epoch(server, fresh, routes, admin):
    user = fresh.user()
    pages, operations = routes
    age_sessions(server)
    before = epoch(server)

    def filled(path):
        return re.sub(r"\{\w+\}", user["id"], path.replace("{workspace}", fresh.name))

    for path in pages:
        if path not in ENDLESS:
            assert admin.get(filled(path)).status_code < 500
            assert epoch(server) == before, path
    for path in operations:
        assert fresh.api.get(filled(path)).status_code < 500
        assert epoch(server) == before, path
    for path in SCIM_READS:
        assert fresh.scim.get(filled(path)).status_code == 200
    fresh.scim.post("/Users", json=person())
    fresh.api.post("/passwords/verify", json={"userName": "nobody", "password": "wrong"})
    assert epoch(server) == before


def test_sign_ins_do_not_change_the_epoch(server, admin):
    before = epoch(server)
    admin.get("/account")
    assert (
        admin.post("/administrators", name="Sam", workspace="*", permission=[SCIM]).status_code
        == 303
    )
    admin.get("/account")
    secret = pyotp.random_base32()
    page = admin.submit("/account/totp", secret=secret, code=pyotp.TOTP(secret).now()).text
    codes = re.findall(r"<code>([a-z2-7]{4}(?:-[a-z2-7]{4}){3})</code>", page)
    assert admin.post("/sign-out").status_code == 303
    admin.get("/sign-in")
    assert admin.post("/sign-in", email=admin.email, password="x" * 12).status_code == 401
    assert (
        admin.post("/sign-in", email=admin.email, password=PASSWORD, code=codes[0]).status_code
        == 303
    )
    admin.get("/account")
    assert admin.post("/account/password", old=PASSWORD, new=PASSWORD + "!").status_code == 303
    assert epoch(server) == before

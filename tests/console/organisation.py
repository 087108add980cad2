"""A believable organisation for the screenshots: two weeks of two identity providers.

The clock stands still, and the random choices have a seed, so that each run makes the same people
at the same moments.
"""

import asyncio
import html
import random
import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from unittest import mock

import httpx
import uvicorn

from muster.access.permissions import READ, SCIM
from muster.cli.people import person as made_up
from muster.events.webhooks.sender import Sender, SendResult
from muster.scim.schema.model import ENTERPRISE_USER
from tests.console.browsing import PASSWORD, Visitor, invitation
from tests.support.clock import StoppedClock
from tests.support.in_process import InProcessServer
from tests.support.people import group, patch, replace
from tests.support.ports import free_port
from tests.support.waiting import until

PLACE = "northwind"
HOST = "scim.northwind.example"
NOW = datetime(2026, 6, 18, 9, 41, tzinfo=UTC)
OWNER, COLLEAGUE = "dana.ferreira@northwind.example", "samir.okafor@northwind.example"
OKTA, ENTRA, OFFICE = "198.51.100.23", "203.0.113.7", "192.0.2.44"
BADGE = "urn:northwind:params:scim:schemas:extension:badge:2.0:User"
DEVICE = "urn:northwind:params:scim:schemas:core:2.0:Device"
BROWSER = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Chrome/156.0.0.0 Safari/537.36"
AGENTS = {OKTA: "Okta SCIM Client 1.0.0", ENTRA: "Azure AD Provisioning Service/1.0"}
_PEOPLE = {"okta": 164, "entra": 48}


class Station(InProcessServer):
    """A server in this process that browsers reach too, at the port `listening`."""

    host = HOST

    def __init__(self, folder):
        super().__init__(
            folder,
            MUSTER_RATE_LIMIT="0",
            MUSTER_BASE_URL=f"http://{HOST}",
            MUSTER_WEBHOOKS_PRIVATE="1",
            MUSTER_TRUSTED_PROXIES="127.0.0.1",
        )
        self.port, self.url = 80, f"http://{HOST}"
        self.listening = free_port()

    def __enter__(self):
        super().__enter__()
        config = uvicorn.Config(
            self.app,
            port=self.listening,
            lifespan="off",
            log_level="critical",
            ws="none",
            timeout_graceful_shutdown=1,
        )
        self._front = uvicorn.Server(config)
        self._serving = asyncio.run_coroutine_threadsafe(self._front.serve(), self._loop)
        assert until(lambda: self._front.started)
        return self

    def __exit__(self, *error):
        self._front.should_exit = True
        self._serving.result(30)
        super().__exit__(*error)


class Organisation:
    """The workspace, with the ids of what the screenshots show."""

    def __init__(self, server, clock):
        self.server = server
        self.clock = clock
        self.chance = random.Random("northwind")
        self.base = f"/w/{PLACE}"
        self.ids = {}
        self.people = {name: [] for name in _PEOPLE}
        self._clients = []

    def client(self, token, address, root="/scim/v2"):
        headers = {
            "Authorization": f"Bearer {token}",
            "X-Forwarded-For": address,
            "User-Agent": AGENTS.get(address, "northwind-portal/4.2"),
        }
        made = httpx.Client(base_url=self.server.url + root, headers=headers, timeout=60)
        self._clients.append(made)
        return made

    def administrator(self, email):
        visitor = Visitor(self.server, **{"X-Forwarded-For": OFFICE, "User-Agent": BROWSER})
        self._clients.append(visitor)
        visitor.email = email
        return visitor.accept(invitation(self.server), email)

    def at(self, day, hour, minute=0):
        """Move the clock to a time of a day, counted from today."""
        date = (NOW + timedelta(days=day)).date()
        self.clock.moment = datetime(date.year, date.month, date.day, hour, minute, tzinfo=UTC)

    def build(self):
        """Play two weeks, until this morning."""
        self.server.muster("workspaces", "create", PLACE)
        self.at(-14, 8, 30)
        self.dana = self.administrator(OWNER)
        self.api = self.client(self._admin_key(), OFFICE, "/api/v1")
        self._connect()
        self._first_syncs()
        self._settings()
        self._two_weeks()
        self._this_morning()
        self.clock.moment = NOW
        self.sign_in(self.dana)
        self._form(self.dana, "/checklist", "")
        self.dana.get(self.base)  # shows its message
        self.ids["import"] = self._import()
        rosa = {"name": "Rosa Lindqvist", "role": "auditor", "expires": "604800"}
        self._form(self.dana, "/administrators", **rosa)
        self.dana.get(f"{self.base}/administrators")  # shows the link
        _wait_for_requests(self.api)
        return self

    def _admin_key(self):
        return self.server.key("terraform", "--workspace", PLACE, "--admin")

    def _key(self, name, permission, address):
        made = self.api.post("/keys", json={"name": name, "permissions": [permission]}).json()
        self.ids[name] = made["id"]
        return self.client(made["token"], address)

    def _connect(self):
        self.okta = self._key("okta", SCIM, OKTA)
        self.at(-10, 13)
        self.entra = self._key("entra-contoso", SCIM, ENTRA)
        self.portal = self._key("intranet", READ, OFFICE)

    def _first_syncs(self):
        taken = set()
        for name, client, day in (("okta", self.okta, -13), ("entra", self.entra, -10)):
            for number in range(_PEOPLE[name]):
                self.at(day, 14)
                self.clock.advance(seconds=number * 4)
                document = self._person(number, name, taken)
                self.people[name].append(_good(client.post("/Users", json=document)).json())
            self._departments(name, client)

    def _person(self, number, provider, taken):
        document = made_up(number, self.chance)
        domain = "northwind.example" if provider == "okta" else "contoso.example"
        plain = document["userName"].partition("@")[0].rpartition(".")[0]
        if plain in taken:
            plain = f"{plain}{number}"
        taken.add(plain)
        address = f"{plain}@{domain}"
        document |= {
            "userName": address,
            "externalId": f"{'00u' if provider == 'okta' else 'aad'}{number + 4711:09d}",
            "emails": [{"value": address, "type": "work", "primary": True}],
            "active": True,
        }
        document[ENTERPRISE_USER]["organization"] = "Northwind"
        return document

    def _departments(self, name, client):
        departments = {}
        for user in self.people[name]:
            departments.setdefault(user[ENTERPRISE_USER]["department"], []).append(user)
        for department, members in sorted(departments.items()):
            title = department if name == "okta" else f"Contoso {department}"
            self.clock.advance(seconds=20)
            made = _good(client.post("/Groups", json=group(title, *members))).json()
            self.ids[title] = made["id"]

    def _settings(self):
        """Two administrators set the workspace up."""
        self.at(-9, 10, 12)
        self.samir = self.administrator(COLLEAGUE)
        guard = {"guardMode": "hold", "guardShare": 6, "guardLeast": 10}
        _good(self.api.patch("/settings", json=guard))
        _good(self.api.post("/roles", json={"name": "Help desk", "permissions": [SCIM]}))
        _good(self.api.post("/schemas", json=_badge_schema()))
        _good(self.api.post("/schemas", json=_device_schema()))
        device = {"name": "Device", "endpoint": "/Devices", "schema": DEVICE}
        _good(self.api.post("/resource-types", json=device))
        for value, role in (("owner", "Help desk"), ("viewer", "Auditor")):
            self.clock.advance(minutes=3)
            self._form(self.samir, "/role-mappings", idpValue=value, role=role, reviewed="on")
        for path, events in (("scim-events", "*"), ("billing/seats", "user.deactivated")):
            self.clock.advance(minutes=5)
            url = f"https://hooks.northwind.example/{path}"
            self._form(self.dana, "/webhooks", url=url, events=events)
        hooks = self.api.get("/webhooks").json()["items"]
        self.ids["webhook"] = next(hook["id"] for hook in hooks if "billing" in hook["url"])

    def sign_in(self, visitor):
        """Begin a session; an earlier one may have ended."""
        visitor.http.cookies.clear()
        visitor.get("/sign-in")
        answer = visitor.post("/sign-in", email=visitor.email, password=PASSWORD)
        assert answer.status_code == 303, answer.text

    def _form(self, visitor, path, page=None, **fields):
        self.sign_in(visitor)
        assert visitor.get(self.base + (path if page is None else page)).status_code == 200
        answer = visitor.post(self.base + path, **fields)
        assert answer.status_code == 303, answer.text

    def _two_weeks(self):
        for day in range(-8, 1):
            moments = self.chance.sample(range(60, 340), self.chance.randrange(4, 9))
            for minute in sorted(moments):
                self.at(day, minute // 60, minute % 60)
                self._some_change(*self.chance.choice(((self.okta, "okta"), (self.entra, "entra"))))
            self._refusals(day)
            self.at(day, 9)
            self.portal.get("/Users", params={"count": 1})
            self._note_use()

    def _note_use(self):
        """Write when keys were last used, which the server does every half minute."""
        self.server.run(self.server.app._touch())

    def _some_change(self, client, name):
        user = self.chance.choice(self.people[name])
        department = user[ENTERPRISE_USER]["department"]
        title = self.chance.choice(("Lead", "Principal", "Senior Manager", "Director"))
        client.patch(f"/Users/{user['id']}", json=replace("title", f"{title}, {department}"))

    def _refusals(self, day):
        user = self.chance.choice(self.people["okta"])
        self.at(day, 6, 44)
        body = {"userName": user["userName"], "displayName": user["displayName"]}
        self.entra.post("/Users", json=body)
        self.clock.advance(seconds=9)
        lena = {"userName": "lena.fischer@contoso.example", "active": "maybe"}
        self.entra.post("/Users", json=lena)

    def _this_morning(self):
        """People leave; a mistake in Entra deactivates too many; a key is wrong."""
        self.at(0, 5, 58)
        leavers = self.people["okta"][3:5]
        for user in leavers:
            self.clock.advance(seconds=7)
            self.okta.patch(f"/Users/{user['id']}", json=replace("active", False))
        self.ids["leaver"] = leavers[0]["id"]
        self.at(0, 6, 20)
        contractor = f"/users/{self.people['okta'][7]['id']}"
        self._form(self.samir, f"{contractor}/deactivate", contractor)
        chief = {"userName": self.people["okta"][0]["userName"], "reason": "Emergency access"}
        self._form(self.samir, "/protected-users", **chief)
        self.at(0, 6, 46)
        for user in self.people["entra"][10:23]:
            self.clock.advance(seconds=2)
            operation = {"op": "Replace", "path": "active", "value": "False"}
            self.entra.patch(f"/Users/{user['id']}", json=patch(operation))
        self.ids["group"] = self.ids["Engineering"]
        self.ids["user"] = self.people["entra"][10]["id"]
        self._note_use()
        hook = f"/webhooks/{self.ids['webhook']}"
        assert until(lambda: "503" in str(self.api.get(f"{hook}/deliveries").json()))
        self.at(0, 7, 5)
        for user in self.people["okta"][40:42]:
            self.clock.advance(minutes=1)
            self.okta.delete(f"/Users/{user['id']}")
        self.at(0, 8, 2)
        badge = {BADGE: {"number": "N-2041", "floor": 3}}
        self.okta.patch(
            f"/Users/{self.people['okta'][0]['id']}", json=patch({"op": "add", "value": badge})
        )
        self.at(0, 9, 12)
        stranger = self.client("old-token-of-the-test-tenant", ENTRA)
        for _ in range(2):
            self.clock.advance(seconds=41)
            stranger.get("/Users", params={"filter": 'userName eq "probe"'})
        self.at(0, 9, 31)
        for _ in range(3):
            self.clock.advance(seconds=50)
            self._some_change(self.okta, "okta")
        self._note_use()

    def _import(self):
        """Upload a file of new colleagues, whose columns wait to be mapped."""
        rows = ["userName,First name,Last name,Department"]
        rows += [
            f"{first.lower()}.{last.lower()}@northwind.example,{first},{last},Support"
            for first, last in (("Amira", "Haddad"), ("Jonas", "Weber"), ("Mei", "Tanaka"))
        ]
        page = self.dana.get(f"{self.base}/users/import")
        assert page.status_code == 200
        answer = self.dana.http.post(
            f"{self.base}/users/import",
            data={"csrf": self.dana.csrf},
            files={"file": ("colleagues.csv", "\n".join(rows).encode(), "text/csv")},
        )
        assert answer.status_code == 303, answer.text
        return answer.headers["location"].rpartition("/")[2].partition("?")[0]

    def link(self, path, text):
        """The target within the workspace of the link in a table row that contains a text."""
        page = self.dana.get(self.base + path).text
        row = next(row for row in re.findall(r"<tr>.*?</tr>", page, re.S) if text in row)
        return html.unescape(re.search(rf'href="{self.base}([^"]*)"', row)[1])

    def close(self):
        for made in self._clients:
            made.close()


def _badge_schema():
    attributes = [
        {"name": "number", "type": "string", "required": True, "uniqueness": "server"},
        {"name": "floor", "type": "integer"},
        {"name": "parking", "type": "boolean"},
    ]
    return {"id": BADGE, "name": "Badge", "extends": ["User"], "attributes": attributes}


def _device_schema():
    attributes = [
        {"name": "label", "type": "string", "required": True},
        {"name": "serial", "type": "string", "uniqueness": "server"},
        {"name": "owner", "type": "reference", "referenceTypes": ["User"]},
    ]
    return {"id": DEVICE, "name": "Device", "attributes": attributes}


def _good(answer):
    assert answer.status_code < 300, f"{answer.request.url}: {answer.text}"
    return answer


def _wait_for_requests(api):
    """Wait until the latest requests are recorded."""
    last = "2026-06-18T09:33"

    def latest():
        items = api.get("/requests", params={"limit": 1}).json()["items"]
        return items and items[0]["time"] >= last

    assert until(latest)


def receivers(clock):
    """Receivers of webhooks that need no network; one of them is out of order."""

    async def post(_, url, *__):
        clock.advance(microseconds=1)  # deliveries are numbered by their time
        failing = "billing" in url
        return SendResult(503 if failing else 204, None, 118 if failing else 41)

    return mock.patch.object(Sender, "post", post)


def seeded_ids():
    """Ids of resources that are the same in each run."""
    same = SimpleNamespace(randbits=random.Random("ids").getrandbits)
    return mock.patch("muster.storage.ids.secrets", same)


def stopped():
    """A clock that the organisation moves."""
    return StoppedClock(NOW)

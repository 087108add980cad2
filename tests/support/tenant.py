"""A workspace of a test's own, administered over HTTP."""

import base64
import itertools
import json
from dataclasses import replace

import httpx

from muster.access.keys import KeyOptions, Keys
from muster.access.permissions import ADMIN
from muster.access.workspaces import find_workspace
from muster.events.webhooks.endpoints import WEBHOOK_KIND
from muster.storage.port.engine import Statement
from muster.upkeep.check import CheckReport, findings
from tests.support.described import ROOT, described
from tests.support.in_process import InProcessServer
from tests.support.people import name, person
from tests.support.waiting import until

_numbers = itertools.count()


def administer(server, work):
    """Run work on the server's database, as a command does it. Returns its result."""
    return server.administer(work)


def forget_attempts(server):
    """Forget the attempts at the token endpoint, which all tests make from one address."""
    administer(server, lambda storage: storage.transact(0, [Statement(_FORGET_ATTEMPTS, ())]))


async def _key(storage, workspace, permissions):
    return (await Keys(storage).create(workspace, name("key"), KeyOptions(permissions)))[0]


PROBLEM = "application/problem+json"
_FORGET_ATTEMPTS = "DELETE FROM rate_windows WHERE workspace = 0 AND key_id LIKE 'try token from %'"
_FORGET = "DELETE FROM workspaces WHERE id = $1 AND id < (SELECT max(id) FROM workspaces)"


def key_id(token):
    """Return the id of an API key; two keys of one millisecond are listed in either order."""
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"]


def oauth_client(tenant, connection="default", named="Entra"):
    """Return the id of a new OAuth client, and a client of SCIM with its access token."""
    path = f"/connections/{connection}/oauth-clients"
    made = tenant.api.post(path, json={"name": named}).json()
    form = {"grant_type": "client_credentials"}
    with tenant.client("none", "") as http:
        answer = http.post("/oauth/token", data=form, auth=(made["clientId"], made["clientSecret"]))
    return made["clientId"], tenant.client(answer.json()["access_token"], "/scim/v2")


def whole(plan):
    """Return the selection that carries out all of a plan of /undo, its deletions included."""
    steps = plan["resources"]
    deletions = {step["id"] for step in steps if step["action"] == "delete"}
    others = {step["id"] for step in steps} - deletions
    return {"resources": sorted(others), "deletions": sorted(deletions)}


class Tenant:
    """A new workspace with clients of its management API and of SCIM."""

    def __init__(self, server):
        self.server = server
        self.name = f"tenant-{next(_numbers)}"
        self._clients, self._has_webhooks = [], isinstance(server, InProcessServer)

        async def make(storage):
            created = "2026-01-01T00:00:00+00:00"
            workspace = await storage.add_workspace(self.name, "rfc7644", False, created)
            self.id = workspace.id
            await self._forget_ended(storage)
            return await _key(storage, workspace, (ADMIN,))

        self.token = administer(server, make)
        self.api = self.client(self.token, "/api/v1")
        self.scim = self.client(self.token, "/scim/v2")

    def key(self, *arguments):
        """Create a key; arguments such as --permission are passed on."""
        assert arguments[:1] in ((), ("--permission",))
        permissions = tuple(argument for argument in arguments if argument != "--permission") or (
            ADMIN,
        )

        async def work(storage):
            return await _key(storage, await storage.find_workspace(self.name), permissions)

        return administer(self.server, work)

    def client(self, token, root):
        made = httpx.Client(
            base_url=self.server.url + root,
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
            event_hooks={"response": [self._described] if root == ROOT else []},
        )
        self._clients.append(made)
        return made

    def _described(self, response):
        """Hold an answer against the OpenAPI document, so that the two cannot drift apart."""
        described(self.server.url).check(response)
        request = response.request
        if request.method == "POST" and request.url.path == f"{ROOT}/webhooks":
            self._has_webhooks = True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._has_webhooks:  # the server would look after them until the last test has run
            administer(self.server, self._delete_webhooks)
        for made in self._clients:
            made.close()
        self.server.ended.append(self.id)

    async def _forget_ended(self, storage):
        """Forget the tenants of earlier tests, which each page of an owner would list.

        The latest of all stays, because SQLite gives the largest id again once its row is gone.
        """
        while self.server.ended:
            await storage.transact(self.id, [Statement(_FORGET, (self.server.ended.pop(),))])

    async def _delete_webhooks(self, storage):
        workspace = await find_workspace(storage, self.name)  # a test may have renamed it
        items = await storage.items(workspace.id, WEBHOOK_KIND)
        if items:
            await storage.administer([replace(item, body=None) for item in items])

    def user(self, **attributes):
        made = self.scim.post("/Users", json=person(**attributes))
        assert made.status_code == 201, made.text
        return made.json()

    def findings(self):
        """What `muster check` reports of the workspace, which others of its database delay."""

        async def work(storage):
            workspace = await storage.find_workspace(self.name)
            return [str(found) async for found in findings(storage, [workspace], CheckReport())]

        return administer(self.server, work)

    def recorded(self, number):
        """The requests that are kept, once they are so many: it takes a moment."""
        found = until(
            lambda: (
                len(kept := self.api.get("/requests", params={"limit": 500}).json()["items"])
                >= number
                and kept
            )
        )
        assert found
        return found


def problem(response, status):
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == PROBLEM
    body = response.json()
    assert body["status"] == status
    assert body["title"]
    return body["detail"]

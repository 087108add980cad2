"""A workspace of a test's own, administered over HTTP."""

import itertools

import httpx

from muster.access.keys import KeyOptions, Keys
from muster.access.permissions import ADMIN
from tests.support.described import ROOT, described
from tests.support.people import name, person
from tests.support.waiting import until

_numbers = itertools.count()


def administer(server, work):
    """Run work on the server's database, as a command does it. Returns its result."""
    return server.administer(work)


PROBLEM = "application/problem+json"


class Tenant:
    """A new workspace with clients of its management API and of SCIM."""

    def __init__(self, server):
        self.server = server
        self.name = f"tenant-{next(_numbers)}"
        administer(
            server,
            lambda storage: storage.add_workspace(
                self.name, "rfc7644", False, "2026-01-01T00:00:00+00:00"
            ),
        )
        self.token, self._clients = self.key(), []
        self.api = self.client(self.token, "/api/v1")
        self.scim = self.client(self.token, "/scim/v2")

    def key(self, *arguments):
        """Create a key; arguments such as --permission are passed on."""
        assert arguments[:1] in ((), ("--permission",))
        permissions = tuple(argument for argument in arguments if argument != "--permission") or (
            ADMIN,
        )

        async def work(storage):
            workspace = await storage.find_workspace(self.name)
            return (await Keys(storage).create(workspace, name("key"), KeyOptions(permissions)))[0]

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

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for made in self._clients:
            made.close()

    def user(self, **attributes):
        made = self.scim.post("/Users", json=person(**attributes))
        assert made.status_code == 201, made.text
        return made.json()

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

"""A workspace of a test's own, administered over HTTP."""

import itertools

import httpx

from tests.people import name, person

_numbers = itertools.count()
PROBLEM = "application/problem+json"


class Tenant:
    """A workspace of the test's own, with a client of its management REST and one of its SCIM."""

    def __init__(self, server):
        self.server = server
        self.name = f"tenant-{next(_numbers)}"
        server.muster("workspaces", "create", self.name)
        self.token = self.key()
        self.api = self.client(self.token, "/api/v1")
        self.scim = self.client(self.token, "/scim/v2")

    def key(self, *arguments):
        return self.server.key(name("key"), "--workspace", self.name, *arguments)

    def client(self, token, root):
        return httpx.Client(base_url=self.server.url + root, headers={"Authorization": f"Bearer {token}"}, timeout=30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.api.close()
        self.scim.close()

    def user(self, **attributes):
        made = self.scim.post("/Users", json=person(**attributes))
        assert made.status_code == 201, made.text
        return made.json()


def problem(response, status):
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == PROBLEM
    body = response.json()
    assert body["status"] == status
    assert body["title"]
    return body["detail"]

"""Nothing of one workspace appears in the platform, set-up or token answers of another.

Two customers get things of every kind, in any order. Everything has its workspace's mark in its
name, so that a leak anywhere in an answer is found as text.
"""

import base64
import json
import re
from itertools import count

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.console.browsing import Visitor
from tests.http.platform.test_router import operations
from tests.support.people import group, person

KINDS = ("key", "connection", "client", "link", "invitation", "people")
_numbers = count(1)
WITHIN = "/workspaces/{workspace}/"


class Customer:
    """A workspace, and all that was made in it."""

    def __init__(self, platform):
        self.platform = platform
        self.mark = f"mark{next(_numbers)}x"
        self.name = platform.workspace(displayName=f"{self.mark} Ltd")
        self.root = f"/workspaces/{self.name}"
        self.ids: dict[str, list[str]] = {}
        self.clients, self.links = [], []
        self.connection = self.create("connections", provider="okta")["id"]
        self.token = self.create("keys", connection=self.connection)["token"]
        self.resources = []
        for kind in KINDS:
            self.do(kind)

    def create(self, collection, kind="", **body):
        """Create something, and remember its id under the name that paths have for it."""
        if kind != "setup-links":
            body["name"] = f"{self.mark} {next(_numbers)}"
        made = self.platform.api.post(f"{self.root}/{collection}", json=body)
        assert made.status_code == 201, made.text
        kind = kind or collection
        found = made.json()
        self.ids.setdefault(kind, []).append(found.get("id") or found["clientId"])
        return found

    def do(self, kind):
        if kind == "link":
            made = self.create("setup-links", "setup-links", contact=f"{self.mark}@example.com")
            self.links.append(made["url"])
        elif kind == "client":
            path = f"connections/{self.connection}/oauth-clients"
            made = self.create(path, "oauth-clients", auth="client_secret")
            self.clients.append((made["clientId"], made["clientSecret"]))
        elif kind == "invitation":
            self.create("invitations")
        elif kind == "key":
            self.create("keys", connection=self.connection)
        elif kind == "connection":
            self.create("connections", provider="entra")
        else:
            with self.scim(self.token) as scim:
                user = scim.post("/Users", json=person(f"{self.mark}-{next(_numbers)}")).json()
                made = scim.post(
                    "/Groups", json=group(f"{self.mark} {next(_numbers)}", user)
                ).json()
                self.resources += [user["id"], made["id"]]

    def scim(self, token):
        return self.platform.client(token, "/scim/v2")

    def traces(self):
        """Texts that no answer for another workspace may contain."""
        ids = {one for some in self.ids.values() for one in some}
        return {self.mark, self.name, *ids, *self.resources, *(one for one, _ in self.clients)}


def filled(path, customer, other):
    """Return a path with the name of a workspace and ids of another; None for one without ids."""
    path = path.replace("{workspace}", customer.name)
    places = re.findall(r"([\w-]+)/{(\w+)}", path)
    for kind, place in places:
        path = path.replace(f"{{{place}}}", other.ids.get(kind, ["unknown"])[0])
    return path if places else None


STEPS = st.lists(st.tuples(st.booleans(), st.sampled_from(KINDS)), max_size=8)


@settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
def test_no_answer_for_one_workspace_tells_of_another(platform, server, steps):
    sides = Customer(platform), Customer(platform)
    for first, kind in steps:
        sides[first].do(kind)
    routes = [(method, path) for method, path, _ in operations(server) if path.startswith(WITHIN)]
    for ours, theirs in (sides, sides[::-1]):
        for method, path in routes:
            if "{" not in path.replace("{workspace}", "") and method == "GET":
                clean(platform.api.get(path.replace("{workspace}", ours.name)), theirs)
            one = filled(path, ours, theirs)
            if one is not None:
                body = {"json": {}} if method in ("POST", "PATCH", "PUT") else {}
                refused = platform.api.request(method, one, **body)
                assert refused.status_code in (400, 404), (method, one, refused.text)
                assert theirs.mark not in refused.text
        clean(platform.api.get("/workspaces", params={"name": ours.name}), theirs)
        for link in ours.links:
            visitor = Visitor(server)
            clean(visitor.get(link.removeprefix(server.url)), theirs)
            clean(visitor.get("/setup"), theirs)
            visitor.http.close()
        for client in ours.clients:
            token = signed_in(server, client)
            clean(token, theirs)
            claims = token.json()["access_token"].split(".")[1]
            claims = base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)).decode()
            assert not [trace for trace in theirs.traces() if trace in claims]
            with ours.scim(token.json()["access_token"]) as scim:
                for path in ("/Users", "/Groups", *(f"/Users/{id_}" for id_ in theirs.resources)):
                    clean(scim.get(path), theirs, ours)
    for one in sides:  # and what the other side tried has changed nothing
        for kind in ("keys", "connections", "setup-links", "invitations"):
            page = platform.api.get(f"{one.root}/{kind}").json()["items"]
            assert {item["id"] for item in page} >= set(one.ids.get(kind, ()))


def clean(answer, theirs, asked=None):
    """Check that an answer has no trace of a workspace; the id that was asked for may be echoed."""
    assert answer.status_code < 400 or answer.status_code == 404
    if answer.status_code == 404:
        assert theirs.mark not in answer.text
        return
    assert [trace for trace in theirs.traces() if trace in answer.text] == []


def signed_in(server, client):
    pair = base64.b64encode(":".join(client).encode()).decode()
    answer = httpx.post(
        f"{server.url}/oauth/token",
        data={"grant_type": "client_credentials"},
        headers={"Authorization": f"Basic {pair}"},
        timeout=30,
    )
    assert answer.status_code == 200, json.dumps(answer.text)
    return answer

"""A client of the platform API."""

import re

import httpx

from muster.access.platform_keys import PlatformKeys
from muster.storage.port.changes import ChangeOrigin
from tests.support.described import ROOT, described
from tests.support.people import name
from tests.support.tenant import administer

ORIGIN = ChangeOrigin("test", "", "2026-01-01T00:00:00.000Z")


def label(stem="w"):
    """Return a new name of a workspace."""
    return re.sub("[^a-z0-9]", "-", name(stem).partition("@")[0])


class Platform:
    """A platform key of a server, and what it does."""

    def __init__(self, server):
        self.server = server
        self.token, self.key = administer(server, self._create)
        self.api = self.client(self.token)

    async def _create(self, storage):
        return await PlatformKeys(storage).create(name("platform"), ORIGIN)

    def client(self, token, root="/api/v1/platform"):
        hooks = {"response": [self._described] if root.startswith(ROOT) else []}
        return httpx.Client(
            base_url=self.server.url + root,
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
            event_hooks=hooks,
        )

    def _described(self, response):
        described(self.server.url).check(response)

    def workspace(self, **given):
        """Create a workspace. Returns its name."""
        made = self.api.post("/workspaces", json={"name": label("w"), **given})
        assert made.status_code == 201, made.text
        return made.json()["name"]

    def close(self):
        self.api.close()
        self.server.administer(self._revoke)

    async def _revoke(self, storage):
        await PlatformKeys(storage).revoke(self.key.id, ORIGIN)

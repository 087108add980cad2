"""The servers that suites run against."""

import contextlib
import itertools
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Target:
    """A service and the mode of the workspaces that a suite gets in it.

    Attributes:
        server: The service: a `Server` or an `InProcessServer` of the tests.
        engine: `sqlite` or `postgres`.
        mode: `lenient` or `strict`.
    """

    server: Any
    engine: str
    mode: str

    @property
    def strict(self) -> bool:
        """Whether the workspaces are strict."""
        return self.mode == "strict"

    @property
    def scim(self) -> str:
        """The base URL of SCIM."""
        return f"{self.server.url}/scim/v2"

    def workspace(self, stem: str) -> tuple[str, str]:
        """Create a workspace. Returns its name and an administrator's API key."""
        name = f"{stem}-{self.mode}-{next(_numbers)}"
        self.server.muster("workspaces", "create", name, *(["--strict"] if self.strict else []))
        return name, self.server.key("conformance", "--workspace", name)

    def client(self, token: str, root: str = "/scim/v2") -> httpx.Client:
        """Return a client that sends an API key."""
        return httpx.Client(
            base_url=self.server.url + root,
            headers={"Authorization": f"Bearer {token}"},
            timeout=60,
        )


@contextlib.contextmanager
def started(engine: str) -> Iterator[Any]:
    """A fresh server process on a new database of an engine.

    Passwords have cheap hashes and no rate limit applies, as for the tests: suites send thousands
    of requests, and neither changes an answer.
    """
    from tests.support.databases import migrated_database
    from tests.support.server import Server

    options = {"MUSTER_RATE_LIMIT": "0", "MUSTER_WEBHOOKS_PRIVATE": "1"}
    if engine == "postgres":
        options["MUSTER_DATABASE"] = migrated_database()
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        module = "tests.support.cheap_muster"
        with Server(Path(folder), module=module, **options) as server:
            yield server

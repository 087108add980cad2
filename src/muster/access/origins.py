"""Tells from which connection requests and changes came.

The request log and the audit log record credentials: an API key, an OAuth client or a federated
trust. A credential belongs to one connection for ever, so its connection is found by its id, for
old entries too.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from muster.access.connections import CREDENTIAL_KINDS, DEFAULT, FORMER_KIND
from muster.storage.port.accounts import Accounts

_KEPT = 1000
"""Workspaces whose credentials are kept in memory."""
_ACTORS = {"oauth-client": "oauth", "trust": "trust"}
"""The beginning of the actors of each kind of credential that is an item."""


@dataclass(frozen=True, slots=True)
class Origins:
    """The connections of the credentials of a workspace.

    Attributes:
        by_actor: The ids of the connections, by actor such as `key:ID`.
    """

    by_actor: Mapping[str, str]

    def of_actor(self, actor: str) -> str | None:
        """Return the id of the connection of an actor; None for administrators and jobs."""
        return self.by_actor.get(actor)

    def of_credential(self, credential: str) -> str | None:
        """Return the id of the connection of a credential, by the id of that; None if unknown."""
        for kind in ("key", "oauth", "trust"):
            found = self.by_actor.get(f"{kind}:{credential}")
            if found is not None:
                return found
        return None

    def actors(self, connection: str) -> frozenset[str]:
        """Return the actors that are credentials of a connection."""
        return frozenset(actor for actor, found in self.by_actor.items() if found == connection)

    def credentials(self, connection: str) -> frozenset[str]:
        """Return the ids of the credentials of a connection."""
        return frozenset(actor.partition(":")[2] for actor in self.actors(connection))


class CredentialOrigins:
    """Finds the connections of credentials, and remembers them until something changes."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._known: dict[int, Origins] = {}
        self._epoch = -1

    async def of(self, workspace: int) -> Origins:
        """Return the connections of the credentials of a workspace."""
        epoch = self._accounts.epoch()
        if epoch != self._epoch or len(self._known) >= _KEPT:
            self._known.clear()
            self._epoch = epoch
        found = self._known.get(workspace)
        if found is None:
            found = Origins(await self._read(workspace))
            if epoch == self._accounts.epoch():  # do not keep what was read before a change
                self._known[workspace] = found
        return found

    async def _read(self, workspace: int) -> dict[str, str]:
        found = {
            f"key:{key.id}": key.connection or DEFAULT
            for key in await self._accounts.keys(workspace)
        }
        for kind in CREDENTIAL_KINDS:
            for item in await self._accounts.items(workspace, kind):
                found[f"{_ACTORS[kind]}:{item.id}"] = item.body["connection"]
        for item in await self._accounts.items(workspace, FORMER_KIND):
            found[item.body["actor"]] = item.body["connection"]
        return found

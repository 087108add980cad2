"""The credentials with which clients act in a workspace, as people read them."""

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from muster.access.connections import DEFAULT, Connection, all_connections
from muster.access.keys import state_of
from muster.access.oauth.clients import CLIENT_KIND, client_from_item
from muster.access.oauth.trusts import TRUST_KIND, trust_from_item
from muster.access.permissions import SCIM, allows
from muster.base import clock
from muster.storage.port.accounts import Accounts

KEY, OAUTH_CLIENT, TRUST = "key", "oauth", "trust"
TITLES = {KEY: "API key", OAUTH_CLIENT: "OAuth client", TRUST: "Federated trust"}
_IN_SENTENCES = {KEY: "key", OAUTH_CLIENT: "OAuth client", TRUST: "federated trust"}


class CallerCredential(NamedTuple):
    """An API key, an OAuth client or a federated trust.

    Attributes:
        kind: KEY, OAUTH_CLIENT or TRUST.
        id: Its id.
        name: Its name; the host of its issuer if it is a trust.
        created: The time of its creation.
        last_used: The time of its last request; None for never, and if it is no key.
        connection: The connection that it belongs to.
        active: Whether it is neither revoked nor expired.
        provisions: Whether it may read and change users and groups.
    """

    kind: str
    id: str
    name: str
    created: str
    last_used: str | None
    connection: Connection
    active: bool = True
    provisions: bool = True

    @property
    def actor(self) -> str:
        """The actor of its changes."""
        return f"{self.kind}:{self.id}"

    @property
    def title(self) -> str:
        """Its kind, such as "API key"."""
        return TITLES[self.kind]

    @property
    def quoted(self) -> str:
        """Its kind and name within a sentence, such as `key "okta"`."""
        return f'{_IN_SENTENCES[self.kind]} "{self.name}"'

    @property
    def manager(self) -> str:
        """The client that manages users, such as "connection Staff (key okta)".

        The connection is left out if it is the one that every workspace has, unless it was renamed.
        """
        own, name = f"{_IN_SENTENCES[self.kind]} {self.name}", self.connection.name
        return own if name == DEFAULT else f"connection {name} ({own})"


async def credentials_of(accounts: Accounts, workspace: int) -> Sequence[CallerCredential]:
    """Return the credentials of a workspace, the oldest first, the revoked keys included."""
    connections = {one.id: one for one in await all_connections(accounts, workspace)}
    now, found = clock.now(), list[CallerCredential]()

    def connection(identifier: str | None) -> Connection:
        # Keys may belong to a connection that has been deleted since.
        return connections.get(identifier or DEFAULT, connections[DEFAULT])

    for key in await accounts.keys(workspace):
        facts = (KEY, key.id, key.name, key.created, key.last_used, connection(key.connection))
        provisions = key.role is not None or allows(key.permissions, SCIM)
        found.append(CallerCredential(*facts, state_of(key, now) == "active", provisions))
    for client in map(client_from_item, await accounts.items(workspace, CLIENT_KIND)):
        of = connection(client.connection)
        found.append(
            CallerCredential(OAUTH_CLIENT, client.id, client.name, client.created, None, of)
        )
    for trust in map(trust_from_item, await accounts.items(workspace, TRUST_KIND)):
        name, of = urlsplit(trust.issuer).hostname or trust.issuer, connection(trust.connection)
        found.append(CallerCredential(TRUST, trust.id, name, trust.created, None, of))
    return sorted(found, key=lambda each: (each.created, each.id))


async def credential_names(accounts: Accounts, workspace: int) -> dict[str, str]:
    """Return the names of credentials within a sentence, such as `key "okta"`, by their actors.

    Administrators have no entry: `actor_in_words` reads their address from their actor.
    """
    return {each.actor: each.quoted for each in await credentials_of(accounts, workspace)}

"""OAuth clients: the credentials with which a connection asks for access tokens."""

import contextlib
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from muster.access.audit_notes import Administrator
from muster.access.connections import former, stored_connection
from muster.access.kept_answers import Kept, keep_nothing
from muster.base import clock
from muster.base.clock import timestamp
from muster.scim.errors import ScimError, invalid_value, not_found
from muster.scim.values import Json
from muster.storage.port.accounts import Accounts
from muster.storage.port.errors import Outdated
from muster.storage.port.items import Item

CLIENT_KIND = "oauth-client"
SECRET, PRIVATE_KEY = "client_secret", "private_key_jwt"
MAX_CLIENTS = 100
"""OAuth clients of one workspace."""
_TRIES = 5
_ID_BYTES = 8
_RANDOM_PART = re.compile(rf"[0-9a-f]{{{2 * _ID_BYTES}}}")


@dataclass(frozen=True, slots=True)
class Secret:
    """A client secret as it is stored.

    Attributes:
        digest: SHA-256 of the secret, in hexadecimal. A slow hash would protect nothing, because
            the secret has 256 random bits.
        expires: The time at which it ends; None for never.
    """

    digest: str
    expires: str | None = None


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """A client of the token endpoint.

    Attributes:
        id: The client id. It contains the number of the workspace.
        connection: The id of its connection.
        auth: SECRET or PRIVATE_KEY.
        secrets: Its secrets: one, and during a rotation the former one too.
        jwks: Its public keys, if they were given.
        jwks_uri: The URL of its public keys, if they are fetched.
        edition: Counts the rotations without an overlap, which end the access tokens from before.
    """

    workspace: int
    id: str
    connection: str
    name: str
    auth: str
    created: str
    secrets: tuple[Secret, ...] = ()
    jwks: Mapping[str, Any] | None = None
    jwks_uri: str | None = None
    edition: int = 0

    def accepts(self, secret: str) -> bool:
        """Tell whether a secret is one of the client's."""
        digest, now = _digest(secret), timestamp()
        return any(
            hmac.compare_digest(digest, one.digest)
            for one in self.secrets
            if one.expires is None or one.expires > now
        )

    def to_item(self) -> Item:
        """Return the item that stores the client."""
        body: dict[str, Json] = {
            "connection": self.connection,
            "name": self.name,
            "auth": self.auth,
            "created": self.created,
            "secrets": [{"digest": one.digest, "expires": one.expires} for one in self.secrets],
            "jwks": self.jwks,
            "jwksUri": self.jwks_uri,
            "edition": self.edition,
        }
        return Item(self.workspace, CLIENT_KIND, self.id, body)


def client_from_item(item: Item) -> OAuthClient:
    """Return the client that an item stores."""
    body = item.body
    return OAuthClient(
        item.workspace,
        item.id,
        body["connection"],
        body["name"],
        body["auth"],
        body["created"],
        tuple(Secret(one["digest"], one.get("expires")) for one in body["secrets"]),
        body.get("jwks"),
        body.get("jwksUri"),
        body.get("edition", 0),
    )


def workspace_of(client_id: str) -> int | None:
    """Return the number of the workspace in a client id; None if it cannot be one."""
    number, _, rest = client_id.partition(".")
    # Anything else might not even be text that a database can compare, such as NUL.
    if not _RANDOM_PART.fullmatch(rest) or not number.isascii() or not number.isdigit():
        return None
    return int(number) if 0 < len(number) <= 9 and 0 < int(number) < 2**31 else None


class OAuthClients:
    """Creates, rotates and deletes the OAuth clients of connections."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def all(self, workspace: int, connection: str) -> Sequence[OAuthClient]:
        """Return the clients of a connection, oldest first."""
        items = await self._accounts.items(workspace, CLIENT_KIND)
        clients = map(client_from_item, items)
        found = [client for client in clients if client.connection == connection]
        return sorted(found, key=lambda client: (client.created, client.id))

    async def find(self, client_id: str) -> OAuthClient | None:
        """Return the client with an id, of any workspace."""
        workspace = workspace_of(client_id)
        if workspace is None:
            return None
        item = await self._accounts.item(workspace, CLIENT_KIND, client_id)
        return None if item is None else client_from_item(item)

    async def get(self, workspace: int, connection: str, client_id: str) -> OAuthClient:
        """Return a client of a connection.

        Raises:
            ScimError: 404 if it does not exist.
        """
        item = await self._accounts.item(workspace, CLIENT_KIND, client_id)
        client = None if item is None else client_from_item(item)
        if client is None or client.connection != connection:
            raise not_found(f"OAuth client {client_id[:100]!r} not found.")
        return client

    async def create(
        self,
        by: Administrator,
        connection: str,
        name: str,
        auth: str,
        jwks: Mapping[str, Any] | None = None,
        jwks_uri: str | None = None,
        keep: Callable[[OAuthClient, str | None], Kept] = keep_nothing,
    ) -> tuple[OAuthClient, str | None]:
        """Create a client.

        Args:
            by: The administrator.
            connection: The id of its connection, which exists.
            name: Its display name.
            auth: SECRET or PRIVATE_KEY.
            jwks: Its public keys, for PRIVATE_KEY.
            jwks_uri: Or the URL of them.
            keep: Returns the items to store in the same transaction, by the client and its secret.

        Returns:
            The client, and its secret, which is not stored; None for PRIVATE_KEY.

        Raises:
            ScimError: 400 if the workspace has too many; 404 if the connection is deleted
                meanwhile; 409 if its profile forbids secrets.
            Outdated: An item of `keep` has changed, or the connection keeps changing.
        """
        if by.workspace.is_ipsie and auth != PRIVATE_KEY:
            raise ScimError(
                409,
                f"auth: the profile of the workspace, ipsie, accepts {PRIVATE_KEY} alone; send the"
                " public keys of the client as jwks or jwksUri",
            )
        workspace = by.workspace.id
        if await self._accounts.count_items(workspace, CLIENT_KIND) >= MAX_CLIENTS:
            raise invalid_value(
                f"A workspace has at most {MAX_CLIENTS} OAuth clients. Delete one first."
            )
        secret = secrets.token_urlsafe(32) if auth == SECRET else None
        client = OAuthClient(
            workspace,
            f"{workspace}.{secrets.token_hex(_ID_BYTES)}",
            connection,
            name,
            auth,
            timestamp(),
            () if secret is None else (Secret(_digest(secret)),),
            jwks,
            jwks_uri,
        )
        told = {"name": name, "auth": auth, "connection": connection}
        note = by.note("OAuthClient", client.id, "create", **told)
        kept = keep(client, secret)
        puts, notes = [client.to_item(), *kept.puts], [note, *kept.notes]
        for _ in range(_TRIES):
            owner = await stored_connection(self._accounts, workspace, connection)
            with contextlib.suppress(Outdated):
                await self._accounts.administer(puts, notes, [*owner, *kept.standing])
                return client, secret
        raise Outdated

    async def rotate(
        self,
        by: Administrator,
        client: OAuthClient,
        overlap: timedelta,
        keep: Callable[[OAuthClient, str], Kept] = keep_nothing,
    ) -> tuple[OAuthClient, str]:
        """Give a client a new secret.

        Args:
            by: The administrator.
            client: The client, which authenticates by secret.
            overlap: The time for which the present secret remains valid. Without one, the access
                tokens that were issued for it end too.
            keep: Returns the items to store with it, by the client and its new secret.

        Returns:
            The client and the new secret.
        """
        if client.auth != SECRET:
            raise invalid_value("The client has no secret: it signs with a key of its own.")
        secret, now = secrets.token_urlsafe(32), clock.now()
        end = timestamp(now + overlap)
        for _ in range(_TRIES):
            kept = [
                replace(one, expires=min(end, one.expires or end))
                for one in client.secrets
                if overlap and (one.expires is None or one.expires > timestamp(now))
            ]
            changed = replace(
                client,
                secrets=(Secret(_digest(secret)), *kept),
                edition=client.edition if overlap else client.edition + 1,
            )
            note = by.note("OAuthClient", client.id, "rotate", name=client.name, expires=end)
            also = keep(changed, secret)
            read = [client.to_item(), *also.standing]
            try:
                puts = [changed.to_item(), *also.puts]
                await self._accounts.administer(puts, [note, *also.notes], read)
                return changed, secret
            except Outdated:
                client = await self.get(client.workspace, client.connection, client.id)
        raise Outdated

    async def delete(self, by: Administrator, client: OAuthClient) -> None:
        """Delete a client. Its access tokens end with it."""
        note = by.note("OAuthClient", client.id, "delete", name=client.name)
        kept = former(client.workspace, client.id, f"oauth:{client.id}", client.connection)
        await self._accounts.administer([replace(client.to_item(), body=None), kept], [note])


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()

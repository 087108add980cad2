"""Bearer tokens that are no API keys: access tokens, and tokens of trusted issuers."""

from dataclasses import dataclass

from muster.access.connections import DEFAULT
from muster.access.oauth.clients import OAuthClients
from muster.access.oauth.key_sets import InvalidJwt, unverified
from muster.access.oauth.tokens import TYPE, AccessTokens
from muster.access.oauth.trusts import Trusts
from muster.access.permissions import SCIM
from muster.storage.port.accounts import KeyRecord


@dataclass(frozen=True, slots=True)
class Bearer:
    """What a valid token stands for.

    Attributes:
        key: The client or trust, in the form of an API key with the SCIM permission.
        actor: Its name in the audit log.
        expires: The time at which the token ends, in seconds since 1970.
    """

    key: KeyRecord
    actor: str
    expires: float


class Bearers:
    """Reads bearer tokens of OAuth clients and trusted issuers."""

    def __init__(self, tokens: AccessTokens, clients: OAuthClients, trusts: Trusts) -> None:
        self._tokens = tokens
        self._clients = clients
        self._trusts = trusts

    async def find(self, token: str) -> Bearer | None:
        """Return what a token stands for; None if it is not valid."""
        read = unverified(token)
        if read is None:
            return None
        header, claims = read
        try:
            if header.get("typ") == TYPE and "client_id" in claims:
                return await self._client(token)
            trust, expires = await self._trusts.read(token, header, claims)
        except InvalidJwt:
            return None
        name = f"{trust.subject} of {trust.issuer}"
        key = _key(trust.workspace, trust.id, name, trust.created, trust.connection)
        return Bearer(key, f"trust:{trust.id}", expires)

    async def _client(self, token: str) -> Bearer | None:
        client_id, expires = await self._tokens.read(token)
        client = await self._clients.find(client_id)
        if client is None:
            return None
        key = _key(client.workspace, client.id, client.name, client.created, client.connection)
        return Bearer(key, f"oauth:{client.id}", expires)


def _key(workspace: int, key_id: str, name: str, created: str, connection: str) -> KeyRecord:
    return KeyRecord(
        workspace,
        key_id,
        name,
        digest=b"",
        permissions=(SCIM,),
        rate_limit=None,
        created=created,
        expires=None,
        revoked=None,
        last_used=None,
        connection=None if connection == DEFAULT else connection,
    )

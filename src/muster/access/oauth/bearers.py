"""Bearer tokens that are no API keys: access tokens, and tokens of trusted issuers."""

from dataclasses import dataclass

from muster.access.connections import DEFAULT
from muster.access.oauth.clients import OAuthClients
from muster.access.oauth.key_sets import (
    LEEWAY,
    RETRY_SECONDS,
    InvalidJwt,
    KeysUnavailable,
    unverified,
)
from muster.access.oauth.tokens import AccessTokens
from muster.access.oauth.trusts import Trust, Trusts
from muster.access.permissions import SCIM
from muster.base import clock
from muster.scim.errors import TryLater
from muster.storage.port.accounts import KeyRecord

_CHECKED_SECONDS = 3_600
TRUST = "trust"
"""The `auth` of a token of a trusted issuer."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """The client or trust that a valid token stands for.

    Attributes:
        key: The client or trust, in the form of an API key with the SCIM permission.
        actor: Its name in the audit log.
        auth: How its token was obtained: the `auth` of an OAuth client, or TRUST.
        expires: The time at which the token ends or must be read again, in seconds since 1970.
    """

    key: KeyRecord
    actor: str
    auth: str
    expires: float


class Bearers:
    """Reads bearer tokens of OAuth clients and trusted issuers."""

    def __init__(self, tokens: AccessTokens, clients: OAuthClients, trusts: Trusts) -> None:
        self._tokens = tokens
        self._clients = clients
        self._trusts = trusts

    async def find(self, token: str) -> Bearer | None:
        """Return what a token stands for; None if it is not valid.

        Raises:
            TryLater: 503 if the keys of its issuer cannot be fetched. Entra ID would stop its whole
                sync after 401.
        """
        read = unverified(token)
        if read is None:
            return None
        header, claims = read
        try:
            if await self._tokens.issued(header):
                return await self._client(token)
            trust, expires = await self._trusts.read(token, header, claims)
        except KeysUnavailable:
            raise TryLater(
                503,
                "The keys of the issuer of this token cannot be fetched now. Nothing was read or"
                " changed. Try again later.",
                RETRY_SECONDS,
            ) from None
        except InvalidJwt:
            return None
        # Verified again within the hour, because the issuer may withdraw its key meanwhile.
        checked = clock.seconds() + _CHECKED_SECONDS
        return _of_trust(trust, min(expires + LEEWAY, checked))

    async def _client(self, token: str) -> Bearer | None:
        client_id, edition, expires = await self._tokens.read(token)
        client = await self._clients.find(client_id)
        if client is None:
            trust = await self._trusts.find(client_id)
            return None if trust is None else _of_trust(trust, expires)
        if client.edition != edition:
            return None
        key = _key(client.workspace, client.id, client.name, client.created, client.connection)
        return Bearer(key, f"oauth:{client.id}", client.auth, expires)


def _of_trust(trust: Trust, expires: float) -> Bearer:
    name = f"{trust.subject} of {trust.issuer}"
    key = _key(trust.workspace, trust.id, name, trust.created, trust.connection)
    return Bearer(key, f"trust:{trust.id}", TRUST, expires)


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

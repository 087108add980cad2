"""Federated trusts: tokens of another issuer that are credentials of a connection.

An identity provider such as Microsoft Entra ID signs a token for each request, or one an hour. If
its issuer, audience, subject and tenant are those of a trust, the request belongs to the trust's
connection. No secret is stored or shared.

A token names no workspace, so a trust must be unique within the installation: an item of the
installation leads from issuer, audience and subject to the workspace. The tenant is not among these
values, so that nobody can draw another workspace's tokens to their own by naming its tenant too.

A client may also exchange such a token for an access token at the token endpoint, as the workload
identity federation of Microsoft Entra ID does. Then it names the trust by its client id.
"""

import contextlib
import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from muster.access.audit_notes import Administrator
from muster.access.connections import former, stored_connection
from muster.access.kept_answers import Kept, keep_nothing
from muster.access.oauth.clients import workspace_of
from muster.access.oauth.key_sets import InvalidJwt, KeySets, verify
from muster.base import clock
from muster.base.clock import timestamp
from muster.base.outbound import is_absolute_url
from muster.scim.errors import ScimError, invalid_value, not_found, uniqueness
from muster.scim.values import Json
from muster.storage.port.accounts import Accounts
from muster.storage.port.errors import Outdated
from muster.storage.port.items import INSTALLATION, Item

TRUST_KIND = "trust"
_INDEX_KIND = "trust-index"
MAX_TRUSTS = 100
"""Trusts of one workspace."""
_TRIES = 5
_CLAIM_SECONDS = 60
"""How long an entry may lead to a trust that is not stored yet."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Tokens of an issuer that are credentials of a connection.

    Attributes:
        connection: The id of the connection.
        issuer: The token's `iss`, which must also publish its keys (OpenID Connect Discovery).
        audience: The token's `aud`.
        subject: The token's `sub`.
        tenant: The token's `tid`; None if it needs none.
    """

    workspace: int
    id: str
    connection: str
    issuer: str
    audience: str
    subject: str
    tenant: str | None
    created: str

    @property
    def client_id(self) -> str:
        """The client id for the token endpoint, which exchanges tokens of the issuer."""
        return f"{self.workspace}.{self.id}"

    def accepts(self, claims: Mapping[str, Any]) -> bool:
        """Tell whether verified claims are those of the trust."""
        return (
            (claims.get("iss"), _audience(claims), claims.get("sub"))
            == (self.issuer, self.audience, self.subject)
        ) and self.tenant in (None, claims.get("tid"))

    def to_item(self) -> Item:
        """Return the item that stores the trust."""
        body: dict[str, Json] = {
            "connection": self.connection,
            "issuer": self.issuer,
            "audience": self.audience,
            "subject": self.subject,
            "tenant": self.tenant,
            "created": self.created,
        }
        return Item(self.workspace, TRUST_KIND, self.id, body)


def trust_from_item(item: Item) -> Trust:
    """Return the trust that an item stores."""
    body = item.body
    return Trust(
        item.workspace,
        item.id,
        body["connection"],
        body["issuer"],
        body["audience"],
        body["subject"],
        body.get("tenant"),
        body["created"],
    )


class Trusts:
    """Creates, deletes and applies trusts.

    Args:
        accounts: The storage.
        key_sets: Fetches the keys of issuers.
    """

    def __init__(self, accounts: Accounts, key_sets: KeySets) -> None:
        self._accounts = accounts
        self._key_sets = key_sets

    async def all(self, workspace: int, connection: str) -> Sequence[Trust]:
        """Return the trusts of a connection, oldest first."""
        items = await self._accounts.items(workspace, TRUST_KIND)
        trusts = map(trust_from_item, items)
        found = [trust for trust in trusts if trust.connection == connection]
        return sorted(found, key=lambda trust: (trust.created, trust.id))

    async def get(self, workspace: int, connection: str, trust_id: str) -> Trust:
        """Return a trust of a connection.

        Raises:
            ScimError: 404 if it does not exist.
        """
        item = await self._accounts.item(workspace, TRUST_KIND, trust_id)
        trust = None if item is None else trust_from_item(item)
        if trust is None or trust.connection != connection:
            raise not_found(f"Trust {trust_id[:100]!r} not found.")
        return trust

    async def find(self, client_id: str) -> Trust | None:
        """Return the trust with a client id, of any workspace."""
        workspace = workspace_of(client_id)
        if workspace is None:
            return None
        item = await self._accounts.item(workspace, TRUST_KIND, client_id.partition(".")[2])
        return None if item is None else trust_from_item(item)

    async def create(
        self,
        by: Administrator,
        connection: str,
        issuer: str,
        audience: str,
        subject: str,
        tenant: str | None,
        keep: Callable[[Trust], Kept] = keep_nothing,
    ) -> Trust:
        """Trust the tokens of an issuer for one subject.

        Args:
            by: The administrator.
            connection: The id of the connection.
            issuer: The token's `iss`.
            audience: The token's `aud`.
            subject: The token's `sub`.
            tenant: The token's `tid`; None to accept any.
            keep: Returns the items to store in the same transaction.

        Raises:
            ScimError: 400 if the issuer is no URL or publishes no keys; 404 if the connection was
                deleted meanwhile; 409 if a connection of the installation trusts the same tokens
                already.
            Outdated: An item of `keep` has changed, or the connection keeps changing.
        """
        workspace = by.workspace.id
        if await self._accounts.count_items(workspace, TRUST_KIND) >= MAX_TRUSTS:
            raise invalid_value(f"A workspace has at most {MAX_TRUSTS} trusts. Delete one first.")
        if not is_absolute_url(issuer, ("https", "http")):
            raise invalid_value("issuer: expected an absolute URL")
        try:
            await self._key_sets.load(issuer)
        except ScimError as error:
            detail = error.detail.removeprefix("issuer: ")
            raise invalid_value(f"issuer: its keys cannot be found. {detail}") from None
        trust = Trust(
            workspace,
            secrets.token_hex(8),
            connection,
            issuer,
            audience,
            subject,
            tenant,
            timestamp(),
        )
        await stored_connection(self._accounts, workspace, connection)  # fetching takes seconds
        await self._claim(_index(trust))
        note, kept = by.note("Trust", trust.id, "create", **trust.to_item().body), keep(trust)
        puts, notes = [trust.to_item(), *kept.puts], [note, *kept.notes]
        for _ in range(_TRIES):
            owner = await stored_connection(self._accounts, workspace, connection)
            with contextlib.suppress(Outdated):
                await self._accounts.administer(puts, notes, [*owner, *kept.standing])
                return trust
        raise Outdated

    async def _claim(self, entry: Item) -> None:
        """Store the entry that leads to a trust.

        Raises:
            ScimError: 409 if the entry leads to another trust.
        """
        taken = uniqueness(
            "subject: tokens with this issuer, audience and subject are trusted already"
        )
        standing = await self._accounts.item(INSTALLATION, entry.kind, entry.id)
        if standing is not None:
            body = standing.body
            recent = clock.seconds() - body.get("claimed", 0) < _CLAIM_SECONDS
            found = await self._accounts.item(body["workspace"], TRUST_KIND, body["trust"])
            if recent or found is not None:
                raise taken
        try:
            await self._accounts.administer([entry], (), [standing or replace(entry, body=None)])
        except Outdated:
            raise taken from None

    async def delete(self, by: Administrator, trust: Trust) -> None:
        """Delete a trust. Its tokens are refused from the next request on."""
        note = by.note("Trust", trust.id, "delete", **trust.to_item().body)
        kept = former(trust.workspace, trust.id, f"trust:{trust.id}", trust.connection)
        await self._accounts.administer([replace(trust.to_item(), body=None), kept], [note])
        await self._accounts.administer([replace(_index(trust), body=None)])

    async def read(
        self, token: str, header: Mapping[str, Any], claims: Mapping[str, Any]
    ) -> tuple[Trust, float]:
        """Return the trust that a token stands for, and the time at which the token ends.

        Args:
            token: The token.
            header: Its header, not verified.
            claims: Its claims, not verified.

        Raises:
            InvalidJwt: No trust accepts it.
            KeysUnavailable: The keys of the issuer cannot be fetched.
        """
        trust = await self._meant(claims)
        if trust is None:
            raise InvalidJwt("no connection trusts its issuer, audience and subject")
        return trust, await self.verify(trust, token, header)

    async def verify(self, trust: Trust, token: str, header: Mapping[str, Any]) -> float:
        """Verify that a token is one of a trust, and return the time at which it ends.

        Args:
            trust: The trust.
            token: The token.
            header: Its header, not verified.

        Raises:
            InvalidJwt: It is not.
            KeysUnavailable: The keys of the issuer cannot be fetched.
        """
        kid = header.get("kid")
        keys = await self._key_sets.of(trust.issuer, kid if isinstance(kid, str) else None)
        verified = verify(token, keys)
        if not trust.accepts(verified):
            raise InvalidJwt("its claims are not those of the trust")
        return float(verified["exp"])

    async def _meant(self, claims: Mapping[str, Any]) -> Trust | None:
        """Return the trust with the issuer, audience and subject of unverified claims."""
        issuer, audience, subject = claims.get("iss"), _audience(claims), claims.get("sub")
        if not (isinstance(issuer, str) and isinstance(audience, str) and isinstance(subject, str)):
            return None
        key = _index_id(issuer, audience, subject)
        entry = await self._accounts.item(INSTALLATION, _INDEX_KIND, key)
        if entry is None:
            return None
        item = await self._accounts.item(entry.body["workspace"], TRUST_KIND, entry.body["trust"])
        return None if item is None else trust_from_item(item)


def _audience(claims: Mapping[str, Any]) -> object:
    """Return the only audience of a token; with two, it could belong to two trusts."""
    audience = claims.get("aud")
    if isinstance(audience, list):
        return audience[0] if len(audience) == 1 else None
    return audience


def _index(trust: Trust) -> Item:
    key = _index_id(trust.issuer, trust.audience, trust.subject)
    body = {"workspace": trust.workspace, "trust": trust.id, "claimed": int(clock.seconds())}
    return Item(INSTALLATION, _INDEX_KIND, key, body)


def _index_id(issuer: str, audience: str, subject: str) -> str:
    return hashlib.sha256(orjson.dumps([issuer, audience, subject])).hexdigest()

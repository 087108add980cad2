"""/api/v1/connections/{id}: OAuth clients, and trusted tokens of other issuers."""

from collections.abc import Iterator
from datetime import timedelta

from muster.access.connections import Connections
from muster.access.oauth.clients import PRIVATE_KEY, OAuthClient, OAuthClients
from muster.access.oauth.trusts import Trust, Trusts
from muster.access.permissions import SCIM, SETTINGS
from muster.base.clock import timestamp
from muster.base.outbound import is_absolute_url
from muster.http.management.models.oauth import (
    ClientRotation,
    FindCredentials,
    NewOAuthClient,
    NewOAuthClientAnswer,
    NewTrust,
    OAuthClientAnswer,
    OAuthClientList,
    TrustAnswer,
    TrustList,
)
from muster.http.management.pages import page
from muster.http.management.router import ApiRoute, Call, created
from muster.http.wire.errors import at
from muster.http.wire.message import Response, json_response
from muster.scim.errors import ScimError, invalid_value

_CLIENTS, _TRUSTS = "/connections/{id}/oauth-clients", "/connections/{id}/trusts"


class CredentialRoutes:
    """The operations on the OAuth clients and trusts of a connection.

    Their access tokens have the permission SCIM, so nobody without it may give or end them.

    Args:
        connections: The connections.
        clients: The OAuth clients.
        trusts: The trusts.
        private: Whether keys may be fetched without TLS and from private addresses.
    """

    def __init__(
        self, connections: Connections, clients: OAuthClients, trusts: Trusts, private: bool
    ) -> None:
        self._schemes = ("https", "http") if private else ("https",)
        self._connections = connections
        self._clients = clients
        self._trusts = trusts

    def __iter__(self) -> Iterator[ApiRoute]:
        yield ApiRoute(
            "GET",
            _CLIENTS,
            SETTINGS,
            self.find_oauth_clients,
            "List the OAuth clients of a connection",
            query=FindCredentials,
            answer=OAuthClientList,
        )
        yield ApiRoute(
            "POST",
            _CLIENTS,
            SETTINGS,
            self.create_oauth_client,
            "Create an OAuth client",
            201,
            body=NewOAuthClient,
            answer=NewOAuthClientAnswer,
            also=(SCIM,),
        )
        yield ApiRoute(
            "POST",
            _CLIENTS + "/{client}/rotate",
            SETTINGS,
            self.rotate_oauth_client,
            "Give an OAuth client a new secret",
            body=ClientRotation,
            body_optional=True,
            answer=NewOAuthClientAnswer,
            also=(SCIM,),
        )
        yield ApiRoute(
            "DELETE",
            _CLIENTS + "/{client}",
            SETTINGS,
            self.delete_oauth_client,
            "Delete an OAuth client, and end its access tokens",
            204,
            also=(SCIM,),
        )
        yield ApiRoute(
            "GET",
            _TRUSTS,
            SETTINGS,
            self.find_trusts,
            "List the trusted tokens of a connection",
            query=FindCredentials,
            answer=TrustList,
        )
        yield ApiRoute(
            "POST",
            _TRUSTS,
            SETTINGS,
            self.create_trust,
            "Trust the tokens of another issuer",
            201,
            body=NewTrust,
            answer=TrustAnswer,
            errors=(409,),
            also=(SCIM,),
        )
        yield ApiRoute(
            "DELETE",
            _TRUSTS + "/{trust}",
            SETTINGS,
            self.delete_trust,
            "Stop trusting the tokens of another issuer",
            204,
            also=(SCIM,),
        )

    async def find_oauth_clients(self, call: Call) -> Response:
        query, connection = call.query(FindCredentials), await self._connection(call)
        found, following = page(
            await self._clients.all(call.workspace, connection),
            lambda client: (client.created, client.id),
            query.cursor,
            query.limit,
        )
        answer: OAuthClientList = {
            "items": [_client(client) for client in found],
            "nextCursor": following,
        }
        return json_response(200, answer)

    async def create_oauth_client(self, call: Call) -> Response:
        """Create an OAuth client.

        A client with `private_key_jwt` signs its requests for a token with a key of its own (RFC
        7523). Its public keys are given as `jwks`, or fetched from `jwksUri`.
        """
        body, connection = await call.read(NewOAuthClient), await self._connection(call)
        self._check_keys(body)
        place = f"/connections/{connection}/oauth-clients"

        def answer(client: OAuthClient, secret: str | None) -> Response:
            return created(_with_secret(client, secret), place, client.id)

        made = await self._clients.create(
            *(call.administrator, connection, body.name),
            *(body.auth, body.jwks, body.jwks_uri),
            keep=lambda *made: call.keep(answer(*made)),
        )
        return answer(*made)

    async def rotate_oauth_client(self, call: Call) -> Response:
        body = await call.read(ClientRotation, empty=True)

        def answer(client: OAuthClient, secret: str) -> Response:
            return json_response(200, _with_secret(client, secret))

        rotated = await self._clients.rotate(
            *(call.administrator, await self._client(call)),
            timedelta(seconds=body.overlap_seconds),
            keep=lambda *made: call.keep(answer(*made)),
        )
        return answer(*rotated)

    async def delete_oauth_client(self, call: Call) -> Response:
        await self._clients.delete(call.administrator, await self._client(call))
        return Response(204)

    async def find_trusts(self, call: Call) -> Response:
        query, connection = call.query(FindCredentials), await self._connection(call)
        found, following = page(
            await self._trusts.all(call.workspace, connection),
            lambda trust: (trust.created, trust.id),
            query.cursor,
            query.limit,
        )
        answer: TrustList = {"items": [_trust(trust) for trust in found], "nextCursor": following}
        return json_response(200, answer)

    async def create_trust(self, call: Call) -> Response:
        """Trust the tokens of another issuer.

        A request with a token of this issuer, audience, subject and tenant belongs to the
        connection; no secret is shared. The issuer must publish its keys now.
        """
        body, connection = await call.read(NewTrust), await self._connection(call)
        with at("/issuer"):
            self._check_url(body.issuer, "issuer")
        place = f"/connections/{connection}/trusts"

        def answer(trust: Trust) -> Response:
            return created(_trust(trust), place, trust.id)

        try:
            trust = await self._trusts.create(
                *(call.administrator, connection, body.issuer),
                *(body.audience, body.subject, body.tenant),
                keep=lambda made: call.keep(answer(made)),
            )
        except ScimError as error:
            name = error.detail.partition(":")[0]
            with at(f"/{name}" if name in ("issuer", "subject") else ""):
                raise
        return answer(trust)

    async def delete_trust(self, call: Call) -> Response:
        trust = await self._trusts.get(
            call.workspace, await self._connection(call), call.names["trust"]
        )
        await self._trusts.delete(call.administrator, trust)
        return Response(204)

    async def _connection(self, call: Call) -> str:
        """The id of the connection. Raises ScimError 404."""
        return (await self._connections.get(call.workspace, call.names["id"])).id

    async def _client(self, call: Call) -> OAuthClient:
        connection = await self._connection(call)
        return await self._clients.get(call.workspace, connection, call.names["client"])

    def _check_keys(self, body: NewOAuthClient) -> None:
        """Check that a client has the keys that its authentication needs, and no others."""
        given = [name for name in ("jwks", "jwks_uri") if getattr(body, name) is not None]
        if body.auth == PRIVATE_KEY and len(given) != 1:
            with at("/jwks"):
                raise invalid_value("jwks: give either jwks or jwksUri for private_key_jwt")
        if body.auth != PRIVATE_KEY and given:
            with at("/auth"):
                raise invalid_value("auth: only private_key_jwt has jwks or jwksUri")
        if body.jwks_uri is not None:
            with at("/jwksUri"):
                self._check_url(body.jwks_uri, "jwksUri")

    def _check_url(self, url: str, where: str) -> None:
        if not is_absolute_url(url, self._schemes):
            raise invalid_value(f"{where}: expected an absolute https URL")


def _client(client: OAuthClient) -> OAuthClientAnswer:
    now = timestamp()
    former = [one.expires for one in client.secrets if one.expires and one.expires > now]
    return {
        "clientId": client.id,
        "name": client.name,
        "connection": client.connection,
        "auth": client.auth,
        "created": client.created,
        "jwksUri": client.jwks_uri,
        "formerSecretExpires": max(former) if former else None,
    }


def _with_secret(client: OAuthClient, secret: str | None) -> NewOAuthClientAnswer:
    return {**_client(client), "clientSecret": secret}


def _trust(trust: Trust) -> TrustAnswer:
    return {
        "id": trust.id,
        "clientId": trust.client_id,
        "connection": trust.connection,
        "issuer": trust.issuer,
        "audience": trust.audience,
        "subject": trust.subject,
        "tenant": trust.tenant,
        "created": trust.created,
    }

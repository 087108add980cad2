"""The token endpoint (RFC 6749 section 4.4): client credentials for an access token.

A client authenticates with a secret, or with an assertion that it has signed (RFC 7523). That of a
federated trust has no key either: its assertion is a token that the issuer has signed for it. The
workload identity federation of Microsoft Entra ID works like that.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import unquote_plus

from muster.access.oauth.bearers import TRUST
from muster.access.oauth.clients import PRIVATE_KEY, SECRET, OAuthClient, OAuthClients
from muster.access.oauth.key_sets import (
    LEEWAY,
    RETRY_SECONDS,
    InvalidJwt,
    KeySets,
    KeysUnavailable,
    is_number,
    unverified,
    verify,
)
from muster.access.oauth.tokens import SCOPE, AccessTokens
from muster.access.oauth.trusts import Trust, Trusts
from muster.base import clock
from muster.storage.port.accounts import Accounts
from muster.storage.port.engine import Upkeep
from muster.storage.port.items import INSTALLATION
from muster.storage.records.attempts import Attempts

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
GRANT = "client_credentials"
_TRIES, _FROM_ONE_PLACE, _WINDOW = 10, 50, 600
"""Failed attempts per client and per address, within a window in seconds."""
_ASSERTION_SECONDS = 300
"""The age that an assertion may have (RFC 7523 section 3)."""
_MAX_VALUE = 16_384
_PARAMETERS = (
    "grant_type",
    "scope",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
)


class OAuthError(Exception):
    """An error of the token endpoint (RFC 6749 section 5.2).

    Attributes:
        status: The HTTP status.
        code: The error code.
        description: A sentence for the developer of the client.
        retry_after: Seconds after which another attempt may succeed, or None.
    """

    def __init__(
        self, code: str, description: str, status: int = 400, retry_after: int | None = None
    ) -> None:
        super().__init__(description)
        self.status = status
        self.code = code
        self.description = description
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A request to the token endpoint.

    Attributes:
        form: The parameters of the form.
        authorization: The Authorization header; empty for none.
        address: The client's IP address, or IPv6 network.
        issuer: The public URL of this service.
        endpoint: The URL of the token endpoint.
    """

    form: Sequence[tuple[str, str]]
    authorization: str
    address: str
    issuer: str
    endpoint: str


class TokenStore(Accounts, Upkeep, Protocol):
    """The parts of the storage engine that the token endpoint needs."""


@dataclass(frozen=True, slots=True)
class _Authenticated:
    """The client that a request has authenticated.

    Attributes:
        auth: SECRET, PRIVATE_KEY or TRUST.
        edition: The edition of its secrets.
    """

    id: str
    workspace: int
    auth: str
    edition: int = 0


@dataclass(frozen=True, slots=True)
class _Presented:
    """The credentials in a request.

    Attributes:
        method: `client_secret_basic`, `client_secret_post` or `private_key_jwt`.
        credential: The secret or the assertion.
    """

    client_id: str
    method: str
    credential: str


class TokenServer:
    """Authenticates OAuth clients and issues access tokens.

    Args:
        storage: Counts attempts, and has the workspaces.
        clients: The clients of all workspaces.
        trusts: The trusts of all workspaces.
        key_sets: Fetches the keys of clients that publish them.
        tokens: Signs the access tokens.
    """

    def __init__(
        self,
        storage: TokenStore,
        clients: OAuthClients,
        trusts: Trusts,
        key_sets: KeySets,
        tokens: AccessTokens,
    ) -> None:
        self._storage = storage
        self._clients = clients
        self._trusts = trusts
        self._key_sets = key_sets
        self._tokens = tokens
        self._names = Attempts(storage, _TRIES, _WINDOW)
        self._places = Attempts(storage, _FROM_ONE_PLACE, _WINDOW)
        # Longer than any assertion is valid: from a minute before its iat to the end of its age.
        self._assertions = Attempts(storage, 1, 2 * _ASSERTION_SECONDS, exact=True)

    async def issue(self, request: TokenRequest) -> dict[str, Any]:
        """Return the answer to a request for an access token.

        Raises:
            OAuthError: The request is refused.
        """
        form = _single(request.form)
        grant = form.get("grant_type")
        if grant is None:
            raise OAuthError("invalid_request", f"grant_type is missing; expected {GRANT}")
        if grant != GRANT:
            raise OAuthError("unsupported_grant_type", f"grant_type: expected {GRANT}")
        presented = _presented(form, request.authorization)
        client = await self._authenticated(presented, request)
        workspace = await self._storage.workspace(client.workspace)
        if workspace is None or workspace.scim_credentials == "keys":
            raise OAuthError(
                "unauthorized_client", "the workspace accepts API keys alone (scimCredentials)"
            )
        if workspace.is_ipsie and client.auth != PRIVATE_KEY:
            raise OAuthError(
                "unauthorized_client",
                "the profile of the workspace, ipsie, accepts private_key_jwt alone",
            )
        wanted = form.get("scope", SCOPE)
        if set(wanted.split()) - {SCOPE}:
            raise OAuthError("invalid_scope", f"scope: the only scope is {SCOPE}")
        return {
            "access_token": await self._tokens.sign(client.id, request.issuer, client.edition),
            "token_type": "Bearer",
            "expires_in": self._tokens.seconds,
            "scope": SCOPE,
        }

    async def _authenticated(self, presented: _Presented, request: TokenRequest) -> _Authenticated:
        """Return the client whose credentials are right.

        Each attempt is counted before it is checked, so that parallel guesses count too.
        """
        place = f"token from {request.address}"
        # By client and address: otherwise anybody who knows a client id could lock the client out.
        who = f"{presented.client_id} {request.address}".encode("utf-8", "surrogatepass")
        name = f"token {hashlib.sha256(who).hexdigest()[:32]}"
        wait = await self._places.take(INSTALLATION, place) or await self._names.take(
            INSTALLATION, name
        )
        if wait:
            raise OAuthError(
                "invalid_client", f"Too many attempts. Try again in {wait} seconds.", 429, wait
            )
        found = await self._checked(presented, request)
        await self._names.forget(INSTALLATION, name)
        await self._places.give_back(INSTALLATION, place)
        return found

    async def _checked(self, presented: _Presented, request: TokenRequest) -> _Authenticated:
        """Return the client whose credentials are right. Raises OAuthError."""
        client = await self._clients.find(presented.client_id)
        if presented.method == PRIVATE_KEY and client is None:
            trust = await self._trusts.find(presented.client_id)
            if trust is not None:
                await self._check_token(trust, presented.credential)
                return _Authenticated(trust.client_id, trust.workspace, TRUST)
        expected = PRIVATE_KEY if presented.method == PRIVATE_KEY else SECRET
        if client is None or client.auth != expected:
            raise _invalid_client()
        if client.auth == SECRET:
            if not client.accepts(presented.credential):
                raise _invalid_client()
        else:
            await self._check_assertion(client, presented.credential, request)
        return _Authenticated(client.id, client.workspace, client.auth, client.edition)

    async def _check_token(self, trust: Trust, assertion: str) -> None:
        """Check that an assertion is a token of a trust.

        It may be used again while it is valid, because issuers give one token for an hour or so.

        Raises:
            OAuthError: It is not.
        """
        read = unverified(assertion)
        try:
            await self._trusts.verify(trust, assertion, {} if read is None else read[0])
        except InvalidJwt as error:
            raise _invalid_assertion(error) from None

    async def _check_assertion(
        self, client: OAuthClient, assertion: str, request: TokenRequest
    ) -> None:
        """Check an assertion that the client has signed (RFC 7523 section 3).

        Raises:
            OAuthError: It is invalid, or was used before.
            StorageFull: The disk is full, so its use cannot be recorded.
        """
        read = unverified(assertion)
        if read is None:
            raise _invalid_client("client_assertion is no JWT")
        kid = read[0].get("kid")
        try:
            keys = client.jwks
            if keys is None:
                location = client.jwks_uri or ""
                keys = await self._key_sets.at(location, kid if isinstance(kid, str) else None)
            claims = verify(assertion, keys)
            _check_claims(claims, client.id, (request.endpoint, request.issuer))
        except InvalidJwt as error:
            raise _invalid_assertion(error) from None
        used = hashlib.sha256(str(claims["jti"]).encode("utf-8", "surrogatepass")).hexdigest()
        if await self._assertions.take(client.workspace, f"jti {client.id} {used}"):
            raise _invalid_client("client_assertion: its jti was used before")


def _check_claims(claims: Mapping[str, Any], client_id: str, audiences: Sequence[str]) -> None:
    """Check the claims of a verified assertion.

    Raises:
        InvalidJwt: One of them is wrong.
    """
    now = clock.seconds()
    if claims.get("iss") != client_id or claims.get("sub") != client_id:
        raise InvalidJwt("its iss and sub are not the client id")
    given = claims.get("aud")
    given = given if isinstance(given, list) else [given]
    if not any(one in audiences for one in given):
        raise InvalidJwt(f"its aud is not {audiences[0]}")
    issued = claims.get("iat")
    if issued is None:  # then its end must bound its age
        issued = claims["exp"] - _ASSERTION_SECONDS
    if not is_number(issued) or not -LEEWAY <= now - issued <= _ASSERTION_SECONDS + LEEWAY:
        raise InvalidJwt(
            f"it is older than {_ASSERTION_SECONDS} seconds, or its iat is in the future"
        )
    if not isinstance(claims.get("jti"), str) or not claims["jti"]:
        raise InvalidJwt("it has no jti")


def _single(form: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the parameters that are known, each given once.

    Raises:
        OAuthError: One is repeated, empty or too long (RFC 6749 section 3.2).
    """
    found: dict[str, str] = {}
    for name, value in form:
        if name not in _PARAMETERS:
            continue  # section 3.2: unrecognised parameters are ignored
        if name in found:
            raise OAuthError("invalid_request", f"{name} is given more than once")
        if len(value) > _MAX_VALUE:
            raise OAuthError("invalid_request", f"{name} has more than {_MAX_VALUE} characters")
        if value:  # section 3.2: a parameter without a value counts as left out
            found[name] = value
    return found


def _presented(form: Mapping[str, str], authorization: str) -> _Presented:
    """Return the credentials in a request.

    Raises:
        OAuthError: It has none, or several kinds.
    """
    ways = [
        bool(authorization),
        "client_secret" in form,
        "client_assertion" in form or "client_assertion_type" in form,
    ]
    if sum(ways) > 1:
        raise OAuthError("invalid_request", "the client authenticates in more than one way")
    if authorization:
        client_id, secret = _basic(authorization)
        if form.get("client_id", client_id) != client_id:
            raise OAuthError("invalid_request", "client_id is not that of the Authorization header")
        return _Presented(client_id, "client_secret_basic", secret)
    if "client_secret" in form:
        if "client_id" not in form:
            raise OAuthError("invalid_request", "client_id is missing")
        return _Presented(form["client_id"], "client_secret_post", form["client_secret"])
    if not ways[2]:
        raise _invalid_client("the client does not authenticate")
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise OAuthError("invalid_request", f"client_assertion_type: expected {ASSERTION_TYPE}")
    if "client_assertion" not in form:
        raise OAuthError("invalid_request", "client_assertion is missing")
    read = unverified(form["client_assertion"])
    subject = None if read is None else read[1].get("sub")
    if not isinstance(subject, str):
        raise _invalid_client("client_assertion is no JWT with a sub")
    # The sub of a client that signs for itself is its id (RFC 7523 section 3); an issuer that signs
    # for the client of a trust has an id of its own for it.
    return _Presented(form.get("client_id", subject), PRIVATE_KEY, form["client_assertion"])


def _basic(authorization: str) -> tuple[str, str]:
    """Return the client id and the secret of a Basic header (RFC 6749 section 2.3.1).

    Raises:
        OAuthError: The header is malformed.
    """
    scheme, _, encoded = authorization.partition(" ")
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
    except ValueError:
        decoded = ""
    client_id, colon, secret = decoded.partition(":")
    if scheme.lower() != "basic" or not colon:
        raise _invalid_client("the Authorization header is not `Basic` with an id and a secret")
    return unquote_plus(client_id), unquote_plus(secret)


def _invalid_assertion(error: InvalidJwt) -> OAuthError:
    if isinstance(error, KeysUnavailable):
        return OAuthError(
            "temporarily_unavailable",
            "client_assertion: its keys cannot be fetched now",  # the URL is the client's secret
            503,
            RETRY_SECONDS,
        )
    return _invalid_client(f"client_assertion: {error}")


def _invalid_client(description: str = "unknown client, or wrong credentials") -> OAuthError:
    return OAuthError("invalid_client", description, 401)

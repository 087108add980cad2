"""Speaking with an OpenID Connect provider (Core 1.0, the code flow with PKCE): where to send a browser, and who came back.

The provider is where an administrator of a workspace has it: no private address is spoken to, and no answer is read without end.
"""

import asyncio
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpcore2
import httpx2

from muster.outbound import FAILURES, pool
from muster.scim.errors import ScimError

_SECONDS = 15.0
_MAX_BYTES = 1_000_000
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Signatures that a public key verifies: with any other, whoever knows the client's secret could sign."""
_LEEWAY = 60


class ProviderFailed(ScimError):
    """502: the provider does not answer, or not as OpenID Connect has it."""

    def __init__(self, detail: str) -> None:
        super().__init__(502, f"the identity provider: {detail}")


@dataclass(frozen=True, slots=True)
class Client:
    """What this installation is to a provider. issuer: the provider's URL, as its tokens have it."""

    issuer: str
    client_id: str
    client_secret: str


@dataclass(frozen=True, slots=True)
class Start:
    """A sign-in that begins. url: where the browser goes. The others are asked for again when it comes back."""

    url: str
    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Who came back. subject: what the provider calls them, for ever. verified: whether it vouches for the e-mail address."""

    subject: str
    email: str
    verified: bool


class _Bounded(httpx2.AsyncBaseTransport):
    """httpx2 over connections of ours, each answer read to a limit."""

    def __init__(self, private: bool) -> None:
        self._pool = pool(private)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        asked = httpcore2.Request(
            request.method,
            httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=await request.aread(),
            extensions=request.extensions,
        )
        answer = await self._pool.handle_async_request(asked)
        body = bytearray()
        try:
            async for part in answer.aiter_stream():
                body += part
                if len(body) > _MAX_BYTES:
                    raise ProviderFailed(f"{url.host} answers more than {_MAX_BYTES} bytes")
        finally:
            await answer.aclose()
        return httpx2.Response(answer.status, headers=answer.headers, content=bytes(body))

    async def aclose(self) -> None:
        await self._pool.aclose()


class OpenId:
    """Speaks with providers. private: also at private addresses, and without TLS."""

    def __init__(self, private: bool) -> None:
        self.private = private

    async def check(self, issuer: str) -> None:
        """Raises ProviderFailed where there is no provider at an issuer's URL."""
        await self._bounded(self._metadata(issuer))

    async def start(self, client: Client, redirect_uri: str) -> Start:
        """Where to send a browser. Raises ProviderFailed."""
        from authlib.integrations.httpx_client import AsyncOAuth2Client  # type: ignore[import-untyped]  # slow to load

        metadata = await self._bounded(self._metadata(client.issuer))
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        flow = AsyncOAuth2Client(client.client_id, scope="openid email", redirect_uri=redirect_uri, code_challenge_method="S256")
        url, _ = flow.create_authorization_url(
            _endpoint(metadata, "authorization_endpoint"), state, verifier, response_type="code", nonce=nonce
        )
        return Start(str(url), state, nonce, verifier)

    async def finish(self, client: Client, redirect_uri: str, code: str, nonce: str, verifier: str) -> Identity:
        """Who a code stands for. Raises ProviderFailed, and ScimError 401 where it stands for no one."""
        identity: Identity = await self._bounded(self._finish(client, redirect_uri, code, nonce, verifier))
        return identity

    async def _finish(self, client: Client, redirect_uri: str, code: str, nonce: str, verifier: str) -> Identity:
        from authlib.common.errors import AuthlibBaseError  # type: ignore[import-untyped]
        from authlib.integrations.httpx_client import AsyncOAuth2Client

        metadata = await self._metadata(client.issuer)
        methods = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        method = "client_secret_basic" if "client_secret_basic" in methods else "client_secret_post"
        async with AsyncOAuth2Client(
            client.client_id,
            client.client_secret,
            token_endpoint_auth_method=method,
            redirect_uri=redirect_uri,
            transport=_Bounded(self.private),
            timeout=_SECONDS,
        ) as flow:
            try:
                token = await flow.fetch_token(_endpoint(metadata, "token_endpoint"), code=code, code_verifier=verifier)
            except AuthlibBaseError as error:
                raise ScimError(401, f"the identity provider does not take the code: {str(error.error)[:100]}") from None
            keys = await self._json(_endpoint(metadata, "jwks_uri"))
            claims = _claims(token, keys, metadata, client, nonce)
            if "email" not in claims and metadata.get("userinfo_endpoint"):
                told = await flow.get(_endpoint(metadata, "userinfo_endpoint"))
                claims = _joined(claims, told.json() if told.status_code == 200 else {})
        email = claims.get("email")
        if not isinstance(email, str):
            raise ScimError(401, "the identity provider tells no e-mail address: have it send the claim 'email'")
        return Identity(str(claims["sub"]), email, claims.get("email_verified", True) in (True, "true"))

    async def _metadata(self, issuer: str) -> dict[str, Any]:
        """What a provider says of itself (OpenID Connect Discovery 1.0 section 4). Raises ProviderFailed."""
        found = await self._json(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != issuer:
            raise ProviderFailed(f"at {issuer} it calls itself {str(found.get('issuer'))[:200]!r}: enter that as the issuer")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            url = _endpoint(found, name)
            if not url.startswith("https://") and not (self.private and url.startswith("http://")):
                raise ProviderFailed(f"its {name} is without TLS")
        return found

    async def _json(self, url: str) -> dict[str, Any]:
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        async with httpx2.AsyncClient(transport=_Bounded(self.private), timeout=_SECONDS) as web:
            answer = await web.get(url, headers=headers)
        if answer.status_code != 200:
            raise ProviderFailed(f"{url} answers {answer.status_code}")
        found = answer.json()
        if not isinstance(found, dict):
            raise ProviderFailed(f"{url} answers no JSON object")
        return found

    async def _bounded(self, work: Any) -> Any:
        """Raises ProviderFailed for whatever goes wrong on the way, and where it takes too long."""
        try:
            async with asyncio.timeout(_SECONDS):
                return await work
        except TimeoutError:
            raise ProviderFailed(f"no answer within {_SECONDS:g} seconds") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, *FAILURES) as error:
            raise ProviderFailed(str(error)[:200] or type(error).__name__) from None


def _endpoint(metadata: Mapping[str, Any], name: str) -> str:
    url = metadata.get(name)
    if not isinstance(url, str):
        raise ProviderFailed(f"it names no {name}")
    return url


def _claims(
    token: Mapping[str, Any], keys: dict[str, Any], metadata: Mapping[str, Any], client: Client, nonce: str
) -> dict[str, Any]:
    """The claims of an id_token whose signature, issuer, audience, time and nonce are right (Core section 3.1.3.7)."""
    from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet
    from joserfc.jws import JWSRegistry

    offered: Iterable[str] = metadata.get("id_token_signing_alg_values_supported") or ["RS256"]
    algorithms = [name for name in _ALGORITHMS if name in offered]
    options = {"iss": {"essential": True, "value": client.issuer}, "aud": {"essential": True, "value": client.client_id}}
    try:
        registry = JWSRegistry(algorithms=algorithms, strict_check_header=False)
        read = jwt.decode(str(token.get("id_token", "")), KeySet.import_key_set(keys), registry=registry)  # type: ignore[arg-type]
        parameters = {"nonce": nonce, "client_id": client.client_id, "access_token": token.get("access_token")}
        claims = CodeIDToken(read.claims, read.header, options, parameters)
        claims.validate(leeway=_LEEWAY)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise ScimError(401, f"the identity provider's token does not hold: {str(error)[:100]}") from None
    return dict(claims)


def _joined(claims: dict[str, Any], told: Any) -> dict[str, Any]:
    """The claims with those of the userinfo endpoint, which must be about the same person (Core section 5.3.2)."""
    if not isinstance(told, dict) or told.get("sub") != claims["sub"]:
        return claims
    return {**told, **claims}

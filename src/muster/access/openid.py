"""A client for OpenID Connect Core 1.0, authorization code flow with PKCE.

Workspace administrators choose the provider's URL, so it is untrusted: private addresses are
rejected, and the size and time of responses are limited.
"""

import asyncio
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpcore2
import httpx2
import orjson

from muster.base.outbound import FAILURES, is_absolute_url, pool
from muster.scim.errors import ScimError

_SECONDS = 15.0
_MAX_BYTES = 1_000_000
_ALGORITHMS = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
)
"""Asymmetric signatures only: with HMAC, anyone who knows the client secret could sign."""
_LEEWAY = 60
_MAX_SUBJECT = 255
_log = logging.getLogger(__name__)


class ProviderFailed(ScimError):
    """502: the provider does not respond, or not as OpenID Connect specifies."""

    def __init__(self, detail: str) -> None:
        super().__init__(502, f"Identity provider: {detail}")


@dataclass(frozen=True, slots=True)
class Client:
    """The registration of this installation at a provider.

    Attributes:
        issuer: The provider's URL, exactly as in its tokens.
        client_id: The client id.
        client_secret: The client secret.
    """

    issuer: str
    client_id: str
    client_secret: str


@dataclass(frozen=True, slots=True)
class Start:
    """A started sign-in.

    Attributes:
        url: The provider's page to redirect the browser to.
        state: Compared when the browser returns.
        nonce: Compared with the id_token's.
        verifier: The PKCE code verifier.
    """

    url: str
    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Identity:
    """A person whom the provider has authenticated.

    Attributes:
        subject: The provider's permanent id of the person.
        email: The e-mail address, as the provider sent it.
        verified: Whether the provider has verified the address; None if unknown.
    """

    subject: str
    email: str
    verified: bool | None


class _Bounded(httpx2.AsyncBaseTransport):
    """An httpx2 transport over guarded connections that limits the size of responses."""

    def __init__(self, private: bool) -> None:
        self._pool = pool(private)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        asked = httpcore2.Request(
            request.method,
            httpcore2.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            ),
            headers=request.headers.raw,
            content=await request.aread(),
            extensions=request.extensions,
        )
        answer = await self._pool.handle_async_request(asked)
        encoding = next(
            (value for name, value in answer.headers if name.lower() == b"content-encoding"),
            b"identity",
        )
        body = bytearray()
        try:
            if encoding.strip().lower() != b"identity":  # decompression would have no size limit
                raise ProviderFailed(
                    f"{url.host} sent a compressed response to a request for an uncompressed one"
                )
            async for part in answer.aiter_stream():
                body += part
                if len(body) > _MAX_BYTES:
                    raise ProviderFailed(f"{url.host} sent more than {_MAX_BYTES:,} bytes")
        finally:
            await answer.aclose()
        return httpx2.Response(answer.status, headers=answer.headers, content=bytes(body))

    async def aclose(self) -> None:
        await self._pool.aclose()


class OpenId:
    """Talks to providers.

    Args:
        private: Whether to allow private addresses and plain HTTP.
    """

    def __init__(self, private: bool) -> None:
        self.private = private

    async def check(self, issuer: str) -> None:
        """Check that a provider responds at an issuer's URL.

        Raises:
            ProviderFailed: It does not, or its metadata is invalid.
        """
        await self._bounded(self._metadata(issuer))

    async def document(self, url: str) -> dict[str, Any]:
        """Return the JSON object at a URL.

        Raises:
            ProviderFailed: The URL does not answer with one, or may not be asked.
        """
        if not url.startswith("https://") and not self.private:
            raise ProviderFailed(f"{url[:200]} does not use HTTPS")
        found: dict[str, Any] = await self._bounded(self._json(url))
        return found

    async def start(self, client: Client, redirect_uri: str) -> Start:
        """Start a sign-in.

        Raises:
            ProviderFailed: The provider's metadata cannot be read.
        """
        from authlib.integrations.httpx_client import AsyncOAuth2Client  # slow to load

        metadata = await self._bounded(self._metadata(client.issuer))
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        flow = AsyncOAuth2Client(
            client.client_id,
            scope="openid email",
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            transport=_Bounded(self.private),  # by default it would load all root certificates
        )
        url, _ = flow.create_authorization_url(
            _endpoint(metadata, "authorization_endpoint"),
            state,
            verifier,
            response_type="code",
            nonce=nonce,
        )
        return Start(str(url), state, nonce, verifier)

    async def finish(
        self, client: Client, redirect_uri: str, code: str, nonce: str, verifier: str
    ) -> Identity:
        """Exchange an authorization code for the person's identity.

        Raises:
            ProviderFailed: The provider does not respond as specified.
            ScimError: 401 if the provider rejects the code, or its token is invalid.
        """
        identity: Identity = await self._bounded(
            self._finish(client, redirect_uri, code, nonce, verifier)
        )
        return identity

    async def _finish(
        self, client: Client, redirect_uri: str, code: str, nonce: str, verifier: str
    ) -> Identity:
        from authlib.common.errors import AuthlibBaseError
        from authlib.integrations.httpx_client import AsyncOAuth2Client

        metadata = await self._metadata(client.issuer)
        methods = _names(metadata, "token_endpoint_auth_methods_supported", ["client_secret_basic"])
        method = "client_secret_basic" if "client_secret_basic" in methods else "client_secret_post"
        async with AsyncOAuth2Client(
            client.client_id,
            client.client_secret,
            token_endpoint_auth_method=method,
            redirect_uri=redirect_uri,
            transport=_Bounded(self.private),
            timeout=_SECONDS,
        ) as flow:
            flow.headers["Accept-Encoding"] = "identity"
            try:
                token = await flow.fetch_token(
                    _endpoint(metadata, "token_endpoint"), code=code, code_verifier=verifier
                )
            except AuthlibBaseError as error:
                raise ScimError(
                    401, f"The identity provider rejected the code: {str(error.error)[:100]}"
                ) from None
            keys = await self._json(_endpoint(metadata, "jwks_uri"))
            claims = _claims(token, keys, metadata, client, nonce)
            if "email" not in claims and metadata.get("userinfo_endpoint"):
                info = await flow.get(_endpoint(metadata, "userinfo_endpoint"))
                claims = _joined(claims, _object(info) if info.status_code == 200 else {})
        return _identity(claims)

    async def _metadata(self, issuer: str) -> dict[str, Any]:
        """Fetch the provider's metadata (OpenID Connect Discovery 1.0 section 4).

        Raises:
            ProviderFailed: The metadata is invalid, or names another issuer.
        """
        found = await self._json(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != issuer:
            raise ProviderFailed(
                f"{issuer} identifies itself as {str(found.get('issuer'))[:200]!r}; enter that"
                " issuer"
            )
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not _endpoint(found, name).startswith("https://") and not self.private:
                raise ProviderFailed(f"its {name} does not use HTTPS")
        return found

    async def _json(self, url: str) -> dict[str, Any]:
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        async with httpx2.AsyncClient(transport=_Bounded(self.private), timeout=_SECONDS) as web:
            answer = await web.get(url, headers=headers)
        if answer.status_code != 200:
            raise ProviderFailed(f"{url} returned {answer.status_code}")
        return _object(answer)

    async def _bounded(self, work: Any) -> Any:
        """Run a request to a provider, with a time limit.

        Raises:
            ProviderFailed: It fails or takes too long.
        """
        try:
            async with asyncio.timeout(_SECONDS):
                return await work
        except TimeoutError:
            raise ProviderFailed(f"no response within {_SECONDS:g} seconds") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, *FAILURES) as error:
            raise ProviderFailed(str(error)[:200] or type(error).__name__) from None
        except ScimError:
            raise
        except Exception as error:
            # For malformed responses, the libraries raise all kinds of exceptions.
            _log.warning("malformed response of an identity provider", exc_info=True)
            raise ProviderFailed(f"malformed response ({type(error).__name__})") from None


def _object(answer: httpx2.Response) -> dict[str, Any]:
    """Parse a response as a JSON object; orjson limits its depth.

    Raises:
        ProviderFailed: It is not a JSON object.
    """
    try:
        found = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise ProviderFailed(f"{answer.request.url} did not return a JSON object")
    return found


def _names(metadata: Mapping[str, Any], name: str, default: list[str]) -> list[str]:
    """Return a list of names in the metadata, or the specification's default.

    Raises:
        ProviderFailed: The value is not a list.
    """
    value = metadata.get(name) or default
    if not isinstance(value, list):
        raise ProviderFailed(f"its {name} is not a list")
    return [item for item in value if isinstance(item, str)]


def _identity(claims: Mapping[str, Any]) -> Identity:
    """Return the person described by claims.

    Raises:
        ScimError: 401 if the subject or e-mail address is missing.
    """
    subject, email, verified = claims.get("sub"), claims.get("email"), claims.get("email_verified")
    if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_SUBJECT:
        raise ScimError(
            401, f"The identity provider's token has no sub of 1 to {_MAX_SUBJECT} characters."
        )
    if not isinstance(email, str):
        raise ScimError(
            401, "The identity provider sent no e-mail address. Have it send the claim email."
        )
    return Identity(
        subject, email, None if verified is None else verified is True or verified == "true"
    )


def _endpoint(metadata: Mapping[str, Any], name: str) -> str:
    """Return the URL of an endpoint in the metadata.

    Raises:
        ProviderFailed: It is missing, or not a plain HTTP URL.
    """
    url = metadata.get(name)
    if not isinstance(url, str):
        raise ProviderFailed(f"its metadata has no {name}")
    if not is_absolute_url(url, ("https", "http")):
        raise ProviderFailed(f"its {name} is not an absolute URL")
    return url


def _claims(
    token: Mapping[str, Any],
    keys: dict[str, Any],
    metadata: Mapping[str, Any],
    client: Client,
    nonce: str,
) -> dict[str, Any]:
    """Validate an id_token and return its claims (Core section 3.1.3.7).

    Raises:
        ScimError: 401 if its signature, issuer, audience, time or nonce is wrong.
    """
    from authlib.oidc.core import CodeIDToken
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet
    from joserfc.jws import JWSRegistry

    offered = _names(metadata, "id_token_signing_alg_values_supported", ["RS256"])
    algorithms = [name for name in _ALGORITHMS if name in offered]
    options = {
        "iss": {"essential": True, "value": client.issuer},
        "aud": {"essential": True, "value": client.client_id},
    }
    try:
        registry = JWSRegistry(algorithms=algorithms, strict_check_header=False)
        key_set = KeySet.import_key_set(keys)  # type: ignore[arg-type]  # validates any JSON object
        read = jwt.decode(str(token.get("id_token", "")), key_set, registry=registry)
        parameters = {
            "nonce": nonce,
            "client_id": client.client_id,
            "access_token": token.get("access_token"),
        }
        claims = CodeIDToken(read.claims, read.header, options, parameters)
        claims.validate(leeway=_LEEWAY)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise ScimError(
            401, f"The identity provider's token is invalid: {str(error)[:100]}"
        ) from None
    return dict(claims)


def _joined(claims: dict[str, Any], userinfo: Mapping[str, Any]) -> dict[str, Any]:
    """Add the e-mail address of the userinfo response (Core section 5.3.2).

    The response is ignored if its subject differs from the id_token's.
    """
    if userinfo.get("sub") != claims["sub"]:
        return claims
    return {
        **claims,
        "email": userinfo.get("email"),
        "email_verified": userinfo.get("email_verified"),
    }

"""/oauth and its metadata: access tokens for OAuth clients (RFC 6749, 7523 and 8414)."""

from collections.abc import Iterator
from urllib.parse import parse_qsl

from muster.access.oauth.key_sets import ALGORITHMS
from muster.access.oauth.server import GRANT, OAuthError, TokenRequest, TokenServer
from muster.access.oauth.tokens import SCOPE, AccessTokens
from muster.http.service import OpenRoute
from muster.http.wire.admission import network_of
from muster.http.wire.base_url import BaseUrl
from muster.http.wire.message import Request, Response, json_response

TOKEN_PATH, KEYS_PATH = "/oauth/token", "/oauth/jwks"
METADATA_PATH = "/.well-known/oauth-authorization-server"
_FORM = "application/x-www-form-urlencoded"
_MAX_FORM = 65_536
_MAX_FIELDS = 50
_NO_STORE = [("cache-control", "no-store"), ("pragma", "no-cache")]
_PUBLIC = [("cache-control", "public, max-age=300")]


class OAuthPages:
    """The pages of the token service, which need no API key."""

    def __init__(self, server: TokenServer, tokens: AccessTokens, origin: BaseUrl) -> None:
        self._server = server
        self._tokens = tokens
        self._origin = origin

    def __iter__(self) -> Iterator[OpenRoute]:
        yield OpenRoute("POST", TOKEN_PATH, self.token)
        yield OpenRoute("GET", KEYS_PATH, self.keys)
        yield OpenRoute("GET", METADATA_PATH, self.metadata)
        if self._origin.fixed_prefix:  # RFC 8414 section 3.1: the path of the issuer comes last
            yield OpenRoute("GET", METADATA_PATH + self._origin.fixed_prefix, self.metadata)

    async def token(self, request: Request) -> Response:
        """Answer with an access token, or an error of RFC 6749 section 5.2."""
        base = self._origin.base(request)
        try:
            answer = await self._server.issue(
                TokenRequest(
                    await _form(request),
                    request.header("authorization") or "",
                    network_of(request.address),
                    base,
                    base + TOKEN_PATH,
                )
            )
        except OAuthError as error:
            return _refusal(error)
        return json_response(200, answer, headers=_NO_STORE)

    async def keys(self, _: Request) -> Response:
        """Answer with the public keys that access tokens are signed with (RFC 7517)."""
        return json_response(200, await self._tokens.key_set(), headers=_PUBLIC)

    async def metadata(self, request: Request) -> Response:
        """Answer with the metadata of the token service (RFC 8414)."""
        base = self._origin.base(request)
        content = {
            "issuer": base,
            "token_endpoint": base + TOKEN_PATH,
            "jwks_uri": base + KEYS_PATH,
            "scopes_supported": [SCOPE],
            "response_types_supported": [],
            "grant_types_supported": [GRANT],
            "token_endpoint_auth_methods_supported": [
                "client_secret_basic",
                "client_secret_post",
                "private_key_jwt",
            ],
            "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
            "service_documentation": f"{base}/docs",
        }
        return json_response(200, content, headers=_PUBLIC)


async def _form(request: Request) -> list[tuple[str, str]]:
    """Return the parameters of a request's form.

    Raises:
        OAuthError: It is no form.
        ScimError: 408 or 413 if it arrives too slowly or is too large.
    """
    kind = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if kind != _FORM:
        raise OAuthError("invalid_request", f"Content-Type: expected {_FORM}")
    body = await request.read(_MAX_FORM)
    try:
        return parse_qsl(
            body.decode(),
            keep_blank_values=True,
            strict_parsing=bool(body),
            encoding="utf-8",
            errors="strict",
            max_num_fields=_MAX_FIELDS,
        )
    except ValueError:
        raise OAuthError("invalid_request", "the body is no form") from None


def _refusal(error: OAuthError) -> Response:
    headers = list(_NO_STORE)
    if error.status == 401:
        headers.append(("www-authenticate", 'Basic realm="muster"'))
    if error.retry_after is not None:
        headers.append(("retry-after", str(error.retry_after)))
    content = {"error": error.code, "error_description": _ascii(error.description)}
    return json_response(error.status, content, headers=headers)


def _ascii(text: str) -> str:
    """Return a description in the characters that RFC 6749 section 5.2 allows."""
    allowed = (one if " " <= one <= "~" and one not in '"\\' else "'" for one in text)
    return "".join(allowed)[:500]

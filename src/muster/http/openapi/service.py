"""The part of the OpenAPI document that describes the pages without an API key.

These are the token service for OAuth clients, and the health checks. tests/http/openapi compares
them with the pages that the service has.
"""

from typing import Any

from muster.http.openapi.tags import HEALTH, OAUTH
from muster.http.wire.media import PLAIN_JSON

Json = dict[str, Any]
_FORM = "application/x-www-form-urlencoded"
_TEXT: Json = {"type": "string"}


def _object(required: list[str], /, **properties: Json) -> Json:
    return {"type": "object", "required": required, "properties": properties}


def _text(description: str, /, *examples: str, **more: Any) -> Json:
    return _TEXT | {"description": description} | ({"examples": [*examples]} if examples else more)


def _texts(description: str) -> Json:
    return {"type": "array", "items": _TEXT, "description": description}


SCHEMAS: Json = {
    "oauth.TokenRequest": _object(
        ["grant_type"],
        grant_type=_text("Always `client_credentials`.", enum=["client_credentials"]),
        scope=_text("The scope. `scim` is the only one, and the default.", enum=["scim"]),
        client_id=_text(
            "The id of the client. Left out with HTTP Basic; optional with an assertion."
        ),
        client_secret=_text("The secret, unless the client uses HTTP Basic or an assertion."),
        client_assertion_type=_text(
            "With an assertion, always this URN.",
            enum=["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"],
        ),
        client_assertion=_text(
            "A JWT that the client has signed (RFC 7523): `iss` and `sub` are the client id, `aud`"
            " is the URL of this endpoint, and each `jti` is used once within five minutes. Or a"
            " token of the issuer of a federated trust, with the `client_id` of the trust."
        ),
    )
    | {"description": "A request for an access token (RFC 6749 section 4.4.2)."},
    "oauth.Token": _object(
        ["access_token", "token_type", "expires_in", "scope"],
        access_token=_text("The access token, for the header `Authorization: Bearer`."),
        token_type=_text("Always `Bearer`.", enum=["Bearer"]),
        expires_in={
            "type": "integer",
            "minimum": 1,
            "description": "The number of seconds for which the token is valid.",
            "examples": [3600],
        },
        scope=_text("The scope of the token.", enum=["scim"]),
    )
    | {"description": "An access token for SCIM."},
    "oauth.Error": _object(
        ["error", "error_description"],
        error=_text(
            "The error code of RFC 6749 section 5.2, or `temporarily_unavailable` with 503.",
            enum=[
                *("invalid_request", "invalid_client", "invalid_scope"),
                *("unauthorized_client", "unsupported_grant_type", "temporarily_unavailable"),
            ],
        ),
        error_description=_text(
            "A sentence for the developer of the client.", "unknown client, or wrong credentials"
        ),
    )
    | {"description": "A refusal of the token endpoint."},
    "oauth.KeySet": _object(
        ["keys"],
        keys={
            "type": "array",
            "items": {"type": "object"},
            "description": "The keys, each a JSON Web Key.",
        },
    )
    | {"description": "The public keys that access tokens are signed with (RFC 7517)."},
    "oauth.Metadata": _object(
        ["issuer", "token_endpoint", "jwks_uri", "response_types_supported"],
        issuer=_text("The issuer of access tokens: the public URL of this service."),
        token_endpoint=_text("The URL of the token endpoint."),
        jwks_uri=_text("The URL of the public keys."),
        scopes_supported=_texts("The scopes."),
        response_types_supported=_texts("Always empty: there is no authorization endpoint."),
        grant_types_supported=_texts("The grant types."),
        token_endpoint_auth_methods_supported=_texts("The ways in which a client authenticates."),
        token_endpoint_auth_signing_alg_values_supported=_texts("The algorithms of assertions."),
        service_documentation=_text("The URL of the API reference."),
    )
    | {"description": "The metadata of the token service (RFC 8414)."},
    "health.State": _object(
        ["status"],
        status=_text("`ok`, or `unavailable` with the status 503.", enum=["ok", "unavailable"]),
        detail=_text("The reason, with the status 503.", "this server is stopping"),
        degraded=_texts("The kinds of requests that are turned away at present, if there are any."),
    )
    | {"description": "The state of the service."},
}


def _answer(description: str, schema: str, media: str = PLAIN_JSON) -> Json:
    reference = {"$ref": f"#/components/schemas/{schema}"}
    return {"description": description, "content": {media: {"schema": reference}}}


def _get(name: str, tag: str, summary: str, description: str, responses: Json) -> Json:
    return {
        "get": {
            "operationId": name,
            "summary": summary,
            "description": description,
            "tags": [tag],
            "security": [],
            "responses": responses,
        }
    }


def service_paths() -> Json:
    """Return the pages that need no API key."""
    healthy = {"200": _answer("The process answers.", "health.State")}
    ready = {
        "200": _answer("The service answers requests.", "health.State"),
        "503": _answer("It does not; `detail` says why.", "health.State"),
    }
    return {
        "/oauth/token": {"post": _token()},
        "/oauth/jwks": _get(
            "getOauthKeys",
            OAUTH,
            "Get the public keys",
            "The public keys that access tokens are signed with.",
            {"200": _answer("The keys.", "oauth.KeySet")},
        ),
        "/.well-known/oauth-authorization-server": _get(
            "getOauthMetadata",
            OAUTH,
            "Get the metadata of the token service",
            "The metadata of RFC 8414. If the public URL has a path, it is the end of this path"
            " too.",
            {"200": _answer("The metadata.", "oauth.Metadata")},
        ),
        "/healthz": _get(
            "getHealth",
            HEALTH,
            "Check that the process answers",
            "Does not depend on the database: use it to restart a process that hangs.",
            healthy,
        ),
        "/readyz": _get(
            "getReadiness",
            HEALTH,
            "Check that the service is ready",
            "503 if the database does not answer, the server is stopping, or all places for"
            " requests are taken: use it to take a replica out of a load balancer.",
            ready,
        ),
    }


def _token() -> Json:
    """Return the operation of the token endpoint."""
    refused = "oauth.Error"
    return {
        "operationId": "createAccessToken",
        "summary": "Get an access token",
        "description": "A client authenticates with HTTP Basic, with `client_id` and"
        " `client_secret` in the form, or with `client_assertion`; with one of them alone.",
        "tags": [OAUTH],
        "security": [],
        "requestBody": {
            "required": True,
            "content": {
                _FORM: {
                    "schema": {"$ref": "#/components/schemas/oauth.TokenRequest"},
                    "example": {
                        "grant_type": "client_credentials",
                        "client_id": "b2f3a1c94d5e6f70",
                        "client_secret": "s3cr3t",
                    },
                }
            },
        },
        "responses": {
            "200": _answer("The access token.", "oauth.Token"),
            "400": _answer("The request is malformed, or not allowed to this client.", refused),
            "401": _answer("The client is unknown, or its credentials are wrong.", refused),
            "429": _answer("Too many attempts have failed; see `Retry-After`.", refused),
            "503": _answer("The keys of the client cannot be fetched now.", refused),
        },
    }

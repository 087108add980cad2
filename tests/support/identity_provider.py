"""A provider of OpenID Connect, and the settings of a connector to it."""

from contextlib import contextmanager

from muster.access.permissions import SCIM

DOMAIN = "corp.example"


@contextmanager
def identity_provider():
    """Serve a provider of OpenID Connect with a few people, and give its issuer."""
    from oidc_provider_mock import User, run_server_in_thread  # takes 0.1 s

    people = [
        User(sub="ann", claims={"email": f"Ann@{DOMAIN.upper()}", "email_verified": True}),
        User(sub="eve", claims={"email": "eve@elsewhere.example", "email_verified": True}),
        User(sub="mal", claims={"email": f"mal@{DOMAIN}", "email_verified": False}),
        User(sub="nix", claims={}),
    ]
    with run_server_in_thread(user_claims=people, require_nonce=True) as started:
        yield f"http://localhost:{started.server_port}"


def setting(issuer, *permissions, **others):
    given = {
        "title": "Corp",
        "issuer": issuer,
        "clientId": "muster",
        "clientSecret": "s3cret-words",
    }
    return {
        **given,
        "allowedDomains": [DOMAIN],
        "permissions": list(permissions) or [SCIM],
        **others,
    }

"""Access tokens by openid-client, a client in another language than the server."""

from tests.clients.test_npm import environment, mounted, what_it_saw

__all__ = ["environment", "mounted"]


def test_openid_client_finds_the_token_service_and_authenticates_in_each_way(mounted, environment):
    seen = what_it_saw("oauth.mjs", mounted, environment)
    assert seen["issuer"] == mounted
    for way in ("basic", "post", "ES256", "RS256", "PS256"):
        kind, *rest = seen[way]
        assert (kind.lower(), rest) == ("bearer", ["scim", 3600, 200]), way
    assert seen["wrong"][1] == 401
    assert seen["scope"] == ["invalid_scope", 400, True]

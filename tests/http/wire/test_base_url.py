"""Base URLs and client addresses: which headers are trusted."""

import pytest

from muster.http.wire.base_url import BaseUrl
from muster.http.wire.message import Request
from muster.scim.errors import ScimError


def request(client="10.0.0.1:5000", host="scim.example", scheme="http", prefix="", **headers):
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return Request("GET", "/", "", named.get, None, client, scheme, host, prefix)


FORWARDED = {"x_forwarded_proto": "https", "x_forwarded_host": "public.example"}


def test_the_base_url_is_the_requests_host():
    assert BaseUrl(None, ()).base(request()) == "http://scim.example"
    assert (
        BaseUrl(None, ()).base(request(host="[::1]:8080", prefix="/idp")) == "http://[::1]:8080/idp"
    )


def test_the_configured_base_url_wins():
    assert (
        BaseUrl("https://fixed.example", ("10.0.0.0/8",)).base(request(**FORWARDED))
        == "https://fixed.example"
    )


def test_forwarded_headers_only_from_trusted_proxies():
    assert BaseUrl(None, ()).base(request(**FORWARDED)) == "http://scim.example"
    assert BaseUrl(None, ("10.0.0.0/8",)).base(request(**FORWARDED)) == "https://public.example"
    assert BaseUrl(None, ("10.0.0.2",)).base(request(**FORWARDED)) == "http://scim.example"


@pytest.mark.parametrize("host", ["", 'a"b', "a b", "a\nb", "a/b", "a@b", "é"])
def test_an_invalid_host_is_rejected(host):
    with pytest.raises(ScimError) as caught:
        BaseUrl(None, ()).base(request(host=host))
    assert caught.value.status == 400


def test_the_client_address_behind_proxies():
    chain = "6.6.6.6, 1.2.3.4, 10.0.0.9"
    assert BaseUrl(None, ()).client(request(x_forwarded_for=chain)) == "10.0.0.1"
    assert BaseUrl(None, ("10.0.0.0/8",)).client(request(x_forwarded_for=chain)) == "1.2.3.4"
    assert (
        BaseUrl(None, ("10.0.0.0/8",)).client(request("[2001:db8::1]:99", x_forwarded_for=chain))
        == "2001:db8::1"
    )


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8080",
        "127.0.0.1:8080",
        "127.1.2.3",
        "[::1]:8080",
        "muster.localhost",
    ],
)
def test_links_with_secrets_allow_loopback_hosts(host):
    assert BaseUrl(None, ()).public(request(host=host)) == f"http://{host}"


@pytest.mark.parametrize(
    "host",
    [
        "scim.example",
        "evil.example:8080",
        "10.0.0.1",
        "[fe80::1]",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "xlocalhost",
    ],
)
def test_links_with_secrets_require_a_configured_host(host):
    for origin in (BaseUrl(None, ()), BaseUrl(None, ("10.0.0.0/8",))):
        with pytest.raises(ScimError, match="MUSTER_BASE_URL"):
            origin.public(request(host=host))
    with pytest.raises(ScimError, match="MUSTER_BASE_URL"):
        BaseUrl(None, ("10.0.0.0/8",)).public(request(host="localhost", x_forwarded_host=host))
    assert (
        BaseUrl("https://fixed.example", ()).public(request(host=host)) == "https://fixed.example"
    )

"""Outbound connections: URLs and addresses are checked before connecting."""

import asyncio
import ipaddress
import socket
from urllib.parse import urlsplit

import httpcore2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from muster.base.outbound import is_absolute_url, is_public, pool

PRIVATE = (
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "168.63.129.16", "169.254.169.254",
    "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.168.1.1", "198.18.0.1", "224.0.0.1",
    "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:10.0.0.1", "::ffff:127.0.0.1",
    "64:ff9b::10.0.0.1", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::",
    "3fff::1", "4000::1", "fc00::1", "fd12::1", "fe80::1", "fe80::1%eth0", "ff02::1",
)  # fmt: skip
PUBLIC = (
    "1.1.1.1", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.1",
    "198.17.255.255", "198.20.0.0", "223.255.255.255", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1",
    "2001:200::1", "2606:4700:4700::1111", "2a00::1", "3ffd::1",
)  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_private_and_reserved_addresses_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_global_unicast_addresses_are_public(address):
    assert is_public(address)


@given(st.ip_addresses())
def test_an_address_that_python_calls_unreachable_is_never_public(address):
    embedded = address.version == 6 and any(
        address in ipaddress.ip_network(network) for network in ("64:ff9b::/96", "::ffff:0:0/96")
    )
    if not embedded and not address.is_global:
        assert not is_public(str(address))


@given(st.ip_addresses(v=4))
def test_an_embedded_address_is_as_public_as_itself(address):
    assert is_public(f"::ffff:{address}") == is_public(str(address))
    assert is_public(f"64:ff9b::{address}") == is_public(str(address))


class _Connected(Exception):
    """A connection was attempted."""


@pytest.fixture
def resolving(monkeypatch):
    """Let every name resolve to given addresses, and record the connections."""
    attempted = []

    def resolve(*addresses):
        async def getaddrinfo(self, host, port, **_):
            kind = socket.AF_INET6 if ":" in addresses[0] else socket.AF_INET
            return [(kind, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]

        async def connect(self, host, port, *_, **__):
            attempted.append(host)
            raise httpcore2.ConnectError("refused")

        monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
        monkeypatch.setattr(httpcore2.AnyIOBackend, "connect_tcp", connect)
        return attempted

    return resolve


def _failure(private, scheme="https"):
    async def run():
        async with pool(private) as connections:
            await connections.request("GET", f"{scheme}://receiver.example/")

    with pytest.raises(httpcore2.ConnectError) as caught:
        asyncio.run(run())
    return str(caught.value)


@pytest.mark.parametrize("addresses", [("127.0.0.1",), ("1.1.1.1", "10.0.0.1"), ("fe80::1",)])
def test_a_name_with_any_private_address_is_not_connected_to(resolving, addresses):
    attempted = resolving(*addresses)
    assert "not a public address" in _failure(private=False)
    assert attempted == []


def test_the_connection_goes_to_the_address_that_was_checked(resolving):
    attempted = resolving("1.1.1.1", "1.0.0.1")
    assert _failure(private=False) == "refused"
    assert attempted == ["1.1.1.1"]


def test_plain_http_is_refused_whoever_has_named_the_url(resolving):
    """A provider names the URL to which its client secret is sent."""
    attempted = resolving("1.1.1.1")
    assert "receiver.example does not use HTTPS" in _failure(private=False, scheme="http")
    assert attempted == []


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_private_addresses_can_be_allowed(resolving, scheme):
    attempted = resolving("127.0.0.1")
    assert _failure(private=True, scheme=scheme) == "refused"
    assert len(attempted) == 1


@pytest.mark.parametrize(
    "url",
    ["https://x.example", "https://x.example:8443/a?b=c#d", "https://[2001:db8::1]/", "HTTPS://X/"],
)
def test_absolute_urls_of_an_allowed_scheme(url):
    assert is_absolute_url(url, ("https",))
    assert not is_absolute_url(url, ("http",))


@given(st.one_of(st.text(max_size=20), st.text(st.sampled_from("a:/@[]?#\\ é\n1"), max_size=12)))
@example("//x.example")
@example("//ann@x.example/")
@example("//:pw@x.example/")
@example("//[::1")
@example("//x:0")
@example("//x:99999")
@example("//x" + "y" * 1995)
def test_an_accepted_url_is_read_alike_by_any_reader(rest):
    url = f"https:{rest}"
    if is_absolute_url(url, ("https",)):
        parts = urlsplit(url)
        assert parts.hostname
        assert parts.username is parts.password is None
        assert parts.port is None or 0 < parts.port < 65_536
        assert url.isascii()
        assert len(url) <= 2000
        assert not any(char.isspace() or ord(char) < 32 for char in url)


@pytest.mark.parametrize("value", [None, 7, b"https://x", ["https://x"], {}])
def test_other_values_are_no_urls(value):
    assert not is_absolute_url(value, ("https",))

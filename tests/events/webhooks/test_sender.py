"""Sending: no private addresses, no redirects, and a time limit."""

import asyncio
import http.server
import ipaddress
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.base.outbound import is_public
from muster.events.webhooks import sender
from muster.events.webhooks.sender import Sender


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1", "::1", "::",
     "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "2002:7f00:1::", "64:ff9b::10.0.0.1",
     "64:ff9b:1::1", "64:ff9b:1::8.8.8.8", "fec0::1", "feff:ffff::1", "::8.8.8.8", "::127.0.0.1", "::ffff:0:8.8.8.8",
     "2002:808:808::1", "2001::1", "2001:db8::1", "3fff::1", "5f00::1", "100::1", "1::1", "4000::1", "168.63.129.16",
     "192.0.0.9", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "240.0.0.1", "255.255.255.255"],
)  # fmt: skip
def test_private_addresses_are_rejected(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]
)
def test_public_addresses_are_accepted(address):
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_embedded_in_ipv6_decides(address):
    for written in (f"::ffff:{address}", f"64:ff9b::{address}"):
        assert is_public(written) == is_public(str(address)), written
    assert is_public(str(address)) <= ipaddress.ip_address(str(address)).is_global


@given(st.ip_addresses(v=6))
def test_only_global_unicast_is_public(address):
    if is_public(str(address)):
        assert (
            address in ipaddress.ip_network("2000::/3")
            or address.ipv4_mapped
            or str(address).startswith("64:ff9b::")
        )


@given(
    st.ip_addresses(v=4),
    st.sampled_from(["::{}", "::ffff:0:{}", "64:ff9b:1::{}", "fe80::{}", "fec0::{}", "fd00::{}"]),
)
def test_no_other_form_of_an_ipv4_address_is_public(address, form):
    assert not is_public(form.format(address))


def posted(url, private=False):
    async def run():
        made = Sender(private)
        try:
            return await made.post(url, {}, b"{}")
        finally:
            await made.close()

    return asyncio.run(run())


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.server.asked += 1
        if self.path == "/slow":
            self.server.released.wait(10)
        self.send_response(302 if self.path == "/away" else 200)
        if self.path == "/away":
            self.send_header("location", "/elsewhere")
        self.end_headers()
        if self.path == "/endless":
            while not self.server.released.wait(0.001):
                self.wfile.write(b"x" * 1000)

    def log_message(self, *_):
        pass


@pytest.fixture
def there():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = 0
    server.released = threading.Event()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]", "0x7f.1"]
)
def test_messages_to_this_machine_are_rejected(there, host):
    answer = posted(f"https://{host}:{there.server_port}/")
    assert answer.status is None
    assert "not a public address" in answer.error
    assert there.asked == 0


def test_a_redirect_is_not_followed(there):
    answer = posted(f"http://127.0.0.1:{there.server_port}/away", private=True)
    assert (answer.status, answer.arrived) == (302, False)
    assert there.asked == 1


def test_endless_and_missing_responses_end_in_time(there, monkeypatch):
    assert posted(f"http://127.0.0.1:{there.server_port}/endless", private=True).arrived
    monkeypatch.setattr(sender, "_SECONDS", 0.3)
    answer = posted(f"http://127.0.0.1:{there.server_port}/slow", private=True)
    assert (answer.status, answer.arrived) == (None, False)
    assert "no response within" in answer.error


def test_an_unreachable_host_is_reported():
    answer = posted("http://127.0.0.1:9/", private=True)
    assert answer.status is None
    assert answer.error
    assert posted("http://nobody.invalid/").error

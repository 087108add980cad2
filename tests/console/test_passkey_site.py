"""The site of the passkeys."""

import pytest

from muster.console.passkey_site import passkey_site, why_no_passkeys
from muster.console.web import Visit
from muster.http.wire.base_url import BaseUrl
from muster.scim.errors import ScimError
from tests.http.wire.test_base_url import request


@pytest.mark.parametrize(
    ("base", "host", "party"),
    [
        ("https://muster.example.com", "evil.example", "muster.example.com"),
        ("https://apps.example/idp", "inside", "apps.example"),
        (None, "localhost:8080", "localhost"),
    ],
)
def test_the_site_is_the_configured_one_or_this_machine(base, host, party):
    visit = Visit(request(host=host), BaseUrl(base, ()))
    assert passkey_site(visit).id == party
    assert why_no_passkeys(visit) == ""


@pytest.mark.parametrize(
    ("base", "host", "says"),
    [
        (None, "evil.example", "MUSTER_BASE_URL"),
        (None, "127.0.0.1:8080", "host name"),
        ("http://muster.example.com", "muster.example.com", "HTTPS"),
    ],
)
def test_a_host_that_a_client_names_is_no_site(base, host, says):
    visit = Visit(request(host=host), BaseUrl(base, ()))
    assert says in why_no_passkeys(visit)
    with pytest.raises(ScimError):
        passkey_site(visit)

"""The page of set-up links: create, list and revoke them."""

import re
from html import unescape

import pytest

from muster.access.permissions import SCIM, SETTINGS
from tests.console.browsing import Visitor, invited
from tests.support.people import name
from tests.support.tenant import Tenant


@pytest.fixture(scope="module")
def place(server):
    with Tenant(server) as tenant:
        visitor = invited(server, tenant.name, SETTINGS, SCIM)
        yield tenant, visitor
        visitor.close()


def test_a_link_is_created_opened_and_revoked(place):
    tenant, visitor = place
    connection = tenant.api.post("/connections", json={"name": name("<b>Okta")}).json()
    terms = {
        "connection": connection["id"],
        "provider": "okta",
        "expiresInDays": "3",
        "returnUrl": "https://app.example/",
        "contact": "Ada <ada@example.com>",
    }
    root = f"/w/{tenant.name}/setup-links"
    visitor.get(root)
    page = visitor.submit(root, **terms)
    [url] = re.findall(r'<code class="copyable">([^<]*/setup/[^<]*)</code>', page.text)
    assert url not in visitor.get(root).text  # it is shown once
    [made] = tenant.api.get("/setup-links").json()["items"]
    assert (made["connection"], made["provider"]) == (connection["id"], "okta")
    assert (made["returnUrl"], made["contact"]) == (terms["returnUrl"], terms["contact"])
    assert made["createdBy"].startswith("admin:")
    assert "<b>Okta" not in page.text
    assert "contact: Ada &lt;ada@example.com&gt;" in page.text
    customer = Visitor(tenant.server)
    customer.get(unescape(url).removeprefix(tenant.server.url))
    assert "Set up Okta" in customer.get("/setup").text
    assert ">Opened</span>" in visitor.get(root).text
    page = visitor.submit(f"{root}/{made['id']}/revoke")
    assert ">Revoked</span>" in page.text
    assert "Revoke link" not in page.text
    assert customer.get("/setup").status_code == 410
    customer.close()
    assert visitor.post(f"{root}/unknown/revoke").status_code == 404


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("returnUrl", "javascript:alert(1)"),
        ("returnUrl", "http://app.example/"),
        ("expiresInDays", "31"),
        ("expiresInDays", "0"),
        ("expiresInDays", "soon"),
        ("contact", "x" * 201),
        ("connection", "unknown"),
        ("provider", "acme"),
    ],
)
def test_a_refused_form_is_shown_again_with_the_error_beside_its_field(place, field, value):
    tenant, visitor = place
    root = f"/w/{tenant.name}/setup-links"
    before = len(tenant.api.get("/setup-links").json()["items"])
    visitor.get(root)
    answer = visitor.post(root, **{"contact": "Ada", "expiresInDays": "5", field: value})
    assert answer.status_code == 400
    assert f'id="wrong-{field}"' in answer.text
    assert 'value="Ada"' in answer.text or field == "contact"
    assert len(tenant.api.get("/setup-links").json()["items"]) == before


def test_creating_needs_scim_too(server, place):
    tenant, _ = place
    visitor = invited(server, tenant.name, SETTINGS)
    root = f"/w/{tenant.name}/setup-links"
    assert "New set-up link" not in visitor.get(root).text
    assert visitor.post(root).status_code == 403
    visitor.close()

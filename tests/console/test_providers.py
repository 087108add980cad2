"""Recognising identity providers by the names of keys and by User-Agents."""

import re
from pathlib import Path

import pytest

from muster.access import connections
from muster.console.providers import PROVIDERS, of_provider, recognise

_ROOT = Path(__file__).parents[2]


def _text(path):
    return (_ROOT / path).read_text()


@pytest.mark.parametrize(
    ("key_name", "agent", "provider"),
    [
        ("Okta production", "", "okta"),
        ("main", "Okta SCIM Client 1.0", "okta"),
        ("Azure AD", "", "entra"),
        ("Microsoft", "", "entra"),
        ("scim", "OneLogin/1.0", "onelogin"),
        ("scim", "authentik@2026.10.1", "authentik"),
        ("CyberArk Identity", "", "cyberark"),
        ("Idaptive", "", "cyberark"),
        ("Google Workspace", "Okta", "google"),  # the name of the key comes first
        ("main", "python-httpx", None),
        ("", "", None),
    ],
)
def test_a_provider_is_recognised(key_name, agent, provider):
    assert recognise(key_name, agent) == provider


def test_a_provider_shows_its_own_requests_or_unattributed_ones():
    found = [("a", "Okta", ""), ("b", "main", ""), ("c", "main", "entra")]
    assert of_provider("okta", found) == ["a"]
    assert of_provider("entra", found) == ["c"]
    assert of_provider("google", found) == ["b"]
    assert of_provider("google", found[:1]) == []


@pytest.mark.parametrize("name", list(PROVIDERS))
def test_every_provider_has_instructions(name):
    provider = PROVIDERS[name]
    assert provider.title
    assert provider.steps
    assert "userName" in [scim for _, scim in provider.mapping]
    assert bool(provider.signs) == (name != "other")


def test_every_provider_of_a_connection_has_a_guide():
    assert set(PROVIDERS) == set(connections.PROVIDERS)


def test_a_provider_has_one_name_in_the_console_and_in_the_documentation():
    """The menu of the guides, the heading of each guide and the tiles say the same."""
    menu = dict(
        re.findall(r'"([^"]+)" = "how-to/identity-providers/(\w+)\.md"', _text("zensical.toml"))
    )
    guides = {name: title for title, name in menu.items() if name != "other"}
    assert guides == {name: one.title for name, one in PROVIDERS.items() if name != "other"}
    index = _text("docs/how-to/identity-providers/index.md")
    for name, title in guides.items():
        guide = _text(f"docs/how-to/identity-providers/{name}.md")
        assert guide.startswith(f"# Connect {title}\n")
        assert f"[{title}]({name}.md)" in index

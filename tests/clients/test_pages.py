"""The pages of the identity providers have one form, and agree with the console and the dialects."""

import json
import re
from pathlib import Path

import pytest

from muster.console.providers import PROVIDERS
from muster.scim.dialects import QUIRKS

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "how-to" / "identity-providers"
FIXTURES = Path(__file__).parent / "fixtures"
HEADINGS = [
    "## What you need",
    "## Steps",
    "## Check that it works",
    "## What is sent when",
    "### Attributes",
    "### Deactivation",
    "### Groups",
    "## What it does differently",
    "## If its test fails",
    "## Instead of an API key: OAuth",
    "## Sources",
]


@pytest.mark.parametrize("name", PROVIDERS)
def test_the_page_of_a_provider_has_the_form_of_all(name):
    text = (PAGES / f"{name}.md").read_text()
    found = [line for line in text.splitlines() if line.startswith(("## ", "### "))]
    assert [line for line in found if line in HEADINGS] == HEADINGS
    assert name == "other" or "Read on " in text.partition("## Sources")[2]


@pytest.mark.parametrize("name", PROVIDERS)
def test_the_page_of_a_provider_has_the_fields_of_the_console(name):
    provider, text = PROVIDERS[name], (PAGES / f"{name}.md").read_text().lower()
    for field, _ in (*provider.fields, *provider.oauth_fields):
        assert field.partition(" (")[0].lower() in text, field


@pytest.mark.parametrize("name", PROVIDERS)
def test_the_page_of_a_provider_names_its_deviations(name):
    section = (PAGES / f"{name}.md").read_text().partition("## What it does differently")[2]
    assert ("| row |" in section) == ("reference/dialects.md#the-table" in section)
    rows = re.findall(r"^\|.*\|([^|]*)\|$", section.partition("\n## ")[0], re.M)
    named = set(re.findall(r"`([\w-]+)`", "".join(rows)))
    assert named <= set(QUIRKS)
    title = "custom scripts" if name == "other" else PROVIDERS[name].title
    known = {row for row, quirk in QUIRKS.items() if title in quirk.client}
    path = FIXTURES / f"{name}.json"
    steps = json.loads(path.read_text())["steps"] if path.exists() else []
    known |= {row for step in steps for row in step.get("quirks", ())}
    assert known <= named

"""The generated pages of docs/reference are those of the present code."""

import difflib

import pytest
from tools.reference import alerts, errors
from tools.reference.endpoints import pages_of_endpoints
from tools.reference.error_templates import templates
from tools.reference.pages import COMMAND, FOLDER, PAGES

_IN_ONE_PROCESS = pytest.mark.xdist_group("reference")
"""For the pages of endpoints, whose examples take a running service seconds."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=_IN_ONE_PROCESS if name in pages_of_endpoints() else ())
        for name in PAGES
    ],
)
def test_a_committed_page_is_the_output_of_its_generator(name):
    committed, generated = (FOLDER / name).read_text(), PAGES[name]()
    changes = difflib.unified_diff(committed.splitlines(), generated.splitlines(), lineterm="", n=0)
    assert committed == generated, f"run `{COMMAND}` and commit {name}:\n" + "\n".join(changes)


def test_every_error_has_a_cause_and_a_cure():
    """If this fails, add the errors to tools/reference/errors.toml, or remove rules from it."""
    assert len(templates()) > 400
    assert errors.without_rule() == []
    assert errors.unused_patterns() == []


def test_every_notice_of_the_overview_has_a_meaning():
    """If this fails, change NOTICES in tools/reference/alerts.py."""
    assert len(alerts.NOTICES) > 10
    assert alerts.notices_of_the_code() == set(alerts.NOTICES)

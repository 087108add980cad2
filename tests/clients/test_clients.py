"""Replays each identity provider's requests over a user's and a group's life.

basis: `documented` where the client's own documentation shows the requests; `described` where it says what is sent, not how.
"""

import json
from pathlib import Path

import pytest

from conformance.suites.clients import Replay, fixtures
from tests.support.tenant import Tenant

DOCS = Path(__file__).parents[2] / "docs" / "how-to" / "identity-providers"


def failures(server, path, strict):
    with Tenant(server) as tenant:
        tenant.api.patch("/settings", json={"strict": strict})
        cases = Replay(json.loads(path.read_text()), tenant.scim, tenant.api, strict).run()
        return [f"{case.name}: {case.reason}" for case in cases if not case.passed]


@pytest.mark.parametrize("path", fixtures(), ids=lambda path: path.stem)
def test_a_whole_life(server, path):
    assert failures(server, path, strict=False) == []


@pytest.mark.parametrize("path", fixtures(), ids=lambda path: path.stem)
def test_a_strict_workspace_refuses_each_dialect_and_takes_the_rest(server, path):
    assert failures(server, path, strict=True) == []


def test_every_client_has_its_source_and_its_page():
    for path in fixtures():
        fixture = json.loads(path.read_text())
        assert fixture["source"]
        assert fixture["basis"] in ("documented", "described")
        page = (DOCS / f"{path.stem}.md").read_text()
        for source in fixture["source"]:
            assert source.split(" ")[0] in page, f"{path.stem}: {source}"

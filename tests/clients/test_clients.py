"""Replays each identity provider's requests over a user's and a group's life.

basis: `documented` where the client's own documentation shows the requests; `described` where it says what is sent, not how.
"""

import json
from pathlib import Path

import pytest

from muster.scim.dialects import QUIRKS
from tests.support.tenant import Tenant

FIXTURES = sorted((Path(__file__).parent / "fixtures").glob("*.json"))
DOCS = Path(__file__).parents[2] / "docs" / "how-to" / "identity-providers"


def filled(value, names):
    """A fixture's value, with saved values for its {names}."""
    text = json.dumps(value)
    for name, saved in names.items():
        text = text.replace(f"{{{name}}}", saved)
    return json.loads(text)


def holds(shown, wanted):
    """Compare JSON: objects may have more members, lists any order."""
    if isinstance(wanted, dict):
        return isinstance(shown, dict) and all(
            key in shown and holds(shown[key], value) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(shown, list)
            and len(shown) == len(wanted)
            and all(any(holds(item, one) for item in shown) for one in wanted)
        )
    return shown == wanted


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_a_whole_life(server, path):
    fixture, names = json.loads(path.read_text()), {}
    with Tenant(server) as tenant:
        for step in fixture["steps"]:
            said = f"{fixture['client']}: {step['name']}"
            body = filled(step["body"], names) if "body" in step else None
            headers = (
                {"content-type": "application/scim+json; charset=utf-8"} if body is not None else {}
            )
            content = None if body is None else json.dumps(body)
            answer = tenant.scim.request(
                step["method"], filled(step["path"], names), content=content, headers=headers
            )
            assert answer.status_code == step["status"], f"{said}: {answer.text}"
            shown = answer.json() if answer.content else {}
            for name, attribute in step.get("save", {}).items():
                names[name] = shown[attribute]
            assert holds(shown, filled(step.get("shows", {}), names)), f"{said}: {answer.text}"
            assert not set(shown) & set(step.get("absent", ())), f"{said}: {answer.text}"
            for place, wanted in step.get("stored", {}).items():
                kept = tenant.scim.get(filled(place, names)).json()
                assert holds(kept, filled(wanted, names)), f"{said}: {kept}"


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_a_strict_workspace_refuses_each_dialect(server, path):
    fixture, names = json.loads(path.read_text()), {}
    with Tenant(server) as tenant:
        for step in fixture["steps"]:
            body = filled(step["body"], names) if "body" in step else None
            if step.get("quirks"):
                tenant.api.patch("/settings", json={"strict": True})
                refused = tenant.scim.request(
                    step["method"], filled(step["path"], names), json=body
                )
                tenant.api.patch("/settings", json={"strict": False})
                assert refused.status_code == 400, f"{step['name']}: {refused.text}"
                assert refused.json()["scimType"] in {
                    QUIRKS[quirk].scim_type for quirk in step["quirks"]
                }, step["name"]
            answer = tenant.scim.request(step["method"], filled(step["path"], names), json=body)
            for name, attribute in step.get("save", {}).items():
                names[name] = answer.json()[attribute]


def test_every_client_has_its_source_and_its_page():
    for path in FIXTURES:
        fixture = json.loads(path.read_text())
        assert fixture["source"]
        assert fixture["basis"] in ("documented", "described")
        page = (DOCS / f"{path.stem}.md").read_text()
        for source in fixture["source"]:
            assert source.split(" ")[0] in page, f"{path.stem}: {source}"

"""The replayed clients: the requests of each identity provider over a user's and a group's life.

The requests and the wanted answers are in tests/clients/fixtures, with the sources of each client.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx

from conformance.results import Case, Cases, Unexpected, expect_status
from conformance.suites import Suite
from conformance.target import Target
from muster.scim.dialects import QUIRKS

FIXTURES = Path(__file__).parents[2] / "tests" / "clients" / "fixtures"
_HEADERS = {"content-type": "application/scim+json; charset=utf-8"}


def fixtures() -> list[Path]:
    """Return the files of the clients, by name."""
    return sorted(FIXTURES.glob("*.json"))


def filled(value: Any, names: dict[str, str]) -> Any:
    """Return a fixture's value, with saved values for its {names}."""
    text = json.dumps(value)
    for name, saved in names.items():
        text = text.replace(f"{{{name}}}", saved)
    return json.loads(text)


def holds(shown: Any, wanted: Any) -> bool:
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
    return bool(shown == wanted)


class Replay:
    """Sends the requests of a client, and compares each answer with the one that it needs.

    In a strict workspace a step that needs a row of the dialect table must be refused with the
    error of the row. The step is then sent again with strict mode off, so that the next ones find
    what they need.

    Args:
        fixture: The requests of the client.
        scim: A client of SCIM.
        api: A client of the management API of the same workspace.
        strict: Whether the workspace is strict.
    """

    def __init__(
        self, fixture: dict[str, Any], scim: httpx.Client, api: httpx.Client, strict: bool
    ) -> None:
        self._fixture, self._scim, self._api, self._strict = fixture, scim, api, strict
        self._names: dict[str, str] = {}

    def run(self) -> list[Case]:
        """Send the requests in order. Returns a case for each."""
        cases = Cases()
        for step in self._fixture["steps"]:
            with cases.case(f"{self._fixture['client']}: {step['name']}"):
                self._step(step)
        return cases.found

    def _step(self, step: dict[str, Any]) -> None:
        if self._strict and step.get("quirks"):
            self._check_refused(step)
            self._set_strict(strict=False)
            try:
                self._check_taken(step)
            finally:
                self._set_strict(strict=True)
        else:
            self._check_taken(step)

    def _set_strict(self, *, strict: bool) -> None:
        expect_status(self._api.patch("/settings", json={"strict": strict}), 200)

    def _send(self, step: dict[str, Any]) -> httpx.Response:
        body = json.dumps(filled(step["body"], self._names)) if "body" in step else None
        headers = {} if body is None else _HEADERS
        path = filled(step["path"], self._names)
        return self._scim.request(step["method"], path, content=body, headers=headers)

    def _check_refused(self, step: dict[str, Any]) -> None:
        shown = expect_status(self._send(step), 400)
        wanted = {QUIRKS[quirk].scim_type for quirk in step["quirks"]}
        if shown.get("scimType") not in wanted:
            raise Unexpected(f"scimType: expected one of {wanted}, got {shown}")

    def _check_taken(self, step: dict[str, Any]) -> None:
        shown = expect_status(self._send(step), step["status"]) or {}
        for name, attribute in step.get("save", {}).items():
            self._names[name] = shown[attribute]
        if not holds(shown, filled(step.get("shows", {}), self._names)):
            raise Unexpected(f"the answer lacks {step['shows']}: {shown}")
        if found := set(shown) & set(step.get("absent", ())):
            raise Unexpected(f"the answer has {found}: {shown}")
        for place, wanted in step.get("stored", {}).items():
            kept = self._scim.get(filled(place, self._names)).json()
            if not holds(kept, filled(wanted, self._names)):
                raise Unexpected(f"{place} lacks {wanted}: {kept}")


def _replays(target: Target) -> Iterator[Case]:
    for path in fixtures():
        _, token = target.workspace(path.stem)
        with target.client(token) as scim, target.client(token, "/api/v1") as api:
            yield from Replay(json.loads(path.read_text()), scim, api, target.strict).run()


def run(target: Target) -> Sequence[Case]:
    """Replay every client, each in a workspace of its own."""
    return list(_replays(target))


SUITE = Suite(
    "clients",
    "Replayed clients",
    f"{len(fixtures())} clients",
    "The requests of "
    + ", ".join(json.loads(path.read_text())["client"] for path in fixtures())
    + ". In strict workspaces a request that needs a row of the dialect table must be refused.",
    ("The sources are in each file of `tests/clients/fixtures/`.",),
    run,
)

"""scim-sanity, with each of its server profiles, and with and without its compatibility mode."""

import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from scim_sanity.profiles import PROFILES

from conformance.results import Case, Deviation
from conformance.suites import Suite
from conformance.target import Target

DEVIATIONS = (
    Deviation(
        r"^PATCH /Groups/\{id\} add member",
        "It adds a member with the id `fake-member-id`. No resource has that id, so the request is"
        " 400 invalidValue and changes nothing.",
        "RFC 7643 section 4.2",
    ),
)
_PROFILES = {
    "entra": (
        Deviation(
            r"^POST /(Users|Groups): Expected HTTP 201, got 400",
            "The profile sends extensions of Microsoft Entra ID that the resource type does not"
            " have. A strict workspace refuses their URNs; a lenient one ignores them.",
            "RFC 7643 section 3",
        ),
    )
}
"""The deviations of one profile alone."""
SKIPPED = {
    "Agent CRUD Lifecycle": "draft-abbey-scim-agent-extension is not served, and /ResourceTypes"
    " does not list it.",
    "AgenticApplication CRUD Lifecycle": "As Agent.",
    "Agent Rapid Lifecycle": "As Agent.",
}
"""The cases that scim-sanity skips, and why."""
_SECONDS = 120


def probe(target: Target, *options: str) -> dict[str, Any]:
    """Run scim-sanity in a workspace of its own. Returns its report."""
    _, token = target.workspace("sanity")
    program = Path(sys.executable).parent / "scim-sanity"
    command = [str(program), "probe", target.scim, "--token", token]
    done = subprocess.run(  # noqa: S603 (the arguments are ours)
        [*command, "--i-accept-side-effects", "--json-output", *options],
        check=False,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
    )
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def _cases(report: dict[str, Any]) -> list[Case]:
    return [
        Case(
            result["name"],
            passed=result["status"] == "pass",
            reason=result.get("message") or "",
            skipped=result["status"] == "skip",
        )
        for result in report["results"]
    ]


def _runner(*options: str) -> Callable[[Target], Sequence[Case]]:
    return lambda target: _cases(probe(target, *options))


def _suite(profile: str | None, compat: bool = False) -> Suite:
    name, options = "scim-sanity", []
    if profile is not None:
        name += f"-{profile}"
        options += ["--profile", profile, "--user-domain", "example.com"]
    if compat:
        name += "-compat"
        options.append("--compat")
    title = f"scim-sanity{f', profile {profile}' if profile else ''}{', compat' if compat else ''}"
    return Suite(
        name,
        title,
        importlib.metadata.version("scim-sanity"),
        "Seven phases over the life of users and groups: discovery, CRUD, search, pages, errors.",
        ("https://pypi.org/project/scim-sanity/",),
        _runner(*options),
        DEVIATIONS + _PROFILES.get(profile or "", ()),
    )


SUITES = (_suite(None), _suite(None, compat=True), *(_suite(profile) for profile in PROFILES))

"""schemathesis: generated requests to every operation of /openapi.json.

The functions that check one operation are the ones that tests/outside/test_schemathesis.py calls.
"""

import importlib.metadata
from collections.abc import Callable, Sequence
from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi import checks as _registered  # noqa: F401 (registers them)

from conformance.results import Case
from conformance.suites import Suite
from conformance.target import Target

UNUSED_CHECKS = {
    "negative_data_rejection": (
        "SCIM takes requests that the document's schemas do not describe: a startIndex below 1 is 1"
        " (RFC 7644 section 3.4.2.4), unknown attributes are ignored, and lenient workspaces read"
        " the dialects of clients."
    ),
    "positive_data_acceptance": (
        "The document cannot describe the syntax of filters and paths, unique values, or attributes"
        " that depend on each other."
    ),
    "use_after_free": (
        "It follows resources over several operations; tests/http and tests/contract do that by"
        " name."
    ),
    "ensure_resource_availability": "As use_after_free.",
    "object_level_authorization": (
        "It needs two sets of credentials; tests/outside/test_isolation.py has two workspaces."
    ),
}
"""The checks of schemathesis that are not run on SCIM, and why."""


def _checks(keep: Callable[[str], bool]) -> Any:
    every = schemathesis.checks.CHECKS
    return every.get_by_names([name for name in every.get_all_names() if keep(name)])


CHECKS = _checks(lambda name: name not in UNUSED_CHECKS)
MANAGEMENT_CHECKS = _checks(
    lambda name: name not in UNUSED_CHECKS or name == "negative_data_rejection"
)
"""The management REST has shapes of its own: a request that contradicts them must be refused."""
EXAMPLES, MANAGEMENT_EXAMPLES = 30, 15
_FRAMING = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_KINDS = {"/api/v1/platform": "platform", "/api/v1": "management"}
"""The kind of an operation by the beginning of its path; the others are of the kind `scim`."""


def document(url: str) -> Any:
    """Load the OpenAPI document of a service."""
    return schemathesis.openapi.from_url(f"{url}/openapi.json")


def operations(loaded: Any) -> dict[str, list[str]]:
    """Return the ids of the operations of each kind: scim, management and platform.

    Those of the kind `scim` have the shapes of RFCs: SCIM, OAuth, and a few that need no key.
    """
    found: dict[str, list[str]] = {"scim": [], "management": [], "platform": []}
    for path, item in loaded.raw_schema["paths"].items():
        kind = next((kind for start, kind in _KINDS.items() if path.startswith(start)), "scim")
        found[kind] += [
            operation["operationId"]
            for operation in item.values()
            if isinstance(operation, dict) and "operationId" in operation
        ]
    return found


def unframed(case: Any) -> Any:
    """Drop headers of the connection, which the HTTP server itself checks."""
    for name in [name for name in case.headers or () if name.lower() in _FRAMING]:
        del case.headers[name]
    return case


def _settings(examples: int) -> settings:
    return settings(
        max_examples=examples,
        suppress_health_check=list(HealthCheck),
        deadline=None,
        derandomize=True,
        database=None,
    )


def check_scim(loaded: Any, operation_id: str, mode: GenerationMode, token: str) -> None:
    """Send generated requests to a SCIM operation. Raises an AssertionError of schemathesis."""
    operation = loaded.find_operation_by_id(operation_id)

    @_settings(EXAMPLES)
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case: Any) -> None:
        response = unframed(case).call(headers={"Authorization": f"Bearer {token}"})
        case.validate_response(response, checks=CHECKS)

    run()


def check_management(loaded: Any, operation_id: str, token: str) -> None:
    """Send right and wrong generated requests to an operation of the management or platform API."""
    operation = loaded.find_operation_by_id(operation_id)
    wrong = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)

    @_settings(MANAGEMENT_EXAMPLES)
    @given(case=wrong | operation.as_strategy())
    def run(case: Any) -> None:
        checks = MANAGEMENT_CHECKS
        if operation_id in ("findChanges", "findPlatformChanges") and "wait" in (case.query or {}):
            case.query.pop("wait")  # it would wait; without it a wrong request may be a right one
            checks = CHECKS
        response = unframed(case).call(headers={"Authorization": f"Bearer {token}"})
        case.validate_response(response, checks=checks)

    run()


def _case(name: str, check: Callable[..., None], *arguments: Any) -> Case:
    """Run a check as a case; schemathesis raises groups of its own errors.

    The case is left out if no request of its kind exists: an operation without parameters and body
    has no wrong ones.
    """
    try:
        check(*arguments)
    except Unsatisfiable:
        return Case(name, passed=False, skipped=True)
    except Exception as error:  # any failure is the result
        return Case(name, passed=False, reason=str(error)[:2000])
    return Case(name, passed=True)


def _run_scim(target: Target) -> Sequence[Case]:
    loaded = document(target.server.url)
    _, token = target.workspace("schemathesis")
    return [
        _case(f"{name}, {mode.value} requests", check_scim, loaded, name, mode, token)
        for name in operations(loaded)["scim"]
        for mode in GenerationMode
    ]


def _run_management(target: Target) -> Sequence[Case]:
    loaded = document(target.server.url)
    _, token = target.workspace("schemathesis")
    return [
        _case(name, check_management, loaded, name, token)
        for name in operations(loaded)["management"]
    ]


_VERSION = importlib.metadata.version("schemathesis")
_SOURCES = ("https://pypi.org/project/schemathesis/",)
SCIM = Suite(
    "schemathesis-scim",
    "schemathesis, SCIM and OAuth",
    _VERSION,
    "Right and wrong generated requests to every operation of `/openapi.json` for SCIM, OAuth and"
    " health; a case is one"
    f" operation with {EXAMPLES} requests.",
    _SOURCES,
    _run_scim,
)
MANAGEMENT = Suite(
    "schemathesis-management",
    "schemathesis, management API",
    _VERSION,
    "The same for every operation of the management API; a case is one operation with"
    f" {MANAGEMENT_EXAMPLES} requests.",
    _SOURCES,
    _run_management,
)
SUITES = (SCIM, MANAGEMENT)

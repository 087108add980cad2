"""scim2-tester, by the authors of scim2-models: it tries what the discovery endpoints announce."""

import importlib.metadata
from collections.abc import Sequence

import httpx2
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

from conformance.results import Case, Deviation
from conformance.suites import Suite
from conformance.target import Target

DEVIATIONS = (
    Deviation(
        r"unexpected value for 'members'\.\nPatched value: .*display=None.*\n"
        r"Returned value: .*display='",
        "It wants the members exactly as it sent them. muster adds `display`, which the schema"
        " leaves to the service provider, and which clients show.",
        "RFC 7643 section 4.2",
    ),
)


def run(target: Target) -> Sequence[Case]:
    """Run every check of scim2-tester in a workspace of its own."""
    _, token = target.workspace("tester")
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=target.scim, headers=headers, timeout=60) as http:
        client = SyncSCIMClient(http)
        client.discover()
        return [
            Case(
                result.title or "unnamed",
                passed=result.status in (Status.SUCCESS, Status.COMPLIANT),
                reason=str(result.reason or ""),
                skipped=result.status is Status.SKIPPED,
            )
            for result in check_server(client)
        ]


SUITE = Suite(
    "scim2-tester",
    "scim2-tester",
    importlib.metadata.version("scim2-tester"),
    "Discovery, create, read, replace, PATCH and delete of every attribute that the schemas list.",
    ("https://pypi.org/project/scim2-tester/",),
    run,
    DEVIATIONS,
)

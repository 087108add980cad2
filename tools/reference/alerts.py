"""alerts.md: every alert, from deploy/alerts.yaml and from the overview of the console."""

import ast
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # its stubs are not among the locked packages

from muster.insight import alerts
from tools.reference.markdown import code, page, paragraph, table

_RULES = Path(__file__).parents[2] / "deploy" / "alerts.yaml"
_GUIDE = "../how-to/alerts.md"
_INTRO = """# Alerts

muster has two kinds of alerts: rules for Prometheus, for those who run the service, and notices on
the overview of a workspace, for its administrators. [Alerts: what to do](../how-to/alerts.md) has
the response to each rule."""

_PROMETHEUS = """## Rules for Prometheus

`deploy/alerts.yaml` has the rules. `page` is for somebody to look at now; `ticket` can wait for the
morning. The annotation `runbook_url` of each alert leads to its response. [Metrics](metrics.md) has
the metrics that the conditions read."""

_CONSOLE = """## Notices on the overview

The overview of the console shows them under *Needs attention*, the most urgent first.
`GET /api/v1/overview` has them in `alerts`, each with its `name`."""

NOTICES: Mapping[str, str] = {
    "connectionPaused": "An administrator or the guard has paused a connection.",
    "held": "The guard holds changes for review.",
    "guardLimit": "More users than the guard's limit lost access within the last hour.",
    "reactivated": "A key reactivated a user whom an administrator had deactivated, within seven"
    " days.",
    "recreated": "A key created a user again whom an administrator had deleted, within seven days.",
    "doctor": "The doctor has open findings of requests that failed.",
    "unknownKey": "Requests of the last 24 hours used an unknown, expired or revoked key.",
    "webhook": "Deliveries of a webhook are failing.",
    "webhookPaused": "A webhook is disabled, because it had no success for three days.",
    "expired": "API keys have expired within the last 14 days.",
    "expiring": "API keys expire within 14 days.",
    "provisioning": "Automatic provisioning is off.",
    "deprovisioning": "Automatic deprovisioning is off.",
}
"""The meaning of each notice, by its name."""


def rules() -> list[dict[str, Any]]:
    """Return the rules for Prometheus."""
    groups = yaml.safe_load(_RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts_page() -> str:
    """Return the page."""
    rows = [
        (
            f"[{rule['alert']}]({_GUIDE}#{rule['alert'].lower()})",
            rule["labels"]["severity"],
            rule.get("for", "at once"),
            code(" ".join(rule["expr"].split())),
        )
        for rule in rules()
    ]
    notices = [(code(name), meaning) for name, meaning in NOTICES.items()]
    return page(
        _INTRO,
        _PROMETHEUS,
        table(("alert", "severity", "after", "condition"), rows),
        _CONSOLE,
        table(("name", "meaning"), notices),
        paragraph(
            "A notice goes away by itself when its cause does. Nobody is sent one: let a program"
            " read them, or follow the [events](events.md)."
        ),
    )


def notices_of_the_code() -> set[str]:
    """Return the names of the notices that the code can show."""
    return set(_named(ast.parse(inspect.getsource(alerts))))


def _named(tree: ast.AST) -> Iterator[str]:
    """Yield the first argument of each `Alert(…)`, also if it is the variable of a loop."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Alert":
            first = node.args[0]
            if isinstance(first, ast.Constant):
                yield str(first.value)
            else:
                yield from alerts._VERBS  # the names that the loop over keys takes

"""The generated pages of docs/reference, each with its generator."""

from collections.abc import Callable, Mapping
from pathlib import Path

from tools.reference.alerts import alerts_page
from tools.reference.audit_actions import audit_actions_page
from tools.reference.commands import cli_page
from tools.reference.dialects import dialects_page
from tools.reference.endpoints import pages_of_endpoints
from tools.reference.errors import errors_page
from tools.reference.events import events_page
from tools.reference.metrics import metrics_page
from tools.reference.permissions import permissions_page
from tools.reference.python_api import python_page
from tools.reference.settings import settings_page

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
COMMAND = "make reference"
"""The command that writes the pages."""
PAGES: Mapping[str, Callable[[], str]] = {
    "alerts.md": alerts_page,
    "audit-actions.md": audit_actions_page,
    "cli.md": cli_page,
    "dialects.md": dialects_page,
    "errors.md": errors_page,
    "events.md": events_page,
    "metrics.md": metrics_page,
    "permissions.md": permissions_page,
    "python.md": python_page,
    "settings.md": settings_page,
    **pages_of_endpoints(),
}
"""Beside them, limits.md and contracts.md are written by hand."""

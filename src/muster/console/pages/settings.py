"""The page of a workspace's settings."""

from collections.abc import Iterator
from typing import Any

from muster.access.permissions import SETTINGS
from muster.access.settings import NUMBERS, OPTIONAL, WorkspaceSettings, shown
from muster.console.web import PageRoute, Visit
from muster.http.management.models.settings import SettingsChange
from muster.http.management.validation import read_body
from muster.http.wire.message import Response
from muster.scim.errors import ScimError, invalid_value
from muster.storage.port.accounts import Workspace

_SWITCHES = ("strict", "automaticProvisioning", "automaticDeprovisioning", "uniqueGroupNames")
_MAX_DIGITS = 9


class SettingsPages:
    """Shows and changes the settings."""

    def __init__(self, settings: WorkspaceSettings) -> None:
        self._settings = settings

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", "/w/{workspace}/settings", SETTINGS, self.show)
        yield PageRoute("POST", "/w/{workspace}/settings", SETTINGS, self.change)

    async def show(
        self, visit: Visit, status: int = 200, error: str = "", confirm: bool = False
    ) -> Response:
        said = visit.flashed.get("said", "")
        given = _given(visit) if error else _kept(visit.there())
        address = visit.origin.address
        return visit.render(
            "settings.html",
            status,
            given=given,
            said=said,
            error=error,
            confirm=confirm,
            address=address,
        )

    async def change(self, visit: Visit) -> Response:
        raw: dict[str, Any] = {name: visit.text(name) == "on" for name in _SWITCHES}
        raw |= {name: visit.text(name) for name in ("contract", "guardMode")}
        raw["ipAllowlist"] = visit.text("ipAllowlist").split()
        raw["confirmLockout"] = visit.text("confirmLockout") == "on"
        try:
            raw |= {name: _number(visit, name) for name in NUMBERS}
            given = read_body(SettingsChange, raw)
            visit.workspace = await self._settings.change(
                visit.administrator, given.changes(), given.confirm_lockout
            )
        except ScimError as error:
            detail, address = error.detail, visit.origin.address
            lockout = error.status == 409 and detail.startswith("ipAllowlist")
            if lockout:
                detail = f"ipAllowlist: your own address, {address}, is not in this list."
                detail += " Confirm below to continue."
            return await self.show(visit, error.status, error=detail, confirm=lockout)
        return await visit.redirect_with(
            "./settings", said="Settings saved. They apply from the next request."
        )


def _kept(workspace: Workspace) -> dict[str, Any]:
    """Return the stored settings as form values."""
    kept = {name: "" if value is None else value for name, value in shown(workspace).items()}
    return {**kept, "ipAllowlist": "\n".join(workspace.ip_allowlist)}


def _given(visit: Visit) -> dict[str, Any]:
    """Return the submitted values, so that a rejected form keeps them."""
    texts = ("contract", "guardMode", "ipAllowlist", *NUMBERS)
    return {name: visit.text(name) for name in texts} | {
        name: visit.text(name) == "on" for name in _SWITCHES
    }


def _number(visit: Visit, name: str) -> int | None:
    """Read a number of the form.

    Returns:
        The number, or None if it may be left empty, and is.

    Raises:
        ScimError: invalidValue if it is anything else than a whole number of at most nine digits.
    """
    text = visit.text(name)
    if not text and name in OPTIONAL:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > _MAX_DIGITS:
        optional = ", or leave it empty to use the server default" if name in OPTIONAL else ""
        raise invalid_value(
            f"{name}: enter a whole number of at most {_MAX_DIGITS} digits{optional}"
        )
    return int(text)

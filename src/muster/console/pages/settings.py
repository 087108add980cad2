"""The page of a workspace's settings."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from muster.access import allowlist, profiles
from muster.access.connections import Connection
from muster.access.permissions import SETTINGS
from muster.access.settings import NUMBERS, OPTIONAL, WorkspaceSettings, shown
from muster.console.stamps import has_changed, seen, stamp_of
from muster.console.web import PageRoute, Visit
from muster.http.management.allowlist import verdict
from muster.http.management.models.settings import SettingsChange
from muster.http.management.validation import read_body
from muster.http.wire.message import Response
from muster.scim.errors import ScimError, invalid_value
from muster.scim.values import Json
from muster.storage.port.accounts import IPSIE, Workspace

_SWITCHES = (
    "strict",
    "automaticProvisioning",
    "automaticDeprovisioning",
    "uniqueGroupNames",
    "requireSecondFactor",
)
_PROFILED = ("strict", "contract", "uniqueGroupNames", "scimCredentials", "rateLimit")
"""The settings that a profile sets when it is chosen."""
_MAX_DIGITS = 9
_LABELS = {
    "contract": "Response status codes",
    "strict": "Strict mode",
    "rateLimit": "Default rate limit per key",
    "automaticProvisioning": "Automatic provisioning",
    "automaticDeprovisioning": "Automatic deprovisioning",
    "uniqueGroupNames": "Unique group names",
    "guardMode": "Deprovisioning guard",
    "guardShare": "Guard limit: percentage of users per hour",
    "guardLeast": "Guard limit: users always allowed",
    "ipAllowlist": "IP allowlist",
    "requestsDays": "Keep request logs",
    "changesDays": "Keep changes",
    "requireSecondFactor": "Two-factor authentication of administrators",
    "scimCredentials": "Credentials for SCIM",
    "profile": "SCIM profile",
}
_WORDS = {
    "rfc7644": "RFC 7644",
    "cortex": "Cortex",
    "hold": "Hold changes for review",
    "pause": "Pause the connection",
    "watch": "Warn only",
    "off": "Off",
    "any": "API keys and OAuth",
    "oauth": "OAuth only",
    "keys": "API keys only",
    "none": "None",
    "ipsie": "IPSIE account lifecycle",
}
_KEPT = ("requestsDays", "changesDays")
"""The settings in days."""
_UNREVIEWED = (*_KEPT, "requireSecondFactor")
"""The settings that do not affect provisioning, which are saved without a review."""


class SettingsPages:
    """Shows and changes the settings."""

    def __init__(self, settings: WorkspaceSettings) -> None:
        self._settings = settings

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", "/w/{workspace}/settings", SETTINGS, self.show)
        yield PageRoute("POST", "/w/{workspace}/settings", SETTINGS, self.change)

    async def show(
        self,
        visit: Visit,
        status: int = 200,
        error: str = "",
        confirm: bool = False,
        typed: bool = False,
    ) -> Response:
        said = visit.flashed.get("said", "")
        given = _given(visit) if error or typed else _kept(visit.there())
        defaults = SettingsChange().model_dump(by_alias=True)
        address = visit.origin.address
        return visit.render(
            "settings.html",
            status,
            given=given,
            said=said,
            error=error,
            confirm=confirm,
            seen=seen(visit, shown(visit.there()), error),
            address=address,
            tried=visit.text("address") if visit.request.method == "GET" else "",
            **self._verdict(visit),
            defaults={name: _in_words(name, value) for name, value in defaults.items()},
        )

    def _verdict(self, visit: Visit) -> dict[str, Any]:
        """Return whether an address that the reader asks about passes the allowlist."""
        address = visit.text("address") if visit.request.method == "GET" else ""
        if not address:
            return {"verdict": None, "no_address": ""}
        try:
            return {"verdict": verdict(visit.there(), Connection(), address), "no_address": ""}
        except ScimError as error:
            return {"verdict": None, "no_address": error.detail}

    def _review(self, visit: Visit, changes: list[tuple[str, str, str]], changed: bool) -> Response:
        """Show the changes before they are saved, with a form that submits them again.

        Args:
            visit: The visit.
            changes: The label, the old and the new value of each setting that differs.
            changed: Whether somebody else has changed settings since the form was opened.
        """
        return visit.render(
            "settings_review.html",
            409 if changed else 200,
            place=visit.url("./settings"),
            changes=changes,
            fields=visit.fields_to_repeat(),
            changed=changed,
            seen=stamp_of(shown(visit.there())),
        )

    async def change(self, visit: Visit) -> Response:
        """Save the settings; a change that affects provisioning is shown for review first."""
        if visit.text("edit") == "on":
            locks_out = visit.text("confirmLockout") == "on"
            return await self.show(visit, confirm=locks_out, typed=True)
        raw: dict[str, Any] = {name: visit.text(name) == "on" for name in _SWITCHES}
        raw |= {name: visit.text(name) for name in ("contract", "guardMode")}
        # The form of an earlier version, open in a browser, has no such field.
        raw["scimCredentials"] = visit.text("scimCredentials") or visit.there().scim_credentials
        raw["profile"] = visit.text("profile") or visit.there().profile
        raw["ipAllowlist"] = allowlist_of(visit.text("ipAllowlist"))
        raw["confirmLockout"] = visit.text("confirmLockout") == "on"
        try:
            raw |= {name: _number(visit, name) for name in NUMBERS}
            if raw["profile"] == IPSIE and not visit.there().is_ipsie:  # it sets these itself
                raw = {name: value for name, value in raw.items() if name not in _PROFILED}
            given = read_body(SettingsChange, raw)
            changed = has_changed(visit, shown(visit.there()))
            if changed or visit.text("reviewed") != "on":
                self._settings.check(visit.administrator, given.changes(), given.confirm_lockout)
                fields = profiles.completed(visit.there(), given.changes())
                found = _changes(visit.there(), replace(visit.there(), **fields))
                if found and (changed or any(name not in _UNREVIEWED for name in found)):
                    return self._review(visit, list(found.values()), changed)
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


def allowlist_text(blocks: Iterable[str], descriptions: allowlist.Descriptions) -> str:
    """Return an allowlist as lines: each a range, and its description if it has one."""
    found = allowlist.entries(blocks, descriptions)
    return "\n".join(f"{one['range']} {one['description']}".strip() for one in found)


def allowlist_of(text: str) -> list[Json]:
    """Return the ranges of a form, each on a line with its description.

    A line may also have several ranges, as before there were descriptions.
    """
    found: list[Json] = []
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        if all(_is_range(word) for word in words[1:]):
            found += [{"range": word, "description": ""} for word in words]
        else:
            found.append({"range": words[0], "description": " ".join(words[1:])})
    return found


def _is_range(text: str) -> bool:
    try:
        allowlist.networks([text])
    except ValueError:
        return False
    return True


def _changes(before: Workspace, after: Workspace) -> dict[str, tuple[str, str, str]]:
    """Return the label, the old and the new value in words of each setting that differs."""
    was, now = shown(before), shown(after)
    return {
        name: (_LABELS[name], _in_words(name, was[name]), _in_words(name, now[name]))
        for name in _LABELS
        if was[name] != now[name]
    }


def _in_words(name: str, value: Any) -> str:
    """Return a setting as text."""
    if value is None:
        return "Server default"
    if isinstance(value, bool):
        return "On" if value else "Off"
    if name == "ipAllowlist":
        return ", ".join(value) or "All addresses"
    if name in _KEPT:
        return f"{value:,} days" if value else "Forever"
    if name == "rateLimit":
        return f"{value:,} requests per minute" if value else "Unlimited"
    return f"{value:,}" if isinstance(value, int) else _WORDS.get(value, str(value))


def _kept(workspace: Workspace) -> dict[str, Any]:
    """Return the stored settings as form values."""
    kept = {name: "" if value is None else value for name, value in shown(workspace).items()}
    lines = allowlist_text(workspace.ip_allowlist, workspace.ip_descriptions)
    return {**kept, "ipAllowlist": lines}


def _given(visit: Visit) -> dict[str, Any]:
    """Return the submitted values, so that a rejected form keeps them."""
    texts = ("contract", "guardMode", "scimCredentials", "profile", "ipAllowlist", *NUMBERS)
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

"""Entries of the installation's log as sentences: actor, action and object."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from muster.access.administrators import EVERYWHERE
from muster.console.roles import place_in_words, role_in_words
from muster.storage.port.changes import Change

_ACTORS = {"visitor": "Somebody", "command": "An operator on the command line"}
_UPDATES = {
    ("password", ""): "changed their password",
    ("recovery codes", ""): "made new recovery codes",
    ("totp", ""): "turned an authenticator app on or off",
    ("totp", "on"): "turned on an authenticator app",
    ("totp", "off"): "turned off the authenticator app",
    ("passkey", "on"): "added the passkey {passkey}",
    ("passkey", "off"): "removed the passkey {passkey}",
    ("passkey name", ""): "renamed the passkey {before} to {passkey}",
}
_TYPES = {"Workspace": "the workspace", "OpenIdConnector": "the Open ID Connector"}
_Details = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Activity:
    """An entry as a sentence.

    Attributes:
        time: When it happened.
        text: The sentence: actor, action and object.
        address: The IP address; empty if unknown.
        failed: Whether it is a failed attempt.
    """

    time: str
    text: str
    address: str
    failed: bool


def activity_of(change: Change, workspaces: Mapping[str, str]) -> Activity:
    """Return an entry of the installation's log as a sentence.

    Args:
        change: The entry.
        workspaces: The names of the workspaces by their ids.
    """
    details = orjson.loads(change.document or b"{}")
    who = _actor(change.origin.actor)
    write = _WRITERS.get(change.type, _other)
    text = write(who, change, details, workspaces)
    return Activity(
        change.origin.time, text, change.origin.address, change.action == "sign-in-failed"
    )


def _administrator(
    who: str, change: Change, details: _Details, workspaces: Mapping[str, str]
) -> str:
    email = details.get("email") or "an unknown address"
    if change.action == "sign-in":
        factor = details.get("factor")
        return f"{email} signed in" + (f" with {_article(factor)}" if factor else "")
    if change.action == "sign-in-failed":
        return f"Somebody failed to sign in as {email}: {details.get('reason', '')}"
    if change.action == "sign-out":
        return f"{email} signed out"
    if change.action == "create":
        inviter = details.get("invitedBy")
        by = f", invited by {inviter}" if inviter else ""
        return f"{email} became {_role(details, workspaces)}{by}"
    if change.action == "delete":
        return f"{who} removed {email}"
    changed, turned = details.get("changed", ""), details.get("turned", "")
    if changed == "second factor":
        return f"{who} reset the second factor of {email}"
    said = _UPDATES.get((changed, turned), "changed their account")
    return f"{email} " + said.format(
        passkey=f"“{details.get('passkey', '')}”", before=f"“{details.get('before', '')}”"
    )


def _invitation(who: str, change: Change, details: _Details, workspaces: Mapping[str, str]) -> str:
    name = details.get("name") or "a new administrator"
    if change.action == "create":
        return f"{who} invited {name} as {_role(details, workspaces)}"
    if change.action == "accept":
        return f"{details.get('email')} accepted the invitation" + (
            f" of {details['name']}" if details.get("name") else ""
        )
    return f"{who} revoked the invitation of {name} as {_role(details, workspaces)}"


def _policy(who: str, _change: Change, details: _Details, _: Mapping[str, str]) -> str:
    required = details.get("after", {}).get("requireSecondFactor")
    return f"{who} made two-factor authentication {'required' if required else 'optional'}"


def _other(who: str, change: Change, details: _Details, _: Mapping[str, str]) -> str:
    name = details.get("name") or details.get("title") or ""
    past = {"create": "created", "delete": "deleted"}.get(change.action, "changed")
    return f"{who} {past} {_TYPES.get(change.type, change.type)} {name}".rstrip()


_WRITERS: Mapping[str, Callable[[str, Change, _Details, Mapping[str, str]], str]] = {
    "Administrator": _administrator,
    "Invitation": _invitation,
    "SignInPolicy": _policy,
}


def _role(details: _Details, workspaces: Mapping[str, str]) -> str:
    roles = details.get("roles") or {}
    place = next(iter(roles), EVERYWHERE)
    return f"{role_in_words(roles)} of {place_in_words(place, workspaces)}"


def _article(factor: str) -> str:
    """Return a factor as it is read after "with"."""
    return {
        "passkey": "a passkey",
        "password": "a password",
        "invitation": "an invitation",
        "openid": "OpenID Connect",
    }.get(factor, f"a {factor}")


def _actor(actor: str) -> str:
    kind, _, rest = actor.partition(":")
    if kind == "admin":
        return rest
    if kind == "openid":
        return rest.partition(":")[2] or rest
    return _ACTORS.get(actor, actor)

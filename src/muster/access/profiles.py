"""Profiles: named sets of settings that a published SCIM profile requires.

`ipsie` is the IPSIE account lifecycle profile (IPSIE AL SCIM 2.0 Profile, draft 00), and with it
the SCIM interoperability profile that it builds on. A workspace with a profile has the settings in
REQUIRED, and what the profile adds to them:

- SCIM accepts access tokens of OAuth clients with `private_key_jwt` alone (`access/keys.py`).
- Users, groups and other resources change over SCIM alone (`Caller.check_may_write`).
- There are no passwords, and no attributes that are never returned (`scim/schema/interop.py`).
- Undefined attributes and PATCH operations without a path are refused, and a replace of a complex
  attribute replaces all of it (`Dialect.interop`).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from muster.scim.errors import ScimError
from muster.storage.port.accounts import IPSIE, Workspace

REQUIRED: Mapping[str, Any] = {
    "strict": True,
    "contract": "rfc7644",
    "unique_group_names": True,
    "scim_credentials": "oauth",
}
"""The settings that IPSIE requires, by attribute of Workspace."""
LEAST_RATE = 1_500
"""Requests a minute that a client must be able to send: IPSIE asks for 25 a second."""
_JSON_NAMES = {
    "strict": "strict",
    "contract": "contract",
    "unique_group_names": "uniqueGroupNames",
    "scim_credentials": "scimCredentials",
}


def completed(before: Workspace, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Add to a change of settings those that a newly chosen profile requires.

    Args:
        before: The workspace.
        given: Fields of Workspace with their new values.
    """
    if given.get("profile") != IPSIE or before.is_ipsie:
        return given
    rate = before.rate_limit if _is_enough(before.rate_limit) else LEAST_RATE
    return {**REQUIRED, "rate_limit": rate, **given}


def check(workspace: Workspace) -> None:
    """Check that the settings are those that the profile of a workspace requires.

    Raises:
        ScimError: 409 with the name of the setting that is not.
    """
    if not workspace.is_ipsie:
        return
    for name, wanted in REQUIRED.items():
        if getattr(workspace, name) != wanted:
            shown = str(wanted).lower() if isinstance(wanted, bool) else wanted
            raise _contradiction(f"{_JSON_NAMES[name]}: the profile ipsie requires {shown}")
    if not _is_enough(workspace.rate_limit):
        raise _contradiction(
            f"rateLimit: the profile ipsie requires a limit, of {LEAST_RATE:,} or more"
        )


def enforced(before: Workspace, after: Workspace) -> Workspace:
    """Return a workspace with a connection's settings, without those that its profile forbids.

    Args:
        before: The workspace.
        after: The same with the settings of the connection.
    """
    if not before.is_ipsie:
        return after
    rate = after.rate_limit if _is_enough(after.rate_limit) else before.rate_limit
    return replace(after, rate_limit=rate, strict=before.strict, contract=before.contract)


def _is_enough(rate: int | None) -> bool:
    return rate is not None and rate >= LEAST_RATE


def _contradiction(detail: str) -> ScimError:
    return ScimError(409, f"{detail}. Set profile to none first.")

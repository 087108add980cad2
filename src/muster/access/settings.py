"""The settings of a workspace: validation and changes by administrators."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from muster.access import allowlist, profiles
from muster.access.audit_notes import Administrator
from muster.access.connections import CREDENTIAL_KINDS
from muster.access.oauth.clients import CLIENT_KIND, PRIVATE_KEY
from muster.access.permissions import SCIM, allows
from muster.access.rate_limit import check_ceiling
from muster.access.registries import SCHEMA_KIND
from muster.scim.errors import ScimError
from muster.scim.schema.interop import secret_attribute
from muster.scim.values import Json
from muster.storage.groups import unique_display_names
from muster.storage.port.accounts import IPSIE, Accounts, Workspace
from muster.storage.port.changes import Note
from muster.storage.port.engine import Upkeep
from muster.storage.port.errors import Conflict, Outdated

GUARD_MODES = ("hold", "pause", "watch", "off")
CONTRACTS = ("rfc7644", "cortex")
SCIM_CREDENTIALS = ("any", "oauth", "keys")
_NAMES = {
    "contract": "contract",
    "strict": "strict",
    "automaticProvisioning": "automatic_provisioning",
    "automaticDeprovisioning": "automatic_deprovisioning",
    "uniqueGroupNames": "unique_group_names",
    "ipAllowlist": "ip_allowlist",
    "rateLimit": "rate_limit",
    "guardMode": "guard_mode",
    "guardShare": "guard_share",
    "guardLeast": "guard_least",
    "requestsDays": "requests_days",
    "changesDays": "changes_days",
    "requireSecondFactor": "require_second_factor",
    "scimCredentials": "scim_credentials",
    "profile": "profile",
}
"""The JSON name of each setting, and its attribute in Workspace."""
MAX_BLOCKS = 500
_TRIES = 5
_SHOWN = 20
NUMBERS = {
    "guardShare": (0, 100),
    "guardLeast": (0, 10_000_000),
    "rateLimit": (0, 10_000_000),
    "requestsDays": (1, 3_660),
    "changesDays": (7, 36_600),
}
"""The integer settings and their bounds."""
OPTIONAL = frozenset({"rateLimit", "requestsDays", "changesDays"})
"""Integer settings that may be null for the server default."""
ENDLESS = frozenset({"changesDays"})
"""Integer settings that may be 0 for unlimited.

Their lower bound keeps an administrator from making the audit log forget their own actions.
"""


class SettingsStore(Accounts, Upkeep, Protocol):
    """The parts of the storage engine that administration needs."""


def shown(workspace: Workspace) -> dict[str, Json]:
    """Return the settings as JSON."""
    found = {name: getattr(workspace, field) for name, field in _NAMES.items()}
    entries = allowlist.entries(workspace.ip_allowlist, workspace.ip_descriptions)
    return {**found, "ipAllowlistEntries": entries}


class WorkspaceSettings:
    """Changes the settings of workspaces.

    Args:
        store: The storage.
        ceiling: The highest rate limit that may be set; 0 for none.
    """

    def __init__(self, store: SettingsStore, ceiling: int = 0) -> None:
        self._store = store
        self._ceiling = ceiling

    async def change(
        self, by: Administrator, given: Mapping[str, Any], lockout_confirmed: bool = False
    ) -> Workspace:
        """Change settings of a workspace.

        Args:
            by: The administrator.
            given: Fields of Workspace with their new values, which are validated already. The
                others stay as they are.
            lockout_confirmed: Whether the allowlist may exclude the administrator's own address.

        Raises:
            ScimError: 400 if the rate limit is above the ceiling; 409 if the allowlist would lock
                out the administrator, groups share a name that is to be unique, SCIM is to accept
                OAuth alone and the workspace has no OAuth client or trust, or a setting contradicts
                the profile.
        """
        given = profiles.completed(by.workspace, given)
        self.check(by, given, lockout_confirmed)
        await self._check_credentials(by.workspace, given)
        return await self._set(by, given, shown)

    async def prepare(
        self, by: Administrator, given: Mapping[str, Any]
    ) -> tuple[Workspace, list[Note]]:
        """Check a change by somebody outside the workspace, without storing it.

        Args:
            by: The administrator, with the workspace as it is.
            given: As for `change`.

        Returns:
            The workspace after the change, and the notes that record it; none if nothing changes.

        Raises:
            ScimError: 400 or 409, as for `change`.
        """
        given = profiles.completed(by.workspace, given)
        self.check(by, given, lockout_confirmed=True)
        await self._check_credentials(by.workspace, given)
        return _changed(by, by.workspace, given, shown)

    def check(
        self, by: Administrator, given: Mapping[str, Any], lockout_confirmed: bool = False
    ) -> None:
        """Check a change without making it; see `change` for the arguments.

        Raises:
            ScimError: 400 if the rate limit is above the ceiling; 409 if the allowlist would lock
                out the administrator.
        """
        self.check_rate_limit(given.get("rate_limit"))
        if not lockout_confirmed and "ip_allowlist" in given:
            check_lockout(given["ip_allowlist"], by.origin.address)

    def check_rate_limit(self, limit: int | None) -> None:
        """Raise ScimError 400 if a rate limit is above the ceiling."""
        check_ceiling(limit, self._ceiling)

    async def record_reads(
        self, by: Administrator, until: str | None, key: str | None = None
    ) -> None:
        """Record successful reads until a time, or stop recording them if it is None.

        Args:
            by: The administrator.
            until: The time.
            key: The id of the only key whose reads are recorded; None for all keys.
        """
        await self._set(
            by,
            {"record_reads": until, "record_reads_key": key},
            lambda workspace: {
                "recordReads": workspace.record_reads,
                "recordReadsKey": workspace.record_reads_key,
            },
        )

    async def _set(
        self,
        by: Administrator,
        given: Mapping[str, Any],
        show: Callable[[Workspace], dict[str, Json]],
    ) -> Workspace:
        """Change attributes of the workspace, retrying if it changes concurrently.

        Args:
            by: The administrator.
            given: The new values by attribute.
            show: Returns the settings to record in the audit log.

        Raises:
            Outdated: The workspace keeps changing.
        """
        for _ in range(_TRIES):
            before = await self._store.workspace(by.workspace.id) or by.workspace
            after, notes = _changed(by, before, given, show)
            if after == before:
                return before
            try:
                await self._store.administer([after], notes, [before])
                return after
            except Outdated:
                continue
            except Conflict:
                await self.check_group_names(by, after)
        raise Outdated

    async def _check_credentials(self, workspace: Workspace, given: Mapping[str, Any]) -> None:
        """Check that a change leaves SCIM a credential; see `change` for the errors."""
        if given.get("profile") == IPSIE and not workspace.is_ipsie:
            await self._check_ipsie(workspace)
        elif given.get("scim_credentials") == "oauth":
            await self._check_oauth(workspace)

    async def _check_oauth(self, workspace: Workspace) -> None:
        """Check that a workspace that accepts OAuth alone still has a credential for SCIM."""
        counts = [await self._store.count_items(workspace.id, kind) for kind in CREDENTIAL_KINDS]
        if workspace.scim_credentials != "oauth" and not any(counts):
            raise ScimError(
                409,
                "scimCredentials: the workspace has no OAuth client and no trust, so every SCIM"
                " request would be refused. Create one for a connection first.",
            )

    async def _check_ipsie(self, workspace: Workspace) -> None:
        """Check that IPSIE's profile fits the clients and schemas that a workspace has."""
        clients = await self._store.items(workspace.id, CLIENT_KIND)
        if not any(client.body["auth"] == PRIVATE_KEY for client in clients):
            raise ScimError(
                409,
                "profile: ipsie accepts only OAuth clients with private_key_jwt, and the workspace"
                " has none. Create one for a connection first.",
            )
        for schema in await self._store.items(workspace.id, SCHEMA_KIND):
            if secret := secret_attribute(schema.body["definition"]["attributes"]):
                raise ScimError(
                    409,
                    f"profile: ipsie forbids attributes for credentials, and {schema.id} has"
                    f" {secret!r}, which is never returned. Change the schema first.",
                )

    async def check_group_names(self, by: Administrator, workspace: Workspace) -> None:
        """Check that no two groups have the same name.

        Raises:
            ScimError: 409 if some do. It lists names only for administrators who may read groups.
        """
        statement = unique_display_names.find_duplicates(workspace.id, _SHOWN)
        shared = [row[0] for row in await self._store.query(statement)]
        if shared:
            named = f": {', '.join(map(repr, shared))}" if allows(by.permissions, SCIM) else ""
            raise ScimError(
                409, f"uniqueGroupNames: several groups have the same name{named}", "uniqueness"
            )


def _changed(
    by: Administrator,
    before: Workspace,
    given: Mapping[str, Any],
    show: Callable[[Workspace], dict[str, Json]],
) -> tuple[Workspace, list[Note]]:
    """Return a workspace with changes and the notes that record them.

    Args:
        by: The administrator.
        before: The workspace as it is.
        given: The new values by attribute.
        show: Returns the settings to record in the audit log.

    Raises:
        ScimError: 409 if a setting contradicts the profile.
    """
    after = replace(before, **given)
    texts = allowlist.described(
        before.ip_descriptions, after.ip_allowlist, given.get("ip_descriptions", ())
    )
    after = replace(after, ip_descriptions=texts)
    profiles.check(after)
    if after == before:
        return before, []
    was, now = show(before), show(after)
    changed = {name: value for name, value in now.items() if value != was[name]}
    old = {name: was[name] for name in changed}
    return after, [by.note("Settings", before.name, "update", before=old, after=changed)]


def check_lockout(blocks: tuple[str, ...], address: str) -> None:
    """Raise ScimError 409 if an allowlist excludes the address that the change comes from."""
    networks = allowlist.networks(blocks)
    if networks and address and not allowlist.admits(networks, address):
        raise ScimError(
            409,
            f"ipAllowlist: this locks out {address}, which the change comes from; say so with"
            " confirmLockout: true",
        )

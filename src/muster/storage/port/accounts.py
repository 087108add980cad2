"""Workspaces, API keys and configuration items."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from muster.base.vault import Vault
from muster.storage.port.changes import Note, Notes
from muster.storage.port.items import Item

ACTIVE, SUSPENDED, DELETED, ERASING = "active", "suspended", "deleted", "erasing"
"""The states of a workspace."""
WORKSPACE_STATES = (ACTIVE, SUSPENDED, DELETED, ERASING)
NO_PROFILE, IPSIE = "none", "ipsie"
PROFILES = (NO_PROFILE, IPSIE)
"""The profiles that a workspace can have; see access/profiles.py."""


@dataclass(frozen=True, slots=True)
class Suspension:
    """The suspension of a workspace.

    Attributes:
        since: The time at which it was suspended.
        reason: A sentence for people; empty for none.
    """

    since: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Deletion:
    """The deletion of a workspace, which can be taken back until its data is erased.

    Attributes:
        since: The time at which it was deleted.
        until: The time from which its data is erased.
        begun: Whether erasing has begun, so that it cannot be taken back.
    """

    since: str
    until: str
    begun: bool = False


@dataclass(frozen=True, slots=True)
class Workspace:
    """A tenant and its settings.

    Attributes:
        contract: The status codes that the workspace answers with: `rfc7644` or `cortex`.
        strict: Refuse requests outside the RFCs instead of reading them leniently.
        automatic_provisioning: Provisioning clients may create users.
        automatic_deprovisioning: Provisioning clients may deactivate and delete users.
        unique_group_names: No two groups may have the same displayName.
        ip_allowlist: Networks that requests may come from; empty for all.
        ip_descriptions: Networks of `ip_allowlist`, each with its description.
        rate_limit: Requests per minute for keys without a limit of their own; None for the
            installation's default.
        record_reads: Until this time the request log also stores successful reads; None to store
            none.
        record_reads_key: The id of the only key whose reads are stored; None for all keys.
        guard_mode: `hold`, `pause`, `watch` or `off`.
        guard_share: Percentage of the users that may lose access within an hour.
        guard_least: Number of users that may lose access within an hour whatever the percentage.
        requests_days: Days that requests are stored; None for the installation's default.
        changes_days: Days that changes are stored, 0 for ever; None for the installation's default.
        require_second_factor: Administrators must set up a second factor before anything else.
        display_name: The name that people see; empty if it is `name`.
        suspended: Why programs get no answers; None if they do.
        deleted: When it was deleted; None if it was not.
        scim_credentials: `any`, `oauth` or `keys`: the credentials that SCIM accepts.
        profile: `none`, or `ipsie`: IPSIE's account lifecycle profile, which requires some settings
            and narrows what SCIM accepts.
    """

    id: int
    name: str
    contract: str
    strict: bool
    created: str
    automatic_provisioning: bool = True
    automatic_deprovisioning: bool = True
    unique_group_names: bool = False
    ip_allowlist: tuple[str, ...] = ()
    ip_descriptions: tuple[tuple[str, str], ...] = ()
    rate_limit: int | None = None
    record_reads: str | None = None
    record_reads_key: str | None = None
    guard_mode: str = "watch"
    guard_share: int = 10
    guard_least: int = 20
    requests_days: int | None = None
    changes_days: int | None = None
    require_second_factor: bool = False
    display_name: str = ""
    suspended: Suspension | None = None
    deleted: Deletion | None = None
    scim_credentials: str = "any"
    profile: str = NO_PROFILE

    @property
    def is_ipsie(self) -> bool:
        """Whether IPSIE's profile applies."""
        return self.profile == IPSIE

    @property
    def state(self) -> str:
        """One of WORKSPACE_STATES."""
        if self.deleted is not None:
            return ERASING if self.deleted.begun else DELETED
        return ACTIVE if self.suspended is None else SUSPENDED


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """An API key as it is stored.

    Attributes:
        digest: SHA-256 of the token.
        permissions: The permissions granted to the key itself.
        rate_limit: Requests per minute; None for the workspace's default.
        role: A role whose current permissions the key has as well.
        user: The id of the user that `/Me` stands for.
        connection: The id of the connection that it belongs to; None for `default`.
    """

    workspace: int
    id: str
    name: str
    digest: bytes
    permissions: tuple[str, ...]
    rate_limit: int | None
    created: str
    expires: str | None
    revoked: str | None
    last_used: str | None
    role: str | None = None
    user: str | None = None
    connection: str | None = None


Setting = Workspace | KeyRecord | Item
"""Everything that `administer` can store."""


class Accounts(Notes, Protocol):
    """Workspaces, API keys, configuration items and the leases of rate limits.

    Attributes:
        vault: The keys that secrets are stored with. Everybody else gives and gets them as they
            are.
    """

    vault: Vault

    def epoch(self) -> int:
        """Return a number that changes whenever a key, a workspace or an item changes."""

    async def signing_secret(self) -> bytes:
        """Return the secret with which this installation signs its keys.

        Raises:
            SecretsLocked: It is encrypted under a key that is not known here.
        """

    async def workspaces(self) -> Sequence[Workspace]:
        """Return all workspaces, by name."""

    async def find_workspace(self, name: str) -> Workspace | None:
        """Return the workspace with a name, or None."""

    async def workspace(self, workspace: int) -> Workspace | None:
        """Return the workspace with an id, or None."""

    async def list_workspaces(
        self, after: str, limit: int, prefix: str = "", state: str = ""
    ) -> Sequence[Workspace]:
        """Return workspaces by name.

        Args:
            after: Return only those whose name comes after this one.
            limit: The largest number of workspaces.
            prefix: Return only those whose name starts with this.
            state: Return only those in this state; empty for all.
        """

    async def add_workspace(
        self,
        name: str,
        contract: str,
        strict: bool,
        time: str,
        display_name: str = "",
        notes: "Callable[[Workspace], Sequence[Note]] | None" = None,
        items: "Callable[[Workspace], Sequence[Item]] | None" = None,
    ) -> Workspace:
        """Create a workspace. No other workspace has or had its id.

        Args:
            name: Its name.
            contract: Its contract.
            strict: Whether it is strict.
            time: The time of creation.
            display_name: The name that people see.
            notes: Returns notes of the installation, which are recorded in the same transaction.
            items: Returns items of the installation, which are stored in the same transaction.

        Raises:
            Conflict: Another workspace has the name.
        """

    async def key(self, workspace: int, key_id: str) -> KeyRecord | None:
        """Return an API key, or None."""

    async def keys(self, workspace: int) -> Sequence[KeyRecord]:
        """Return the keys of a workspace, oldest first."""

    async def item(self, workspace: int, kind: str, item_id: str) -> Item | None:
        """Return the configuration item of a kind with an id, or None."""

    async def items(self, workspace: int, kind: str) -> Sequence[Item]:
        """Return the configuration items of a kind, by id."""

    async def items_of_workspaces(self, kind: str) -> Sequence[Item]:
        """Return the configuration items of a kind in all workspaces."""

    async def count_items(self, workspace: int, kind: str) -> int:
        """Return the number of configuration items of a kind."""

    async def administer(
        self,
        puts: "Sequence[Setting]",
        notes: Sequence[Note] = (),
        expected: "Sequence[Setting]" = (),
    ) -> None:
        """Store settings, keys and items of one workspace with their notes: all or none.

        Items of the installation may be among them, after one of the workspace. So may notes of
        other workspaces, such as those of the installation, in any order.

        The change increments the epoch unless every put is an item of UNCACHED_KINDS. The setting
        `unique_group_names` takes effect in the same transaction.

        Args:
            puts: The new states. An item with body None is deleted.
            notes: Recorded in `changes` in the same transaction.
            expected: The states that the decision was based on, as they were read; an item that did
                not exist is given with body None.

        Raises:
            Outdated: One of `expected` has changed since it was read.
            Conflict: `unique_group_names` is being turned on and two groups share a name, or
                another workspace has the new name of one (the attribute is `name`).
        """

    async def touch_keys(self, used: dict[tuple[int, str], str]) -> None:
        """Store the time at which keys were last used, by (workspace, key id)."""

    async def lease(self, workspace: int, key_id: str, window: int, limit: int, share: int) -> int:
        """Lease requests from a key's window of the rate limit.

        Args:
            window: The window's number: seconds since 1970, divided by its length.
            limit: Requests that the key may make within the window.
            share: Take one `share`-th of the remaining requests, at least one.

        Returns:
            The number of requests leased; 0 if none remain.
        """

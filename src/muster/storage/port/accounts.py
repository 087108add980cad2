"""Workspaces, API keys and configuration items."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from muster.storage.port.changes import Note, Notes
from muster.storage.port.items import Item


@dataclass(frozen=True, slots=True)
class Workspace:
    """A tenant and its settings. contract: rfc7644 or cortex.

    automatic_provisioning, automatic_deprovisioning: whether provisioning may make users, and deactivate or delete them.
    unique_group_names: no two groups are called the same. ip_allowlist: networks that requests may come from, empty for all.
    rate_limit: requests a minute of keys that have no limit of their own, None for the installation's. record_reads: until when
    reads that succeed are kept among the requests as well, None for not. guard_mode: hold, watch or off. guard_share and
    guard_least: how many users may lose access within an hour, in percent of all, and never under so many. requests_days,
    changes_days: how long those are kept, None for as long as the installation has it; changes for ever where that is 0.
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
    rate_limit: int | None = None
    record_reads: str | None = None
    guard_mode: str = "watch"
    guard_share: int = 10
    guard_least: int = 20
    requests_days: int | None = None
    changes_days: int | None = None


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """An API key as it is kept. digest: SHA-256 of the token. rate_limit: requests a minute, None for the default.

    role: whose permissions it has beside its own, as the role has them at the time. user: the id of whom it speaks for, at /Me.
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


Setting = Workspace | KeyRecord | Item


class Accounts(Notes, Protocol):
    """Workspaces, API keys and the rate limit's leases."""

    def epoch(self) -> int:
        """A number that differs whenever a key, a workspace or a setting has changed since it was last asked for."""

    async def signing_secret(self) -> bytes:
        """The secret that this installation signs its keys with."""

    async def workspaces(self) -> Sequence[Workspace]:
        """All workspaces, by name."""

    async def find_workspace(self, name: str) -> Workspace | None: ...

    async def workspace(self, workspace: int) -> Workspace | None: ...

    async def add_workspace(self, name: str, contract: str, strict: bool, time: str) -> Workspace:
        """Make a workspace. Raises Conflict where the name is taken."""

    async def key(self, workspace: int, key_id: str) -> KeyRecord | None: ...

    async def keys(self, workspace: int) -> Sequence[KeyRecord]:
        """The keys of a workspace, oldest first."""

    async def item(self, workspace: int, kind: str, item_id: str) -> Item | None:
        """What a workspace is configured with under an id of a kind."""

    async def items(self, workspace: int, kind: str) -> Sequence[Item]:
        """What a workspace is configured with, of one kind, by id."""

    async def administer(
        self,
        puts: "Sequence[Setting]",
        notes: Sequence[Note] = (),
        standing: "Sequence[Setting]" = (),
    ) -> None:
        """Keep settings, keys and items of one workspace, and what is recorded of it: all or none.

        Every process is told by the epoch, which moves unless all are items of UNCACHED_KINDS.

        standing: what this was decided from, as it was read, an item without a body where there was none. Raises Outdated where
        one of them is not so any more. A workspace's setting unique_group_names takes effect in the same transaction: raises
        Conflict if groups share a name.
        """

    async def touch_keys(self, used: dict[tuple[int, str], str]) -> None:
        """Keep when keys were last used."""

    async def lease(self, workspace: int, key_id: str, window: int, limit: int, share: int) -> int:
        """Take requests out of a key's window: one part in `share` of what is left, at least one; 0 where nothing is."""

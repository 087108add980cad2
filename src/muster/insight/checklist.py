"""The checklist of the first run: the steps left before a workspace is in use."""

from collections.abc import Sequence
from typing import NamedTuple

from muster.access.administrators import Administrators
from muster.access.permissions import ADMIN, SCIM
from muster.access.roles import Roles
from muster.directory.guard.policy import HOLD, PAUSE
from muster.storage.port.accounts import KeyRecord, Workspace
from muster.storage.port.changes import ChangeFilter
from muster.storage.port.engine import Storage
from muster.storage.port.items import Item
from muster.storage.port.resources import HIDDEN_KIND

_SYNCED = ChangeFilter("key:", "User", "create")
_SEARCHES = 4
"""The number of searches for a user that a key created, among the newest changes."""


class Step(NamedTuple):
    """A step of the checklist.

    Attributes:
        name: Its identifier, for programs.
        title: The task.
        done: Whether it is done.
        page: The page for the step, within the workspace.
    """

    name: str
    title: str
    done: bool
    page: str


class Checklist:
    """Tells which steps of the first run are done, and for whom the list is hidden."""

    def __init__(self, storage: Storage, administrators: Administrators) -> None:
        self._storage = storage
        self._roles = Roles(storage)
        self._administrators = administrators

    async def steps(
        self, workspace: Workspace, keys: Sequence[KeyRecord], users: int
    ) -> Sequence[Step]:
        """Return the steps in their order.

        Args:
            workspace: The workspace.
            keys: Its API keys that are not revoked.
            users: The number of its users.
        """
        providers = await self._providers(workspace.id, keys)
        synced = users > 0 and await self._synced(workspace.id)
        # The last use of a key is written up to half a minute after its first user.
        used = bool(providers) and (synced or any(key.last_used for key in providers))
        colleagues = [
            admin for admin in await self._administrators.all() if admin.permissions(workspace.id)
        ]
        return (
            Step(
                "key", "Create an API key for your identity provider", bool(providers), "/connect"
            ),
            Step("request", "Receive its first request", used, "/connect"),
            Step("user", "Sync the first user", synced, "/users"),
            Step("colleague", "Invite a colleague", len(colleagues) > 1, "/administrators"),
            Step(
                "guard",
                "Turn on the guard, which holds mass deactivations for review",
                workspace.guard_mode in (HOLD, PAUSE),
                "/settings#guard",
            ),
        )

    async def _providers(self, workspace: int, keys: Sequence[KeyRecord]) -> list[KeyRecord]:
        """Return the keys for identity providers: they may provision, but are no Admin keys."""
        roles = {role.name: role.permissions for role in await self._roles.all(workspace)}
        found = []
        for key in keys:
            held = {*key.permissions, *roles.get(key.role or "", ())}
            if SCIM in held and ADMIN not in (*held, key.role):
                found.append(key)
        return found

    async def _synced(self, workspace: int) -> bool:
        """Return whether a key has created a user, rather than an import or an administrator."""
        place: int | None = None
        for _ in range(_SEARCHES):
            found, place = await self._storage.search_changes(workspace, place, 1, _SYNCED)
            if any(change.version for change in found):
                return True
            if place is None:
                break
        return False

    async def is_hidden(self, workspace: int, administrator: str) -> bool:
        """Return whether an administrator has hidden the checklist of a workspace."""
        return await self._storage.item(workspace, HIDDEN_KIND, administrator) is not None

    async def hide(self, workspace: int, administrator: str, time: str) -> None:
        """Hide the checklist of a workspace from an administrator."""
        await self._storage.record(
            [], [Item(workspace, HIDDEN_KIND, administrator, {"time": time})]
        )

    async def show(self, workspace: int, administrator: str) -> None:
        """Show the checklist of a workspace to an administrator again."""
        await self._storage.record([], [Item(workspace, HIDDEN_KIND, administrator, None)])

"""The checklist of the first run: what is left to do before a workspace is in use."""

from collections.abc import Sequence
from typing import NamedTuple

from muster.access.administrators import Administrators
from muster.storage.port.accounts import Accounts, KeyRecord, Workspace
from muster.storage.port.items import Item
from muster.storage.port.resources import HIDDEN_KIND


class Step(NamedTuple):
    """A step of the checklist.

    Attributes:
        name: Its identifier, for programs.
        title: What to do.
        done: Whether it is done.
        page: The page where it is done, within the workspace; one outside it begins with //.
    """

    name: str
    title: str
    done: bool
    page: str


class Checklist:
    """Tells which steps of the first run are done, and for whom the list is hidden."""

    def __init__(self, accounts: Accounts, administrators: Administrators) -> None:
        self._accounts = accounts
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
        used = any(key.last_used for key in keys)
        colleagues = [
            admin for admin in await self._administrators.all() if admin.permissions(workspace.id)
        ]
        return (
            Step("key", "Create an API key for your identity provider", bool(keys), "/connect"),
            Step("request", "Receive its first request", used, "/connect"),
            Step("user", "Sync the first user", users > 0, "/users"),
            Step("colleague", "Invite a colleague", len(colleagues) > 1, "//administrators"),
            Step(
                "guard",
                "Turn on the guard, which holds mass deactivations for review",
                workspace.guard_mode == "hold",
                "/settings",
            ),
        )

    async def is_hidden(self, workspace: int, administrator: str) -> bool:
        """Return whether an administrator has hidden the checklist of a workspace."""
        return await self._accounts.item(workspace, HIDDEN_KIND, administrator) is not None

    async def hide(self, workspace: int, administrator: str, time: str) -> None:
        """Hide the checklist of a workspace from an administrator."""
        await self._accounts.record(
            [], [Item(workspace, HIDDEN_KIND, administrator, {"time": time})]
        )

    async def show(self, workspace: int, administrator: str) -> None:
        """Show the checklist of a workspace to an administrator again."""
        await self._accounts.record([], [Item(workspace, HIDDEN_KIND, administrator, None)])

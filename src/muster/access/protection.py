"""Protected users: users whose access only an administrator's decision takes.

The guard holds every request of a provisioning client that would deactivate or delete one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from muster.access.audit_notes import Administrator
from muster.scim.errors import ScimError, invalid_value, not_found
from muster.storage.port.accounts import Accounts
from muster.storage.port.items import PROTECTED_KIND, Item

MOST_PROTECTED = 1_000
"""The most protected users of a workspace; every process keeps their ids in memory."""
_MAX_REASON = 500


@dataclass(frozen=True, slots=True)
class ProtectedUser:
    """A protected user.

    Attributes:
        id: The id of the user.
        reason: The reason that an administrator gave; empty for none.
        actor: The administrator who protected them.
        time: The time since which they are protected.
    """

    id: str
    reason: str
    actor: str
    time: str


_NOBODY: frozenset[str] = frozenset()
"""One set for all workspaces without protected users: Python makes a new one each time."""


async def protected_users(accounts: Accounts, workspace: int) -> frozenset[str]:
    """Return the ids of the protected users of a workspace."""
    items = await accounts.items(workspace, PROTECTED_KIND)
    return frozenset(item.id for item in items) if items else _NOBODY


class Protection:
    """Marks users as protected, and ends their protection."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def all(self, workspace: int) -> Sequence[ProtectedUser]:
        """Return the protected users of a workspace, the latest first."""
        items = await self._accounts.items(workspace, PROTECTED_KIND)
        found = [ProtectedUser(item.id, **item.body) for item in items]
        return sorted(found, key=lambda user: user.time, reverse=True)

    async def find(self, workspace: int, user_id: str) -> ProtectedUser | None:
        """Return the protection of a user; None if they are not protected."""
        item = await self._accounts.item(workspace, PROTECTED_KIND, user_id)
        return None if item is None else ProtectedUser(item.id, **item.body)

    async def protect(self, by: Administrator, user_id: str, reason: str) -> ProtectedUser:
        """Protect an existing user, or change the reason for it.

        Raises:
            ScimError: 400 if the reason is too long, 409 if too many users are protected.
        """
        reason = reason.strip()
        if len(reason) > _MAX_REASON:
            raise invalid_value(f"reason: at most {_MAX_REASON} characters")
        workspace, origin = by.workspace.id, by.origin
        known = await self.find(workspace, user_id)
        if known is not None and known.reason == reason:
            return known
        if known is None and (
            await self._accounts.count_items(workspace, PROTECTED_KIND) >= MOST_PROTECTED
        ):
            raise ScimError(409, f"A workspace can have at most {MOST_PROTECTED:,} protected users")
        user = ProtectedUser(user_id, reason, origin.actor, origin.time)
        body = {"reason": reason, "actor": user.actor, "time": user.time}
        note = by.note("User", user_id, "protect", reason=reason)
        await self._accounts.administer([Item(workspace, PROTECTED_KIND, user_id, body)], [note])
        return user

    async def end(self, by: Administrator, user_id: str) -> None:
        """End the protection of a user.

        Raises:
            ScimError: 404 if the user is not protected.
        """
        item = await self._accounts.item(by.workspace.id, PROTECTED_KIND, user_id)
        if item is None:
            raise not_found(f"No protected user has the id {user_id[:100]!r}.")
        note = by.note("User", user_id, "unprotect")
        await self._accounts.administer([Item(item.workspace, item.kind, item.id, None)], [note])

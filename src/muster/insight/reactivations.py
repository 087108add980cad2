"""Users who were deactivated by an administrator, and whom a provisioning client brings back."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from muster.access.keys import state_of
from muster.base import clock
from muster.base.clock import timestamp
from muster.directory.documents import parse
from muster.storage.port.changes import Change
from muster.storage.port.engine import Storage
from muster.storage.records.user_changes import UserChanges

_RECENTLY = timedelta(days=7)
_EXAMINED = 20_000
"""The most changes that one look at a workspace examines."""
_MOST_USERS = 20
_HISTORY = 20
"""The most changes of one user that are read."""


class Reversal(NamedTuple):
    """A reactivation by a key that reversed an administrator's deactivation.

    Attributes:
        reactivated: The change that reactivated the user.
        deactivated: The change that had deactivated them.
    """

    reactivated: Change
    deactivated: Change


def is_administrator(actor: str) -> bool:
    """Return whether an actor is an administrator of the console."""
    return actor.startswith(("admin:", "openid:"))


def switched(change: Change) -> bool | None:
    """Return whether a change made its user active or inactive; None for neither."""
    if not change.version or change.action == "delete" or change.before is None:
        return None
    was = parse(change.before).get("active") is not False
    now = parse(change.document).get("active") is not False
    return None if was == now else now


def reversal_of(changes: Sequence[Change]) -> Reversal | None:
    """Return the reversal that made a user active; None if it was made otherwise.

    Args:
        changes: The latest changes of the user, the newest first.
    """
    last: Change | None = None
    for change in changes:
        if change.version and change.action == "delete":
            return None
        active = switched(change)
        if active is None:
            continue
        actor = change.origin.actor
        if last is not None:
            made = not active and is_administrator(actor)
            return Reversal(last, change) if made else None
        if not active or not actor.startswith("key:"):
            return None
        last = change
    return None


class Reactivations:
    """Finds reactivations that reversed an administrator's decision, and warns of them."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._changes = UserChanges(storage)

    async def recent(self, workspace: int, now: datetime) -> list[Reversal]:
        """Return the reversals of the last days that still hold, the newest first.

        Only the latest changes of the workspace are examined.
        """
        since = timestamp(now - _RECENTLY)
        ids = await self._changes.written_back(workspace, since, _EXAMINED, _MOST_USERS)
        found = []
        for user_id in ids:
            changes = await self._storage.history(workspace, user_id, None, _HISTORY)
            reversal = reversal_of(changes)
            if reversal is not None and reversal.deactivated.origin.time >= since:
                found.append(reversal)
        found.sort(key=lambda reversal: reversal.reactivated.sequence, reverse=True)
        return found

    async def warning(self, workspace: int, ids: Sequence[str]) -> str:
        """Return a warning about the deactivation of users whom a key manages.

        It is empty if no key manages them. Only the first users are looked up, and a sentence about
        the others leaves it open whether a key manages them.
        """
        now = clock.now()
        keys = {
            f"key:{key.id}": key.name
            for key in await self._storage.keys(workspace)
            if state_of(key, now) == "active"
        }
        users = "this user" if len(ids) == 1 else "some of these users"
        for user_id in ids[:_MOST_USERS]:
            for change in await self._storage.history(workspace, user_id, None, _HISTORY):
                if change.version and change.origin.actor in keys:
                    return (
                        f"Key {keys[change.origin.actor]} manages {users}, and its identity"
                        f" provider may reactivate them at its next sync. {_THERE_TOO}"
                    )
        if len(ids) > _MOST_USERS and keys:
            return (
                "If an identity provider manages these users, it may reactivate them at its next"
                f" sync. {_THERE_TOO}"
            )
        return ""


_THERE_TOO = "Deactivate or remove them there too."

"""Users whom an administrator removed, and whom a provisioning client brings back.

A client acts by an API key, as an OAuth client, or with the token of a trusted issuer.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from muster.base import clock
from muster.base.clock import timestamp
from muster.directory.caller import CREDENTIALS
from muster.directory.documents import parse
from muster.insight.credentials import credential_names, credentials_of
from muster.scim.values import fold
from muster.storage.port.changes import Change, ChangeFilter
from muster.storage.port.engine import Storage
from muster.storage.records.requests import RequestFilter, RequestStore, number_of
from muster.storage.records.user_changes import UserChanges

_RECENTLY = timedelta(days=7)
_EXAMINED = 20_000
"""The most changes that one look at a workspace examines."""
_MOST_USERS = 20
_HISTORY = 20
"""The most changes of one user that are read."""
_NAMED = 3
"""The most clients that a warning names."""
_MILLISECOND = 0.001
"""The precision of the times of changes."""
_FALSE = r'"?false\b'
_SAYS_INACTIVE = re.compile(
    rf'"active"\s*:\s*{_FALSE}'
    rf'|"path"\s*:\s*"(?:[^"]*:)?active"[^{{}}]*"value"\s*:\s*{_FALSE}'
    rf'|"value"\s*:\s*{_FALSE}[^{{}}]*"path"\s*:\s*"(?:[^"]*:)?active"',
    re.IGNORECASE,
)
"""The ways to set `active` to false in a PUT or PATCH; a body in the request log may be cut off."""


class Reversal(NamedTuple):
    """A reactivation by a client that reversed an administrator's deactivation.

    Attributes:
        reactivated: The change that reactivated the user.
        deactivated: The change that had deactivated them.
    """

    reactivated: Change
    deactivated: Change


class Return(NamedTuple):
    """A creation by a client of a user whom an administrator had deleted.

    Attributes:
        created: The change that created the user again, under another id.
        deleted: The change that had deleted them.
    """

    created: Change
    deleted: Change


def is_administrator(actor: str) -> bool:
    """Return whether an actor is an administrator of the console."""
    return actor.startswith(_ADMINISTRATORS)


def is_client(actor: str) -> bool:
    """Return whether an actor is a credential of a provisioning client."""
    return actor.startswith(CREDENTIALS)


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
        if not active or not is_client(actor):
            return None
        last = change
    return None


async def has_agreed(requests: RequestStore, workspace: int, reversal: Reversal) -> bool:
    """Return whether the client had deactivated the user too before it reactivated them.

    The provider then knew of the decision, and has made a new one since. As the user was inactive
    already, the request changed nothing, and only the request log shows it.
    """
    since, until = (
        datetime.fromisoformat(change.origin.time).timestamp()
        for change in (reversal.deactivated, reversal.reactivated)
    )
    key, user = reversal.reactivated.origin.actor.partition(":")[2], reversal.reactivated.id
    wanted = RequestFilter(
        after=number_of(since), before=number_of(until + _MILLISECOND), key=key, resource=user
    )
    return any(
        found.method in ("PATCH", "PUT")
        and found.status < 400
        and _SAYS_INACTIVE.search(found.body)
        for found in await requests.find(workspace, wanted)
    )


class Reactivations:
    """Finds reactivations that reversed an administrator's decision, and warns of them."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._requests = RequestStore(storage)
        self._changes = UserChanges(storage)

    async def clients(self, workspace: int) -> Mapping[str, str]:
        """Return the names of the clients of a workspace within a sentence, by their actors."""
        return await credential_names(self._storage, workspace)

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
            if reversal is None or reversal.deactivated.origin.time < since:
                continue
            if not await has_agreed(self._requests, workspace, reversal):
                found.append(reversal)
        found.sort(key=lambda reversal: reversal.reactivated.sequence, reverse=True)
        return found

    async def returned(self, workspace: int, now: datetime) -> list[Return]:
        """Return the active users who were deleted in the last days and created again since.

        Only the latest deletions by administrators are examined.
        """
        since = timestamp(now - _RECENTLY)
        found: dict[str, Return] = {}
        for actor in _ADMINISTRATORS:
            wanted = ChangeFilter(actor, "User", "delete")
            gone, _ = await self._storage.search_changes(workspace, None, _MOST_USERS, wanted)
            for deleted in gone:
                if deleted.origin.time < since:
                    break
                created = await self._created_again(workspace, deleted)
                if created is not None and created.id not in found:
                    found[created.id] = Return(created, deleted)
        return sorted(found.values(), key=lambda each: each.created.sequence, reverse=True)

    async def return_of(self, workspace: int, changes: Sequence[Change]) -> Return | None:
        """Return how a deleted user came back as this one; None if they did not.

        Args:
            workspace: The workspace.
            changes: The latest changes of the user, the newest first.
        """
        now = clock.now()
        created = changes[-1] if changes else None
        if created is None or created.origin.time < timestamp(now - _RECENTLY):
            return None
        if created.before is not None or not is_client(created.origin.actor):
            return None
        found = await self.returned(workspace, now)
        return next((each for each in found if each.created.id == created.id), None)

    async def _created_again(self, workspace: int, deleted: Change) -> Change | None:
        """Return the creation by a client of an active user with the same userName."""
        former = deleted.document if deleted.before is None else deleted.before
        name = fold(str(parse(former).get("userName") or ""))
        holder = await self._storage.owner(workspace, "User", "userName", name)
        if holder is None or holder == deleted.id:
            return None
        changes = await self._storage.history(workspace, holder, None, _HISTORY)
        written = [change for change in changes if change.version]
        if not written or parse(written[0].document).get("active") is False:
            return None
        created = written[-1]
        by_client = created.before is None and is_client(created.origin.actor)
        return created if by_client and created.sequence > deleted.sequence else None

    async def warning(self, workspace: int, ids: Sequence[str], action: str = "deactivate") -> str:
        """Return a warning that the provider that manages some users may reverse an action.

        It names the connections. It is empty if none manages them. Only the first users are looked
        up, and a sentence about the others leaves it open whether a connection manages them.

        Args:
            workspace: The workspace.
            ids: The ids of the users.
            action: deactivate, reactivate or delete.
        """
        again, there_too = _AGAIN[action]
        clients = {
            each.actor: each.manager
            for each in await credentials_of(self._storage, workspace)
            if each.active
        }
        managers: dict[str, None] = {}
        for user_id in ids[:_MOST_USERS] if clients else ():
            for change in await self._storage.history(workspace, user_id, None, _HISTORY):
                if change.version and change.origin.actor in clients:
                    managers[clients[change.origin.actor]] = None
                    break
        if managers:
            named = list(managers)[:_NAMED]
            subject = " and ".join(filter(None, [", ".join(named[:-1]), named[-1]]))
            users = "this user" if len(ids) == 1 else "some of these users"
            one = len(named) == 1
            does = f"manages {users}, and its" if one else f"manage {users}, and their"
            may = f"provider may {again} at its" if one else f"providers may {again} at their"
            return (
                f"{subject[:1].upper()}{subject[1:]} {does} identity {may} next sync. {there_too}"
            )
        if len(ids) > _MOST_USERS and clients:
            return (
                f"If an identity provider manages these users, it may {again} at its next sync."
                f" {there_too}"
            )
        return ""

    def watched(self, changes: Sequence[Change]) -> bool:
        """Tell whether an alert would show that a client gives a user access again.

        That is so for some days after an administrator has deactivated or deleted them.

        Args:
            changes: The latest changes of the user, the newest first.
        """
        for change in changes:
            gone = change.version and change.action == "delete"
            if gone or switched(change) is not None:
                taken = gone or switched(change) is False
                recent = change.origin.time >= timestamp(clock.now() - _RECENTLY)
                return bool(taken and recent and is_administrator(change.origin.actor))
        return False


_ADMINISTRATORS = ("admin:", "openid:")
_AGAIN = {
    "deactivate": ("reactivate them", "Deactivate or remove them there too."),
    "reactivate": ("deactivate them again", "Activate them there too."),
    "delete": ("create them again", "Remove them there too."),
}
"""The reversal by a provider, and the advice, by the action."""

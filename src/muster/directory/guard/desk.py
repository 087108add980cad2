"""The changes that the guard holds, for an administrator to approve or reject."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import orjson

from muster.base import clock
from muster.base.clock import timestamp
from muster.directory.caller import CREDENTIALS, Caller
from muster.directory.documents import parse
from muster.directory.guard import policy
from muster.directory.service import Directory
from muster.scim.errors import ScimError, not_found
from muster.scim.patch import PATCH_OP
from muster.storage.port.accounts import Accounts
from muster.storage.port.changes import Note
from muster.storage.port.items import HELD_KIND, Item
from muster.storage.port.resources import Resources, Stored

_DEACTIVATE = {
    "schemas": [PATCH_OP],
    "Operations": [{"op": "replace", "path": "active", "value": False}],
}


class GuardStore(Accounts, Resources, Protocol):
    """The parts of an engine that GuardDesk uses."""


@dataclass(frozen=True, slots=True)
class HeldWrite:
    """A change that the guard holds.

    Attributes:
        id: The id of the user.
        name: The userName.
        attempted: deactivate or delete.
        time: The time of the request, as a timestamp.
        actor: The actor of the request.
        reason: limit, or protected if the user is protected.
        connection: The stored id of the connection that sent the request; None for `default`, and
            for an administrator.
    """

    id: str
    name: str
    attempted: str
    time: str
    actor: str
    reason: str = policy.LIMIT
    connection: str | None = None


@dataclass(frozen=True, slots=True)
class GuardState:
    """The state of the guard.

    Attributes:
        mode: off, watch or hold.
        done: The users who lost access within the window.
        allowed: How many users may lose access within it.
        held: The changes that wait for an administrator, oldest first.
    """

    mode: str
    done: int
    allowed: int
    held: Sequence[HeldWrite]


class GuardDesk:
    """Shows the held changes, and executes or discards them."""

    def __init__(self, store: GuardStore, directory: Directory) -> None:
        self._store = store
        self._directory = directory

    async def state(self, caller: Caller) -> GuardState:
        """Return the current state of the guard.

        Changes that have been made by other means since, such as in the console, are left out.
        """
        workspace = caller.workspace
        guard = policy.guard_of(replace(workspace, guard_mode="hold"), clock.now())
        done = allowed = 0
        if guard is not None:
            done, gone = await self._store.deprovisioned(workspace.id, guard.since)
            users = await self._directory.count(caller, caller.registry.types["/Users"])
            allowed = guard.allowed(users, gone)
        held = []
        for item in await self._store.items(workspace.id, HELD_KIND):
            write = await self._held(workspace.id, item)
            if write is not None:
                held.append(write)
        return GuardState(
            workspace.guard_mode, done, allowed, sorted(held, key=lambda write: write.time)
        )

    async def discard_made(self, caller: Caller) -> None:
        """Stop holding the changes that have been made by other means since."""
        workspace = caller.workspace.id
        made = [
            replace(item, body=None)
            for item in await self._store.items(workspace, HELD_KIND)
            if await self._held(workspace, item) is None
        ]
        await self._store.record([], made)

    async def held(self, caller: Caller, user_id: str) -> HeldWrite | None:
        """Return the held change of a user, or None."""
        for item in await self._store.items(caller.workspace.id, HELD_KIND):
            if item.id == user_id:
                return await self._held(caller.workspace.id, item)
        return None

    async def _held(self, workspace: int, item: Item) -> HeldWrite | None:
        """Return a held change, or None if it has been made by other means since."""
        stored = await self._store.get(workspace, "User", item.id)
        if stored is None:
            return None
        document = parse(stored.document)
        if item.body["attempted"] == "deactivate" and document.get("active") is False:
            return None
        return HeldWrite(item.id, str(document.get("userName")), **item.body)

    async def approve(self, caller: Caller, user_id: str, attempted: str | None = None) -> None:
        """Execute the held change of a user.

        Args:
            caller: The administrator.
            user_id: The id of the user.
            attempted: The change that the administrator was shown: deactivate or delete; None to
                execute either.

        Raises:
            ScimError: 404 if none is held; 409 if another change than the one shown is held.
        """
        item = await self._item(caller, user_id)
        if attempted is not None and item.body["attempted"] != attempted:
            now = {"deactivate": "a deactivation", "delete": "a deletion"}[item.body["attempted"]]
            raise ScimError(
                409, f"The held change is {now} now. Nothing was done. Check it, and decide again."
            )
        unguarded = replace(
            caller, guarded=False, protected=frozenset(), barred=_barred_from(caller, item)
        )
        users = caller.registry.types["/Users"]
        try:
            if item.body["attempted"] == "delete":
                await self._directory.delete(unguarded, users, user_id, _any)
            else:
                await self._directory.patch(unguarded, users, user_id, _DEACTIVATE, _any)
        except ScimError as error:
            if error.status != 404:
                raise
        await self._decide(caller, item, "let")

    async def approve_all(self, caller: Caller) -> int:
        """Execute all held changes and return their number."""
        held = (await self.state(caller)).held
        for write in held:
            await self.approve(caller, write.id)
        return len(held)

    async def reject(self, caller: Caller, user_id: str) -> None:
        """Discard the held change of a user. Raises ScimError 404 if none is held."""
        await self._decide(caller, await self._item(caller, user_id), "keep")

    async def _item(self, caller: Caller, user_id: str) -> Item:
        item = await self._store.item(caller.workspace.id, HELD_KIND, user_id)
        if item is None:
            raise not_found(f"The guard holds no change of the user {user_id[:100]!r}.")
        return item

    async def _decide(self, caller: Caller, item: Item, action: str) -> None:
        origin = caller.origin(timestamp())
        note = Note(caller.workspace.id, origin, "User", item.id, action, orjson.dumps(item.body))
        await self._store.record([note], [replace(item, body=None)])


def _barred_from(caller: Caller, item: Item) -> Mapping[str | None, str]:
    """Return the connections whose resources an approval may not change.

    The owner of a user may be the one that asked for the held change, whoever approves it.
    """
    if not item.body["actor"].startswith(CREDENTIALS):
        return caller.barred
    asked = item.body.get("connection")
    return {owner: name for owner, name in caller.barred.items() if owner != asked}


def _any(_: Stored) -> None:
    """Accept any version."""

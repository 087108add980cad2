"""What the deprovisioning guard holds, for an administrator to let through, or not."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import orjson

from muster.base import clock
from muster.base.clock import timestamp
from muster.directory.documents import parse
from muster.directory.guard import policy
from muster.directory.service import Caller, Directory
from muster.scim.errors import ScimError, not_found
from muster.scim.patch import PATCH_OP
from muster.storage.port.accounts import Accounts
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.items import HELD_KIND, Item
from muster.storage.port.resources import Resources, Stored

_DEACTIVATE = {
    "schemas": [PATCH_OP],
    "Operations": [{"op": "replace", "path": "active", "value": False}],
}


class GuardStore(Accounts, Resources, Protocol):
    """What this needs of an engine."""


@dataclass(frozen=True, slots=True)
class HeldWrite:
    """A write that is held. attempted: deactivate or delete. actor: who asked for it."""

    id: str
    name: str
    attempted: str
    time: str
    actor: str

    def shown(self) -> dict[str, Any]:
        """The write as JSON."""
        return {
            "user": self.id,
            "userName": self.name,
            "attempted": self.attempted,
            "time": self.time,
            "actor": self.actor,
        }


@dataclass(frozen=True, slots=True)
class GuardState:
    """How far the guard is: done in its window, allowed in it, and what is held."""

    mode: str
    done: int
    allowed: int
    held: Sequence[HeldWrite]


class GuardDesk:
    """Where an administrator decides what becomes of what is held."""

    def __init__(self, store: GuardStore, directory: Directory) -> None:
        self._store = store
        self._directory = directory

    async def state(self, caller: Caller) -> GuardState:
        """The guard as it is now. What was done all the same in the meantime is held no more."""
        workspace = caller.workspace
        guard = policy.guard_of(replace(workspace, guard_mode="hold"), clock.now())
        done = allowed = 0
        if guard is not None:
            done = await self._store.deprovisioned(workspace.id, guard.since)
            users = await self._directory.count(caller, caller.registry.types["/Users"])
            allowed = guard.allowed(users, done)
        held = []
        for item in await self._store.items(workspace.id, HELD_KIND):
            stored = await self._store.get(workspace.id, "User", item.id)
            document = {} if stored is None else parse(stored.document)
            gone = stored is None or (
                item.body["attempted"] == "deactivate" and document.get("active") is False
            )
            if not gone:
                held.append(HeldWrite(item.id, str(document.get("userName")), **item.body))
        return GuardState(
            workspace.guard_mode, done, allowed, sorted(held, key=lambda write: write.time)
        )

    async def let_through(self, caller: Caller, user_id: str) -> None:
        """Do what is held. Raises ScimError 404 where nothing is."""
        item = await self._item(caller, user_id)
        unguarded = replace(caller, guarded=False)
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

    async def let_all_through(self, caller: Caller) -> int:
        """Do all that is held. Returns how many."""
        held = (await self.state(caller)).held
        for write in held:
            await self.let_through(caller, write.id)
        return len(held)

    async def keep(self, caller: Caller, user_id: str) -> None:
        """Leave a user as they are, and forget what was asked."""
        await self._decide(caller, await self._item(caller, user_id), "keep")

    async def _item(self, caller: Caller, user_id: str) -> Item:
        item = await self._store.item(caller.workspace.id, HELD_KIND, user_id)
        if item is None:
            raise not_found(f"nothing is held of {user_id[:100]!r}")
        return item

    async def _decide(self, caller: Caller, item: Item, action: str) -> None:
        origin = ChangeOrigin(caller.actor, caller.request_id, timestamp(), caller.address)
        note = Note(caller.workspace.id, origin, "User", item.id, action, orjson.dumps(item.body))
        await self._store.record([note], [replace(item, body=None)])


def _any(_: Stored) -> None:
    """No condition."""

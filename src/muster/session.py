"""What the commands share: a database opened for a while, and what is said where something cannot be done."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from muster.config import Settings
from muster.storage.port.accounts import Workspace
from muster.storage.port.engine import Storage

T = TypeVar("T")


class Refused(Exception):
    """What was asked cannot be done; the message says why."""


class WrongSetting(Refused):
    """A setting has a value that is not allowed."""


def run(settings: Settings, work: Callable[[Storage], Awaitable[T]]) -> T:
    """Run work on the database, migrated and opened."""

    from muster.app import open_storage

    async def session() -> T:
        storage = open_storage(settings)
        await storage.migrate()
        await storage.start()
        try:
            return await work(storage)
        finally:
            await storage.close()

    return asyncio.run(session())


async def workspace_of(storage: Storage, name: str, settings: Settings) -> Workspace:
    """The workspace of that name. Raises Refused."""
    from muster.app import ensure_workspace

    await ensure_workspace(storage, settings)
    workspace = await storage.find_workspace(name)
    if workspace is None:
        names = ", ".join(found.name for found in await storage.workspaces())
        raise Refused(f"there is no workspace {name!r}; there are {names}")
    return workspace

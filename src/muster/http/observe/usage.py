"""Counts the requests of each connection of each workspace, for usage figures.

The counts wait in memory until the next flush, so they take room only for the connections that were
used since.
"""

from muster.access.connections import DEFAULT
from muster.access.keys import Grant
from muster.base import clock
from muster.storage.port.items import INSTALLATION
from muster.storage.records.usage import UsageDay, UsageStore

_Place = int | tuple[int, str]
"""A workspace and a connection; the workspace alone, which takes no memory, for its `default`."""


class UsageCounter:
    """Counts the requests of one process."""

    def __init__(self, store: UsageStore) -> None:
        self._store = store
        self._requests: dict[_Place, int] = {}
        self._refusals: dict[_Place, int] = {}
        self._unsaved: list[UsageDay] = []

    def note(self, grant: Grant, status: int) -> None:
        """Count an answer to a request with a credential."""
        workspace, connection = grant.workspace.id, grant.key.connection
        place: _Place = workspace if connection is None else (workspace, connection)
        self._requests[place] = self._requests.get(place, 0) + 1
        if status >= 400:
            self._refusals[place] = self._refusals.get(place, 0) + 1

    async def flush(self) -> None:
        """Store the counts; those that cannot be stored wait for the next time.

        Raises:
            StorageError: They cannot be stored now.
        """
        requests, self._requests = self._requests, {}
        refusals, self._refusals = self._refusals, {}
        now = clock.now()
        day, moment = now.date().isoformat(), clock.timestamp(now)
        for place, number in requests.items():
            workspace, connection = (place, DEFAULT) if isinstance(place, int) else place
            if workspace != INSTALLATION:
                counts = (number, refusals.get(place, 0))
                self._unsaved.append(UsageDay(workspace, day, connection, *counts, moment))
        await self._store.add(self._unsaved)

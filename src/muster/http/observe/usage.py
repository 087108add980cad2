"""Counts the requests of each connection of each workspace, for usage figures.

The counts wait in memory until the next flush, so they take room only for the connections that were
used since.
"""

from muster.access.connections import DEFAULT
from muster.access.keys import Grant
from muster.base import clock
from muster.storage.port.items import INSTALLATION
from muster.storage.records.usage import UsageDay, UsageStore


class UsageCounter:
    """Counts the requests of one process."""

    def __init__(self, store: UsageStore) -> None:
        self._store = store
        self._counts: dict[tuple[int, str | None], list[int]] = {}
        self._unsaved: list[UsageDay] = []

    def note(self, grant: Grant, status: int) -> None:
        """Count an answer to a request with a credential."""
        place = (grant.workspace.id, grant.key.connection)
        counts = self._counts.get(place)
        if counts is None:
            counts = self._counts[place] = [0, 0]
        counts[0] += 1
        counts[1] += status >= 400

    async def flush(self) -> None:
        """Store the counts; those that cannot be stored wait for the next time.

        Raises:
            StorageError: They cannot be stored now.
        """
        counts, self._counts = self._counts, {}
        now = clock.now()
        day, moment = now.date().isoformat(), clock.timestamp(now)
        self._unsaved += [
            UsageDay(workspace, day, connection or DEFAULT, requests, refusals, moment)
            for (workspace, connection), (requests, refusals) in counts.items()
            if workspace != INSTALLATION
        ]
        await self._store.add(self._unsaved)

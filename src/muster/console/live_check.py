"""The latest requests of a client that is being connected, and its attempts without a valid key."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

import orjson

from muster.access.keys import state_of
from muster.base import clock
from muster.storage.port.accounts import KeyRecord
from muster.storage.records.requests import (
    RecordedRequest,
    RequestFilter,
    RequestStore,
    number_of,
)

CHECKED = timedelta(minutes=15)
"""How long the reads of a credential are recorded after it was created or chosen."""
LATEST = 5
"""The number of requests that are shown."""
_DETAIL = re.compile(r'"detail":("(?:[^"\\]|\\.)*")')
_UNAUTHORIZED = 401


class Attempt(NamedTuple):
    """A request without a valid key.

    Attributes:
        key: The key that it used, in words.
        reason: The reason why it failed.
        kept: The request.
        page: Whether the workspace has a page for it.
    """

    key: str
    reason: str
    kept: RecordedRequest
    page: bool


class LiveCheck:
    """Reads the requests that show whether a client is connected."""

    def __init__(self, requests: RequestStore) -> None:
        self._requests = requests

    async def latest(self, workspace: int, credential: str) -> list[RecordedRequest]:
        """Return the latest requests of a key, OAuth client or trust."""
        wanted = RequestFilter(key=credential, limit=LATEST)
        return list(await self._requests.find(workspace, wanted))

    async def attempts(
        self, workspace: int, keys: Mapping[str, KeyRecord], others: Sequence[int] = ()
    ) -> list[Attempt]:
        """Return the latest requests without a valid key, newest first.

        Args:
            workspace: The workspace.
            keys: Its keys by id.
            others: Where to look as well: INSTALLATION has the requests whose key names no
                workspace, which may have been meant for another one.
        """
        since = number_of(clock.seconds() - CHECKED.total_seconds())
        wanted = RequestFilter(after=since, status=_UNAUTHORIZED, limit=LATEST)
        found = [
            Attempt(_in_words(keys.get(kept.key_id)), _reason(kept), kept, place == workspace)
            for place in (workspace, *others)
            for kept in await self._requests.find(place, wanted)
        ]
        return sorted(found, key=lambda attempt: -attempt.kept.number)[:LATEST]


def _in_words(key: KeyRecord | None) -> str:
    if key is None:
        return "An unknown key"
    state = state_of(key, clock.now())
    if state == "active":
        return f'A token that resembles the key "{key.name}", but is not complete or was changed,'
    return f'The {state} key "{key.name}"'


def _reason(kept: RecordedRequest) -> str:
    found: Sequence[str] = _DETAIL.findall(kept.answer)
    return str(orjson.loads(found[0])) if found else "The API key is not valid."

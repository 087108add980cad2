"""Cursors (RFC 9865): signed positions in a listing, each for one workspace and one query."""

from dataclasses import dataclass

from muster.base.signing import ExpiredToken, InvalidToken, Signer
from muster.scim.errors import ScimError
from muster.storage.port.accounts import Accounts
from muster.storage.port.resources import Position


@dataclass(frozen=True, slots=True)
class Cursor:
    """The position at which the next page begins.

    Attributes:
        kind: Which of the resource types is listed next.
        places: The position in that type, or in each of those that are merged; None for its start.
        total: The number of all matches, as the first page counted them.
    """

    kind: int
    places: tuple[Position | None, ...]
    total: int


class Cursors:
    """Writes and reads cursors.

    Args:
        seconds: How long a cursor is valid.
    """

    def __init__(self, accounts: Accounts, seconds: int) -> None:
        self._signer = Signer(accounts.signing_secret, "cursor")
        self._seconds = seconds

    async def write(self, cursor: Cursor, query: tuple[object, ...]) -> str:
        """Return a cursor as text.

        Args:
            query: All that the listing depends on, the workspace included.
        """
        places = [None if place is None else [place.value, place.key] for place in cursor.places]
        return await self._signer.sign([cursor.kind, places, cursor.total], query, self._seconds)

    async def read(self, text: str, query: tuple[object, ...]) -> Cursor:
        """Return the cursor that a text stands for.

        Raises:
            ScimError: invalidCursor if it is not of this query; expiredCursor.
        """
        try:
            kind, places, total = await self._signer.read(text, query)
        except ExpiredToken:
            raise ScimError(
                400, f"cursor: it held for {self._seconds} seconds; begin again", "expiredCursor"
            ) from None
        except InvalidToken:
            raise ScimError(
                400, "cursor: it was not given for this listing", "invalidCursor"
            ) from None
        found = tuple(None if place is None else Position(*place) for place in places)
        return Cursor(kind, found, total)

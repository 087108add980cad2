"""Cursors (RFC 9865): signed positions in a listing, bound to its query."""

from dataclasses import dataclass

from muster.base.signing import ExpiredToken, InvalidToken, Signer
from muster.scim.errors import ScimError
from muster.storage.port.accounts import Accounts
from muster.storage.port.resources import Position


@dataclass(frozen=True, slots=True)
class Cursor:
    """The position after which the next page starts.

    Attributes:
        kind: The index of the resource type to list next.
        places: The position in that type, or in each merged type; None for the start.
        total: The number of matches, as counted for the first page.
    """

    kind: int
    places: tuple[Position | None, ...]
    total: int


class Cursors:
    """Writes and reads cursors.

    Args:
        accounts: The storage of the signing secret.
        seconds: The lifetime of a cursor.
    """

    def __init__(self, accounts: Accounts, seconds: int) -> None:
        self._signer = Signer(accounts.signing_secret, "cursor")
        self._seconds = seconds

    async def write(self, cursor: Cursor, query: tuple[object, ...]) -> str:
        """Return a cursor as text.

        Args:
            cursor: The cursor.
            query: The workspace and all parameters of the listing.
        """
        places = [None if place is None else [place.value, place.key] for place in cursor.places]
        return await self._signer.sign([cursor.kind, places, cursor.total], query, self._seconds)

    async def read(self, text: str, query: tuple[object, ...]) -> Cursor:
        """Parse and verify a cursor.

        Raises:
            ScimError: invalidCursor if it belongs to another query; expiredCursor.
        """
        try:
            kind, places, total = await self._signer.read(text, query)
        except ExpiredToken:
            raise ScimError(
                400,
                f"cursor: expired after {self._seconds} seconds. Start again without it.",
                "expiredCursor",
            ) from None
        except InvalidToken:
            raise ScimError(
                400,
                "cursor: invalid for this request. Repeat the parameters of the first page.",
                "invalidCursor",
            ) from None
        found = tuple(None if place is None else Position(*place) for place in places)
        return Cursor(kind, found, total)

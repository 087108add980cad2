"""Files that the console exports, each with an entry in the audit log."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import NamedTuple

from muster.console.web import Visit
from muster.storage.port.changes import Notes
from muster.storage.port.errors import StorageError

_log = logging.getLogger(__name__)


class Piece(NamedTuple):
    """A part of a file.

    Attributes:
        body: Its bytes.
        rows: The number of rows in it.
    """

    body: bytes
    rows: int = 0


async def audited(
    visit: Visit,
    notes: Notes,
    name: str,
    conditions: Mapping[str, str],
    pieces: AsyncGenerator[Piece],
) -> AsyncIterator[bytes]:
    """Yield the parts of a file, and then record that it was exported.

    An export that the browser breaks off is recorded too, with the rows that were sent. While the
    disk is full, reads go on and so do exports: the log of the server has the entry then.

    Args:
        visit: The request.
        notes: The log that receives the entry.
        name: The name of the list.
        conditions: The filter of the list; empty values are left out.
        pieces: The parts of the file.
    """
    rows, complete = 0, False
    try:
        async with aclosing(pieces):
            async for piece in pieces:
                rows += piece.rows
                yield piece.body
        complete = True
    finally:
        given = {key: value for key, value in conditions.items() if value}
        by = visit.administrator
        detail = {"rows": rows, "filter": given} | ({} if complete else {"complete": False})
        note = by.note("Export", name, "export", **detail)
        try:
            await notes.record([note])
        except StorageError as error:
            _log.error(
                "the export of %s by %s is not in the audit log: %s",
                name,
                by.origin.actor,
                error,
            )

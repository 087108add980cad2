"""The state of imports in the database, so that every worker can continue and show each.

An import is one item. Its rows are items of their own, in chunks, and are deleted once the import
is done, discarded or too old; so are the refused rows, which are kept for a week for download. One
more item per import, in the installation, is the queue that all processes watch.
"""

import contextlib
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from muster.base import clock
from muster.base.clock import timestamp
from muster.base.threads import compute
from muster.imports.table import CsvRow, Table
from muster.scim.errors import ScimError, not_found
from muster.storage.port.accounts import Accounts
from muster.storage.port.changes import Note
from muster.storage.port.errors import Outdated
from muster.storage.port.items import INSTALLATION, Item
from muster.storage.port.resources import (
    IMPORT_COLUMNS_KIND,
    IMPORT_KIND,
    IMPORT_QUEUE_KIND,
    IMPORT_REFUSED_KIND,
    IMPORT_ROWS_KIND,
)

CHUNK = 200
"""The rows of a chunk, after which the progress is stored."""
MAPPING, REHEARSING, REHEARSED, IMPORTING, DONE, STOPPED = (
    "mapping",
    "rehearsing",
    "rehearsed",
    "importing",
    "done",
    "stopped",
)
RUNNING = frozenset({REHEARSING, IMPORTING})
_UNUSED = timedelta(days=1)
"""The time for which the rows of an import that is not carried out are stored."""
_KEPT = timedelta(days=7)
"""The time for which a report is stored."""
_SAMPLES = 3
_MAX_SAMPLE = 100
_MOST = 20
"""The most imports of a workspace that are stored at a time."""
_MAX_NAME = 200
_USERS, _UPLOADS = "users", "uploads"
"""The ids of the items with the remembered columns, and with the last upload."""
_MOST_WORDS = 500
_MAX_WORD = 100
"""The most headings that are remembered, and the length of the longest."""


@dataclass(frozen=True, slots=True)
class Import:
    """An import, from the upload of its file to its report.

    Attributes:
        id: Its id.
        workspace: The id of the workspace.
        state: mapping, rehearsing, rehearsed, importing, done or stopped.
        file: The name of the file.
        encoding: UTF-8 or UTF-16.
        separator: comma, semicolon or tab.
        actor: The administrator, as the audit log names them.
        address: Their address.
        created: The time of the upload.
        until: The time at which it is deleted.
        headings: The headings of the columns.
        samples: The first values of each column; empty after the import.
        rows: The number of rows.
        columns: The path of each column's target; empty for columns that are ignored.
        clears: Whether an empty cell removes a value.
        makes_groups: Whether groups that do not exist are created.
        overrides: Whether the guard, the switches and the protection of users are overridden.
        chunk: The next chunk of the current run.
        last: Whether the run is at its second pass, which sets managers.
        counts: The number of rows by outcome.
        errors: The first refusals, each with its line, heading and reason.
        changed: The first users who were or would be changed, and the first of those who were or
            would be deactivated, each with the line, the id, the user name, whether they are
            deactivated, and the names of the attributes that change.
        refused: The number of chunks of refused rows.
        stopped: The reason why a run ended early; empty if it did not.
        finished: The time at which the last run ended; None before.
    """

    id: str
    workspace: int
    state: str
    file: str
    encoding: str
    separator: str
    actor: str
    address: str
    created: str
    until: str
    headings: list[str]
    samples: list[list[str]]
    rows: int
    columns: list[str]
    clears: bool = False
    makes_groups: bool = False
    overrides: bool = False
    chunk: int = 0
    last: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    errors: list[list[Any]] = field(default_factory=list)
    changed: list[list[Any]] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    stopped: str = ""
    finished: str | None = None

    @property
    def chunks(self) -> int:
        """The number of its chunks."""
        return -(-self.rows // CHUNK)

    @property
    def done(self) -> int:
        """The rows that the current run has finished."""
        return min(self.chunk * CHUNK, self.rows)

    @property
    def request_id(self) -> str:
        """The request id of all its changes."""
        return request_id_of(self.id)

    def item(self) -> Item:
        """Return the item that stores it."""
        body = {name: value for name, value in asdict(self).items() if name != "workspace"}
        return Item(self.workspace, IMPORT_KIND, self.id, body)


def request_id_of(import_id: str) -> str:
    """Return the request id of the changes of an import."""
    return f"import-{import_id}"


class ImportStore:
    """Stores imports."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def create(
        self,
        workspace: int,
        table: Table,
        name: str,
        columns: list[str],
        actor: str,
        address: str,
    ) -> Import:
        """Store an uploaded file.

        Raises:
            ScimError: 409 if the workspace has too many imports.
        """
        import_id, now = secrets.token_hex(8), clock.now()
        # A large file has a million cells: other requests must not wait for all of them.
        samples, chunks = await compute(
            workspace, lambda: (_samples(table), _chunks(workspace, import_id, table))
        )
        made = Import(
            import_id,
            workspace,
            MAPPING,
            name.strip()[:_MAX_NAME] or "users.csv",
            table.encoding,
            table.separator,
            actor,
            address,
            timestamp(now),
            timestamp(now + _UNUSED),
            table.headings,
            samples,
            len(table.rows),
            columns,
        )
        await self._add(made, chunks)
        return made

    async def _add(self, made: Import, chunks: Sequence[Item]) -> None:
        """Store an import if the workspace has room for it.

        Each upload replaces an item that names the last one, so that of simultaneous uploads one
        is stored, and the others count again.

        Raises:
            ScimError: 409 if the workspace has too many imports.
        """
        workspace = made.workspace
        items = [made.item(), _queued(made), *chunks, _last_upload(workspace, {"id": made.id})]
        while True:
            last = await self._accounts.item(workspace, IMPORT_COLUMNS_KIND, _UPLOADS)
            if await self._accounts.count_items(workspace, IMPORT_KIND) >= _MOST:
                raise ScimError(
                    409, f"file: a workspace keeps at most {_MOST} imports. Delete an earlier one."
                )
            with contextlib.suppress(Outdated):
                expected = last or _last_upload(workspace, None)
                await self._accounts.administer(items, (), [expected])
                return

    async def all(self, workspace: int) -> Sequence[Import]:
        """Return the imports of a workspace, the latest first."""
        items = await self._accounts.items(workspace, IMPORT_KIND)
        found = [_import(item) for item in items]
        return sorted(found, key=lambda found: found.created, reverse=True)

    async def get(self, workspace: int, import_id: str) -> Import:
        """Return an import. Raises ScimError 404."""
        item = await self._accounts.item(workspace, IMPORT_KIND, import_id)
        if item is None:
            raise not_found("Import not found. It may have been deleted.")
        return _import(item)

    async def change(self, current: Import, changed: Import, notes: Sequence[Note] = ()) -> Import:
        """Store a new state of an import.

        Raises:
            Outdated: It has changed since it was read.
        """
        await self._accounts.administer([changed.item()], notes, [current.item()])
        return changed

    async def begin(self, current: Import, changed: Import, notes: Sequence[Note] = ()) -> Import:
        """Start a run: a rehearsal or the import. The refused rows of the last one are deleted.

        Raises:
            Outdated: It has changed since it was read.
        """
        started = replace(
            changed,
            chunk=0,
            last=False,
            counts={},
            errors=[],
            changed=[],
            refused=[],
            stopped="",
            finished=None,
        )
        dropped = [self._refused_item(current, chunk, None) for chunk in current.refused]
        items = [started.item(), _queued(started), *dropped]
        await self._accounts.administer(items, notes, [current.item()])
        return started

    async def advance(
        self, current: Import, changed: Import, refused: Sequence[Sequence[Any]]
    ) -> Import:
        """Store the progress of a run with the rows that were refused.

        Args:
            current: The import before.
            changed: The import after.
            refused: The refused rows of the chunk: line, reason, and the cells.

        Raises:
            Outdated: It has changed since it was read, or was deleted.
        """
        items = [changed.item()]
        if refused:
            number = current.chunk + (current.chunks if current.last else 0)
            changed = replace(changed, refused=[*changed.refused, number])
            items = [
                changed.item(),
                self._refused_item(current, number, {"rows": [list(row) for row in refused]}),
            ]
        await self._accounts.administer(items, (), [current.item()])
        return changed

    async def finish(self, current: Import, changed: Import, notes: Sequence[Note] = ()) -> Import:
        """End a run. After an import its rows are deleted."""
        now = clock.now()
        ended = replace(changed, finished=timestamp(now))
        items = [ended.item()]
        if ended.state == DONE:
            ended = replace(ended, until=timestamp(now + _KEPT), samples=[])
            rows = [_rows_item(ended, chunk) for chunk in range(ended.chunks)]
            items = [ended.item(), *rows]
        await self._accounts.administer([*items, _queued(ended)], notes, [current.item()])
        return ended

    async def settle(self, found: Import) -> None:
        """Take an import of which no run is due out of the runs that are.

        Raises:
            Outdated: It has changed since it was read.
        """
        await self._accounts.administer([_queued(found)], (), [found.item()])

    async def rows(self, found: Import, chunk: int) -> Sequence[CsvRow]:
        """Return the rows of a chunk."""
        item = await self._accounts.item(found.workspace, IMPORT_ROWS_KIND, _part(found.id, chunk))
        rows = [] if item is None else item.body["rows"]
        return [(row[0], row[1:]) for row in rows]

    async def refused(self, found: Import, chunk: int) -> Sequence[Sequence[Any]]:
        """Return the refused rows of a chunk: line, reason, and the cells."""
        item = await self._accounts.item(
            found.workspace, IMPORT_REFUSED_KIND, _part(found.id, chunk)
        )
        return [] if item is None else list(item.body["rows"])

    async def delete(self, found: Import) -> None:
        """Delete an import with all that is stored of it."""
        parts = [_rows_item(found, chunk) for chunk in range(found.chunks)]
        parts += [self._refused_item(found, chunk, None) for chunk in found.refused]
        items = [found.item(), _queued(found)]
        await self._accounts.administer([replace(item, body=None) for item in items] + parts)

    async def queued(self) -> Sequence[tuple[int, str, bool, datetime]]:
        """Return all imports: workspace, id, whether a run is due, and when it is deleted."""
        found = []
        for item in await self._accounts.items(INSTALLATION, IMPORT_QUEUE_KIND):
            workspace, _, import_id = item.id.partition("/")
            until = datetime.fromisoformat(item.body["until"])
            found.append((int(workspace), import_id, item.body["runs"], until))
        return found

    async def forget(self, workspace: int, import_id: str) -> None:
        """Remove an import from the queue."""
        await self._accounts.administer(
            [Item(INSTALLATION, IMPORT_QUEUE_KIND, f"{workspace}/{import_id}", None)]
        )

    async def remembered(self, workspace: int) -> dict[str, str]:
        """Return the paths that columns were mapped to before, by normalised heading."""
        item = await self._accounts.item(workspace, IMPORT_COLUMNS_KIND, _USERS)
        return {} if item is None else dict(item.body)

    async def remember(self, workspace: int, paths: dict[str, str]) -> None:
        """Remember to which paths columns are mapped, by normalised heading."""
        known = await self.remembered(workspace)
        new = {word: path for word, path in paths.items() if len(word) <= _MAX_WORD}
        if known | new != known or len(known) > _MOST_WORDS:
            # The latest come first, and the earliest are dropped.
            words = (new | {word: known[word] for word in known if word not in new}).items()
            body = dict(islice(words, _MOST_WORDS))
            await self._accounts.administer([Item(workspace, IMPORT_COLUMNS_KIND, _USERS, body)])

    @staticmethod
    def _refused_item(found: Import, chunk: int, body: Any) -> Item:
        return Item(found.workspace, IMPORT_REFUSED_KIND, _part(found.id, chunk), body)


def _samples(table: Table) -> list[list[str]]:
    """Return the first different values of each column."""
    found: list[dict[str, None]] = [{} for _ in table.headings]
    for _, cells in table.rows:
        for values, cell in zip(found, cells, strict=False):
            if cell and len(values) < _SAMPLES:
                values[cell[:_MAX_SAMPLE]] = None
    return [list(values) for values in found]


def _chunks(workspace: int, import_id: str, table: Table) -> list[Item]:
    """Return the items that store the rows of a file."""
    return [
        Item(
            workspace,
            IMPORT_ROWS_KIND,
            _part(import_id, start // CHUNK),
            {"rows": [[line, *cells] for line, cells in table.rows[start : start + CHUNK]]},
        )
        for start in range(0, len(table.rows), CHUNK)
    ]


def _last_upload(workspace: int, body: Any) -> Item:
    return Item(workspace, IMPORT_COLUMNS_KIND, _UPLOADS, body)


_FIELDS = frozenset(one.name for one in fields(Import))


def _import(item: Item) -> Import:
    # A replica of a later version may have stored fields that this one does not know.
    known = {name: value for name, value in item.body.items() if name in _FIELDS}
    return Import(workspace=item.workspace, **known)


def _queued(found: Import) -> Item:
    name = f"{found.workspace}/{found.id}"
    body = {"runs": found.state in RUNNING, "until": found.until}
    return Item(INSTALLATION, IMPORT_QUEUE_KIND, name, body)


def _rows_item(found: Import, chunk: int) -> Item:
    return Item(found.workspace, IMPORT_ROWS_KIND, _part(found.id, chunk), None)


def _part(import_id: str, chunk: int) -> str:
    return f"{import_id}/{chunk:04}"


__all__ = [
    "CHUNK",
    "DONE",
    "IMPORTING",
    "MAPPING",
    "REHEARSED",
    "REHEARSING",
    "RUNNING",
    "STOPPED",
    "Import",
    "ImportStore",
    "Outdated",
    "request_id_of",
]

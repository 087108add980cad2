"""CSV import of users in the console: upload, mapping, rehearsal, import and report."""

import functools
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

import orjson

from muster.access.permissions import SCIM, SETTINGS
from muster.base.clock import timestamp
from muster.base.threads import compute
from muster.console.csv_rows import csv_row
from muster.console.web import PageRoute, Visit
from muster.http.wire.message import Response
from muster.imports.columns import (
    EMAIL_AND_NAME,
    GROUPS,
    ID,
    USER_NAME,
    ColumnTarget,
    guess,
    normalised,
    targets_of,
)
from muster.imports.runner import Importing
from muster.imports.store import (
    DONE,
    IMPORTING,
    MAPPING,
    REHEARSED,
    REHEARSING,
    RUNNING,
    STOPPED,
    Import,
    ImportStore,
)
from muster.imports.table import MAX_BYTES, MAX_ROWS, SEPARATORS, read_table
from muster.scim.errors import ScimError, invalid_value
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.errors import Outdated

_ROOT = "/w/{workspace}/users/import"
_ONE = f"{_ROOT}/{{import}}"
_FIELDS_BYTES = 50_000
"""The space for the fields of the form beside its file."""
_GUESSED = 20
"""The rows by which the meaning of a column is guessed."""
_CHANGED = "Somebody else has changed this import. Check it, and try again."
_NAMING = (USER_NAME, EMAIL_AND_NAME)
_EDITABLE = frozenset({MAPPING, REHEARSED, STOPPED})


class ImportPages:
    """The pages of the CSV import."""

    def __init__(self, store: ImportStore, importing: Importing) -> None:
        self._store = store
        self._importing = importing

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", _ROOT, SCIM, self.start)
        yield PageRoute("POST", _ROOT, SCIM, self.upload, upload=MAX_BYTES + _FIELDS_BYTES)
        yield PageRoute("GET", _ONE, SCIM, self.show)
        yield PageRoute("POST", f"{_ONE}/rehearse", SCIM, self.rehearse)
        yield PageRoute("POST", f"{_ONE}/start", SCIM, self.carry_out)
        yield PageRoute("POST", f"{_ONE}/map", SCIM, self.map_again)
        yield PageRoute("POST", f"{_ONE}/delete", SCIM, self.delete)
        yield PageRoute("GET", f"{_ONE}/refused.csv", SCIM, self.refused)

    async def start(self, visit: Visit, status: int = 200, error: str = "") -> Response:
        return visit.render(
            "imports.html",
            status,
            imports=await self._store.all(visit.there().id),
            most=MAX_ROWS,
            megabytes=MAX_BYTES // 1_000_000,
            bytes=MAX_BYTES,
            said=visit.flashed.get("said", ""),
            error=error or visit.flashed.get("error", ""),
        )

    async def upload(self, visit: Visit) -> Response:
        """Read a file, and guess the attributes of its columns."""
        workspace, file = visit.there().id, visit.files.get("file")
        try:
            if visit.oversized:
                raise ScimError(
                    413,
                    f"file: larger than {MAX_BYTES // 1_000_000} MB. Split it, and import"
                    " the parts.",
                )
            if file is None or not file.data:
                raise invalid_value("file: choose a CSV file")
            table = await compute(workspace, functools.partial(read_table, file.data))
            columns = guess(
                table.headings,
                [cells for _, cells in table.rows[:_GUESSED]],
                self._targets(visit),
                await self._store.remembered(workspace),
            )
            origin = visit.origin
            made = await self._store.create(
                workspace, table, file.name, columns, origin.actor, origin.address
            )
        except ScimError as error:
            return await self.start(visit, error.status, error.detail)
        return visit.redirect(f"./users/import/{made.id}")

    @staticmethod
    def _targets(visit: Visit) -> dict[str, ColumnTarget]:
        return targets_of(visit.caller.registry.types["/Users"])

    async def show(self, visit: Visit, status: int = 200, error: str = "") -> Response:
        found = await self._found(visit)
        targets = self._targets(visit)
        if "empty" in visit.fields and found.state in _EDITABLE:
            # The mapping was refused: it is shown as it was sent.
            found = replace(_sent(visit, found), state=MAPPING)
        # The page polls for the progress, and is loaded again at the end.
        polls = visit.request.header("hx-request") and found.state not in RUNNING
        return visit.render(
            "import.html",
            status,
            [("hx-refresh", "true")] if polls else None,
            it=found,
            running=found.state in RUNNING,
            sections=[
                (section, list(some))
                for section, some in groupby(targets.values(), key=lambda target: target.section)
            ],
            columns=list(zip(found.headings, found.columns, found.samples, strict=True))
            if found.state in _EDITABLE
            else [],
            mapped=[
                (heading, targets[path].label)
                for heading, path in zip(found.headings, found.columns, strict=True)
                if path in targets
            ],
            groups=GROUPS in found.columns,
            who=await self._names(found),
            error=error or visit.flashed.get("error", ""),
        )

    async def _names(self, found: Import) -> dict[int, str]:
        """Return the user names of the refused lines that the page shows, by line."""
        names: dict[int, str] = {}
        column = next((i for i, path in enumerate(found.columns) if path in _NAMING), None)
        for chunk in found.refused:
            if column is None or len(names) >= len(found.errors):
                break
            for line, _, *cells in await self._store.refused(found, chunk):
                names[line] = cells[column] if column < len(cells) else ""
        return names

    async def _found(self, visit: Visit) -> Import:
        return await self._store.get(visit.there().id, visit.names["import"])

    async def rehearse(self, visit: Visit) -> Response:
        """Store the mapping, and start a rehearsal."""
        found = await self._found(visit)
        try:
            mapped = self._mapped(visit, found)
            await self._store.begin(found, replace(mapped, state=REHEARSING))
        except ScimError as error:
            return await self.show(visit, error.status, error.detail)
        except Outdated:
            return await self._changed(visit)
        words = zip(map(normalised, mapped.headings), mapped.columns, strict=True)
        await self._store.remember(visit.there().id, dict(words))
        self._importing.wake()
        return visit.redirect(_page(found))

    def _mapped(self, visit: Visit, found: Import) -> Import:
        """Return the import with the mapping of the form.

        Raises:
            ScimError: 400 if the mapping is incomplete or ambiguous, 409 if a run is in progress.
        """
        if found.state not in _EDITABLE:
            raise ScimError(409, _CHANGED)
        targets = self._targets(visit)
        sent = _sent(visit, found)
        used: set[str] = set()
        for heading, path in zip(found.headings, sent.columns, strict=True):
            if path and path not in targets:
                raise invalid_value(f"{heading}: choose an attribute from the list")
            for name in path.split("+") if path else ():
                if name in used:
                    raise invalid_value(
                        f"{heading}: another column is mapped to {targets[path].label}. Choose one"
                        " of them."
                    )
                used.add(name)
        if not used & {USER_NAME, ID}:
            raise invalid_value(
                f"Map a column to {targets[USER_NAME].label}, or to {targets[EMAIL_AND_NAME].label}"
                " if people sign in with their e-mail address."
            )
        overrides = visit.caller_overriding().overrides
        origin = visit.origin
        return replace(sent, overrides=overrides, actor=origin.actor, address=origin.address)

    async def carry_out(self, visit: Visit) -> Response:
        """Start the import after a rehearsal."""
        found = await self._found(visit)
        if found.state != REHEARSED:
            return await self._changed(visit)
        if found.overrides and not visit.may(SETTINGS):
            return await self._changed(visit)
        origin = visit.origin
        started = replace(found, state=IMPORTING, actor=origin.actor, address=origin.address)
        detail = {"file": found.file, "rows": found.rows, "override": found.overrides}
        by = ChangeOrigin(origin.actor, found.request_id, timestamp(), origin.address)
        note = Note(found.workspace, by, "Import", found.id, "import", orjson.dumps(detail))
        try:
            await self._store.begin(found, started, [note])
        except Outdated:
            return await self._changed(visit)
        self._importing.wake()
        return visit.redirect(_page(found))

    async def map_again(self, visit: Visit) -> Response:
        """Return to the mapping after a rehearsal."""
        found = await self._found(visit)
        if found.state in (REHEARSED, STOPPED):
            try:
                await self._store.change(found, replace(found, state=MAPPING))
            except Outdated:
                return await self._changed(visit)
        return visit.redirect(_page(found))

    async def _changed(self, visit: Visit) -> Response:
        return await visit.redirect_with(f"./users/import/{visit.names['import']}", error=_CHANGED)

    async def delete(self, visit: Visit) -> Response:
        """Delete an import and its file; a run in progress ends."""
        found = await self._found(visit)
        await self._store.delete(found)
        said = f"Deleted the file {found.file}." if found.state != DONE else "Deleted the report."
        return await visit.redirect_with("./users/import", said=said)

    async def refused(self, visit: Visit) -> Response:
        """Return the refused rows as CSV, to correct and import again."""
        found = await self._found(visit)
        name = f"refused-{found.id}.csv"
        response = visit.file("text/csv; charset=utf-8", b"", name)

        async def stream() -> AsyncIterator[bytes]:
            # The mark tells spreadsheets that this is UTF-8.
            yield b"\xef\xbb\xbf" + _row(found, [*found.headings, "Line", "Reason"])
            for chunk in found.refused:
                rows = await self._store.refused(found, chunk)
                yield b"".join(_refused_row(found, row) for row in rows)

        response.stream = stream()
        return response


def _sent(visit: Visit, found: Import) -> Import:
    """Return the import with the mapping and the options of a form."""
    return replace(
        found,
        columns=[visit.text(f"column.{number}") for number in range(len(found.headings))],
        clears=visit.text("empty") == "clear",
        makes_groups=visit.text("makeGroups") == "on",
    )


def _refused_row(found: Import, row: Sequence[str]) -> bytes:
    line, reason, *cells = row
    width = len(found.headings)
    return _row(found, [*(cells + [""] * width)[:width], line, reason])


def _row(found: Import, cells: Sequence[str]) -> bytes:
    """Return a row with the separator of the file.

    A spreadsheet that wrote semicolons would divide a cell with a semicolon otherwise, and could
    run the part after it as a formula.
    """
    separator = next(mark for mark, name in SEPARATORS.items() if name == found.separator)
    return csv_row(cells, separator)


def _page(found: Import) -> str:
    return f"./users/import/{found.id}"

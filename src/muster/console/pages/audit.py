"""The audit log in the console: search and export."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson

from muster.access.permissions import AUDIT
from muster.console.actors import names_of
from muster.console.csv_rows import csv_row
from muster.console.web import PageRoute, Visit
from muster.http.management.tokens import Tokens
from muster.http.wire.message import Response
from muster.storage.port.changes import Change, ChangeFilter
from muster.storage.port.engine import Storage

_PAGE = 100
_CHUNK = 1000
_SEARCHES = 20
"""The number of storage searches for one page; after them, the page may have fewer rows."""


class AuditPages:
    """The pages of the audit log."""

    def __init__(self, storage: Storage, tokens: Tokens) -> None:
        self._storage = storage
        self._tokens = tokens

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", "/w/{workspace}/audit", AUDIT, self.show)
        yield PageRoute("GET", "/w/{workspace}/audit/export.csv", AUDIT, self.export_csv)
        yield PageRoute("GET", "/w/{workspace}/audit/export.jsonl", AUDIT, self.export_lines)

    async def show(self, visit: Visit) -> Response:
        workspace, before = visit.there().id, visit.text("before")
        asked = {name: visit.text(name) for name in ("actor", "type", "action")}
        place = await self._tokens.read(workspace, before, "before") if before else None
        rows, place = await self._rows(workspace, place, ChangeFilter(**asked))
        return visit.render(
            "audit.html",
            rows=rows,
            following=None if place is None else await self._tokens.write(workspace, place),
            asked=asked,
            names=await names_of(self._storage, workspace),
        )

    async def _rows(
        self, workspace: int, place: int | None, criteria: ChangeFilter
    ) -> tuple[list[Change], int | None]:
        rows: list[Change] = []
        for _ in range(_SEARCHES):
            found, place = await self._storage.search_changes(
                workspace, place, _PAGE - len(rows), criteria
            )
            rows += found
            if place is None or len(rows) == _PAGE:
                break
            await asyncio.sleep(0)
        return rows, place

    async def export_csv(self, visit: Visit) -> Response:
        columns = (
            "time",
            "actor",
            "address",
            "request",
            "action",
            "type",
            "resource",
            "version",
            "hash",
        )
        return self._file(visit, "text/csv; charset=utf-8", "csv", csv_row(columns), _csv_row)

    async def export_lines(self, visit: Visit) -> Response:
        return self._file(visit, "application/jsonl", "jsonl", b"", _json_row)

    def _file(self, visit: Visit, media: str, suffix: str, head: bytes, row: Any) -> Response:
        response = visit.file(media, b"", f"audit-{visit.there().name}.{suffix}")

        async def stream() -> AsyncIterator[bytes]:
            yield head
            after = 0
            while changes := await self._storage.changes(visit.there().id, after, _CHUNK):
                after = changes[-1].sequence
                yield b"".join(row(change) for change in changes)

        response.stream = stream()
        return response


def _csv_row(change: Change) -> bytes:
    origin = change.origin
    hashed = "" if change.chain is None else change.chain.hex()
    values = (
        origin.time,
        origin.actor,
        origin.address,
        origin.request_id,
        change.action,
        change.type,
        change.id,
        change.version,
    )
    return csv_row((*values, hashed))


def _json_row(change: Change) -> bytes:
    origin = change.origin
    values = {
        "time": origin.time,
        "actor": origin.actor,
        "address": origin.address,
        "requestId": origin.request_id,
        "action": change.action,
        "type": change.type,
        "resource": change.id,
        "version": change.version,
        "members": None if change.members is None else change.members.as_json(),
        "hash": None if change.chain is None else change.chain.hex(),
    }
    document = change.document.replace(b"\x01", b"")
    return orjson.dumps(values)[:-1] + b',"document":' + document + b"}\n"

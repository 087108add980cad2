"""`muster erase`: removes a deleted resource, such as a person, from everything that is recorded.

A deleted user remains in the history, which is also the feed and the audit log, until the retention
ends, and in the request log. Erasing deletes these rows now.

The hash chain stays verifiable. Before rows are deleted, a note (`forget`) records their hashes,
each with the hash before it, and the verification continues over them where it misses the rows
(`storage/audit/chain.py`). The note is a row of the chain itself: nobody can remove rows as erased
without an entry that says when and by whom.

The note is an event of the feed too: a second `user.deleted`, without the person's data, for a
consumer that has not come to the rows yet.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from muster.base.clock import timestamp
from muster.directory.documents import parse
from muster.scim.values import Json
from muster.storage.audit.chain import FORGET, FORGOTTEN, Gap, gaps_of
from muster.storage.ids import key_of
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.engine import Statement, Storage
from muster.storage.port.items import TRIM_ID, TRIM_KIND
from muster.storage.query.binder import Binder
from muster.storage.repair.derived import bound
from muster.upkeep.trimmer import last_sent_by_all

_CHUNK = 500
"""Rows that one note records and one transaction deletes, and documents read at once."""
_NAMED = 50
"""Names that one statement looks for: SQLite limits the depth of a condition."""
_EXISTS = 'SELECT id FROM resources WHERE workspace = $1 AND "key" = $2'
_OF_RESOURCE = f"workspace = $1 AND id = $2 AND action <> '{FORGET}'"
_ROWS = (
    f"SELECT sequence, chain, type FROM changes WHERE {_OF_RESOURCE}"  # noqa: S608 (constants)
    " ORDER BY sequence LIMIT $3"
)
_DOCUMENTS = (
    f"SELECT sequence, document FROM changes WHERE {_OF_RESOURCE} AND sequence > $3"  # noqa: S608 (constants)
    " ORDER BY sequence LIMIT $4"
)
_COUNT = f"SELECT count(*), max(sequence) FROM changes WHERE {_OF_RESOURCE}"  # noqa: S608 (constants)
_PREVIOUS = (
    "SELECT sequence, chain FROM changes WHERE workspace = $1 AND sequence < $2"
    " ORDER BY sequence DESC LIMIT 1"
)
_DELETE = f"DELETE FROM changes WHERE {_OF_RESOURCE} AND sequence <= $3"  # noqa: S608 (constants)
_OUTLINES = ("outlines", "outline_positions")


class CannotErase(Exception):
    """The resource cannot be erased now; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Erased:
    """The number of rows that were erased, or would be.

    Attributes:
        changes: Rows of the history.
        requests: Rows of the request log.
    """

    changes: int
    requests: int


async def erase(storage: Storage, workspace: int, resource_id: str, rehearse: bool) -> Erased:
    """Erase a deleted resource from the history and the request log. It can be repeated.

    Args:
        storage: The storage.
        workspace: The id of the workspace.
        resource_id: The id of the resource.
        rehearse: Whether to count only.

    Raises:
        CannotErase: The resource exists, nothing is known of it, or a webhook has yet to send it.
    """
    key = key_of(resource_id)
    if key is None:
        raise CannotErase(f"{resource_id!r} is not the id of a user or group")
    found = await storage.query(bound(_EXISTS, workspace, key))
    if any(row[0] == resource_id for row in found):
        raise CannotErase(f"{resource_id} still exists. Delete it first, at the source too")
    changes, last = (await storage.query(bound(_COUNT, workspace, resource_id)))[0]
    names = await _former_names(storage, workspace, resource_id)
    requests = await _count_requests(storage, workspace, resource_id, names)
    if not changes and not requests:
        raise CannotErase(f"nothing is recorded of {resource_id} in this workspace")
    if changes and await last_sent_by_all(storage, workspace, last) < last:
        raise CannotErase(
            "a webhook has yet to send changes of this resource. Wait until it has, or disable the"
            " webhook, and try again"
        )
    if not rehearse:
        # The requests first: the names by which they are found are in the changes.
        await _erase_requests(storage, workspace, resource_id, names)
        await _erase_changes(storage, workspace, resource_id)
    return Erased(changes, requests)


async def _erase_changes(storage: Storage, workspace: int, resource_id: str) -> None:
    while rows := await storage.query(bound(_ROWS, workspace, resource_id, _CHUNK)):
        gaps = await _gaps(storage, workspace, rows)
        kind = rows[0][2]
        origin = ChangeOrigin("command", "", timestamp())
        details = orjson.dumps({"rows": [gap.to_json() for gap in gaps]})
        await storage.record([Note(workspace, origin, kind, resource_id, FORGET, details)])
        statements = [bound(_DELETE, workspace, resource_id, rows[-1][0])]
        for table in _OUTLINES:  # they hold names, and learn of changes by their rows alone
            drop = f"DELETE FROM {table} WHERE workspace = $1 AND type = $2"  # noqa: S608 (a constant)
            statements.append(bound(drop, workspace, kind))
        await storage.transact(workspace, statements)


async def _gaps(storage: Storage, workspace: int, rows: Sequence[Sequence[Any]]) -> list[Gap]:
    """Return the gaps that the removal of rows leaves in the chain.

    The row before may itself have been erased or trimmed: then its hash is in an earlier note, or
    in the mark of the trimmed rows.
    """
    known = gaps_of(row[0] for row in await storage.query(bound(FORGOTTEN, workspace)))
    places = [gap.sequence for gap in known]
    mark = await storage.item(workspace, TRIM_KIND, TRIM_ID)
    trimmed = (0, None) if mark is None else (mark.body["sequence"], _bytes(mark.body["chain"]))
    found = []
    for sequence, chain, *_ in rows:
        if chain is None or sequence <= trimmed[0]:
            continue
        before = [trimmed]
        before += [
            (row[0], row[1]) for row in await storage.query(bound(_PREVIOUS, workspace, sequence))
        ]
        place = bisect_left(places, sequence)
        if place:
            before.append((known[place - 1].sequence, known[place - 1].chain))
        previous = max(before, key=lambda row: row[0])[1]
        found.append(Gap(sequence, None if previous is None else bytes(previous), bytes(chain)))
    return found


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)


async def _former_names(storage: Storage, workspace: int, resource_id: str) -> list[str]:
    """Return the user names and e-mail addresses that a resource has had."""
    found, after = set[str](), 0
    while rows := await storage.query(
        bound(_DOCUMENTS, workspace, resource_id, after, _CHUNK),
    ):
        found |= _names([row[1] for row in rows])
        after = rows[-1][0]
    return sorted(found)


def _names(documents: Sequence[str | bytes]) -> set[str]:
    """Return the user names and e-mail addresses in former documents of a resource."""
    found: set[Json] = set()
    for text in documents:
        document = parse(text.encode() if isinstance(text, str) else text)
        found.add(document.get("userName"))
        emails = document.get("emails")
        found |= {
            email.get("value")
            for email in (emails if isinstance(emails, list) else [])
            if isinstance(email, dict)
        }
    return {name for name in found if isinstance(name, str) and name}


async def _count_requests(
    storage: Storage, workspace: int, resource_id: str, names: Sequence[str]
) -> int:
    found = set[int]()
    for statement in _mentioning("SELECT number", workspace, resource_id, names):
        found.update(row[0] for row in await storage.query(statement))
    return len(found)


async def _erase_requests(
    storage: Storage, workspace: int, resource_id: str, names: Sequence[str]
) -> None:
    drops = list(_mentioning("DELETE", workspace, resource_id, names))
    await storage.transact(workspace, drops)


def _mentioning(
    verb: str, workspace: int, resource_id: str, names: Sequence[str]
) -> Iterator[Statement]:
    """Yield the statements on the requests that mention a resource, some of its names in each."""
    for start in range(0, max(1, len(names)), _NAMED):
        bind = Binder()
        condition = _mention(bind, workspace, resource_id, names[start : start + _NAMED])
        yield bind.statement(f"{verb} FROM requests WHERE {condition}")


def _mention(bind: Binder, workspace: int, resource_id: str, names: Sequence[str]) -> str:
    """Return the condition for requests that mention a resource by its id or one of its names.

    A name counts as a whole value, in JSON or in a query, so that a short one matches no other.
    """
    texts = {("path", resource_id), ("query", resource_id)}
    for column in ("body", "answer"):
        texts.add((column, resource_id))
        texts |= {(column, orjson.dumps(name).decode()) for name in names}
    for name in names:
        texts |= {("query", quote(f'"{name}"', safe="")), ("query", f'"{name}"')}
    found = [f"workspace = {bind(workspace)} AND (resource = {bind(resource_id)}"]
    for column, text in sorted(texts):
        pattern = text.lower()
        for special in "\\%_":
            pattern = pattern.replace(special, f"\\{special}")
        found.append(f"lower({column}) LIKE {bind(f'%{pattern}%')} ESCAPE '\\'")
    return f"{' OR '.join(found)})"

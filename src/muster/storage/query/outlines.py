"""Outlines: what a search asks about many resources before it reads any of them.

An outline covers the resources of one type between two keys, a few hundred of them. It has their
texts, the latest `meta.created` among them, and which of them lack a value to sort by. So a search
for a text within names reads a tenth of the bytes that the search forms have; a search for those
created since a time skips the outlines of older resources; and a list sorted in descending order,
which begins with the resources that lack the value, knows them without counting.

No write maintains outlines. A job (`directory/search/outliner.py`) builds them once they are asked
for, up to a *position* in `changes`, and moves the position forward later. A search adds the
resources that have changed since, so it misses none. Therefore outlines cost writes nothing, and a
replica of a version that does not know them does no harm.

Outlines give a superset of the matches: a line remains after its resource was changed or deleted.
Every candidate is checked on its search form.
"""

import json
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from muster.scim.document import Document
from muster.scim.filter.evaluate import values_at
from muster.scim.filter.predicate import All, Each, Field, Predicate, Some, Test
from muster.scim.indexing import index_of
from muster.scim.schema.model import ResourceType
from muster.scim.values import Json
from muster.storage.ids import key_of
from muster.storage.port.engine import Statement
from muster.storage.port.resources import Page, Query
from muster.storage.query.binder import Binder

LEAST_RESOURCES = 10_000
"""Types with fewer resources have no outlines: reading all of their look-ups is as fast."""
LINES = 256
"""The lines of a new outline."""
MOST_LINES = 512
"""An outline with more lines is split."""
STALE = 500
"""After so many changes beyond the position, a search asks for the outlines to be brought on."""
MOST_CHANGES = 5_000
"""The most changes beyond the position that a search adds; if there are more, it asks nothing."""
MOST_SEQUENCES = 50_000
"""The same for changes of all types, and of all workspaces on PostgreSQL."""
MOST_CANDIDATES = 20_000
"""The most candidates of a search that needs all of them."""
_BATCH = 64
"""Outlines that a search reads at a time."""
_SPARE = 50
"""Candidates beyond the needed ones, because some may not match."""
_MANY_LACKING = 16
"""If more resources of an outline lack a value, it does not say which."""
_MOST_LACKING = 5_000
_END = 2**62
_CREATED = "meta.created"


@dataclass(frozen=True, slots=True)
class Covered:
    """What the outlines of a type cover.

    Attributes:
        texts: The fields with lines.
        sorts: The fields whose lack is noted, by path.
        signature: Changes whenever one of them does.
    """

    texts: dict[str, Field]
    sorts: dict[str, Field]
    signature: str


@lru_cache(maxsize=1024)
def covered(resource_type: ResourceType) -> Covered:
    """Return what the outlines of a type cover: its indexed attributes, without extensions."""
    fields = {name: one for name, one in index_of(resource_type).fields.items() if ":" not in name}
    texts = {
        name: one
        for name, one in fields.items()
        if one.attribute.type == "string" and name != "externalId"
    }
    return Covered(texts, fields, f"{' '.join(sorted(texts))} | {' '.join(sorted(fields))}")


@dataclass(slots=True)
class Outline:
    """The resources of a type from one key up to the first key of the next outline.

    Attributes:
        first: The first key that it covers.
        keys: The keys of its lines. A key repeats if its resource has changed.
        lines: The texts of each resource.
        created: The latest `meta.created` among them, in the form in which it compares.
        lacking: By path, the keys of the resources without a value; None if there are many.
    """

    first: int
    keys: list[int] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    created: str = ""
    lacking: dict[str, list[int] | None] = field(default_factory=dict)

    def add(self, key: int, body: Document, covers: Covered) -> None:
        """Add a resource by its search form."""
        self._add(key, body, _line(body, covers), covers)

    def change(self, key: int, body: Document, covers: Covered) -> bool:
        """Add a resource that may have a line already, and tell whether anything has changed."""
        line = _line(body, covers)
        lacking = [path for path, place in covers.sorts.items() if _lacks(place, body)]
        if (
            _created(body) <= self.created
            and all(self._notes_lack(path, key) for path in lacking)
            and (key, line) in zip(self.keys, self.lines, strict=True)
        ):
            return False
        self._add(key, body, line, covers)
        return True

    def _add(self, key: int, body: Document, line: str, covers: Covered) -> None:
        self.keys.append(key)
        self.lines.append(line)
        self.created = max(self.created, _created(body))
        for path, place in covers.sorts.items():
            if _lacks(place, body):
                self._note_lack(path, key)

    def split(self) -> "list[Outline]":
        """Return outlines with fewer lines that together cover the same resources.

        Only the last line of each resource is kept.
        """
        latest = dict(zip(self.keys, self.lines, strict=True))
        keys = sorted(latest)
        parts = []
        for start in range(0, len(keys), LINES):
            some = keys[start : start + LINES]
            first = some[0] if start else self.first
            lacking = {
                path: None if known is None else [key for key in known if key in latest]
                for path, known in self.lacking.items()
            }
            lines = [latest[key] for key in some]
            parts.append(Outline(first, some, lines, self.created, lacking))
        return parts

    def _notes_lack(self, path: str, key: int) -> bool:
        known = self.lacking.get(path, ())
        return known is None or key in known

    def _note_lack(self, path: str, key: int) -> None:
        known = self.lacking.setdefault(path, [])
        if known is not None and key not in known:
            self.lacking[path] = [*known, key] if len(known) < _MANY_LACKING else None

    def row(self) -> tuple[Json, ...]:
        """Return its columns after the type."""
        lacking = json.dumps(self.lacking, separators=(",", ":")) if self.lacking else ""
        keys = " ".join(map(str, self.keys))
        return self.first, len(self.keys), self.created, lacking, "\n".join(self.lines), keys

    @staticmethod
    def of_row(first: int, created: str, lacking: str, text: str, keys: str) -> "Outline":
        """Return an outline from its columns."""
        known = json.loads(lacking) if lacking else {}
        return Outline(first, [*map(int, keys.split())], text.split("\n"), created, known)


def _line(body: Document, covers: Covered) -> str:
    """Return the texts of a search form, without those that another one contains."""
    values = {
        value.replace("\n", " ").replace("\t", " ")
        for place in covers.texts.values()
        for value in values_at(place, body)
        if isinstance(value, str)
    }
    kept: list[str] = []
    for value in sorted(values, key=len, reverse=True):
        if not any(value in longer for longer in kept):
            kept.append(value)
    return "\t".join(kept)


def _created(body: Document) -> str:
    meta = body.get("meta")
    value = meta.get("created") if isinstance(meta, dict) else None
    return value if isinstance(value, str) else ""


def _lacks(place: Field, body: Document) -> bool:
    """Tell whether a search form has no value to sort by: its first element counts."""
    value: Any = body
    for key in place.keys:
        value = value.get(key) if isinstance(value, dict) else None
    if place.each:
        value = value[0] if isinstance(value, list) and value else None
        if place.sub is not None:
            value = value.get(place.sub) if isinstance(value, dict) else None
    return value is None


@dataclass(frozen=True, slots=True)
class OutlineQuestion:
    """What a query asks of outlines.

    Attributes:
        term: The term that looks for texts, or None.
        texts: A match of the term contains one of them.
        created: The term with the earliest `meta.created`, or None.
        lacking: The path whose lack is asked for, or empty.
    """

    term: Predicate | None = None
    texts: tuple[str, ...] = ()
    created: Test | None = None
    lacking: str = ""

    def __bool__(self) -> bool:
        return bool(self.texts or self.created or self.lacking)


@dataclass(frozen=True, slots=True)
class Hints:
    """What outlines tell about a query.

    Attributes:
        wanted: The question.
        candidates: The keys of all resources that can match `wanted.term`; None if unknown.
        partial: The candidates are only those before some key.
        common: There are more candidates than a search can take.
        since: The lowest key of a resource that can match `wanted.created`; None if unknown.
        since_size: The number of resources from that key on, about.
        lacking: The keys of all resources that can lack `wanted.lacking`; None if unknown.
    """

    wanted: OutlineQuestion
    candidates: frozenset[int] | None = None
    partial: bool = False
    common: bool = False
    since: int | None = None
    since_size: int = 0
    lacking: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class OutlineAnswer:
    """The result of `outline_steps`.

    Attributes:
        hints: The hints; None if the outlines cannot be used.
        stale: The outlines should be built, or brought on.
    """

    hints: Hints | None
    stale: bool


def texts_of(term: object, covers: Covered) -> tuple[str, ...]:
    """Return texts one of which is in the outline of every match of a term; () if unknown."""
    match term:
        case Test(place, "co", operand) if place.name in covers.texts and isinstance(operand, str):
            return (operand,) if operand and not {"\n", "\t"} & set(operand) else ()
        case Each(_, inner):
            return texts_of(inner, covers)
        case All(terms):
            return next((found for one in terms if (found := texts_of(one, covers))), ())
        case Some(terms):
            each = [texts_of(one, covers) for one in terms]
            return tuple(sorted({text for one in each for text in one})) if all(each) else ()
    return ()


def is_created_since(term: object) -> bool:
    """Tell whether a term asks for resources created since a time."""
    match term:
        case Test(place, "gt" | "ge", operand):
            return place.name == _CREATED and isinstance(operand, str)
    return False


Steps = Generator[Statement, Sequence[Sequence[Any]], OutlineAnswer]
"""Yields statements, is sent the rows of each, and returns the answer."""


def outline_steps(query: Query, wanted: OutlineQuestion, narrow: bool) -> Steps:
    """Read the outlines of a query's type.

    Args:
        query: The query.
        wanted: What it asks of outlines.
        narrow: Let the database look for the texts, instead of sending all of them.
    """
    position = yield from _position(query)
    if not isinstance(position, int):
        return position
    bind = Binder()
    rows = yield bind.statement(
        f"SELECT id, action FROM changes WHERE workspace = {bind(query.workspace)}"
        f" AND sequence > {bind(position)} AND type = {bind(query.resource_type.name)}"
        f" AND version > 0 ORDER BY sequence LIMIT {MOST_CHANGES + 1}"
    )
    if len(rows) > MOST_CHANGES:
        return OutlineAnswer(None, stale=True)
    changed = frozenset(key_of(_text(row[0])) or 0 for row in rows)
    created = frozenset(key_of(_text(row[0])) or 0 for row in rows if _text(row[1]) == "create")
    lacking = None
    if wanted.lacking:
        lacking = yield from _lacking(query, wanted.lacking, changed)
    since, size = None, 0
    if wanted.created is not None:
        since, size = yield from _since(query, wanted.created, created)
    found: _Candidates = _Candidates()
    if wanted.texts:
        found = yield from _candidates(query, wanted.texts, changed, narrow)
    hints = Hints(wanted, found.keys, found.partial, found.common, since, size, lacking)
    return OutlineAnswer(hints, stale=len(rows) > STALE)


def _scope(bind: Binder, query: Query) -> str:
    name = query.resource_type.name
    return f"workspace = {bind(query.workspace)} AND type = {bind(name)}"


def _position(query: Query) -> Generator[Statement, Sequence[Sequence[Any]], "int | OutlineAnswer"]:
    """Return the position of the outlines, or the answer if they cannot be used."""
    bind = Binder()
    rows = yield bind.statement(
        "SELECT c.total, p.position, p.reached, p.covers,"
        f" (SELECT max(sequence) FROM changes WHERE workspace = {bind(query.workspace)})"
        f" FROM (SELECT total FROM counts WHERE {_scope(bind, query)}) c LEFT JOIN"
        f" (SELECT * FROM outline_positions WHERE {_scope(bind, query)}) p ON TRUE"
    )
    if not rows or rows[0][0] < LEAST_RESOURCES:
        return OutlineAnswer(None, stale=False)
    _, position, reached, covers, latest = rows[0]
    if position is None or reached is not None:
        return OutlineAnswer(None, stale=True)
    behind = (latest or 0) - position
    if _text(covers) != covered(query.resource_type).signature or behind > MOST_SEQUENCES:
        return OutlineAnswer(None, stale=True)
    return int(position)


def _lacking(
    query: Query, path: str, changed: frozenset[int]
) -> Generator[Statement, Sequence[Sequence[Any]], frozenset[int] | None]:
    """Return the keys of the resources that may lack a value; None if there are many."""
    bind = Binder()
    rows = yield bind.statement(
        f"SELECT lacking FROM outlines WHERE {_scope(bind, query)} AND lacking <> ''"
    )
    found = set(changed)
    for (lacking,) in rows:
        keys = json.loads(lacking).get(path, ())
        if keys is None or len(found) > _MOST_LACKING:
            return None
        found.update(keys)
    return frozenset(found)


def _since(
    query: Query, term: Test, created: frozenset[int]
) -> Generator[Statement, Sequence[Sequence[Any]], tuple[int, int]]:
    """Return the lowest key of a resource created since a time, and how many follow it."""
    bind = Binder()
    rows = yield bind.statement(
        f"SELECT min(first_key) FROM outlines WHERE {_scope(bind, query)}"
        f" AND created >= {bind(term.operand)}"
    )
    # A change that creates may be a restoration, whose key is old.
    since = min((_END if rows[0][0] is None else rows[0][0], *created))
    bind = Binder()
    rows = yield bind.statement(
        f"SELECT coalesce(sum(lines), 0) FROM outlines WHERE {_scope(bind, query)}"
        f" AND first_key >= {bind(since - 1)}"
    )
    return since, int(rows[0][0]) + len(created) + MOST_LINES


@dataclass(frozen=True, slots=True)
class _Candidates:
    keys: frozenset[int] | None = None
    partial: bool = False
    common: bool = False


def _candidates(
    query: Query, texts: tuple[str, ...], changed: frozenset[int], narrow: bool
) -> Generator[Statement, Sequence[Sequence[Any]], _Candidates]:
    """Look for texts in the outlines, in the order of keys.

    A list in the order of keys with a bounded count needs only the first candidates.
    """
    bounded = query.sort is None and query.counted is not None
    counted = 0 if query.after is not None else query.counted or 0
    most = query.limit + counted + _SPARE if bounded else MOST_CANDIDATES
    needles: tuple[Any, ...]
    encoded = tuple(text.encode() for text in texts)
    after = -1
    if bounded and query.after is not None:
        bind = Binder()
        rows = yield bind.statement(
            f"SELECT max(first_key) FROM outlines WHERE {_scope(bind, query)}"
            f" AND first_key <= {bind(query.after.key)}"
        )
        after = -1 if rows[0][0] is None else rows[0][0] - 1
    found: set[int] = set()
    while True:
        bind = Binder()
        within = " OR ".join(f"strpos(texts, {bind(text)}) > 0" for text in texts) if narrow else ""
        rows = yield bind.statement(
            f"SELECT first_key, texts FROM outlines WHERE {_scope(bind, query)}"
            f" AND first_key > {bind(after)}{f' AND ({within})' if within else ''}"
            f" ORDER BY first_key LIMIT {_BATCH}"
        )
        matching = {}
        for first, text in rows:
            after, needles = first, encoded if isinstance(text, bytes) else texts
            if any(needle in text for needle in needles):
                matching[first] = _matching(text, needles)
        if matching:
            found.update((yield from _keys_of(query, matching)))
        if len(rows) < _BATCH:
            return _Candidates(frozenset(found | changed))
        if len(found) > most:
            break
    if not bounded:
        return _Candidates(common=True)
    bind = Binder()
    rows = yield bind.statement(
        f"SELECT min(first_key) FROM outlines WHERE {_scope(bind, query)}"
        f" AND first_key > {bind(after)}"
    )
    end = _END if rows[0][0] is None else rows[0][0]
    return _Candidates(frozenset(key for key in found | changed if key < end), partial=True)


def _matching(text: Any, needles: Iterable[Any]) -> list[int]:
    """Return the numbers of the lines that contain one of the texts."""
    lines = text.split(b"\n" if isinstance(text, bytes) else "\n")
    return [n for n, line in enumerate(lines) if any(needle in line for needle in needles)]


def _keys_of(
    query: Query, lines: dict[int, list[int]]
) -> Generator[Statement, Sequence[Sequence[Any]], list[int]]:
    """Return the keys of lines, given by the first key of their outline.

    They are read apart from the texts, of which most do not match.
    """
    bind = Binder()
    some = ", ".join(bind(first) for first in lines)
    rows = yield bind.statement(
        f"SELECT first_key, keys FROM outlines WHERE {_scope(bind, query)}"
        f" AND first_key IN ({some})"
    )
    keys = {first: text.split() for first, text in rows}
    return [int(keys[first][number]) for first, numbers in lines.items() for number in numbers]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def suffices(query: Query, page: Page, hints: Hints) -> bool:
    """Tell whether a page is complete although it was searched among partial candidates."""
    if not hints.partial:
        return True
    counted = page.total is None or page.total >= (query.counted or 0)
    return counted and page.count >= query.limit

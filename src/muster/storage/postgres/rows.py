"""What a batch of writes to one workspace comes to, and its statements: one of each kind, however many writes there are.

Every statement names the workspace, so that the tables can be distributed by it.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from muster.base.threads import compute
from muster.scim.errors import ScimError
from muster.scim.indexing import LookupEntry
from muster.scim.secrets import add as add_hashes
from muster.storage.audit.chain import HASHED_COLUMNS, chain_hash
from muster.storage.groups import unique_display_names
from muster.storage.groups.hierarchy import Hierarchy, parse_keys
from muster.storage.groups.member_delta import delta_to_column
from muster.storage.ids import key_of
from muster.storage.port.errors import Conflict, Held, KeyTaken, NoSuchMember
from muster.storage.port.members import GROUP, MemberDelta
from muster.storage.port.resources import Lookups, Outcome, Put, Remove, Stored, Write
from muster.storage.postgres import members
from muster.storage.postgres.connection import Connection

Value = tuple[str, str, str]
"""A unique value: its type, attribute and text."""
_ATTEMPTS = 20

_STANDING = f"""
SELECT r.type, r.id, r.version, convert_to(r.document, 'UTF8'), r.display,
    CASE WHEN r.grouped THEN ({members.direct('r."key"')}) END
FROM resources r WHERE r.workspace = $1 AND r."key" = ANY($2::bigint[])
"""
_OWNERS = """
SELECT u.type, u.attribute, u.value, u."key" FROM unique_values u
JOIN unnest($2::text[], $3::text[], $4::text[]) AS w (type, attribute, value)
    ON u.type = w.type AND u.attribute = w.attribute AND u.value = w.value
WHERE u.workspace = $1
"""
INSERT = """
INSERT INTO resources (workspace, type, "key", id, version, document, display)
SELECT $1, * FROM unnest($2::text[], $3::bigint[], $4::text[], $5::integer[], $6::text[], $7::text[]) ON CONFLICT DO NOTHING
RETURNING 1
"""
INSERT_BODY = """
INSERT INTO searchable (workspace, type, "key", body)
SELECT $1, n.type, n."key", n.body::jsonb FROM unnest($2::text[], $3::bigint[], $4::text[]) AS n (type, "key", body)
"""
UPDATE = """
UPDATE resources SET version = n.version, document = n.document, display = n.display
FROM unnest($2::bigint[], $3::integer[], $4::text[], $5::text[]) AS n ("key", version, document, display)
WHERE resources.workspace = $1 AND resources."key" = n."key"
"""
UPDATE_BODY = """
UPDATE searchable SET body = n.body::jsonb FROM unnest($2::bigint[], $3::text[]) AS n ("key", body)
WHERE searchable.workspace = $1 AND searchable."key" = n."key"
"""
_DELETE = 'DELETE FROM resources WHERE workspace = $1 AND "key" = ANY($2::bigint[])'
_DELETE_BODY = 'DELETE FROM searchable WHERE workspace = $1 AND "key" = ANY($2::bigint[])'
_DELETE_SECRETS = 'DELETE FROM secrets WHERE workspace = $1 AND "key" = ANY($2::bigint[])'
_DROP = """
DELETE FROM {table} t USING unnest($2::text[], $3::text[], $4::text[], $5::bigint[]) AS n (type, attribute, value, "key")
WHERE t.workspace = $1 AND t.type = n.type AND t.attribute = n.attribute AND t.value = n.value AND t."key" = n."key"
"""
DROP_LOOKUPS, _DROP_UNIQUE = _DROP.format(table="lookups"), _DROP.format(table="unique_values")
ADD_LOOKUPS = """
INSERT INTO lookups (workspace, type, attribute, value, "key", "first")
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::boolean[])
"""
ADD_UNIQUE = """
INSERT INTO unique_values (workspace, type, attribute, value, "key")
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[]) ON CONFLICT DO NOTHING
RETURNING 1
"""
COUNT = """
INSERT INTO counts (workspace, type, total) SELECT $1, * FROM unnest($2::text[], $3::bigint[])
ON CONFLICT (workspace, type) DO UPDATE SET total = counts.total + excluded.total
"""
_KEEP_SECRET = """
INSERT INTO secrets (workspace, "key", name, hash) SELECT $1, * FROM unnest($2::bigint[], $3::text[], $4::text[])
ON CONFLICT (workspace, "key", name) DO UPDATE SET hash = excluded.hash
"""
_FORGET_SECRET = """
DELETE FROM secrets s USING unnest($2::bigint[], $3::text[]) AS n ("key", name)
WHERE s.workspace = $1 AND s."key" = n."key" AND (s.name = n.name OR starts_with(s.name, n.name || '['))
"""
_ADD_CHANGES = f"""
INSERT INTO changes (workspace, {HASHED_COLUMNS}, chain)
SELECT $1, {", ".join(f"n.{name}" for name in HASHED_COLUMNS.split(", "))}, n.chain
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::integer[], $9::text[], $10::text[],
    $11::text[], $12::bytea[]) WITH ORDINALITY AS n ({HASHED_COLUMNS}, chain, place)
ORDER BY n.place
"""
DEPROVISIONED = "SELECT count(*) FROM deprovisionings WHERE workspace = $1 AND time >= $2"
_GUARDED = f"""
SELECT coalesce((SELECT total FROM counts WHERE workspace = $1 AND type = $2), 0),
    ({DEPROVISIONED.replace("$2", "$3")})
"""
_AMONG_DEPROVISIONED = """
SELECT DISTINCT "key" FROM deprovisionings WHERE workspace = $1 AND time >= $2 AND "key" = ANY($3::bigint[])
"""
_REPROVISION = 'DELETE FROM deprovisionings WHERE workspace = $1 AND "key" = ANY($2::bigint[])'
_FORGET_DEPROVISIONED = "DELETE FROM deprovisionings WHERE workspace = $1 AND time < $2"
_DEPROVISION = """
INSERT INTO deprovisionings (workspace, time, "key") SELECT $1, * FROM unnest($2::text[], $3::bigint[]) ON CONFLICT DO NOTHING
"""
_LAST_LINK = "SELECT chain FROM changes WHERE workspace = $1 ORDER BY sequence DESC LIMIT 1"
Change = tuple[str, str, str, str, str, str, int, str, str | None, str]
"""A row of `changes`: the columns HASHED_COLUMNS."""
Mark = tuple[str, bytes]
"""What tells a row of `changes` from every other: the id of the resource, and the link."""


@dataclass(slots=True)
class Standing:
    """A resource that stands. display: what it is called; groups: the ids of those that it is a direct member of."""

    type: str
    stored: Stored
    display: str | None
    groups: Sequence[str]


@dataclass(frozen=True, slots=True)
class Guarded:
    """What a guard reckons with: how many users there are, and how many lost access in its window, which begins at since."""

    users: int
    done: int
    since: str
    keys: frozenset[int]
    """Of those who lost access: who has it again after the batch."""


@dataclass(frozen=True, slots=True)
class Touch:
    """Groups that a write brings to their next version, for it renames or removes who is in them. moved: what it takes out."""

    write: Write
    groups: Sequence[str]
    moved: MemberDelta | None


@dataclass(slots=True)
class _Row:
    """One resource in a batch. stored: what stands now. index: what it is found by now, known once something changed it."""

    key: int
    type: str
    stored: Stored | None
    was: bool
    display: str | None = None
    groups: Sequence[str] = ()
    index: Lookups | None = None
    before: Lookups | None = None
    put: Put | None = None
    secrets: dict[str, str | None] = field(default_factory=dict)


class Batch:
    """Writes to one workspace, decided in their order, each on what those before it left. moved: what each does to members."""

    def __init__(
        self,
        writes: Sequence[Write],
        moved: Sequence[MemberDelta | None],
        standing: dict[int, Standing],
        owners: dict[Value, int | None],
        guarded: Guarded | None,
        unique_names: bool,
    ) -> None:
        self._standing = standing
        self._unique_names = unique_names
        self.guarded = guarded
        self.unguarded = False
        """Whether a guard was passed by, for what it reckons with is not known."""
        self.deprovisioned: list[tuple[str, int]] = []
        self.reprovisioned: set[int] = set()
        self._known = owners
        self._owners: dict[Value, int | None] = {}
        self.unknown: set[Value] = set()
        """Unique values that were taken for free, and that no one has asked the database about."""
        self.rows: dict[int, _Row] = {}
        self.changes: list[Change] = []
        self.counts: dict[str, int] = {}
        self.touches: list[Touch] = []
        self.answers: list[Outcome | Exception] = []
        for write, delta in zip(writes, moved, strict=True):
            try:
                self.answers.append(self._decided(write, delta))
            except Exception as error:
                self.answers.append(error)

    def _decided(self, write: Write, moved: MemberDelta | None) -> Outcome:
        for _ in range(_ATTEMPTS):
            try:
                return self._decide(write, moved)
            except KeyTaken:
                continue
        raise KeyTaken

    def _decide(self, write: Write, moved: MemberDelta | None) -> Outcome:
        row = None if write.id is None else self._row(write.type, write.id)
        outcome = write.decide(None if row is None else row.stored)
        if write.type == GROUP:
            outcome = unique_display_names.with_unique_names(outcome, self._unique_names)
        guarded = (
            write.guard is not None and isinstance(outcome, Put | Remove) and outcome.deprovisions
        )
        if guarded:
            self._guard(write)
        if isinstance(outcome, Put):
            self._put(write, row, outcome, moved)
        elif isinstance(outcome, Remove) and row is not None:
            self._remove(write, row, outcome, moved)
        key = key_of(outcome.stored.id) or 0
        if guarded:
            self.deprovisioned.append((write.origin.time, key))
        elif isinstance(outcome, Put) and outcome.reprovisions:
            self.reprovisioned.add(key)
            self.deprovisioned = [found for found in self.deprovisioned if found[1] != key]
        return outcome

    def _guard(self, write: Write) -> None:
        """Raises Held where one more user who loses access is one too many."""
        if self.guarded is None:
            self.unguarded = True
            return
        done = (
            self.guarded.done
            - len(self.guarded.keys & self.reprovisioned)
            + len(self.deprovisioned)
        )
        users = self.guarded.users + self.counts.get(write.type, 0)
        if (
            write.guard is not None
            and write.guard.holds
            and done >= (allowed := write.guard.allowed(users, done))
        ):
            raise Held(done, allowed)

    def _row(self, type_name: str, resource_id: str) -> _Row | None:
        key = key_of(resource_id)
        if key is None:
            return None
        row = self.rows.get(key)
        if row is None:
            found = self._standing.get(key)
            if found is None:
                row = _Row(key, type_name, None, False)
            elif found.type != type_name or found.stored.id != resource_id:
                return None
            else:
                row = _Row(key, type_name, found.stored, True, found.display, found.groups)
            self.rows[key] = row
        return (
            row
            if row.stored is None or (row.type == type_name and row.stored.id == resource_id)
            else None
        )

    def _put(self, write: Write, row: _Row | None, put: Put, moved: MemberDelta | None) -> None:
        key = key_of(put.stored.id)
        if key is None:
            raise ValueError(f"{put.stored.id} is not an id of ours")
        if row is None:
            if key in self.rows or key in self._standing:
                raise KeyTaken
            row = _Row(key, write.type, None, False)
        before = row.index or (put.before if row.stored is not None else None) or Lookups()
        self._take(write.type, key, put.index.unique - before.unique)
        self._leave(write.type, before.unique - put.index.unique)
        created = row.stored is None
        if row.stored is not None and put.display != row.display:
            self.touches.append(Touch(write, row.groups, None))
        self.rows[key] = row
        row.before = row.before or before
        row.stored, row.index, row.put, row.display = put.stored, put.index, put, put.display
        add_hashes(row.secrets, put.secrets)
        self._record(write, "create" if created else "update", put.stored, int(created), moved)

    def _remove(self, write: Write, row: _Row, remove: Remove, moved: MemberDelta | None) -> None:
        before = row.index or remove.before
        self._leave(write.type, before.unique)
        self.touches.append(Touch(write, row.groups, MemberDelta(removed=(remove.stored.id,))))
        row.before = row.before or before
        row.stored, row.index, row.put, row.groups = None, Lookups(), None, ()
        self._record(write, "delete", remove.stored, -1, moved)

    def _take(self, type_name: str, key: int, entries: Iterable[LookupEntry]) -> None:
        """Make unique values a resource's. Raises Conflict, and takes none."""
        wanted = [(type_name, entry.attribute, entry.value) for entry in entries]
        for value in wanted:
            owner = self._owners[value] if value in self._owners else self._known.get(value)
            if owner is not None and owner != key:
                raise Conflict(value[1])
        for value in wanted:
            if value not in self._owners and value not in self._known:
                self.unknown.add(value)
            self._owners[value] = key

    def _leave(self, type_name: str, entries: Iterable[LookupEntry]) -> None:
        for entry in entries:
            self._owners[type_name, entry.attribute, entry.value] = None

    def _record(
        self, write: Write, action: str, stored: Stored, total: int, moved: MemberDelta | None
    ) -> None:
        origin = (write.origin.time, write.origin.actor, write.origin.request_id)
        change = (
            write.type,
            stored.id,
            action,
            stored.version,
            stored.document.decode(),
            delta_to_column(moved),
        )
        self.changes.append((*origin, *change, write.origin.address))
        self.counts[write.type] = self.counts.get(write.type, 0) + total


async def carry_out(
    connection: Connection, workspace: int, writes: Sequence[Write]
) -> tuple[list[Outcome | Exception], Mark | None]:
    """What comes of each write, in the transaction that is open; and the mark of the last change, where there is one.

    A write to the members of a group goes alone, for what it comes to depends on those before it. Raises KeyTaken where an id is
    taken by now.
    """
    answers: list[Outcome | Exception] = []
    mark: Mark | None = None
    for run in _runs(writes):
        standing = await _standing(connection, workspace, run)
        try:
            moved = [await _moved(connection, write, standing) for write in run]
        except (NoSuchMember, ScimError) as error:
            answers.append(error)
            continue
        batch = await _decide(connection, workspace, run, moved, standing)
        renamed = [
            touch.write.id
            for touch in batch.touches
            if touch.write.type == GROUP and touch.write.id is not None
        ]
        if renamed:
            await members.changed(connection, workspace, renamed)
        mark = await _store(connection, workspace, batch) or mark
        for answer, delta in zip(batch.answers, moved, strict=True):
            if delta is not None and isinstance(answer, Put | Remove):
                await members.store(connection, workspace, key_of(answer.stored.id) or 0, delta)
        await _touch(connection, workspace, batch)
        answers.extend(batch.answers)
    return answers, mark


def _runs(writes: Sequence[Write]) -> Iterator[Sequence[Write]]:
    for alone, run in groupby(writes, key=lambda write: write.members is not None):
        if alone:
            yield from ([write] for write in run)
        else:
            yield list(run)


async def _standing(
    connection: Connection, workspace: int, writes: Sequence[Write]
) -> dict[int, Standing]:
    keys = [
        key for write in writes if write.id is not None and (key := key_of(write.id)) is not None
    ]
    found = await connection.fetch(_STANDING, workspace, keys) if keys else []
    standing, hierarchy = {}, Hierarchy(0)
    await members.load(
        connection.fetch,
        workspace,
        hierarchy,
        sorted({key for row in found for key in parse_keys(row[5] or "")}),
    )
    for type_name, resource_id, version, document, display, direct in found:
        groups = parse_keys(direct or "")
        shown = None if type_name == GROUP else hierarchy.groups_of(groups)
        stored = Stored(resource_id, version, document, shown)
        standing[key_of(resource_id) or 0] = Standing(
            type_name, stored, display, hierarchy.ids_of(groups)
        )
    return standing


async def _moved(
    connection: Connection, write: Write, standing: dict[int, Standing]
) -> MemberDelta | None:
    """What a write does to the members of its group. Raises NoSuchMember."""
    if write.members is None:
        return None
    key = key_of(write.id) if write.id is not None else None
    if write.id is not None and (key is None or key not in standing):
        return None
    delta = await members.delta(connection, write.workspace, key, write.members)
    if key is not None:
        standing[key].stored.delta = delta
    return delta


async def _decide(
    connection: Connection,
    workspace: int,
    writes: Sequence[Write],
    moved: Sequence[MemberDelta | None],
    standing: dict[int, Standing],
) -> Batch:
    """The batch, once every unique value that it takes is known to be free, and what its guard reckons with, where it has to.

    Writes may be decided more than once.
    """
    owners: dict[Value, int | None] = {}
    guarded: Guarded | None = None
    unique_names = any(write.type == GROUP for write in writes) and await names_are_unique(
        connection, workspace
    )
    long = _is_long(writes, standing)
    while True:
        decide = functools.partial(Batch, writes, moved, standing, owners, guarded, unique_names)
        batch = await compute(workspace, decide) if long else decide()
        if batch.unguarded:
            guarded = await _guarded(connection, workspace, writes, batch.reprovisioned)
            continue
        if not batch.unknown:
            return batch
        values = sorted(batch.unknown)
        owners |= dict.fromkeys(values)
        taken = False
        for row in await connection.fetch(_OWNERS, workspace, *_columns(values)):
            owners[row[0], row[1], row[2]] = row[3]
            taken = True
        if not taken:
            return batch


def _is_long(writes: Sequence[Write], standing: dict[int, Standing]) -> bool:
    """Whether some write takes too long to be decided in the event loop."""
    for write in writes:
        found = standing.get(key_of(write.id) or 0) if write.id is not None else None
        if write.is_long(len(found.stored.document) if found is not None else 0):
            return True
    return False


async def names_are_unique(connection: Connection, workspace: int) -> bool:
    """Whether no two groups of a workspace may share a name."""
    return unique_display_names.are_unique(
        await connection.fetchval(unique_display_names.SETTINGS, workspace)
    )


async def _guarded(
    connection: Connection, workspace: int, writes: Sequence[Write], reprovisioned: Iterable[int]
) -> Guarded:
    """The figures of the guard of some writes, the same for all of them. reprovisioned: keys of users who have access again."""
    kind, since = next(
        (write.type, write.guard.since) for write in writes if write.guard is not None
    )
    users, done = (await connection.fetch(_GUARDED, workspace, kind, since))[0]
    keys = list(reprovisioned)
    among = await connection.fetch(_AMONG_DEPROVISIONED, workspace, since, keys) if keys else []
    return Guarded(users, done, since, frozenset(row[0] for row in among))


async def _touch(connection: Connection, workspace: int, batch: Batch) -> None:
    """Bring the groups of those who have gone, or are called something else, to their next version."""
    gone = [
        row
        for row in batch.rows.values()
        if row.was and row.stored is None and row.index is not None
    ]
    left = [
        key_of(id_) or 0
        for touch in batch.touches
        if touch.groups and touch.moved
        for id_ in touch.moved.removed
    ]
    await members.forget(
        connection, workspace, left, [row.key for row in gone if row.type == GROUP]
    )
    writes, moved = [], []
    for touch in batch.touches:
        for group_id in touch.groups:
            writes.append(
                replace(
                    touch.write, type=GROUP, id=group_id, decide=_next(touch.write), members=None
                )
            )
            moved.append(touch.moved)
    if not writes:
        return
    touched = await _decide(
        connection, workspace, writes, moved, await _standing(connection, workspace, writes)
    )
    for answer in touched.answers:
        if isinstance(answer, Exception) and not isinstance(answer, _Gone):
            raise answer
    await _store(connection, workspace, touched)


class _Gone(Exception):
    """A group that was to be touched is removed by the same batch."""


def _next(write: Write) -> Callable[[Stored | None], Outcome]:
    def decide(standing: Stored | None) -> Outcome:
        if standing is None or write.touch is None:
            raise _Gone
        return write.touch(standing)

    return decide


async def _store(connection: Connection, workspace: int, batch: Batch) -> Mark | None:
    """Run the statements of a batch, in the transaction that is open. Raises KeyTaken where an id is taken by now."""

    async def run(statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            await connection.execute(statement, workspace, *_columns(rows))

    async def insert(statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows, counted by RETURNING: Citus reports a wrong count for INSERT … SELECT … ON CONFLICT DO NOTHING."""
        if rows and len(await connection.fetch(statement, workspace, *_columns(rows))) < len(rows):
            raise KeyTaken

    touched = [row for row in batch.rows.values() if row.index is not None]
    gone = [(row.key,) for row in touched if row.put is None and row.was]
    for statement in (_DELETE, _DELETE_BODY, _DELETE_SECRETS):
        await run(statement, gone)
    drops, adds = _entries(touched)
    await run(_DROP_UNIQUE, drops[0])
    await run(DROP_LOOKUPS, drops[1])
    new = [(row, put) for row in touched if (put := row.put) is not None and not row.was]
    kept = [(row, put) for row in touched if (put := row.put) is not None and row.was]
    rows = [
        (r.type, r.key, p.stored.id, p.stored.version, p.stored.document.decode(), p.display)
        for r, p in new
    ]
    await insert(INSERT, rows)
    await run(INSERT_BODY, [(row.type, row.key, put.search.decode()) for row, put in new])
    await run(
        UPDATE,
        [
            (row.key, put.stored.version, put.stored.document.decode(), put.display)
            for row, put in kept
        ],
    )
    await run(UPDATE_BODY, [(row.key, put.search.decode()) for row, put in kept])
    await insert(ADD_UNIQUE, [row[:4] for row in adds[0]])
    await run(ADD_LOOKUPS, adds[1])
    await run(
        _FORGET_SECRET,
        [(r.key, name) for r, _ in kept for name, hashed in r.secrets.items() if hashed is None],
    )
    await run(
        _KEEP_SECRET,
        [
            (r.key, name, hashed)
            for r, _ in (*new, *kept)
            for name, hashed in r.secrets.items()
            if hashed
        ],
    )
    mark = await append(connection, workspace, batch.changes)
    if batch.reprovisioned:
        await connection.execute(_REPROVISION, workspace, list(batch.reprovisioned))
    if batch.deprovisioned and batch.guarded is not None:
        await run(_DEPROVISION, batch.deprovisioned)
        await connection.execute(_FORGET_DEPROVISIONED, workspace, batch.guarded.since)
    await run(
        COUNT, [(type_name, delta) for type_name, delta in sorted(batch.counts.items()) if delta]
    )
    return mark


async def append(connection: Connection, workspace: int, changes: Sequence[Change]) -> Mark | None:
    """Add rows to `changes`, each linked to the one before it, in a transaction that holds the workspace's lock.

    Answers the mark of the last.
    """
    if not changes:
        return None
    previous = await connection.fetchval(_LAST_LINK, workspace)
    linked = []
    for row in changes:
        previous = chain_hash(previous, row)
        linked.append((*row, previous))
    await connection.execute(_ADD_CHANGES, workspace, *_columns(linked))
    return changes[-1][4], previous


Rows = list[tuple[Any, ...]]


def _entries(touched: Sequence[_Row]) -> tuple[tuple[Rows, Rows], tuple[Rows, Rows]]:
    """What resources are no longer found by, and what they are found by now: unique values and look-ups."""
    drops: tuple[Rows, Rows] = ([], [])
    adds: tuple[Rows, Rows] = ([], [])
    for row in touched:
        before, after = (row.before if row.was else None) or Lookups(), row.index or Lookups()
        for n, (old, new) in enumerate(
            ((before.unique, after.unique), (before.lookups, after.lookups))
        ):
            drops[n].extend(
                (row.type, entry.attribute, entry.value, row.key) for entry in old - new
            )
            adds[n].extend(
                (row.type, entry.attribute, entry.value, row.key, entry.first)
                for entry in new - old
            )
    return drops, adds


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """Rows turned into columns, as unnest takes them."""
    return [list(column) for column in zip(*rows, strict=True)]

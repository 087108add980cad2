"""Decides a batch of writes to one workspace in memory, and stores it.

Storing writes one by one costs several round trips for each. Here a batch of any size takes one
statement of each kind. For that, the effect of all its writes is computed before the first
statement is sent:

1. **Read** the current state of every resource that the batch names, with one statement.
2. **Decide** the writes in order (`Batch`). Each decision sees the state that the writes before it
   left, although nothing is stored yet: `Batch` keeps the rows, unique values and counts of the
   workspace as the batch has changed them so far. A decision that raises leaves no trace.
3. **Look up what the decisions needed.** The owners of unique values, and the guard's figures, are
   not known beforehand. The first run assumes that a value is free and records it as unknown; one
   statement then asks for the owners of all unknown values. If one was taken, or the guard had no
   figures, the whole batch is decided again. Decisions are pure, so this is only repeated work. In
   the usual case nothing was taken, and a batch is decided once.
4. **Store** the net effect. A user who is created and renamed in one batch is inserted once, with
   the last document; look-ups that were added and removed again are never written. `changes`
   receives a row per write all the same.
5. **Touch** the groups of renamed and deleted members: a second batch, decided and stored likewise.

A write to a group's members is a batch of its own, because its effect depends on the members that
the writes before it stored (`_runs`).

All of this holds only because nobody else writes to the workspace meanwhile: the transaction has
its lock. Statements name the workspace first, so that the tables can be distributed by it.
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
"""A unique value: resource type, attribute and folded text."""
_ATTEMPTS = 20

_CURRENT = f"""
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
SELECT $1, * FROM unnest($2::text[], $3::bigint[], $4::text[], $5::integer[], $6::text[],
    $7::text[]) ON CONFLICT DO NOTHING
RETURNING 1
"""
INSERT_BODY = """
INSERT INTO searchable (workspace, type, "key", body)
SELECT $1, n.type, n."key", n.body::jsonb
    FROM unnest($2::text[], $3::bigint[], $4::text[]) AS n (type, "key", body)
"""
UPDATE = """
UPDATE resources SET version = n.version, document = n.document, display = n.display
FROM unnest($2::bigint[], $3::integer[], $4::text[], $5::text[]) AS n ("key", version, document,
    display)
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
DELETE FROM {table} t USING unnest($2::text[], $3::text[], $4::text[], $5::bigint[]) AS n (type,
    attribute, value, "key")
WHERE t.workspace = $1 AND t.type = n.type AND t.attribute = n.attribute AND t.value = n.value
    AND t."key" = n."key"
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
INSERT INTO secrets (workspace, "key", name, hash) SELECT $1, *
    FROM unnest($2::bigint[], $3::text[], $4::text[])
ON CONFLICT (workspace, "key", name) DO UPDATE SET hash = excluded.hash
"""
_FORGET_SECRET = """
DELETE FROM secrets s USING unnest($2::bigint[], $3::text[]) AS n ("key", name)
WHERE s.workspace = $1 AND s."key" = n."key"
    AND (s.name = n.name OR starts_with(s.name, n.name || '['))
"""
_ADD_CHANGES = f"""
INSERT INTO changes (workspace, {HASHED_COLUMNS}, chain)
SELECT $1, {", ".join(f"n.{name}" for name in HASHED_COLUMNS.split(", "))}, n.chain
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::integer[],
    $9::text[], $10::text[],
    $11::text[], $12::bytea[]) WITH ORDINALITY AS n ({HASHED_COLUMNS}, chain, place)
ORDER BY n.place
"""
DEPROVISIONED = "SELECT count(*) FROM deprovisionings WHERE workspace = $1 AND time >= $2"
_GUARD_FIGURES = f"""
SELECT coalesce((SELECT total FROM counts WHERE workspace = $1 AND type = $2), 0),
    ({DEPROVISIONED.replace("$2", "$3")})
"""
_AMONG_DEPROVISIONED = """
SELECT DISTINCT "key" FROM deprovisionings WHERE workspace = $1 AND time >= $2
    AND "key" = ANY($3::bigint[])
"""
_REPROVISION = 'DELETE FROM deprovisionings WHERE workspace = $1 AND "key" = ANY($2::bigint[])'
_FORGET_DEPROVISIONED = "DELETE FROM deprovisionings WHERE workspace = $1 AND time < $2"
_DEPROVISION = """
INSERT INTO deprovisionings (workspace, time, "key") SELECT $1, *
    FROM unnest($2::text[], $3::bigint[]) ON CONFLICT DO NOTHING
"""
_LAST_LINK = "SELECT chain FROM changes WHERE workspace = $1 ORDER BY sequence DESC LIMIT 1"
Change = tuple[str, str, str, str, str, str, int, str, str | None, str]
"""A row of `changes`: the values of HASHED_COLUMNS."""
Mark = tuple[str, bytes]
"""Identifies one row of `changes` among all: the id of the resource, and the hash."""


@dataclass(slots=True)
class Current:
    """The current state of a resource.

    Attributes:
        display: The resource's display name.
        groups: The ids of the groups that directly contain it.
    """

    type: str
    stored: Stored
    display: str | None
    groups: Sequence[str]


@dataclass(frozen=True, slots=True)
class GuardFigures:
    """The figures that the guard needs.

    Attributes:
        users: The users that exist before the batch.
        done: Users who lost access within the window.
        since: The start of the window.
        keys: Those of them who regain access in the batch.
    """

    users: int
    done: int
    since: str
    keys: frozenset[int]


@dataclass(frozen=True, slots=True)
class Touch:
    """Groups whose version a write increments, because it renames or deletes a member.

    Attributes:
        delta: The member that they lose, if it is deleted.
    """

    write: Write
    groups: Sequence[str]
    delta: MemberDelta | None


@dataclass(slots=True)
class _Row:
    """One resource as the batch has changed it so far.

    Attributes:
        stored: The current state; None if the resource does not exist.
        existed: The resource existed before the batch.
        index: The values by which it is found now; None until the batch changes it.
        before: The values by which it was found before the batch.
        put: The last Put of the batch.
        secrets: The password hashes to store, from all of the batch's writes.
    """

    key: int
    type: str
    stored: Stored | None
    existed: bool
    display: str | None = None
    groups: Sequence[str] = ()
    index: Lookups | None = None
    before: Lookups | None = None
    put: Put | None = None
    secrets: dict[str, str | None] = field(default_factory=dict)


class Batch:
    """Writes to one workspace, decided in order, each on the state left by the others.

    Args:
        deltas: The effect of each write on the members of its group.
        current: The current states of resources, by key.
        owners: The owners of unique values that are known: a key, or None for free.
        figures: The guard's figures, if they are known.
        unique_names: The workspace demands unique group names.

    Attributes:
        unknown: Unique values that were assumed to be free.
        guard_skipped: The guard was skipped, because its figures are not known.
        answers: The outcome or the error of each write.
    """

    def __init__(
        self,
        writes: Sequence[Write],
        deltas: Sequence[MemberDelta | None],
        current: dict[int, Current],
        owners: dict[Value, int | None],
        figures: GuardFigures | None,
        unique_names: bool,
    ) -> None:
        self._current = current
        self._unique_names = unique_names
        self.figures = figures
        self.guard_skipped = False
        self.deprovisioned: list[tuple[str, int]] = []
        self.reprovisioned: set[int] = set()
        self._known = owners
        self._owners: dict[Value, int | None] = {}
        self.unknown: set[Value] = set()
        self.rows: dict[int, _Row] = {}
        self.changes: list[Change] = []
        self.counts: dict[str, int] = {}
        self.touches: list[Touch] = []
        self.answers: list[Outcome | Exception] = []
        for write, delta in zip(writes, deltas, strict=True):
            try:
                self.answers.append(self._decide_with_new_ids(write, delta))
            except Exception as error:
                self.answers.append(error)

    def _decide_with_new_ids(self, write: Write, delta: MemberDelta | None) -> Outcome:
        """Decide a write, again with another id if the generated key is taken."""
        for _ in range(_ATTEMPTS):
            try:
                return self._decide(write, delta)
            except KeyTaken:
                continue
        raise KeyTaken

    def _decide(self, write: Write, delta: MemberDelta | None) -> Outcome:
        """Decide one write, and apply its outcome to the state of the batch."""
        row = None if write.id is None else self._row(write.type, write.id)
        outcome = write.decide(None if row is None else row.stored)
        # Nothing of the batch may change before the last check that can raise: a rejected write
        # must leave no trace for the decisions after it.
        if write.type == GROUP:
            outcome = unique_display_names.with_unique_names(outcome, self._unique_names)
        takes_access = (
            write.guard is not None and isinstance(outcome, Put | Remove) and outcome.deprovisions
        )
        if takes_access:
            self._guard(write)
        if isinstance(outcome, Put):
            self._apply_put(write, row, outcome, delta)
        elif isinstance(outcome, Remove) and row is not None:
            self._apply_remove(write, row, outcome, delta)
        key = key_of(outcome.stored.id) or 0
        if takes_access:
            self.deprovisioned.append((write.origin.time, key))
        elif isinstance(outcome, Put) and outcome.reprovisions:
            self.reprovisioned.add(key)
            self.deprovisioned = [found for found in self.deprovisioned if found[1] != key]
        return outcome

    def _guard(self, write: Write) -> None:
        """Apply the guard to a write that takes a user's access.

        Raises:
            Held: The guard refuses it.
        """
        if self.figures is None:
            self.guard_skipped = True
            return
        # The figures are from before the batch; its own writes are added.
        done = (
            self.figures.done
            - len(self.figures.keys & self.reprovisioned)
            + len(self.deprovisioned)
        )
        users = self.figures.users + self.counts.get(write.type, 0)
        if (
            write.guard is not None
            and write.guard.holds
            and done >= (allowed := write.guard.allowed(users, done))
        ):
            raise Held(done, allowed)

    def _row(self, type_name: str, resource_id: str) -> _Row | None:
        """Return the row of a resource, or None if the id cannot be one of that type."""
        key = key_of(resource_id)
        if key is None:
            return None
        row = self.rows.get(key)
        if row is None:
            found = self._current.get(key)
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

    def _apply_put(
        self, write: Write, row: _Row | None, put: Put, delta: MemberDelta | None
    ) -> None:
        key = key_of(put.stored.id)
        if key is None:
            raise ValueError(f"muster did not generate the id {put.stored.id}")
        if row is None:
            if key in self.rows or key in self._current:
                raise KeyTaken
            row = _Row(key, write.type, None, False)
        # `put.before` was computed from the state that the decision saw. Once the batch has changed
        # the resource, its own index is that state.
        before = row.index or (put.before if row.stored is not None else None) or Lookups()
        self._take_unique(write.type, key, put.index.unique - before.unique)
        self._release_unique(write.type, before.unique - put.index.unique)
        created = row.stored is None
        if row.stored is not None and put.display != row.display:
            self.touches.append(Touch(write, row.groups, None))
        self.rows[key] = row
        row.before = row.before or before
        row.stored, row.index, row.put, row.display = put.stored, put.index, put, put.display
        add_hashes(row.secrets, put.secrets)
        self._record(write, "create" if created else "update", put.stored, int(created), delta)

    def _apply_remove(
        self, write: Write, row: _Row, remove: Remove, delta: MemberDelta | None
    ) -> None:
        before = row.index or remove.before
        self._release_unique(write.type, before.unique)
        self.touches.append(Touch(write, row.groups, MemberDelta(removed=(remove.stored.id,))))
        row.before = row.before or before
        row.stored, row.index, row.put, row.groups = None, Lookups(), None, ()
        self._record(write, "delete", remove.stored, -1, delta)

    def _take_unique(self, type_name: str, key: int, entries: Iterable[LookupEntry]) -> None:
        """Give unique values to a resource: all, or none.

        Raises:
            Conflict: Another resource has one of them.
        """
        wanted = [(type_name, entry.attribute, entry.value) for entry in entries]
        for value in wanted:
            owner = self._owners[value] if value in self._owners else self._known.get(value)
            if owner is not None and owner != key:
                raise Conflict(value[1])
        # Assume that an unknown value is free. `_decide` asks for its owner afterwards, and decides
        # the batch again if it has one.
        for value in wanted:
            if value not in self._owners and value not in self._known:
                self.unknown.add(value)
            self._owners[value] = key

    def _release_unique(self, type_name: str, entries: Iterable[LookupEntry]) -> None:
        for entry in entries:
            self._owners[type_name, entry.attribute, entry.value] = None

    def _record(
        self, write: Write, action: str, stored: Stored, total: int, delta: MemberDelta | None
    ) -> None:
        origin = (write.origin.time, write.origin.actor, write.origin.request_id)
        change = (
            write.type,
            stored.id,
            action,
            stored.version,
            stored.document.decode(),
            delta_to_column(delta),
        )
        self.changes.append((*origin, *change, write.origin.address))
        self.counts[write.type] = self.counts.get(write.type, 0) + total


async def carry_out(
    connection: Connection, workspace: int, writes: Sequence[Write]
) -> tuple[list[Outcome | Exception], Mark | None]:
    """Decide and store writes in the open transaction.

    Returns:
        The outcome or the error of each write, and the mark of the last change, if any.

    Raises:
        KeyTaken: Another replica has used one of the generated keys.
    """
    answers: list[Outcome | Exception] = []
    mark: Mark | None = None
    for run in _runs(writes):
        current = await _read_current(connection, workspace, run)
        try:
            deltas = [await _member_delta(connection, write, current) for write in run]
        except (NoSuchMember, ScimError) as error:
            answers.append(error)
            continue
        batch = await _decide(connection, workspace, run, deltas, current)
        renamed = [
            touch.write.id
            for touch in batch.touches
            if touch.write.type == GROUP and touch.write.id is not None
        ]
        if renamed:
            await members.bump_version(connection, workspace, renamed)
        mark = await _store_batch(connection, workspace, batch) or mark
        for answer, delta in zip(batch.answers, deltas, strict=True):
            if delta is not None and isinstance(answer, Put | Remove):
                await members.store_delta(
                    connection, workspace, key_of(answer.stored.id) or 0, delta
                )
        await _touch_groups(connection, workspace, batch)
        answers.extend(batch.answers)
    return answers, mark


def _runs(writes: Sequence[Write]) -> Iterator[Sequence[Write]]:
    """Split writes into batches: those with member edits one by one, others together."""
    for alone, run in groupby(writes, key=lambda write: write.members is not None):
        if alone:
            yield from ([write] for write in run)
        else:
            yield list(run)


async def _read_current(
    connection: Connection, workspace: int, writes: Sequence[Write]
) -> dict[int, Current]:
    """Read the current states of the resources that writes name, by key."""
    keys = [
        key for write in writes if write.id is not None and (key := key_of(write.id)) is not None
    ]
    found = await connection.fetch(_CURRENT, workspace, keys) if keys else []
    current, hierarchy = {}, Hierarchy(0)
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
        current[key_of(resource_id) or 0] = Current(
            type_name, stored, display, hierarchy.ids_of(groups)
        )
    return current


async def _member_delta(
    connection: Connection, write: Write, current: dict[int, Current]
) -> MemberDelta | None:
    """Compute the effect of a write on the members of its group.

    Raises:
        NoSuchMember: A new member does not exist.
    """
    if write.members is None:
        return None
    key = key_of(write.id) if write.id is not None else None
    if write.id is not None and (key is None or key not in current):
        return None
    delta = await members.delta(connection, write.workspace, key, write.members)
    if key is not None:
        current[key].stored.delta = delta
    return delta


async def _decide(
    connection: Connection,
    workspace: int,
    writes: Sequence[Write],
    deltas: Sequence[MemberDelta | None],
    current: dict[int, Current],
) -> Batch:
    """Decide writes, again if necessary, until all that they depended on is known."""
    owners: dict[Value, int | None] = {}
    figures: GuardFigures | None = None
    unique_names = any(write.type == GROUP for write in writes) and await names_are_unique(
        connection, workspace
    )
    long = _is_long(writes, current)
    while True:
        decide = functools.partial(Batch, writes, deltas, current, owners, figures, unique_names)
        batch = await compute(workspace, decide) if long else decide()
        if batch.guard_skipped:
            figures = await _read_guard_figures(connection, workspace, writes, batch.reprovisioned)
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


def _is_long(writes: Sequence[Write], current: dict[int, Current]) -> bool:
    """Tell whether some decision takes too long for the event loop."""
    for write in writes:
        found = current.get(key_of(write.id) or 0) if write.id is not None else None
        if write.is_long(len(found.stored.document) if found is not None else 0):
            return True
    return False


async def names_are_unique(connection: Connection, workspace: int) -> bool:
    """Tell whether the workspace demands unique group names."""
    return unique_display_names.are_unique(
        await connection.fetchval(unique_display_names.SETTINGS, workspace)
    )


async def _read_guard_figures(
    connection: Connection, workspace: int, writes: Sequence[Write], reprovisioned: Iterable[int]
) -> GuardFigures:
    """Read the guard's figures, which are the same for all writes of a batch.

    Args:
        reprovisioned: The keys of users who regain access in the batch.
    """
    kind, since = next(
        (write.type, write.guard.since) for write in writes if write.guard is not None
    )
    users, done = (await connection.fetch(_GUARD_FIGURES, workspace, kind, since))[0]
    keys = list(reprovisioned)
    among = await connection.fetch(_AMONG_DEPROVISIONED, workspace, since, keys) if keys else []
    return GuardFigures(users, done, since, frozenset(row[0] for row in among))


async def _touch_groups(connection: Connection, workspace: int, batch: Batch) -> None:
    """Bring the groups of renamed and deleted members to their next version."""
    gone = [
        row
        for row in batch.rows.values()
        if row.existed and row.stored is None and row.index is not None
    ]
    left = [
        key_of(id_) or 0
        for touch in batch.touches
        if touch.groups and touch.delta
        for id_ in touch.delta.removed
    ]
    await members.remove_memberships(
        connection, workspace, left, [row.key for row in gone if row.type == GROUP]
    )
    writes, deltas = [], []
    for touch in batch.touches:
        for group_id in touch.groups:
            writes.append(
                replace(
                    touch.write,
                    type=GROUP,
                    id=group_id,
                    decide=_next_version(touch.write),
                    members=None,
                )
            )
            deltas.append(touch.delta)
    if not writes:
        return
    touched = await _decide(
        connection, workspace, writes, deltas, await _read_current(connection, workspace, writes)
    )
    for answer in touched.answers:
        if isinstance(answer, Exception) and not isinstance(answer, _Gone):
            raise answer
    await _store_batch(connection, workspace, touched)


class _Gone(Exception):
    """A group to touch is deleted by the same batch."""


def _next_version(write: Write) -> Callable[[Stored | None], Outcome]:
    """Return the decision that brings a group to its next version."""

    def decide(current: Stored | None) -> Outcome:
        if current is None or write.touch is None:
            raise _Gone
        return write.touch(current)

    return decide


async def _store_batch(connection: Connection, workspace: int, batch: Batch) -> Mark | None:
    """Store the net effect of a batch.

    Raises:
        KeyTaken: Another replica has used one of the generated keys.
    """

    async def run(statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        for some in _chunks(rows):
            await connection.execute(statement, workspace, *_columns(some))

    async def insert(statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        # Counted by RETURNING: Citus reports a wrong count for INSERT … SELECT … ON CONFLICT DO
        # NOTHING.
        for some in _chunks(rows):
            if len(await connection.fetch(statement, workspace, *_columns(some))) < len(some):
                raise KeyTaken

    touched = [row for row in batch.rows.values() if row.index is not None]
    gone = [(row.key,) for row in touched if row.put is None and row.existed]
    for statement in (_DELETE, _DELETE_BODY, _DELETE_SECRETS):
        await run(statement, gone)
    entries = functools.partial(_entries, touched)
    drops, adds = await compute(workspace, entries) if _has_many(touched) else entries()
    # Deletions come before insertions, so that a value that one resource gives up can be taken by
    # another in the same batch.
    await run(_DROP_UNIQUE, drops[0])
    await run(DROP_LOOKUPS, drops[1])
    new = [(row, put) for row in touched if (put := row.put) is not None and not row.existed]
    kept = [(row, put) for row in touched if (put := row.put) is not None and row.existed]
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
    mark = await append_changes(connection, workspace, batch.changes)
    if batch.reprovisioned:
        await connection.execute(_REPROVISION, workspace, list(batch.reprovisioned))
    if batch.deprovisioned and batch.figures is not None:
        await run(_DEPROVISION, batch.deprovisioned)
        await connection.execute(_FORGET_DEPROVISIONED, workspace, batch.figures.since)
    await run(
        COUNT, [(type_name, delta) for type_name, delta in sorted(batch.counts.items()) if delta]
    )
    return mark


async def append_changes(
    connection: Connection, workspace: int, changes: Sequence[Change]
) -> Mark | None:
    """Append rows to `changes`, each hashed with the row before it.

    The transaction must hold the workspace's lock.

    Returns:
        The mark of the last row.
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


_MANY_ENTRIES = 1_000
"""Index entries that take too long for the event loop to compare or to encode: about 2 ms."""


def _has_many(touched: Sequence[_Row]) -> bool:
    """Tell whether the resources have too many index entries for the event loop."""
    indexes = [index for row in touched for index in (row.before, row.index) if index]
    return sum(len(index.unique) + len(index.lookups) for index in indexes) > _MANY_ENTRIES


def _entries(touched: Sequence[_Row]) -> tuple[tuple[Rows, Rows], tuple[Rows, Rows]]:
    """Return the unique values and look-ups to delete, and those to insert."""
    drops: tuple[Rows, Rows] = ([], [])
    adds: tuple[Rows, Rows] = ([], [])
    for row in touched:
        before, after = (row.before if row.existed else None) or Lookups(), row.index or Lookups()
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


def _chunks(rows: Sequence[tuple[Any, ...]]) -> Iterator[Sequence[tuple[Any, ...]]]:
    """Yield rows in parts that asyncpg encodes quickly, as it does so on the event loop."""
    for start in range(0, len(rows), _MANY_ENTRIES):
        yield rows[start : start + _MANY_ENTRIES]


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """Transpose rows to columns, as `unnest` takes them."""
    return [list(column) for column in zip(*rows, strict=True)]

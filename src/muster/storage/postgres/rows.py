"""Stores batches of writes to one workspace on PostgreSQL.

Storing writes one by one costs several round trips for each. Here a batch of any size takes one
statement of each kind: its writes are decided in memory (`storage/writing/batch.py`), and only
their net effect is stored.

The facts that decisions ask for are not known beforehand, and to read one costs a round trip. The
first run assumes that each unique value is free, and notes it as unknown; one statement then asks
for the owners of all unknown values. If one was taken, or the guard had no figures, the whole batch
is decided again. Decisions are pure, so this is only repeated work. In the usual case nothing was
taken, and a batch is decided once.

A write to a group's members is a batch of its own, because its effect depends on the members that
the writes before it stored (`_runs`).

Statements name the workspace first, so that the tables can be distributed by it.
"""

import functools
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from muster.base.threads import compute
from muster.scim.errors import ScimError
from muster.storage.audit.chain import HASHED_COLUMNS, link
from muster.storage.groups import unique_display_names
from muster.storage.groups.hierarchy import Hierarchy, parse_keys
from muster.storage.ids import key_of
from muster.storage.port.errors import KeyTaken, NoSuchMember
from muster.storage.port.members import GROUP, MemberDelta
from muster.storage.port.resources import Guard, Outcome, Put, Remove, Stored, Write
from muster.storage.postgres import members
from muster.storage.postgres.connection import Connection
from muster.storage.writing.batch import Batch, Change, Current, GuardFigures, Value, state_of
from muster.storage.writing.steps import MANY_ENTRIES, Statements, has_many_entries, steps

_CURRENT = f"""
SELECT r.type, r.id, r.version, convert_to(r.document, 'UTF8'), r.display,
    CASE WHEN r.grouped THEN ({members.direct('r."key"')}) END, r.connection
FROM resources r WHERE r.workspace = $1 AND r."key" = ANY($2::bigint[])
"""
_OWNERS = """
SELECT u.type, u.attribute, u.value, u."key" FROM unique_values u
JOIN unnest($2::text[], $3::text[], $4::text[]) AS w (type, attribute, value)
    ON u.type = w.type AND u.attribute = w.attribute AND u.value = w.value
WHERE u.workspace = $1
"""
_DROP = """
DELETE FROM {table} t USING unnest($2::text[], $3::text[], $4::text[], $5::bigint[]) AS n (type,
    attribute, value, "key")
WHERE t.workspace = $1 AND t.type = n.type AND t.attribute = n.attribute AND t.value = n.value
    AND t."key" = n."key"
"""
SQL = Statements(
    delete='DELETE FROM resources WHERE workspace = $1 AND "key" = ANY($2::bigint[])',
    delete_body='DELETE FROM searchable WHERE workspace = $1 AND "key" = ANY($2::bigint[])',
    delete_secrets='DELETE FROM secrets WHERE workspace = $1 AND "key" = ANY($2::bigint[])',
    drop_unique=_DROP.format(table="unique_values"),
    drop_lookups=_DROP.format(table="lookups"),
    insert="""
        INSERT INTO resources (workspace, type, "key", id, version, document, display, connection)
        SELECT $1, * FROM unnest($2::text[], $3::bigint[], $4::text[], $5::integer[], $6::text[],
            $7::text[], $8::text[])
        ON CONFLICT DO NOTHING RETURNING 1
    """,
    insert_body="""
        INSERT INTO searchable (workspace, type, "key", body)
        SELECT $1, n.type, n."key", n.body::jsonb
            FROM unnest($2::text[], $3::bigint[], $4::text[]) AS n (type, "key", body)
    """,
    update="""
        UPDATE resources SET version = n.version, document = n.document, display = n.display
        FROM unnest($2::bigint[], $3::integer[], $4::text[], $5::text[])
            AS n ("key", version, document, display)
        WHERE resources.workspace = $1 AND resources."key" = n."key"
    """,
    update_body="""
        UPDATE searchable SET body = n.body::jsonb
        FROM unnest($2::bigint[], $3::text[]) AS n ("key", body)
        WHERE searchable.workspace = $1 AND searchable."key" = n."key"
    """,
    add_unique="""
        INSERT INTO unique_values (workspace, type, attribute, value, "key")
        SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[])
        ON CONFLICT DO NOTHING RETURNING 1
    """,
    add_lookups="""
        INSERT INTO lookups (workspace, type, attribute, value, "key", "first")
        SELECT $1, n.type, n.attribute, n.value, n."key", n."first" = 1
        FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::smallint[])
            AS n (type, attribute, value, "key", "first")
    """,
    forget_secrets="""
        DELETE FROM secrets s USING unnest($2::bigint[], $3::text[]) AS n ("key", name)
        WHERE s.workspace = $1 AND s."key" = n."key"
            AND (s.name = n.name OR starts_with(s.name, n.name || '['))
    """,
    keep_secrets="""
        INSERT INTO secrets (workspace, "key", name, hash)
        SELECT $1, * FROM unnest($2::bigint[], $3::text[], $4::text[])
        ON CONFLICT (workspace, "key", name) DO UPDATE SET hash = excluded.hash
    """,
    reprovision="""
        DELETE FROM deprovisionings WHERE workspace = $1 AND "key" = ANY($2::bigint[])
    """,
    deprovision="""
        INSERT INTO deprovisionings (workspace, time, "key")
        SELECT $1, * FROM unnest($2::text[], $3::bigint[]) ON CONFLICT DO NOTHING
    """,
    forget_deprovisioned="""
        DELETE FROM deprovisionings WHERE workspace = $1 AND time < ANY($2::text[])
    """,
    count="""
        INSERT INTO counts (workspace, type, total)
        SELECT $1, * FROM unnest($2::text[], $3::bigint[])
        ON CONFLICT (workspace, type) DO UPDATE SET total = counts.total + excluded.total
    """,
)
"""The columns of the rows of a step are $2, $3, …; $1 is the workspace."""
_ADD_CHANGES = f"""
INSERT INTO changes (workspace, {HASHED_COLUMNS}, owner, chain)
SELECT $1, {", ".join(f"n.{name}" for name in HASHED_COLUMNS.split(", "))}, n.owner, n.chain
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::integer[],
    $9::text[], $10::text[],
    $11::text[], $12::text[], $13::bytea[])
    WITH ORDINALITY AS n ({HASHED_COLUMNS}, owner, chain, place)
ORDER BY n.place
"""
DEPROVISIONED = "SELECT count(*) FROM deprovisionings WHERE workspace = $1 AND time >= $2"
DELETED = """
SELECT count(*) - count(r."key") FROM deprovisionings AS d LEFT JOIN resources AS r
    ON r.workspace = d.workspace AND r."key" = d."key" WHERE d.workspace = $1 AND d.time >= $2
"""
"""Counts those of DEPROVISIONED who do not exist any more."""
_GUARD_FIGURES = f"""
SELECT coalesce((SELECT total FROM counts WHERE workspace = $1 AND type = $2), 0),
    ({DEPROVISIONED.replace("$2", "$3")})
"""
_AMONG_DEPROVISIONED = """
SELECT DISTINCT "key" FROM deprovisionings WHERE workspace = $1 AND time >= $2
    AND "key" = ANY($3::bigint[])
"""
_LAST_LINK = "SELECT chain FROM changes WHERE workspace = $1 ORDER BY sequence DESC LIMIT 1"
Mark = tuple[str, bytes]
"""Identifies one row of `changes` among all: the id of the resource, and the hash."""


class _Facts:
    """Answers that have been read; until then they are assumed, and noted as unknown.

    Attributes:
        unknown: Unique values that were assumed to be free.
        guarded: The first write for which the guard was skipped, because it had no figures.
    """

    def __init__(self, unique_names: bool) -> None:
        self._unique_names = unique_names
        self._owners: dict[Value, int | None] = {}
        self._figures: dict[str, GuardFigures] = {}  # by Guard.reset
        self.unknown: set[Value] = set()
        self.guarded: tuple[Write, Guard] | None = None

    def owner(self, value: Value) -> int | None:
        if value not in self._owners:
            self.unknown.add(value)
        return self._owners.get(value)

    def guard_figures(
        self, write: Write, guard: Guard, returning: Collection[int]
    ) -> GuardFigures | None:
        del returning  # `read_unknown` gets those of the whole batch
        figures = self._figures.get(guard.reset)
        if figures is None and self.guarded is None:
            self.guarded = (write, guard)
        return figures

    def names_are_unique(self) -> bool:
        return self._unique_names

    async def read_unknown(
        self, connection: Connection, workspace: int, reprovisioned: Iterable[int]
    ) -> bool:
        """Read the facts that were assumed.

        Args:
            reprovisioned: The keys of users who regain access in the batch.

        Returns:
            False if an assumption was wrong, so that the batch must be decided again.
        """
        if self.guarded is not None:
            self._figures[self.guarded[1].reset] = await _read_guard_figures(
                connection, workspace, *self.guarded, reprovisioned
            )
            self.guarded = None
            self.unknown.clear()
            return False
        values = sorted(self.unknown)
        self.unknown.clear()
        taken = await connection.fetch(_OWNERS, workspace, *_columns(values)) if values else []
        self._owners |= dict.fromkeys(values)
        self._owners |= {(row[0], row[1], row[2]): row[3] for row in taken}
        return not taken


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
    waiting = deque(_runs(writes))
    while waiting:
        run = waiting.popleft()
        current = await _read_current(connection, workspace, _ids(run))
        try:
            deltas = [await _member_delta(connection, write, current) for write in run]
        except (NoSuchMember, ScimError) as error:
            answers.append(error)
            continue
        decided = list(zip(run, deltas, strict=True))
        batch, outcomes = await _decide(connection, workspace, decided, current)
        if len(outcomes) < len(run):
            waiting.appendleft(run[len(outcomes) :])
        mark = await _store(connection, batch) or mark
        for outcome, delta in zip(outcomes, deltas, strict=False):
            if delta and isinstance(outcome, Put | Remove):
                key = key_of(outcome.stored.id) or 0
                await members.store_delta(connection, workspace, key, delta)
        await _touch_groups(connection, batch)
        answers.extend(outcomes)
    return answers, mark


def _runs(writes: Sequence[Write]) -> Iterator[Sequence[Write]]:
    """Split writes into batches: those with member edits one by one, others together."""
    for alone, run in groupby(writes, key=lambda write: write.members is not None):
        if alone:
            yield from ([write] for write in run)
        else:
            yield list(run)


def _ids(writes: Iterable[Write]) -> list[str]:
    """Return the ids that writes name."""
    return [write.id for write in writes if write.id is not None]


async def _read_current(
    connection: Connection, workspace: int, ids: Iterable[str]
) -> dict[int, Current]:
    """Read the current states of resources, by key."""
    keys = [key for resource_id in ids if (key := key_of(resource_id)) is not None]
    found = await connection.fetch(_CURRENT, workspace, keys) if keys else []
    current, hierarchy = {}, Hierarchy(0)
    await members.load(
        connection.fetch,
        workspace,
        hierarchy,
        sorted({key for row in found for key in parse_keys(row[5] or "")}),
    )
    for type_name, resource_id, version, document, display, direct, owner in found:
        groups = parse_keys(direct or "")
        shown = None if type_name == GROUP else hierarchy.groups_of(groups)
        stored = Stored(resource_id, version, document, shown, connection=owner)
        key = key_of(resource_id) or 0
        current[key] = Current(key, type_name, stored, display, hierarchy.ids_of(groups))
    return current


async def _member_delta(
    connection: Connection, write: Write, current: dict[int, Current]
) -> MemberDelta | None:
    """Compute the effect of a write on the members of its group.

    Raises:
        NoSuchMember: A new member does not exist.
        ScimError: A choice rejects the write.
    """
    group = state_of(current, write)
    if write.members is None or (write.id is not None and group is None):
        return None
    key = None if group is None else key_of(group.id)
    delta = await members.delta(connection, write.workspace, key, write.members)
    if group is not None:
        group.delta = delta
    return delta


Decided = tuple[Batch, list[Outcome | Exception]]
"""A batch, and the outcome or the error of each of its writes.

Writes whose state the batch has outdated are left for the next batch and have none.
"""


async def _decide(
    connection: Connection,
    workspace: int,
    writes: Sequence[tuple[Write, MemberDelta | None]],
    current: dict[int, Current],
) -> Decided:
    """Decide writes, again if necessary, until all that they depended on is known."""
    unique_names = any(write.type == GROUP for write, _ in writes) and await names_are_unique(
        connection, workspace
    )
    facts = _Facts(unique_names)
    long = any(
        write.is_long(0 if (found := state_of(current, write)) is None else len(found.document))
        for write, _ in writes
    )
    while True:
        decide = functools.partial(_decide_all, workspace, writes, current, facts)
        batch, outcomes = await compute(workspace, decide) if long else decide()
        if await facts.read_unknown(connection, workspace, batch.reprovisioned):
            return batch, outcomes


def _decide_all(
    workspace: int,
    writes: Iterable[tuple[Write, MemberDelta | None]],
    current: dict[int, Current],
    facts: _Facts,
) -> Decided:
    batch = Batch(workspace, current, facts)
    return batch, batch.decide_all(writes)


async def names_are_unique(connection: Connection, workspace: int) -> bool:
    """Tell whether the workspace demands unique group names."""
    return unique_display_names.are_unique(
        await connection.fetchval(unique_display_names.SETTINGS, workspace)
    )


async def _read_guard_figures(
    connection: Connection,
    workspace: int,
    write: Write,
    guard: Guard,
    reprovisioned: Iterable[int],
) -> GuardFigures:
    """Read the guard's figures, the same for all writes of a batch that count from one time.

    Args:
        reprovisioned: The keys of users who regain access in the batch.
    """
    since, keys = guard.counts_from, list(reprovisioned)
    users, done = (await connection.fetch(_GUARD_FIGURES, workspace, write.type, since))[0]
    among = await connection.fetch(_AMONG_DEPROVISIONED, workspace, since, keys) if keys else []
    gone = 0
    if guard.depends_on_gone(users, done):
        gone = await connection.fetchval(DELETED, workspace, since)
    return GuardFigures(users, done, gone, frozenset(row[0] for row in among))


async def _touch_groups(connection: Connection, batch: Batch) -> None:
    """Bring the groups of renamed and deleted members to their next version."""
    workspace = batch.workspace
    await members.remove_memberships(
        connection, workspace, batch.deleted_members(), batch.deleted_groups()
    )
    groups = batch.touched_groups()
    if not groups:
        return
    current = await _read_current(connection, workspace, groups)
    touching = batch.touching(current)
    touched, outcomes = await _decide(connection, workspace, touching, current)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    await _store(connection, touched)


async def _store(connection: Connection, batch: Batch) -> Mark | None:
    """Store the net effect of a batch, but for members.

    Raises:
        KeyTaken: Another replica has used one of the generated keys.
    """
    workspace = batch.workspace
    if renamed := batch.renamed_groups():
        await members.bump_version(connection, workspace, renamed)
    listed = functools.partial(steps, batch, SQL)
    for sql, rows, exclusive in (
        await compute(workspace, listed) if has_many_entries(batch) else listed()
    ):
        for some in _chunks(rows):
            # Counted by RETURNING: Citus reports a wrong count for INSERT … SELECT … ON CONFLICT
            # DO NOTHING.
            returned = await connection.fetch(sql, workspace, *_columns(some)[1:])
            if exclusive and len(returned) < len(some):
                raise KeyTaken
    return await append_changes(connection, workspace, batch.changes)


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
    linked = list(link(await connection.fetchval(_LAST_LINK, workspace), changes))
    await connection.execute(_ADD_CHANGES, workspace, *_columns(linked))
    return changes[-1][4], linked[-1][-1]


def _chunks(rows: Sequence[tuple[Any, ...]]) -> Iterator[Sequence[tuple[Any, ...]]]:
    """Yield rows in parts that asyncpg encodes quickly, as it does so on the event loop."""
    for start in range(0, len(rows), MANY_ENTRIES):
        yield rows[start : start + MANY_ENTRIES]


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """Transpose rows to columns, as `unnest` takes them."""
    return [list(column) for column in zip(*rows, strict=True)]

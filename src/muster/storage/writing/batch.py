"""Decides writes to one workspace in memory, in order.

This is the one place that defines the effect of a write: conflicts, the guard, the row of
`changes`, counts, and the groups that a write touches. Both engines use it in three steps:

1. **Read** the current state of every resource that the writes name, and the effect of their member
   edits.
2. **Decide** each write (`Batch.decide`). It sees the state that the writes before it left,
   although nothing is stored yet: the batch keeps the rows, unique values and counts of the
   workspace as it has changed them so far. A write that raises leaves no trace. Facts that only
   some decisions need, such as the owner of a unique value, are asked of `Facts`.
3. **Store** the net effect (`steps.py`). A user who is created and renamed in one batch is inserted
   once, with the last document; look-ups that were added and removed again are never written.
   `changes` receives a row per write all the same.

Then the groups of renamed and deleted members are touched: a second batch of the writes that
`Batch.touching` returns, decided and stored likewise.

Both engines decide the writes that wait together, so that a batch of any size takes one statement
of each kind. Decisions are pure, and nobody else writes to the workspace meanwhile: the transaction
has its lock.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from muster.scim.indexing import LookupEntry
from muster.scim.secrets import add as add_hashes
from muster.storage.groups import unique_display_names
from muster.storage.groups.member_delta import delta_to_column
from muster.storage.ids import key_of
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.errors import Conflict, Held, KeyTaken, Owned
from muster.storage.port.members import GROUP, MemberDelta
from muster.storage.port.resources import Guard, Keep, Lookups, Outcome, Put, Remove, Stored, Write

Value = tuple[str, str, str]
"""A unique value: resource type, attribute and folded text."""
Change = tuple[str, str, str, str, str, str, int, str, str | None, str, str | None]
"""A row of `changes`: the values of HASHED_COLUMNS, and the owner."""
_NOTHING = Lookups()
_ATTEMPTS = 20
_TOTALS = {"create": 1, "delete": -1}
"""The difference that an action makes to the number of resources."""


@dataclass(slots=True)
class Current:
    """The current state of a resource.

    Attributes:
        display: The resource's display name.
        groups: The ids of the groups that directly contain it.
    """

    key: int
    type: str
    stored: Stored
    display: str | None
    groups: Sequence[str]

    def is_named(self, type_name: str, resource_id: str | None) -> bool:
        """Tell whether it has this type and exactly this id; other spellings have its key too."""
        return self.type == type_name and self.stored.id == resource_id


@dataclass(frozen=True, slots=True)
class GuardFigures:
    """The figures that the guard needs.

    Attributes:
        users: The users that exist before the batch.
        done: Users who lost access within the window.
        gone: Those of them who are deleted, if they can decide about the batch.
        returning: The keys of those of them who regain access in the batch.
    """

    users: int
    done: int
    gone: int = 0
    returning: frozenset[int] = frozenset()


class Facts(Protocol):
    """Answers of the database that only some decisions need."""

    def owner(self, value: Value) -> int | None:
        """Return the key of the resource that had a unique value before the batch, or None."""

    def guard_figures(
        self, write: Write, guard: Guard, returning: Collection[int]
    ) -> GuardFigures | None:
        """Return the guard's figures; None to skip the guard and decide the batch again.

        Args:
            returning: The keys of users who regain access in the batch.
        """

    def names_are_unique(self) -> bool:
        """Tell whether the workspace demands unique group names."""


@dataclass(slots=True)
class Row:
    """One resource as the batch has changed it so far.

    Attributes:
        stored: The current state; None if the resource does not exist.
        existed: The resource existed before the batch.
        index: The values by which it is found now; None until the batch changes it.
        before: The values by which it was found before the batch.
        put: The last Put of the batch.
        secrets: The password hashes to store, from all of the batch's writes.
        connection: The id of the connection that owns it; None for `default`, empty for none.
    """

    key: int
    type: str
    stored: Stored | None = None
    display: str | None = None
    groups: Sequence[str] = ()
    existed: bool = False
    index: Lookups | None = None
    before: Lookups | None = None
    put: Put | None = None
    secrets: dict[str, str | None] = field(default_factory=dict)
    connection: str | None = None


@dataclass(frozen=True, slots=True)
class Touch:
    """A write that renames or deletes a group, or a member of groups.

    Attributes:
        groups: The ids of the groups that directly contain the resource; their version increments.
        delta: The member that they lose, if it is deleted.
    """

    write: Write
    groups: Sequence[str]
    delta: MemberDelta | None


def state_of(current: Mapping[int, Current], write: Write) -> Stored | None:
    """Return the state of the resource that a write names, or None if it does not exist."""
    found = None if write.id is None else current.get(key_of(write.id) or 0)
    return None if found is None or not found.is_named(write.type, write.id) else found.stored


def creation(workspace: int, type_name: str, put: Put, origin: ChangeOrigin) -> Write:
    """Return the write that creates a given resource."""
    return Write(workspace, type_name, None, lambda _: put, origin)


class Batch:
    """Writes to one workspace, decided in order, each on the state left by the others.

    Args:
        current: The current states of the resources that the writes name, by key.

    Attributes:
        rows: The resources that the writes name, by key.
        changes: The rows of `changes`, one for each write that changed something.
        counts: The change to the number of resources of each type.
        deprovisioned: The users who lose access, each as time and key.
        reprovisioned: The keys of users who regain access.
        since: The start of the guard's window, if a user loses access.
        touches: The renamed and deleted resources that are groups or members of one.
    """

    def __init__(self, workspace: int, current: Mapping[int, Current], facts: Facts) -> None:
        self.workspace = workspace
        self._current = current
        self._facts = facts
        self._owners: dict[Value, int | None] = {}
        self.touches: list[Touch] = []
        # What `outdates` looks up for each write: the ids of touched groups, and of renamed ones.
        self._touched: set[str] = set()
        self._renamed: set[bytes] = set()
        self.rows: dict[int, Row] = {}
        self.changes: list[Change] = []
        self.counts: dict[str, int] = {}
        self.deprovisioned: list[tuple[str, int]] = []
        self.reprovisioned: set[int] = set()
        self.since: str | None = None

    def decide(self, write: Write, delta: MemberDelta | None = None) -> Outcome:
        """Decide a write, and apply its outcome to the state of the batch.

        Args:
            delta: The effect of the write on the members of its group.

        Raises:
            Conflict: Another resource has a unique value.
            Held: The guard refuses the write.
            KeyTaken: Another resource of the batch has the generated key.
            Owned: Another connection owns the resource exclusively, or owned it before its deletion
                and owns the restored one again.
            Exception: Whatever `write.decide` raised.
        """
        row = None if write.id is None else self._row(write.type, write.id)
        if write.barred and row is not None and row.stored and row.connection in write.barred:
            raise Owned(row.connection)
        outcome = write.decide(None if row is None else row.stored)
        restores = isinstance(outcome, Put) and (row is None or row.stored is None)
        if write.barred and restores and write.origin.connection in write.barred:
            raise Owned(write.origin.connection)
        # Nothing of the batch may change before the last check that can raise: a rejected write
        # must leave no trace for the decisions after it.
        if isinstance(outcome, Keep):
            return outcome
        if write.type == GROUP:
            outcome = unique_display_names.with_unique_names(
                outcome, self._facts.names_are_unique()
            )
        takes_access = write.guard is not None and outcome.deprovisions
        if takes_access:
            self._check_guard(write)
        if isinstance(outcome, Put):
            row = self._apply_put(write, row, outcome, delta)
            if outcome.reprovisions:
                self._reprovision(row.key)
        elif row is not None:
            self._apply_remove(write, row, outcome, delta)
        if takes_access and row is not None:
            self._deprovision(write, row.key)
        return outcome

    def decide_all(
        self, writes: Iterable[tuple[Write, MemberDelta | None]]
    ) -> list[Outcome | Exception]:
        """Decide writes in order, up to one whose state the batch has outdated.

        Returns:
            The outcome or the error of each write that was decided.
        """
        outcomes: list[Outcome | Exception] = []
        for write, delta in writes:
            if self.outdates(write):
                break
            try:
                outcomes.append(self._decide_with_new_ids(write, delta))
            except Exception as error:
                outcomes.append(error)
        return outcomes

    def _decide_with_new_ids(self, write: Write, delta: MemberDelta | None) -> Outcome:
        """Decide a write, again with another id if the generated key is taken."""
        for _ in range(_ATTEMPTS):
            try:
                return self.decide(write, delta)
            except KeyTaken:
                continue
        raise KeyTaken

    def outdates(self, write: Write) -> bool:
        """Tell whether the batch has outdated the state that a write would see.

        The groups that the batch touches get their next version only after it is stored, and the
        tag of a user depends on the names of their groups. A write that would see an older version
        or tag belongs into the next batch, or its precondition and its answer would be wrong.
        """
        if not self.touches or write.id is None:
            return False
        if write.type == GROUP and write.id in self._touched:
            return True
        state = state_of(self._current, write)
        if state is None or state.groups is None:
            return False
        return any(group_id in state.groups.elements for group_id in self._renamed)

    def renamed_groups(self) -> list[str]:
        """Return the ids of groups that the batch renames or deletes."""
        return [
            touch.write.id
            for touch in self.touches
            if touch.write.type == GROUP and touch.write.id is not None
        ]

    def deleted_members(self) -> list[int]:
        """Return the keys of deleted resources that are members of a group."""
        return [
            key_of(member) or 0
            for touch in self.touches
            if touch.groups and touch.delta
            for member in touch.delta.removed
        ]

    def deleted_groups(self) -> list[int]:
        """Return the keys of deleted groups."""
        return [
            row.key
            for row in self.rows.values()
            if row.type == GROUP and row.existed and row.stored is None and row.index is not None
        ]

    def touched_groups(self) -> list[str]:
        """Return the ids of the groups that directly contain renamed and deleted resources."""
        return [group_id for touch in self.touches for group_id in touch.groups]

    def touching(self, groups: Mapping[int, Current]) -> list[tuple[Write, MemberDelta | None]]:
        """Return the writes that bring the touched groups to their next version.

        Each comes with the members that its group loses.

        Args:
            groups: The touched groups that exist after the batch, by key.
        """
        return [
            (_next_version(touch.write, group_id, touch.write.touch), touch.delta)
            for touch in self.touches
            if touch.write.touch is not None
            for group_id in touch.groups
            if key_of(group_id) in groups
        ]

    def _check_guard(self, write: Write) -> None:
        """Apply the guard to a write that takes a user's access.

        Raises:
            Held: The guard refuses it.
        """
        guard = write.guard
        if guard is None or not guard.holds:
            return
        figures = self._facts.guard_figures(write, guard, self.reprovisioned)
        if figures is None:
            return
        # The figures are from before the batch; its own writes are added.
        done = figures.done - len(figures.returning & self.reprovisioned) + len(self.deprovisioned)
        users = figures.users + self.counts.get(write.type, 0)
        if done >= (allowed := guard.allowed(users, figures.gone + self._gone())):
            raise Held(done, allowed)

    def _gone(self) -> int:
        """Return how many of the users who lose access are deleted."""
        rows = (self.rows.get(key) for _, key in self.deprovisioned)
        return sum(row is not None and row.stored is None for row in rows)

    def _deprovision(self, write: Write, key: int) -> None:
        self.deprovisioned.append((write.origin.time, key))
        self.since = write.guard.since if write.guard is not None else None

    def _reprovision(self, key: int) -> None:
        self.reprovisioned.add(key)
        self.deprovisioned = [found for found in self.deprovisioned if found[1] != key]

    def _row(self, type_name: str, resource_id: str) -> Row | None:
        """Return the row of a resource, or None if the id cannot be one of that type."""
        key = key_of(resource_id)
        if key is None:
            return None
        row = self.rows.get(key)
        if row is None:
            found = self._current.get(key)
            if found is None:
                row = Row(key, type_name)
            else:
                row = Row(key, found.type, found.stored, found.display, found.groups, existed=True)
                row.connection = found.stored.connection
        if row.stored is not None and (row.type != type_name or row.stored.id != resource_id):
            return None
        self.rows[key] = row
        return row

    def _apply_put(self, write: Write, row: Row | None, put: Put, delta: MemberDelta | None) -> Row:
        if row is None:
            row = self._new_row(write, put)
        # `put.before` was computed from the state that the decision saw. Once the batch has changed
        # the resource, its own index is that state.
        before = row.index or (put.before if row.stored is not None else None) or _NOTHING
        if put.index.unique != before.unique:
            self._take_unique(write.type, row.key, put.index.unique - before.unique)
            self._release_unique(write.type, before.unique - put.index.unique)
        created = row.stored is None
        if not created and put.display != row.display:
            self._touch(write, row, None)
        if created:
            row.connection = write.origin.connection
        self.rows[row.key] = row
        row.before = row.before or before
        row.stored, row.index, row.put, row.display = put.stored, put.index, put, put.display
        if put.secrets:
            add_hashes(row.secrets, put.secrets)
        self._record(write, row, "create" if created else "update", put.stored, delta)
        return row

    def _new_row(self, write: Write, put: Put) -> Row:
        key = key_of(put.stored.id)
        if key is None:
            raise ValueError(f"muster did not generate the id {put.stored.id}")
        if key in self.rows or key in self._current:
            raise KeyTaken
        return Row(key, write.type)

    def _apply_remove(
        self, write: Write, row: Row, remove: Remove, delta: MemberDelta | None
    ) -> None:
        before = row.index or remove.before
        self._release_unique(write.type, before.unique)
        self._touch(write, row, remove.stored.id)
        row.before = row.before or before
        row.stored, row.index, row.put, row.groups = None, _NOTHING, None, ()
        self._record(write, row, "delete", remove.stored, delta)

    def _touch(self, write: Write, row: Row, deleted: str | None) -> None:
        """Note that a write renames or deletes a resource.

        Args:
            deleted: The resource's id if the write deletes it.
        """
        if row.groups or write.type == GROUP:
            delta = None if deleted is None else MemberDelta(removed=(deleted,))
            self.touches.append(Touch(write, row.groups, delta))
            self._touched.update(row.groups)
            if write.type == GROUP and write.id is not None:
                self._renamed.add(write.id.encode())

    def _take_unique(self, type_name: str, key: int, entries: Iterable[LookupEntry]) -> None:
        """Give unique values to a resource: all, or none.

        Raises:
            Conflict: Another resource has one of them.
        """
        wanted = [(type_name, entry.attribute, entry.value) for entry in entries]
        for value in wanted:
            owner = self._owners[value] if value in self._owners else self._facts.owner(value)
            if owner is not None and owner != key:
                raise Conflict(value[1])
        for value in wanted:
            self._owners[value] = key

    def _release_unique(self, type_name: str, entries: Iterable[LookupEntry]) -> None:
        for entry in entries:
            self._owners[type_name, entry.attribute, entry.value] = None

    def _record(
        self, write: Write, row: Row, action: str, stored: Stored, delta: MemberDelta | None
    ) -> None:
        """Add a row to `changes`, and count the resource that the write creates or deletes."""
        origin = write.origin
        total = _TOTALS.get(action, 0)
        self.changes.append(
            (
                origin.time,
                origin.actor,
                origin.request_id,
                write.type,
                stored.id,
                action,
                stored.version,
                stored.document.decode(),
                delta_to_column(delta),
                origin.address,
                row.connection if action == "delete" else None,
            )
        )
        if total:
            self.counts[write.type] = self.counts.get(write.type, 0) + total


def _next_version(write: Write, group_id: str, touch: Callable[[Stored], Put]) -> Write:
    """Return the write that brings a group to its next version after a write to a member."""

    def decide(current: Stored | None) -> Outcome:
        if current is None:
            raise AssertionError("touched groups are read after the batch is stored")
        return touch(current)

    return replace(
        write,
        type=GROUP,
        id=group_id,
        decide=decide,
        members=None,
        guard=None,
        barred=frozenset(),  # its members change, not the group itself
    )

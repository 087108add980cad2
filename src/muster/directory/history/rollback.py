"""Rolls back everything that one API key did in a period, or that one import did.

A rollback is planned first, and executed atomically. The changes of an import have one request id.
If it changed more resources than one rollback covers, the plan has the latest of them; another plan
has the next ones.

The plan has one step for each resource that the key changed. The step returns the resource to its
state before the first of the key's changes, so later changes by others to its attributes are lost;
the plan says so (`changed_by_others`) and the administrator selects the steps. Members of groups
are treated differently: only those that the key added or removed are moved back, and changes to
members by others stay.

A resource that the key created has no earlier state, so its step deletes it. Deletions are never
part of a selection of resources: they are selected apart. A user whom the key created and then
deactivated has a second step, which only makes them active again.

The plan is computed again on execution. If a selected resource has changed since the plan was
shown, the rollback is refused as a whole.

The writes are ordered so that each finds the resources that it needs:

1. Restore, create and reactivate resources. Groups are created empty here, because their members
  may come later.
2. Move members. All resources that may become members exist now.
3. Delete resources that the key created, groups first: deleting a member first would write a new
   version of a group that is deleted next.

Reversing the changes one by one instead would pass through states that violate unique values, and
would fail on changes that others have overwritten.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise

import orjson

from muster.base.clock import timestamp
from muster.directory.caller import Caller
from muster.directory.documents import parse
from muster.directory.guard.enforcement import enforced, guard, protected_from, switches
from muster.directory.history.outcomes import (
    Decide,
    bump,
    bump_if_members_change,
    delete_if_present,
    reactivate,
    restore_to,
)
from muster.directory.history.past import MAX_CHANGES, Past, inverse_edit
from muster.scim.document import Document
from muster.scim.errors import ScimError, invalid_value, uniqueness
from muster.scim.schema.model import ResourceType
from muster.storage.port.changes import Change, Note
from muster.storage.port.errors import Conflict, KeyTaken
from muster.storage.port.members import GROUP, MemberEdit
from muster.storage.port.resources import Resources, Write

MAX_RESOURCES = 1000
REVERT, CREATE, REACTIVATE, DELETE, LOST = "restore", "create", "reactivate", "delete", "lost"
"""The actions of steps."""
_UNDO = "undo"
_NAMED = 5
"""The most names in an error."""
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
"""The beginning of the period of an import: its first note ends the search for its changes."""


@dataclass(frozen=True, slots=True)
class Work:
    """The changes to roll back: those of an actor in a period, or those of an import.

    Attributes:
        actor: The actor as `changes` stores it: key:ID or admin:ADDRESS; empty for an import;
            connection:ID for the actors of a connection.
        since: The beginning of the period.
        until: Its end.
        request_id: The request id of the import; empty for an actor.
        actors: The credentials of the connection; empty for one actor.
    """

    actor: str
    since: datetime
    until: datetime
    request_id: str = ""
    actors: frozenset[str] = frozenset()

    def has(self, change: Change) -> bool:
        """Tell whether a change belongs to it by its origin, whatever its time."""
        if self.request_id:
            return change.origin.request_id == self.request_id
        return change.origin.actor in (self.actors or (self.actor,))


def work_of_import(import_id: str, now: datetime) -> Work:
    """Return the changes of an import."""
    return Work("", _BEGINNING, now, f"import-{import_id}")


@dataclass(frozen=True, slots=True)
class RollbackStep:
    """The rollback of one resource.

    Attributes:
        type: The resource type.
        id: The resource's id.
        name: Its userName or displayName.
        action: restore; create, if it has been deleted; delete, if the key created it; reactivate,
            if the key created and deactivated it; or lost, if its earlier state is no longer known.
        changed_by_others: Whether others have changed it since; these changes are lost.
        changes: The number of the key's changes.
        version: The resource's last version.
        latest: The sequence number of its last change.
        prior: The change that left the state to return to; None if the resource did not exist
            before the key created it.
        members: For a group, the edit that moves members back; None if none are moved.
        current: The resource's last write.
        already_undone: Whether the resource already is in its earlier state.
    """

    type: str
    id: str
    name: str
    action: str
    changed_by_others: bool
    changes: int
    version: int
    latest: int
    prior: Change | None
    members: MemberEdit | None
    current: Change
    already_undone: bool = False


@dataclass(frozen=True, slots=True)
class RollbackPlan:
    """The steps that roll back a key.

    Attributes:
        steps: One step for each resource that the key changed, and two for each user whom it
            created and deactivated: reactivate and delete.
        as_of: The sequence number of the workspace's latest change when the plan was made.
    """

    steps: Sequence[RollbackStep]
    as_of: int


@dataclass(frozen=True, slots=True)
class RollbackResult:
    """The result of a rollback.

    Attributes:
        count: The number of resources that were rolled back.
        left_out: The ids of former members of groups that no longer exist.
    """

    count: int
    left_out: list[str]


class Rollback:
    """Plans and executes rollbacks."""

    def __init__(self, storage: Resources) -> None:
        self._storage = storage
        self._past = Past(storage)

    async def plan(self, workspace: int, work: Work) -> RollbackPlan:
        """Plan a rollback.

        Args:
            workspace: The workspace's id.
            work: The changes to roll back.

        Raises:
            ScimError: 400, if the period is empty or has too many changes or resources.
        """
        if work.until <= work.since:
            raise invalid_value("until: expected a time later than since")
        plan = await self._full_plan(workspace, work)
        return RollbackPlan([step for step in plan.steps if not step.already_undone], plan.as_of)

    async def _full_plan(self, workspace: int, work: Work) -> RollbackPlan:
        """Return the plan including the resources that already are in their earlier state."""
        at = await self._storage.latest_change(workspace)
        done, undone, rollbacks = await self._find_changes(workspace, work)
        if work.request_id:
            left = [key for key, made in done.items() if undone.get(key, 0) < made[-1].sequence]
            done = {key: done[key] for key in left[:MAX_RESOURCES]}
        if len(done) > MAX_RESOURCES:
            raise invalid_value(
                f"since, until: the key changed {len(done):,} resources in this period, and one"
                f" rollback covers at most {MAX_RESOURCES:,}. Choose a shorter period."
            )
        steps = [
            step
            for changes in done.values()
            for step in await self._steps(
                workspace, work, changes, undone.get(changes[0].id, 0), rollbacks
            )
        ]
        return RollbackPlan(steps, at)

    async def execute(
        self,
        caller: Caller,
        work: Work,
        as_of: int,
        ids: Iterable[str],
        deletions: Iterable[str] = (),
    ) -> RollbackResult:
        """Execute the selected steps of a plan, atomically.

        Args:
            caller: The administrator, or the client of the management API.
            work: The changes of the plan.
            as_of: `as_of` of the plan that was shown.
            ids: The ids of the selected resources, none of which is deleted.
            deletions: The ids of the resources to delete, which the key created.

        Raises:
            ScimError: 400 if the plan has no such step for an id; 409 if a resource has changed
                since the plan was shown, its earlier state is lost, or another resource has taken
                one of its unique values.
            Withheld: The guard or a switch forbids it.
        """
        plan = await self._full_plan(caller.workspace.id, work)
        steps = _selected(plan, set(ids), set(deletions), as_of)
        wanted = sorted(step.id for step in steps)
        owners = await self._former_owners(caller.workspace.id, steps)
        writes = list(_writes(caller, steps, owners))
        try:
            await enforced(self._storage, caller, writes, _UNDO, wanted)
        except Conflict as conflict:
            raise uniqueness(
                f"{conflict.attribute}: another resource has taken a value of one of these since"
            ) from None
        except KeyTaken:
            raise ScimError(
                409, "One of these resources already exists again. Make a new plan."
            ) from None
        reactivated = [step.id for step in steps if step.action == REACTIVATE]
        await self._note(caller, work, wanted, sorted(reactivated))
        return RollbackResult(len(steps), await self._left_out(caller.workspace.id, steps))

    async def _former_owners(
        self, workspace: int, steps: Sequence[RollbackStep]
    ) -> Mapping[str, str | None]:
        """Return the connections that own the resources to create again, by resource id."""
        return {
            step.id: await self._storage.former_owner(workspace, step.latest)
            for step in steps
            if step.action == CREATE
        }

    async def _note(
        self, caller: Caller, work: Work, ids: list[str], reactivated: list[str]
    ) -> None:
        """Record the rollback in the audit log.

        Later plans leave these resources out, except for the deletion of reactivated users: their
        creation has not been undone.
        """
        origin = caller.origin(timestamp())
        period = {
            "since": timestamp(work.since.astimezone(UTC)),
            "until": timestamp(work.until.astimezone(UTC)),
        }
        of = {"of": work.request_id} if work.request_id else {"of": work.actor, **period}
        only = {"reactivated": reactivated} if reactivated else {}
        note = orjson.dumps({**of, "resources": ids, **only})
        workspace = caller.workspace
        await self._storage.record(
            [Note(workspace.id, origin, "Workspace", workspace.name, _UNDO, note)]
        )

    async def _left_out(self, workspace: int, steps: Sequence[RollbackStep]) -> list[str]:
        """Return the ids of the members to move back that no longer exist."""
        found: dict[str, None] = {}
        for step in steps:
            if step.members is not None and step.members.add and step.prior is not None:
                found |= dict.fromkeys(
                    await self._past.nonmembers(workspace, step.id, step.members.add)
                )
        return list(found)

    async def _find_changes(
        self, workspace: int, work: Work
    ) -> tuple[dict[str, list[Change]], dict[str, int], set[str]]:
        """Find the changes to roll back.

        Returns:
            The changes by resource id, oldest first, the latest resource first; by resource id,
            the sequence number of the note of its last rollback; and the request ids of rollbacks.
        """
        first, last = (timestamp(end.astimezone(UTC)) for end in (work.since, work.until))
        found: dict[str, list[Change]] = {}
        undone: dict[str, int] = {}
        rollbacks: set[str] = set()
        read = 0
        async for change in self._past.recent(workspace):
            if change.origin.time < first:
                break
            if read == MAX_CHANGES:
                raise invalid_value(
                    f"since: more than {MAX_CHANGES:,} changes have been made after it."
                    " Choose a later time."
                )
            read += 1
            # Newest first, so each change goes to the front of its list.
            if change.version and work.has(change) and change.origin.time <= last:
                found.setdefault(change.id, []).insert(0, change)
            elif change.action == _UNDO and not change.version:
                rollbacks.add(change.origin.request_id)
                for resource_id in undone_by(change):
                    undone.setdefault(resource_id, change.sequence)
            elif change.action == "import" and work.request_id and work.has(change):
                break
        return found, undone, rollbacks

    async def _steps(
        self,
        workspace: int,
        work: Work,
        changes: Sequence[Change],
        undone: int,
        rollbacks: Collection[str],
    ) -> Sequence[RollbackStep]:
        """Plan the rollback of one resource.

        Args:
            workspace: The workspace's id.
            work: The changes to roll back.
            changes: Those of them that changed the resource, oldest first.
            undone: The sequence number of the note of its last rollback; 0 if it has none.
            rollbacks: The request ids of rollbacks; their changes are not those of others.
        """
        # What has been rolled back is not rolled back again.
        changes = [change for change in changes if change.sequence > undone] or changes
        first = changes[0]
        later = [
            change
            for change in await self._past.changes_since(workspace, first.id, first.sequence)
            if change.version
        ]
        prior = await self._past.last_write(workspace, first.id, first.sequence)
        # A deleted resource that the key created again had no state: rolling back deletes it.
        if prior is not None and prior.action == "delete":
            prior = None
        # Without a change before the key's first one, the key created it, or older changes were
        # trimmed.
        lost = prior is None and first.action != "create"
        exists = later[0].action != "delete"
        action = LOST if lost else DELETE if prior is None else REVERT if exists else CREATE
        # Changes of members are left out: those of others are not reversed.
        changed_by_others = any(
            change.sequence > first.sequence
            and not work.has(change)
            and change.origin.request_id not in rollbacks
            and change.members is None
            for change in later
        )
        version = max(change.version for change in later)
        document = parse((prior or first).document)
        name = document.get("userName") or document.get("displayName") or first.id
        edit = inverse_edit(changes) if first.type == GROUP else None
        # A note of a rollback after the last change means that this has been done.
        already_undone = later[0].sequence < undone or (
            action == REVERT and prior is not None and _is_restored(prior, later, edit)
        )
        step = RollbackStep(
            type=first.type,
            id=first.id,
            name=str(name),
            action=action,
            changed_by_others=changed_by_others,
            changes=len(changes),
            version=version,
            latest=later[0].sequence,
            prior=prior,
            members=edit,
            current=later[0],
            already_undone=already_undone,
        )
        if action == DELETE and _has_deactivated(changes, later):
            # It undoes the deactivation alone, so the changes of others are kept.
            return replace(step, action=REACTIVATE, changed_by_others=False), step
        return (step,)


def undone_by(note: Change) -> set[str]:
    """Return the ids of the resources whose changes were all undone by a rollback.

    Args:
        note: The note of the rollback.
    """
    document = parse(note.document)
    return set(document.get("resources", ())) - set(document.get("reactivated", ()))


def reactivated_by(note: Change) -> set[str]:
    """Return the ids of the users whom a rollback only made active again.

    Args:
        note: The note of the rollback.
    """
    return set(parse(note.document).get("reactivated", ()))


def _has_deactivated(changes: Sequence[Change], later: Sequence[Change]) -> bool:
    """Tell whether a user is inactive because one of some changes deactivated them.

    Args:
        changes: The changes.
        later: All writes since the first of them, newest first.
    """
    if later[0].type != "User" or later[0].action == "delete" or _gives_access(later[0]):
        return False
    ends = (write for write, before in pairwise(later) if _gives_access(before))
    last = next(ends, None)
    return last is not None and any(change.sequence == last.sequence for change in changes)


def _gives_access(write: Change) -> bool:
    """Tell whether a user was active after a write."""
    return write.action != "delete" and parse(write.document).get("active") is not False


def _selected(
    plan: RollbackPlan, wanted: set[str], deletions: set[str], as_of: int
) -> list[RollbackStep]:
    """Return the selected steps of a plan.

    Args:
        plan: The plan.
        wanted: The ids of the resources to restore, create or reactivate.
        deletions: The ids of the resources to delete.
        as_of: `as_of` of the plan that was shown.

    Raises:
        ScimError: 400 if a resource has no such step; 409 if one has changed since `as_of`, or its
            earlier state is lost.
    """
    created = {step.id: step for step in plan.steps if step.action == DELETE}
    others = {step.id: step for step in plan.steps if step.action != DELETE}
    _check_selection(wanted, deletions, created, others)
    steps = [others[resource_id] for resource_id in others if resource_id in wanted]
    steps += [created[resource_id] for resource_id in created if resource_id in deletions]
    for step in steps:
        if step.latest > as_of:
            raise ScimError(
                409,
                f"{step.type} {step.name!r} has changed since the plan was made. Make a new plan.",
            )
        if step.action == LOST:
            raise ScimError(
                409,
                f"The earlier state of {step.type} {step.name!r} is no longer stored."
                " Leave it out.",
            )
    return steps


def _check_selection(
    wanted: set[str],
    deletions: set[str],
    created: Mapping[str, RollbackStep],
    others: Mapping[str, RollbackStep],
) -> None:
    """Check that each selected resource has a step of its kind.

    Raises:
        ScimError: 400.
    """
    if not wanted and not deletions:
        raise invalid_value("resources, deletions: select at least one resource")
    if twice := wanted & deletions:
        raise invalid_value(
            "resources, deletions: select each resource in one of them only, not in both:"
            f" {_named(twice, created, others)}"
        )
    if made := wanted & created.keys() - others.keys():
        raise invalid_value(
            "resources: undoing deletes a resource that the key created. Select it in deletions to"
            f" delete it, or leave it out: {_named(made, created)}"
        )
    if not wanted <= others.keys():
        raise invalid_value("resources: the key did not change all of these in this period")
    if kept := deletions & others.keys() - created.keys():
        raise invalid_value(
            f"deletions: the key did not create these in this period: {_named(kept, others)}"
        )
    if not deletions <= created.keys():
        raise invalid_value("deletions: the key did not create all of these in this period")


def _named(ids: set[str], *steps: Mapping[str, RollbackStep]) -> str:
    """Return the names of some resources, of the first ones if there are many."""
    names = {step.id: step.name for each in steps for step in each.values() if step.id in ids}
    shown = sorted(names.values())[:_NAMED]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


def _is_restored(prior: Change, later: Sequence[Change], edit: MemberEdit | None) -> bool:
    """Return whether a resource is in its earlier state again.

    Args:
        prior: The change that left the earlier state.
        later: All later writes, newest first.
        edit: The edit that would move members back.
    """
    if _without_meta(prior) != _without_meta(later[0]):
        return False
    # The members are back if reversing all later changes would move none of those that this edit
    # moves.
    moved = inverse_edit(reversed(later))
    if edit is None or moved is None:
        return True
    return not {*edit.add, *edit.remove} & {*moved.add, *moved.remove}


def _without_meta(change: Change) -> Document:
    return {name: value for name, value in parse(change.document).items() if name != "meta"}


def _writes(
    caller: Caller, steps: Sequence[RollbackStep], owners: Mapping[str, str | None]
) -> Iterable[Write]:
    """Yield the writes of a rollback in the order that the module describes.

    Args:
        caller: The administrator, or the client of the management API.
        steps: The steps.
        owners: The owners of the resources to create again, by resource id.
    """
    now = timestamp()
    origin = caller.origin(now)
    types = {found.name: found for found in caller.registry.types.values()}
    workspace = caller.workspace.id
    touch = bump(types[GROUP], now)
    barred = caller.may_not_change()
    for step in steps:
        if step.prior is not None or step.action == REACTIVATE:
            target = None if step.action == CREATE else step.id
            owner = owners.get(step.id, origin.connection)
            yield Write(
                workspace,
                step.type,
                target,
                _back(caller, step, _type_of(step, types), now),
                replace(origin, connection=owner),
                None,
                touch,
                guard(caller, step.type),
                barred,
            )
    for step in steps:
        if step.prior is not None and step.members is not None:
            yield Write(
                workspace,
                step.type,
                step.id,
                bump_if_members_change(types[GROUP], now),
                origin,
                step.members,
                barred=barred,
            )
    for step in sorted(steps, key=lambda step: step.type != GROUP):
        if step.action == DELETE:
            cleared = MemberEdit(clear=True) if step.type == GROUP else None
            kept = protected_from(caller)
            decide = delete_if_present(_type_of(step, types), switches(caller), kept)
            yield Write(
                workspace,
                step.type,
                step.id,
                decide,
                origin,
                cleared,
                touch,
                guard(caller, step.type),
                barred,
            )


def _back(caller: Caller, step: RollbackStep, kind: ResourceType, now: str) -> Decide:
    """Return the decision that returns a resource to its earlier state, or makes it active."""
    if step.prior is None:
        return reactivate(kind, now)
    version, rules = step.version + 1, (switches(caller), protected_from(caller))
    return restore_to(step.prior, kind, step.id, version, now, *rules)


def _type_of(step: RollbackStep, types: dict[str, ResourceType]) -> ResourceType:
    if step.type not in types:
        raise ScimError(409, f"The resource type {step.type!r} no longer exists.")
    return types[step.type]

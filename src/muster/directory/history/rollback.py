"""Undoing everything that one key did between two moments: shown first as a list, then done in one transaction.

A resource becomes what it was before the first of the key's changes. Of the members of a group only those that the key put in or
took out are moved back, so that what others did to it stays.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from muster.base.clock import timestamp
from muster.directory.documents import parse
from muster.directory.guard.enforcement import enforced, guard, switches
from muster.directory.history.outcomes import (
    bump,
    bump_if_members_change,
    delete_if_present,
    restore_to,
)
from muster.directory.history.past import MAX_CHANGES, Past, inverse_edit
from muster.directory.service import Caller
from muster.scim.document import Document
from muster.scim.errors import ScimError, invalid_value, uniqueness
from muster.scim.schema.model import ResourceType
from muster.storage.port.changes import Change, ChangeOrigin, Note
from muster.storage.port.errors import Conflict, KeyTaken
from muster.storage.port.members import GROUP, MemberEdit
from muster.storage.port.resources import Resources, Write

MAX_RESOURCES = 1000
_UNDO = "undo"


@dataclass(frozen=True, slots=True)
class RollbackStep:
    """What undoing comes to for one resource.

    action: restore, create (it was deleted), delete (the key made it) or lost, where what it was is not known any more. others:
    somebody else has changed it since, which is undone as well. changes: how many of the key's. version: its last. latest: the
    number of its last change. before: what it was. members: who is moved back. undone: it already is what it was.
    """

    type: str
    id: str
    name: str
    action: str
    others: bool
    changes: int
    version: int
    latest: int
    before: Change | None
    members: MemberEdit | None
    undone: bool = False


@dataclass(frozen=True, slots=True)
class RollbackPlan:
    """What a key did between two moments, and how it is undone. at: the number of the latest change that it takes account of."""

    steps: Sequence[RollbackStep]
    at: int


@dataclass(frozen=True, slots=True)
class Undone:
    """How many resources it was done for. left_out: ids of members who are there no more, and so in no group again."""

    count: int
    left_out: list[str]


class Rollback:
    """Plans, and carries out."""

    def __init__(self, storage: Resources) -> None:
        self._storage = storage
        self._past = Past(storage)

    async def plan(
        self, workspace: int, actor: str, since: datetime, until: datetime
    ) -> RollbackPlan:
        """How what an actor (key:ID, admin:ADDRESS) did is undone. Raises ScimError 400 where it is too much for once."""
        if until <= since:
            raise invalid_value("until must be later than since")
        plan = await self._whole(workspace, actor, since, until)
        return RollbackPlan([step for step in plan.steps if not step.undone], plan.at)

    async def _whole(
        self, workspace: int, actor: str, since: datetime, until: datetime
    ) -> RollbackPlan:
        """The plan with what is undone already."""
        at = await self._storage.latest_change(workspace)
        done, undone = await self._done(workspace, actor, since, until)
        if len(done) > MAX_RESOURCES:
            raise invalid_value(
                f"since, until: {len(done)} resources were changed, and {MAX_RESOURCES} at most are undone at once"
            )
        steps = [
            await self._step(workspace, actor, changes, undone.get(changes[0].id, 0))
            for changes in done.values()
        ]
        return RollbackPlan(steps, at)

    async def carry_out(
        self,
        caller: Caller,
        actor: str,
        since: datetime,
        until: datetime,
        at: int,
        ids: Iterable[str],
    ) -> Undone:
        """Undo it for the resources with these ids. at: of the plan that was looked at.

        Raises ScimError 403 if the guard or a provisioning switch forbids it, and 409 if a resource has changed since or
        another resource has taken one of the unique values.
        """
        wanted = set(ids)
        plan = await self._whole(caller.workspace.id, actor, since, until)
        steps = [step for step in plan.steps if step.id in wanted]
        if {step.id for step in steps} != wanted:
            raise invalid_value("resources: some of these were not changed by the key in this time")
        late = next((step for step in steps if step.latest > at), None)
        if late is not None:
            raise ScimError(
                409,
                f"{late.type} {late.name!r} has changed since the list was made: look at it again",
            )
        lost = next((step for step in steps if step.action == "lost"), None)
        if lost is not None:
            raise ScimError(409, f"what {lost.type} {lost.name!r} was before is not known any more")
        try:
            await enforced(
                self._storage, caller, list(_writes(caller, steps)), "undo", sorted(wanted)
            )
        except Conflict as conflict:
            raise uniqueness(
                f"{conflict.attribute}: another resource has a value by now that one of these had"
            ) from None
        except KeyTaken:
            raise ScimError(
                409, "one of them is there again already: look at the list again"
            ) from None
        await self._note(caller, actor, since, until, sorted(wanted))
        return Undone(len(steps), await self._left_out(caller.workspace.id, steps))

    async def _note(
        self, caller: Caller, actor: str, since: datetime, until: datetime, ids: list[str]
    ) -> None:
        """Record in the audit log what was undone, so that it is not offered again."""
        origin = ChangeOrigin(caller.actor, caller.request_id, timestamp(), caller.address)
        period = {
            "since": timestamp(since.astimezone(UTC)),
            "until": timestamp(until.astimezone(UTC)),
        }
        told = orjson.dumps({"of": actor, **period, "resources": ids})
        workspace = caller.workspace
        await self._storage.record(
            [Note(workspace.id, origin, "Workspace", workspace.name, _UNDO, told)]
        )

    async def _left_out(self, workspace: int, steps: Sequence[RollbackStep]) -> list[str]:
        """The ids of those who were taken out of a group, and are not there any more to be put back."""
        found: dict[str, None] = {}
        for step in steps:
            if step.members is not None and step.members.add and step.before is not None:
                found |= dict.fromkeys(
                    await self._past.nonmembers(workspace, step.id, step.members.add)
                )
        return list(found)

    async def _done(
        self, workspace: int, actor: str, since: datetime, until: datetime
    ) -> tuple[dict[str, list[Change]], dict[str, int]]:
        """The changes of an actor between two moments, by the resource, the oldest first; and when each was undone last.

        The latter is the number of the note that the undo left.
        """
        first, last = timestamp(since.astimezone(UTC)), timestamp(until.astimezone(UTC))
        found: dict[str, list[Change]] = {}
        undone: dict[str, int] = {}
        read = 0
        async for change in self._past.recent(workspace):
            if change.origin.time < first:
                break
            if read == MAX_CHANGES:
                raise invalid_value(
                    f"since: more than {MAX_CHANGES} changes were made after it; choose a later one"
                )
            read += 1
            if change.version and change.origin.actor == actor and change.origin.time <= last:
                found.setdefault(change.id, []).insert(0, change)
            elif change.action == _UNDO and not change.version:
                for resource_id in parse(change.document).get("resources", ()):
                    undone.setdefault(resource_id, change.sequence)
        return found, undone

    async def _step(
        self, workspace: int, actor: str, changes: Sequence[Change], undone: int
    ) -> RollbackStep:
        """What undoing comes to for the resource of these changes. undone: the number of the note of its last undo, or 0."""
        first = changes[0]
        later = [
            change
            for change in await self._past.changes_since(workspace, first.id, first.sequence)
            if change.version
        ]
        prior = await self._past.last_write(workspace, first.id, first.sequence)
        if prior is not None and prior.action == "delete":
            prior = None
        lost = prior is None and first.action != "create"
        standing = later[0].action != "delete"
        action = (
            "lost" if lost else "delete" if prior is None else "restore" if standing else "create"
        )
        others = any(
            change.sequence > first.sequence
            and change.origin.actor != actor
            and change.members is None
            for change in later
        )
        version = max(change.version for change in later)
        document = parse((prior or first).document)
        name = document.get("userName") or document.get("displayName") or first.id
        edit = inverse_edit(changes) if first.type == GROUP else None
        back = later[0].sequence < undone or (
            action == "restore" and prior is not None and _is_back(prior, later, edit)
        )
        told = (first.type, first.id, str(name), action, others, len(changes), version)
        return RollbackStep(*told, later[0].sequence, prior, edit, back)


def _is_back(prior: Change, later: Sequence[Change], edit: MemberEdit | None) -> bool:
    """Whether a resource is what it was before some changes.

    later: all changes since then, the newest first. edit: the members to be moved back.
    """
    if _without_meta(prior) != _without_meta(later[0]):
        return False
    moved = inverse_edit(reversed(later))
    if edit is None or moved is None:
        return True
    return not {*edit.add, *edit.remove} & {*moved.add, *moved.remove}


def _without_meta(change: Change) -> Document:
    return {name: value for name, value in parse(change.document).items() if name != "meta"}


def _writes(caller: Caller, steps: Sequence[RollbackStep]) -> Iterable[Write]:
    """The writes in an order in which each finds what it needs: first what is to stand, then who is in it, then what is to go."""
    now = timestamp()
    origin = ChangeOrigin(caller.actor, caller.request_id, now, caller.address)
    types = {kind.name: kind for kind in caller.registry.types.values()}
    workspace = caller.workspace.id
    touch = bump(types[GROUP], now)
    for step in steps:
        if step.before is not None:
            target = None if step.action == "create" else step.id
            yield Write(
                workspace,
                step.type,
                target,
                restore_to(
                    step.before,
                    _known(types, step),
                    step.id,
                    step.version + 1,
                    now,
                    switches(caller),
                ),
                origin,
                None,
                touch,
                guard(caller, step.type),
            )
    for step in steps:
        if step.before is not None and step.members is not None:
            yield Write(
                workspace,
                step.type,
                step.id,
                bump_if_members_change(types[GROUP], now),
                origin,
                step.members,
            )
    for step in sorted(steps, key=lambda step: step.type != GROUP):
        if step.action == "delete":
            cleared = MemberEdit(clear=True) if step.type == GROUP else None
            decide = delete_if_present(_known(types, step), switches(caller))
            yield Write(
                workspace,
                step.type,
                step.id,
                decide,
                origin,
                cleared,
                touch,
                guard(caller, step.type),
            )


def _known(types: dict[str, ResourceType], step: RollbackStep) -> ResourceType:
    if step.type not in types:
        raise ScimError(409, f"there is no resource type {step.type!r} any more")
    return types[step.type]

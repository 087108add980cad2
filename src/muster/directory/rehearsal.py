"""Dry runs: a write is executed as usual, in a transaction that is rolled back.

The use cases run unchanged on a storage whose `write` rolls back, so a dry run gives the same
status and error as the real request: validation, uniqueness, the guard and the switches included.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from muster.directory.caller import Caller
from muster.directory.documents import parse
from muster.directory.groups.member_edits import MEMBERS
from muster.directory.groups.members import first_members
from muster.directory.history.events import changed_values
from muster.directory.service import MANY_MEMBERS, Directory
from muster.scim.document import Document
from muster.scim.errors import ScimError
from muster.scim.schema.model import ResourceType
from muster.scim.values import Json
from muster.storage.port.changes import Note
from muster.storage.port.members import MemberDelta, MemberEdit
from muster.storage.port.resources import Keep, Outcome, Put, Remove, Resources, Stored, Write

_READS = frozenset({"find", "get", "members", "memberships", "page_bytes"})
"""The parts of the storage that a dry run may use as they are: those that change nothing."""


class _RehearsalStorage:
    """A storage that rolls back every write and records nothing.

    Only the reads in `_READS` go to the real storage.

    Attributes:
        attempted: The write.
        outcome: The outcome that was decided.
        current: The resource before the write.
    """

    def __init__(self, storage: Resources) -> None:
        self._storage = storage
        self.attempted: Write | None = None
        self.outcome: Outcome | None = None
        self.current: Stored | None = None

    def __getattr__(self, name: str) -> Any:
        # Anything else could change the storage, so it is a defect here and not passed on.
        if name not in _READS:
            raise AttributeError(f"a dry run does not use {name!r} of the storage")
        return getattr(self._storage, name)

    async def write(self, write: Write) -> Outcome:
        """Execute a write up to its commit. Raises the errors of the real write."""

        def decide(current: Stored | None) -> Outcome:
            self.current = current
            return write.decide(current)

        self.attempted = write
        self.outcome = await self._storage.rehearse(replace(write, decide=decide))
        return self.outcome

    async def record(self, notes: Sequence[Note], items: Sequence[object] = ()) -> None:
        """Record nothing: a dry run adds neither refusals nor held changes."""

    @property
    def delta(self) -> MemberDelta:
        """The change to the members of the group."""
        if self.current is not None:
            return self.current.delta or MemberDelta()
        edit = None if self.attempted is None else self.attempted.members
        return MemberDelta(edit.add) if isinstance(edit, MemberEdit) else MemberDelta()


def trial(storage: Resources) -> Directory:
    """Return the use cases on a storage that rolls back every write. Use it for one request."""
    return Directory(_RehearsalStorage(storage))


@dataclass(frozen=True, slots=True)
class RehearsalResult:
    """The result of a dry run.

    Attributes:
        status: The HTTP status of the answer.
        detail: The detail of the error, or a remark.
        changes: The paths of the attributes that change, each with its old and new value.
        added: The ids of the members that the group gains.
        removed: The ids of the members that the group loses.
    """

    status: int
    detail: str
    changes: Sequence[tuple[str, Json, Json]] = ()
    added: Sequence[str] = ()
    removed: Sequence[str] = ()


async def rehearse(
    storage: Resources,
    caller: Caller,
    method: str,
    resource_type: ResourceType,
    resource_id: str,
    body: Json,
    projected: bool = False,
) -> RehearsalResult:
    """Execute a request on the current state without storing its result.

    Args:
        storage: The storage.
        caller: The client that sent the request.
        method: POST, PUT, PATCH or DELETE.
        resource_type: The type of the resource.
        resource_id: Its id; empty for a POST.
        body: The parsed body.
        projected: Whether the request has `attributes` or `excludedAttributes`.
    """
    trial = _RehearsalStorage(storage)
    directory = Directory(trial)
    try:
        match method:
            case "POST":
                await directory.create(caller, resource_type, body)
            case "PUT":
                await directory.replace(caller, resource_type, resource_id, body, _any)
            case "PATCH":
                await directory.patch(caller, resource_type, resource_id, body, _any)
            case _:
                await directory.delete(caller, resource_type, resource_id, _any)
    except ScimError as error:
        return RehearsalResult(error.status, error.detail)
    before = {} if trial.current is None else parse(trial.current.document)
    delta = trial.delta
    status = (
        200
        if caller.workspace.contract == "cortex"
        else {"POST": 201, "DELETE": 204}.get(method, 200)
    )
    if method == "PATCH" and not projected and resource_type.computed == MEMBERS:
        status = 204 if await _has_many(storage, caller, resource_id, delta) else 200
    changes = _differences(before, trial.outcome)
    return RehearsalResult(status, _remark(trial.outcome), changes, delta.added, delta.removed)


async def _has_many(storage: Resources, caller: Caller, group_id: str, delta: MemberDelta) -> bool:
    """Return whether the group would be too large to be answered by a PATCH."""
    most = MANY_MEMBERS + 1 + len(delta.removed)
    members = await first_members(storage, caller.workspace.id, group_id, most)
    return len(members) + len(delta.added) - len(delta.removed) > MANY_MEMBERS


def _remark(outcome: Outcome | None) -> str:
    match outcome:
        case Keep():
            return "Nothing would change."
        case Remove():
            return "The resource would be deleted."
    return ""


def _differences(before: Document, outcome: Outcome | None) -> list[tuple[str, Json, Json]]:
    if not isinstance(outcome, Put):
        return []
    return changed_values(before, parse(outcome.stored.document))


def _any(_: Stored) -> None:
    """Accept any version."""

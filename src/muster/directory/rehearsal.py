"""A write rehearsed on the current state: carried out as usual, in a transaction that is rolled back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from muster.directory.documents import parse
from muster.directory.groups.member_edits import MEMBERS
from muster.directory.history.events import changed_values
from muster.directory.service import MANY_MEMBERS, Caller, Directory
from muster.scim.document import Document
from muster.scim.errors import ScimError
from muster.scim.schema.model import ResourceType
from muster.scim.values import Json
from muster.storage.port.changes import Note
from muster.storage.port.members import MemberDelta, MemberEdit
from muster.storage.port.resources import Keep, Outcome, Put, Remove, Resources, Stored, Write


class _Rehearsing:
    """A storage that rolls back every write and records nothing. Reads go to the real storage."""

    def __init__(self, storage: Resources) -> None:
        self._storage = storage
        self.write_tried: Write | None = None
        self.outcome: Outcome | None = None
        self.standing: Stored | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    async def write(self, write: Write) -> Outcome:
        """Carry a write out up to its commit. Raises what the real write would."""

        def decide(standing: Stored | None) -> Outcome:
            self.standing = standing
            return write.decide(standing)

        self.write_tried = write
        self.outcome = await self._storage.rehearse(replace(write, decide=decide))
        return self.outcome

    async def note(self, notes: Sequence[Note], items: Sequence[object] = ()) -> None:
        """Record nothing: a refusal in a rehearsal is no refusal."""

    @property
    def delta(self) -> MemberDelta:
        """The change of the members."""
        if self.standing is not None:
            return self.standing.delta or MemberDelta()
        edit = None if self.write_tried is None else self.write_tried.members
        return MemberDelta(edit.add) if isinstance(edit, MemberEdit) else MemberDelta()


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """The result of a rehearsed write.

    Attributes:
        status: The status of the answer.
        detail: The error's detail, or a remark.
        changes: The paths of the attributes that change, each with its value before and after.
        added: The ids that become members of the group.
        removed: The ids that are members no more.
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
) -> Rehearsed:
    """Rehearse a request on the current state.

    Args:
        storage: The storage.
        caller: The client that sends it.
        method: POST, PUT, PATCH or DELETE.
        resource_type: The type of the resource.
        resource_id: Its id; empty for a POST.
        body: The parsed body.
        projected: Whether the request chooses the attributes of the answer.
    """
    trial = _Rehearsing(storage)
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
        return Rehearsed(error.status, error.detail)
    before = {} if trial.standing is None else parse(trial.standing.document)
    delta = trial.delta
    status = (
        200
        if caller.workspace.contract == "cortex"
        else {"POST": 201, "DELETE": 204}.get(method, 200)
    )
    if method == "PATCH" and not projected and resource_type.computed == MEMBERS:
        status = 204 if await _has_many(storage, caller, resource_id, delta) else 200
    changes = _differences(before, trial.outcome)
    return Rehearsed(status, _remark(trial.outcome), changes, delta.added, delta.removed)


async def _has_many(storage: Resources, caller: Caller, group_id: str, delta: MemberDelta) -> bool:
    """Whether a group would have too many members for the answer of a PATCH."""
    members = await storage.members(
        caller.workspace.id, group_id, -1, MANY_MEMBERS + 1 + len(delta.removed)
    )
    return len(members) + len(delta.added) - len(delta.removed) > MANY_MEMBERS


def _remark(outcome: Outcome | None) -> str:
    match outcome:
        case Keep():
            return "It would change nothing."
        case Remove():
            return "The resource would be deleted."
    return ""


def _differences(before: Document, outcome: Outcome | None) -> list[tuple[str, Json, Json]]:
    if not isinstance(outcome, Put):
        return []
    return changed_values(before, parse(outcome.stored.document))


def _any(_: Stored) -> None:
    """No condition."""

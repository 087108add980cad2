"""A write tried against what stands today, with nothing written: what it would come to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from muster.directory.documents import parse
from muster.directory.events import changed_values
from muster.directory.service import Caller, Directory
from muster.scim.errors import ScimError
from muster.scim.resource import Document
from muster.scim.schema import ResourceType
from muster.scim.values import Json
from muster.storage.port import Conflict, Keep, Note, Outcome, Put, Remove, Resources, Stored, Write


class _NothingWritten:
    """A storage that reads what is there, decides as the real one would, and keeps nothing. Members are left out of it."""

    def __init__(self, storage: Resources) -> None:
        self._storage = storage
        self.outcome: Outcome | None = None
        self.standing: Stored | None = None

    def __getattr__(self, name: str) -> Any:
        """Reads are the real ones."""
        return getattr(self._storage, name)

    async def write(self, write: Write) -> Outcome:
        """What would be written. Raises what the real one would, where a unique value is another's."""
        if write.id is not None:
            self.standing = await self._storage.get(write.workspace, write.type, write.id)
        self.outcome = write.decide(self.standing)
        if isinstance(self.outcome, Put):
            for entry in sorted(self.outcome.index.unique):
                owner = await self._storage.owner(write.workspace, write.type, entry.attribute, entry.value)
                if owner is not None and owner != self.outcome.stored.id:
                    raise Conflict(entry.attribute)
        return self.outcome

    async def note(self, notes: Sequence[Note], items: Sequence[object] = ()) -> None:
        """Nothing is recorded of what was not done."""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What a write would come to. status: that it would be answered; detail: of an error. changes: the paths, with what they are
    and what they would be.
    """

    status: int
    detail: str
    changes: Sequence[tuple[str, Json, Json]] = ()


async def rehearse(
    storage: Resources, caller: Caller, method: str, resource_type: ResourceType, resource_id: str, body: Json
) -> Rehearsed:
    """What a request would come to now. method: POST, PUT, PATCH or DELETE."""
    trial = _NothingWritten(storage)
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
    status = {"POST": 201, "DELETE": 204}.get(method, 200)
    return Rehearsed(status, _said(trial.outcome), _differences(before, trial.outcome))


def _said(outcome: Outcome | None) -> str:
    match outcome:
        case Keep():
            return "it would change nothing"
        case Remove():
            return "it would be deleted"
    return ""


def _differences(before: Document, outcome: Outcome | None) -> list[tuple[str, Json, Json]]:
    if not isinstance(outcome, Put):
        return []
    return changed_values(before, parse(outcome.stored.document))


def _any(_: Stored) -> None:
    """No condition."""

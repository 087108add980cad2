"""The history: changes, notes and where they came from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from muster.storage.port.items import Item
from muster.storage.port.members import MemberDelta


@dataclass(frozen=True, slots=True)
class ChangeOrigin:
    """Where a change comes from. actor: key:ID, admin:ID or command; address: of the client, empty where there is none."""

    actor: str
    request_id: str
    time: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One row of `changes`: a write that was accepted, or what an administrator did, or what was refused.

    members: the ids that were added to a group and removed from it, where any were. before: the document of the row of the same
    resource before this one, where it was asked for. chain: the hash that links the row to the one before it.
    """

    sequence: int
    origin: ChangeOrigin
    type: str
    id: str
    action: str
    version: int
    document: bytes
    members: MemberDelta | None = None
    before: bytes | None = None
    chain: bytes | None = None


@dataclass(frozen=True, slots=True)
class ChangeFilter:
    """Which changes are looked for; empty for any. actor: how it begins (key:, admin:ADDRESS)."""

    actor: str = ""
    type: str = ""
    action: str = ""

    def matches(self, change: Change) -> bool:
        of = change.origin.actor.startswith(self.actor)
        return of and self.type in ("", change.type) and self.action in ("", change.action)


@dataclass(frozen=True, slots=True)
class Note:
    """What is recorded in `changes` beside the writes: what an administrator did to what, or what was refused and why.

    type: of what it was done to, as ApiKey, Settings, Role or User. document: JSON, without secrets. It has no version: among the
    changes its is 0.
    """

    workspace: int
    origin: ChangeOrigin
    type: str
    id: str
    action: str
    document: bytes


class Notes(Protocol):
    """What is recorded beside the writes."""

    async def note(self, notes: Sequence[Note], items: "Sequence[Item]" = ()) -> None:
        """Record what is no write to a resource, of one workspace, and keep items with it that no one need be told of."""

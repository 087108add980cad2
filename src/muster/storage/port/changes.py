"""The history: changes, notes and their origins."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from muster.storage.port.items import Item
from muster.storage.port.members import MemberDelta


@dataclass(frozen=True, slots=True)
class ChangeOrigin:
    """Who made a change, by which request and when.

    Attributes:
        actor: `key:ID`, `admin:ADDRESS`, `openid:WORKSPACE:ADDRESS`, `command`, or the name of a
            background job.
        address: The client's IP address; empty if the change was not made by a request.
        connection: The id of the connection that owns a resource made by this change; None for
            `default`, empty for no connection.
    """

    actor: str
    request_id: str
    time: str
    address: str = ""
    connection: str | None = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One row of `changes`: an accepted write, an administrative action or a refusal.

    Attributes:
        sequence: The row's number, in the order of commits within the workspace.
        version: The resource's version after the write; 0 for a note.
        document: The resource after the write, or the JSON of the note.
        members: The members added to a group and removed from it; None if none were.
        before: The document of the previous row of the same resource, if the caller asked for it.
        chain: The hash that links the row to the one before it.
        workspace: The id of the workspace, if the changes of all workspaces were read; else 0.
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
    workspace: int = 0


@dataclass(frozen=True, slots=True)
class ChangeFilter:
    """Selects changes; an empty field matches all.

    Attributes:
        actor: A prefix of the actor, such as `key:` or `admin:ADDRESS`.
        type: The resource type, such as `User`.
        action: The action, such as `create`.
        actors: The actors, of which the row has one; None for all.
    """

    actor: str = ""
    type: str = ""
    action: str = ""
    actors: frozenset[str] | None = None

    def matches(self, change: Change) -> bool:
        """Tell whether a change is selected."""
        actor = change.origin.actor
        by_actor = actor.startswith(self.actor) and (self.actors is None or actor in self.actors)
        return by_actor and self.type in ("", change.type) and self.action in ("", change.action)


@dataclass(frozen=True, slots=True)
class Note:
    """A row of `changes` that is not a write to a resource, stored with version 0.

    Notes are the actions of administrators and the refusals of the guard and the switches.

    Attributes:
        type: The type of the object, such as ApiKey, Settings, Role or User.
        document: Details as JSON, without secrets.
    """

    workspace: int
    origin: ChangeOrigin
    type: str
    id: str
    action: str
    document: bytes


class Notes(Protocol):
    """Recording of notes, which resources and accounts share."""

    async def record(self, notes: Sequence[Note], items: "Sequence[Item]" = ()) -> None:
        """Record notes of one workspace, and store items with them in one transaction.

        The epoch is not incremented, so the items must be of kinds that no process caches.
        """

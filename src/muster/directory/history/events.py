"""Events for the feed and for webhooks, derived from rows of `changes`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from muster.directory.documents import parse
from muster.directory.guard.policy import deactivates
from muster.scim.document import Document
from muster.scim.schema.model import Registry
from muster.scim.values import Json
from muster.storage.audit.chain import FORGET
from muster.storage.port.changes import Change
from muster.storage.port.members import GROUP

_OMITTED = frozenset({"schemas", "meta", "id"})
_USER = "User"
_GUARD_HELD = "guard.held"
_SENTENCES = {
    "created": "A {} was created.",
    "updated": "Attributes of a {} changed.",
    "deleted": "A {} was deleted.",
    "deactivated": "A {} was deactivated.",
    "reactivated": "A {} was activated again.",
    "member_added": "Members were added to a {}.",
    "member_removed": "Members were removed from a {}.",
}


def document_in_log(change: Change, base: str = "") -> Document:
    """Return the document of a row as the audit log shows it.

    The note of an erasure has the sequence numbers of the erased rows, which count the changes of
    all workspaces; the hashes say as much to those who compare them.

    Args:
        change: The row.
        base: The URL that ends in /scim/v2, for references; without it they are relative.
    """
    document = parse(change.document, base)
    if change.action == FORGET and not change.version:
        return {**document, "rows": [hashes for _, *hashes in document["rows"]]}
    return document


def event_types(registry: Registry) -> list[str]:
    """Return the types of events that can occur with these resource types."""
    found = []
    for resource_type in registry.types.values():
        actions = ["created", "updated", "deleted"]
        if resource_type.name == _USER:
            actions += ["deactivated", "reactivated"]
        if resource_type.name == GROUP:
            actions += ["member_added", "member_removed"]
        found += [f"{_noun(resource_type.name)}.{action}" for action in actions]
    return [*found, _GUARD_HELD]


def describe(event_type: str) -> str:
    """Return a sentence that says when an event of a type occurs."""
    if event_type == _GUARD_HELD:
        return "The deprovisioning guard held a change for review."
    noun, _, action = event_type.partition(".")
    return _SENTENCES[action].format(noun)


def _noun(type_name: str) -> str:
    return type_name[:1].lower() + type_name[1:]


@dataclass(frozen=True, slots=True)
class Event:
    """One event of one resource.

    Attributes:
        type: The type of the event, such as user.created.
        change: The row of `changes` that it is derived from.
        attributes: The paths of the attributes that changed.
        members: The ids of the members that were added or removed.
        resource: The resource after the change.
    """

    type: str
    change: Change
    attributes: Sequence[str] = ()
    members: Sequence[str] = ()
    resource: Document = field(default_factory=dict)

    @property
    def actor(self) -> str:
        """The actor of the change."""
        return self.change.origin.actor

    def to_json(self, connection: str | None = None) -> dict[str, Any]:
        """Return the event as JSON, without an id; the feed and the webhooks add theirs.

        Args:
            connection: The id of the connection that made the change; None for an administrator or
                a command.
        """
        change = self.change
        event: dict[str, Any] = {
            "type": self.type,
            "time": change.origin.time,
            "actor": change.origin.actor,
            "connection": connection,
            "requestId": change.origin.request_id,
            "resourceType": change.type,
            "resourceId": change.id,
            "version": change.version,
        }
        if self.attributes:
            event["attributes"] = list(self.attributes)
        if self.members:
            event["members"] = list(self.members)
        return {**event, "resource": self.resource}


def events(change: Change, base: str = "") -> Iterator[Event]:
    """Yield the events of a row of `changes`, in order.

    One write can have several events: an update that sets `active` to false is user.updated and
    user.deactivated. Notes have none, except for a change that the guard holds, and for a deleted
    resource that is erased: it is deleted once more, for those who had not read that.

    Args:
        change: The row.
        base: The URL that ends in /scim/v2, for references in the resources; without it they are
            relative.
    """
    if not change.version:
        if change.action == "hold":
            yield Event(_GUARD_HELD, change, resource=parse(change.document))
        elif change.action == FORGET:
            yield Event(f"{_noun(change.type)}.deleted", change, resource={"id": change.id})
        return
    noun, document = _noun(change.type), parse(change.document, base)
    if change.action == "create":
        yield Event(f"{noun}.created", change, resource=document)
    elif change.action == "delete":
        yield Event(f"{noun}.deleted", change, resource=document)
    else:
        yield from _updates(noun, change, document)
    if change.type == GROUP and change.members is not None and change.action != "delete":
        if change.members.added:
            yield Event(
                f"{noun}.member_added", change, members=change.members.added, resource=document
            )
        if change.members.removed:
            yield Event(
                f"{noun}.member_removed", change, members=change.members.removed, resource=document
            )


def _updates(noun: str, change: Change, document: Document) -> Iterator[Event]:
    before = parse(change.before) if change.before is not None else {}
    paths = changed_paths(before, document)
    if paths or not change.members:
        yield Event(f"{noun}.updated", change, paths, resource=document)
    if change.type == _USER and change.before is not None:
        if deactivates(before, document):
            yield Event(f"{noun}.deactivated", change, resource=document)
        elif before.get("active") is False and document.get("active") is not False:
            yield Event(f"{noun}.reactivated", change, resource=document)


def changed_paths(before: Document, after: Document) -> list[str]:
    """Return the paths of the top-level attributes, of extensions too, that differ."""
    paths: list[str] = []
    for name in sorted(before.keys() | after.keys()):
        if name in _OMITTED:
            continue
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if ":" in name:
            old, new = old or {}, new or {}
            paths.extend(
                f"{name}:{inner}"
                for inner in sorted(old.keys() | new.keys())
                if old.get(inner) != new.get(inner)
            )
        else:
            paths.append(name)
    return paths


def changed_values(before: Document, after: Document) -> list[tuple[str, Json, Json]]:
    """Return the paths of `changed_paths`, each with its old and new value or None."""
    return [
        (path, _value_at(before, path), _value_at(after, path))
        for path in changed_paths(before, after)
    ]


def _value_at(document: Document, path: str) -> Json:
    urn, colon, name = path.rpartition(":")
    holder = document.get(urn) if colon else document
    return (holder or {}).get(name)

"""The feed: what changed, as events, read off `changes`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from muster.directory.documents import parse
from muster.directory.guard.policy import deactivates
from muster.scim.document import Document
from muster.scim.schema.model import Registry
from muster.scim.values import Json
from muster.storage.port.changes import Change
from muster.storage.port.members import GROUP

_UNTOLD = frozenset({"schemas", "meta", "id"})
_USER = "User"
_GUARD_HELD = "guard.held"


def event_types(registry: Registry) -> list[str]:
    """Every type of event that a workspace with these resource types can have."""
    found = []
    for resource_type in registry.types.values():
        actions = ["created", "updated", "deleted"]
        if resource_type.name == _USER:
            actions += ["deactivated", "reactivated"]
        if resource_type.name == GROUP:
            actions += ["member_added", "member_removed"]
        found += [f"{_noun(resource_type.name)}.{action}" for action in actions]
    return [*found, _GUARD_HELD]


def _noun(type_name: str) -> str:
    return type_name[:1].lower() + type_name[1:]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to one resource. type: as user.created. attributes: the paths that changed; members: ids."""

    type: str
    change: Change
    attributes: Sequence[str] = ()
    members: Sequence[str] = ()
    resource: Document = field(default_factory=dict)

    def shown(self) -> dict[str, Any]:
        """The event as JSON, but for its id, which whoever tells it gives."""
        change = self.change
        told: dict[str, Any] = {
            "type": self.type,
            "time": change.origin.time,
            "actor": change.origin.actor,
            "requestId": change.origin.request_id,
            "resourceType": change.type,
            "resourceId": change.id,
            "version": change.version,
        }
        if self.attributes:
            told["attributes"] = list(self.attributes)
        if self.members:
            told["members"] = list(self.members)
        return {**told, "resource": self.resource}


def events(change: Change, base: str = "") -> Iterator[Event]:
    """The events that a row of `changes` comes to, in order; none where it is no write to a resource.

    base: the URL that ends in /scim/v2, for references within the resources; without one they are relative.
    """
    if not change.version:
        if change.action == "hold":
            yield Event(_GUARD_HELD, change, resource=parse(change.document))
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
    """The attributes, of extensions too, whose values differ between two documents."""
    paths: list[str] = []
    for name in sorted(before.keys() | after.keys()):
        if name in _UNTOLD:
            continue
        one, other = before.get(name), after.get(name)
        if one == other:
            continue
        if ":" in name:
            one, other = one or {}, other or {}
            paths.extend(
                f"{name}:{inner}"
                for inner in sorted(one.keys() | other.keys())
                if one.get(inner) != other.get(inner)
            )
        else:
            paths.append(name)
    return paths


def changed_values(before: Document, after: Document) -> list[tuple[str, Json, Json]]:
    """The paths of `changed_paths`, each with its value before and after; None where it has no value."""
    return [
        (path, _value_at(before, path), _value_at(after, path))
        for path in changed_paths(before, after)
    ]


def _value_at(document: Document, path: str) -> Json:
    urn, colon, name = path.rpartition(":")
    holder = document.get(urn) if colon else document
    return (holder or {}).get(name)

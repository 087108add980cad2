"""What a write that an administrator decides comes to: a resource as it was, its members moved, or gone; for Write.decide."""

from collections.abc import Callable

from muster.directory.documents import index_of_document, make_put, next_version, parse
from muster.scim.schema import ResourceType
from muster.storage.port import Change, Keep, Outcome, Put, Remove, Stored

Decide = Callable[[Stored | None], Outcome]


def restored(before: Change, kind: ResourceType, resource_id: str, version: int, now: str) -> Decide:
    """A resource as it was after a change. version: its next one, where it is not there."""

    def decide(standing: Stored | None) -> Outcome:
        document = parse(before.document)
        meta = document.pop("meta")
        if standing is None:
            return make_put(document, kind, resource_id, version, meta["created"], now)
        current = parse(standing.document)
        current.pop("meta")
        if current == document and not standing.delta:
            return Keep(standing)
        return next_version(standing, document, kind, now)

    return decide


def moved(group_type: ResourceType, now: str) -> Decide:
    """A group at its next version, where the edit of its members comes to anything."""

    def decide(standing: Stored | None) -> Outcome:
        if standing is None or not standing.delta:
            return Keep(standing or Stored("", 0, b""))
        return touched(group_type, now)(standing)

    return decide


def removed(kind: ResourceType) -> Decide:
    """Nothing; where somebody else was first, that is kept so."""

    def decide(standing: Stored | None) -> Outcome:
        if standing is None:
            return Keep(Stored("", 0, b""))
        return Remove(standing, index_of_document(parse(standing.document), kind))

    return decide


def touched(group_type: ResourceType, now: str) -> Callable[[Stored], Put]:
    """A group as it stands, at its next version."""
    return lambda standing: next_version(standing, parse(standing.document), group_type, now)

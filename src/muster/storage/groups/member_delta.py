"""Computes the effect of a member edit, and stores it in `changes`."""

from collections.abc import Mapping

import orjson

from muster.storage.ids import key_of
from muster.storage.port.errors import NoSuchMember
from muster.storage.port.members import MemberDelta, MemberEdit


def keys_of(ids: tuple[str, ...]) -> dict[int, str]:
    """Return the ids by key, each once.

    An id without a key is left out; `comes_to` reports it as missing.
    """
    return {key: resource_id for resource_id in ids if (key := key_of(resource_id)) is not None}


def comes_to(edit: MemberEdit, there: Mapping[int, str], current: Mapping[int, str]) -> MemberDelta:
    """Return the members that an edit adds and removes.

    Args:
        there: The resources of `edit.add` that exist and may be members, by key.
        current: All members, or at least those that the edit names, by key.

    Raises:
        NoSuchMember: A resource to add does not exist, and the edit is not lenient.
    """
    missing = {
        resource_id
        for resource_id in edit.add
        if there.get(key_of(resource_id) or 0) != resource_id
    }
    if missing and not edit.lenient:
        raise NoSuchMember(next(resource_id for resource_id in edit.add if resource_id in missing))
    wanted = {
        key: resource_id
        for key, resource_id in keys_of(edit.add).items()
        if resource_id not in missing
    }
    added = tuple(resource_id for key, resource_id in wanted.items() if key not in current)
    if edit.clear:
        return MemberDelta(
            added, tuple(resource_id for key, resource_id in current.items() if key not in wanted)
        )
    leaving = keys_of(edit.remove)
    removed = tuple(
        resource_id for key, resource_id in leaving.items() if current.get(key) == resource_id
    )
    gone = set(removed)
    return MemberDelta(
        added, removed, tuple(resource_id for resource_id in edit.remove if resource_id not in gone)
    )


def moves(delta: MemberDelta | None) -> str | None:
    """Serialise a delta: {"added": [ids], "removed": [ids]}; None if nothing changed."""
    return (
        orjson.dumps({"added": delta.added, "removed": delta.removed}).decode() if delta else None
    )


def moved(column: str | None) -> MemberDelta | None:
    """Read a delta from its column."""
    if column is None:
        return None
    kept = orjson.loads(column)
    return MemberDelta(tuple(kept["added"]), tuple(kept["removed"]))

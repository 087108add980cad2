"""What an edit of a group's members comes to, and how `changes` keeps it. For every engine."""

from collections.abc import Mapping

import orjson

from muster.storage.ids import key_of
from muster.storage.port.errors import NoSuchMember
from muster.storage.port.members import MemberDelta, MemberEdit


def keys_of(ids: tuple[str, ...]) -> dict[int, str]:
    """The ids by their keys, each once. What is no id of ours has none; comes_to finds that it is not there."""
    return {key: resource_id for resource_id in ids if (key := key_of(resource_id)) is not None}


def comes_to(edit: MemberEdit, there: Mapping[int, str], current: Mapping[int, str]) -> MemberDelta:
    """What an edit comes to. there: those of `add` that may be members, by key; current: all members, or those the edit names.

    Raises NoSuchMember.
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
    """A delta as its column has it: {"added": [ids], "removed": [ids]}, or None where nothing moved."""
    return (
        orjson.dumps({"added": delta.added, "removed": delta.removed}).decode() if delta else None
    )


def moved(column: str | None) -> MemberDelta | None:
    """The delta that a column has."""
    if column is None:
        return None
    kept = orjson.loads(column)
    return MemberDelta(tuple(kept["added"]), tuple(kept["removed"]))

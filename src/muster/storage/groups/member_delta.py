"""The effect of an edit on a group's members, and its column in `changes`."""

from collections.abc import Mapping

import orjson

from muster.storage.ids import key_of
from muster.storage.port.errors import NoSuchMember
from muster.storage.port.members import MemberDelta, MemberEdit


def ids_by_key(ids: tuple[str, ...]) -> dict[int, str]:
    """Return the ids by their keys, without those that muster cannot have generated."""
    return {key: resource_id for resource_id in ids if (key := key_of(resource_id)) is not None}


def delta_of(
    edit: MemberEdit, existing: Mapping[int, str], current: Mapping[int, str]
) -> MemberDelta:
    """Compute the effect of an edit on a group's members.

    Args:
        existing: Those of `edit.add` that are users or groups, by key.
        current: The members by key: all of them, or at least those that the edit names.

    Raises:
        NoSuchMember: An id in `edit.add` does not exist, and the edit is not lenient.
    """
    missing = {
        resource_id
        for resource_id in edit.add
        if existing.get(key_of(resource_id) or 0) != resource_id
    }
    if missing and not edit.lenient:
        raise NoSuchMember(next(resource_id for resource_id in edit.add if resource_id in missing))
    # Two texts can have one key: an id, and the same id in upper case. Only one of them exists.
    wanted = ids_by_key(tuple(one for one in edit.add if one not in missing))
    added = tuple(resource_id for key, resource_id in wanted.items() if key not in current)
    if edit.clear:
        return MemberDelta(
            added, tuple(resource_id for key, resource_id in current.items() if key not in wanted)
        )
    removed = tuple(one for one in edit.remove if current.get(key_of(one) or 0) == one)
    gone = set(removed)
    return MemberDelta(
        added, removed, tuple(resource_id for resource_id in edit.remove if resource_id not in gone)
    )


def delta_to_column(delta: MemberDelta | None) -> str | None:
    """Serialise a delta as `{"added": [ids], "removed": [ids]}`; None if it is empty."""
    return (
        orjson.dumps({"added": delta.added, "removed": delta.removed}).decode() if delta else None
    )


def delta_from_column(column: str | None) -> MemberDelta | None:
    """Parse the delta in a column."""
    if column is None:
        return None
    delta = orjson.loads(column)
    return MemberDelta(tuple(delta["added"]), tuple(delta["removed"]))

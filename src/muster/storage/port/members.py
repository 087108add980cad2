"""Members of groups, and edits of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from muster.scim.values import Json

GROUP = "Group"
"""The name of the resource type that has members."""


MEMBER_TYPES = ("User", GROUP)
"""The names of the resource types that members may have (RFC 7643 section 4.2)."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a group.

    Attributes:
        key: The key of the member's row; members are ordered by it.
        display: The member's display name, or None.
    """

    key: int
    id: str
    type: str
    display: str | None


@dataclass(frozen=True, slots=True)
class MemberEdit:
    """A change to the members of a group.

    Attributes:
        add: Ids to add.
        remove: Ids to remove.
        clear: Remove every member that is not in `add`.
        lenient: Skip ids in `add` that do not exist, instead of raising NoSuchMember.
    """

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    clear: bool = False
    lenient: bool = False


@dataclass(frozen=True, slots=True)
class MemberChoice:
    """A change to a group's members that depends on the members at that moment.

    Attributes:
        named: The ids that may be added.
        edit: Computes the edit from the current members and from those of `named` that exist, by
            id. It must be pure; raising rejects the write and changes nothing.
    """

    named: tuple[str, ...]
    edit: Callable[[Sequence[Member], Mapping[str, Member]], MemberEdit]


@dataclass(frozen=True, slots=True)
class MemberDelta:
    """The effect of an edit on a group's members.

    Attributes:
        added: Ids that were not members before.
        removed: Ids that were.
        absent: Ids that could not be removed because they were not members.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)

    def as_json(self) -> dict[str, Json]:
        """Return the delta as JSON, as answers and notes show it."""
        return {"added": list(self.added), "removed": list(self.removed)}


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups that contain a resource, in the order of their ids.

    Attributes:
        elements: The elements of the attribute `groups` as JSON, separated by commas.
        digest: A short hash of the elements, which is part of the resource's ETag.
    """

    elements: bytes
    digest: str

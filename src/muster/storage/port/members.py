"""Members of groups, and edits of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from muster.scim.values import Json

GROUP = "Group"


MEMBER_TYPES = ("User", GROUP)


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a group. key: what members are in the order of. display: what it is called, if anything."""

    key: int
    id: str
    type: str
    display: str | None


@dataclass(frozen=True, slots=True)
class MemberEdit:
    """What a write does to a group's members. add, remove: ids; where clear is set, all that are not in add are removed.

    lenient: who is not there any more is not added; else that is NoSuchMember.
    """

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    clear: bool = False
    lenient: bool = False


@dataclass(frozen=True, slots=True)
class MemberChoice:
    """A change of a group's members that depends on who they are when it is carried out.

    Attributes:
        named: The ids that may be added.
        edit: Computes the edit from the current members and from those of `named` that exist, by id. It must be pure;
            raising rejects the write and changes nothing.
    """

    named: tuple[str, ...]
    edit: Callable[[Sequence[Member], Mapping[str, Member]], MemberEdit]


@dataclass(frozen=True, slots=True)
class MemberDelta:
    """What an edit comes to. added, removed: ids that were not members, and that were. absent: what cannot be removed."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)

    def shown(self) -> dict[str, Json]:
        """The delta as JSON."""
        return {"added": list(self.added), "removed": list(self.removed)}


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups that a resource is in: elements of `groups` with commas in between, in the order of their ids.

    digest: of the elements, short: another where any of them is.
    """

    elements: bytes
    digest: str

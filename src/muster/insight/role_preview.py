"""The users whom a change of role mappings affects, before it is made."""

import json
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass

from muster.access.role_mappings import RoleMapping, RoleMappings, granted
from muster.directory.caller import Caller
from muster.directory.documents import parse_all
from muster.directory.service import Directory, Search
from muster.scim.document import Document

MOST_EXAMINED = 5_000
"""The most users whose roles are computed before and after a change."""
_PAGE = 500
_NAMED = 10


@dataclass(frozen=True, slots=True)
class AffectedUser:
    """A user whose roles a change changes.

    Attributes:
        id: The id.
        user_name: The userName.
        display_name: The displayName; empty if there is none.
        gained: The roles that the user gets, with the tag or None.
        lost: The roles that the user loses.
    """

    id: str
    user_name: str
    display_name: str
    gained: Sequence[tuple[str, str | None]]
    lost: Sequence[tuple[str, str | None]]


@dataclass(frozen=True, slots=True)
class MappingPreview:
    """The effect of a change of role mappings on the users of a workspace.

    Attributes:
        matched: The users with a value that the change is about.
        complete: Whether all of them were examined; the numbers below count the examined ones.
        affected: The users whose roles change.
        gaining: The users who get a role.
        losing: The users who lose one.
        users: The first users whose roles change.
    """

    matched: int
    complete: bool
    affected: int
    gaining: int
    losing: int
    users: Sequence[AffectedUser]


class RolePreview:
    """Computes the effect of changes of role mappings."""

    def __init__(self, directory: Directory, mappings: RoleMappings) -> None:
        self._directory = directory
        self._mappings = mappings

    async def preview(
        self, caller: Caller, add: Sequence[RoleMapping] = (), remove: Collection[str] = ()
    ) -> MappingPreview:
        """Return the effect of adding and removing mappings.

        Args:
            caller: Who asks.
            add: The mappings to add.
            remove: The ids of the mappings to remove.

        Raises:
            ScimError: 404 if a mapping to remove does not exist; tooMany if the workspace is too
                large to find the users.
        """
        workspace = caller.workspace.id
        gone = [await self._mappings.get(workspace, mapping_id) for mapping_id in remove]
        before = await self._mappings.all(workspace)
        kept = {mapping.id: mapping for mapping in before if mapping.id not in remove}
        after = [*kept.values(), *(mapping for mapping in add if mapping.id not in kept)]
        values = {mapping.idp_value for mapping in (*add, *gone)}
        tally = _Tally(values, before, after)
        async for users in self._users(caller, values):
            for user in users:
                tally.examine(user)
        return tally.result()

    async def _users(
        self, caller: Caller, values: Collection[str]
    ) -> AsyncIterator[Sequence[Document]]:
        """Yield users with one of the values, in any case, a page at a time."""
        if not values:
            return
        terms = (
            f"roles.value eq {json.dumps(value, ensure_ascii=False)}" for value in sorted(values)
        )
        search = Search(" or ".join(terms), count=_PAGE, by_cursor=True)
        kind, left = caller.registry.types["/Users"], MOST_EXAMINED + 1
        while left > 0:
            page = await self._directory.find(caller, kind, search)
            yield parse_all(page.documents)[:left]
            left -= page.count
            if page.following is None:
                return
            search.after = page.following


class _Tally:
    """Counts the users whose roles differ between two sets of mappings."""

    def __init__(
        self,
        values: Collection[str],
        before: Sequence[RoleMapping],
        after: Sequence[RoleMapping],
    ) -> None:
        self._values = values
        self._before, self._after = before, after
        self._examined = self._matched = 0
        self._affected = self._gaining = self._losing = 0
        self._users: list[AffectedUser] = []

    def examine(self, user: Document) -> None:
        """Count a user."""
        self._examined += 1
        if self._examined > MOST_EXAMINED:
            return
        roles = user.get("roles") or ()
        # A search ignores case, and a mapping does not.
        if not any(role.get("value") in self._values for role in roles):
            return
        self._matched += 1
        was, now = _roles(user, self._before), _roles(user, self._after)
        gained, lost = [role for role in now if role not in was], [r for r in was if r not in now]
        self._gaining += bool(gained)
        self._losing += bool(lost)
        if not gained and not lost:
            return
        self._affected += 1
        if len(self._users) < _NAMED:
            name = user.get("displayName") or ""
            self._users.append(AffectedUser(user["id"], user["userName"], name, gained, lost))

    def result(self) -> MappingPreview:
        """Return the numbers."""
        numbers = (self._affected, self._gaining, self._losing)
        complete = self._examined <= MOST_EXAMINED
        return MappingPreview(self._matched, complete, *numbers, self._users)


def _roles(user: Document, mappings: Sequence[RoleMapping]) -> list[tuple[str, str | None]]:
    return [(entry["role"], entry["tag"]) for entry in granted(user.get("roles"), mappings)]

"""Reads the members of a group, however many there are."""

from collections.abc import AsyncIterator, Sequence

from muster.storage.port.members import Member
from muster.storage.port.resources import Resources

_PAGE = 1000
_BEFORE_ALL = -1


async def member_pages(
    storage: Resources, workspace: int, group_id: str
) -> AsyncIterator[Sequence[Member]]:
    """Yield all members of a group, a page at a time, in the order of their ids.

    The pages are read one after the other, so members may be added and removed in between. A member
    that stays throughout is yielded exactly once.
    """
    after = _BEFORE_ALL
    while True:
        page = await storage.members(workspace, group_id, after, _PAGE)
        if page:
            yield page
        if len(page) < _PAGE:
            return
        after = page[-1].key


async def all_members(storage: Resources, workspace: int, group_id: str) -> AsyncIterator[Member]:
    """Yield all members of a group, as `member_pages` reads them."""
    async for page in member_pages(storage, workspace, group_id):
        for member in page:
            yield member


async def first_members(
    storage: Resources, workspace: int, group_id: str, most: int
) -> Sequence[Member]:
    """Return the members of a group with the lowest ids, at most so many."""
    return await storage.members(workspace, group_id, _BEFORE_ALL, most)

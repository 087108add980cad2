"""Display names for actors, and lists of resource ids for messages."""

from collections.abc import Sequence

from muster.storage.port.accounts import Accounts

_LISTED = 20


async def names_of(accounts: Accounts, workspace: int) -> dict[str, str]:
    """Return the display name of each API key of a workspace, by its actor.

    Administrators have no entry: their actor is readable as it is.
    """
    return {f"key:{key.id}": f"key {key.name}" for key in await accounts.keys(workspace)}


def listed(ids: Sequence[str]) -> str:
    """Join the first ids with commas, followed by the number of the remaining ones."""
    more = f" and {len(ids) - _LISTED} more" if len(ids) > _LISTED else ""
    return ", ".join(ids[:_LISTED]) + more

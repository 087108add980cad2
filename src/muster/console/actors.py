"""What those who did something are called, and how those to whom something was done are told."""

from collections.abc import Sequence

from muster.storage.port.accounts import Accounts

_TOLD = 20


async def names_of(accounts: Accounts, workspace: int) -> dict[str, str]:
    """What the keys of a workspace are called, by the actor that each is. An administrator is called as the actor is."""
    return {f"key:{key.id}": f"key {key.name}" for key in await accounts.keys(workspace)}


def told(ids: Sequence[str]) -> str:
    """Some ids in a sentence, and how many there are besides."""
    more = f" and {len(ids) - _TOLD} more" if len(ids) > _TOLD else ""
    return ", ".join(ids[:_TOLD]) + more

"""What those who did something are called."""

from muster.storage.port import Accounts


async def names_of(accounts: Accounts, workspace: int) -> dict[str, str]:
    """What the keys of a workspace are called, by the actor that each is. An administrator is called as the actor is."""
    return {f"key:{key.id}": f"key {key.name}" for key in await accounts.keys(workspace)}
